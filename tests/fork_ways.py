"""`python -m tests.fork_ways WAY ...`: fork in these ways; exits with 0 if all children were right.

In a process of its own, since a fork that goes wrong hangs or ends it. A parent computes first
(but for "before"), then its children compute the same; each must give the same bits and end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

import npnet
from npnet import nn, optim
from npnet.base.threads import map_in_order
from npnet.nn import functional as F
from npnet.utils.data import DataLoader, TensorDataset
from tests.campaign import choose, trials

SECONDS = 120  # for a child; on a busy machine it may have to compile
FORK = multiprocessing.get_context("fork")

npnet.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(288, 10)
)
compiled = npnet.compile(model)
images = npnet.tensor(np.random.default_rng(0).standard_normal((40, 3, 8, 8), dtype=np.float32))
labels = npnet.tensor(np.arange(40) % 10)


def work(_: Any = None) -> bytes:
    """The gradients of a batch, an update on copies, and a compiled forward pass."""
    model.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    grads = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    copies = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
    for copy, grad in zip(copies, grads, strict=True):
        copy.grad = npnet.tensor(grad)
    optim.Adam(copies).step()
    with npnet.no_grad():
        y = compiled(images).numpy()
    doubled = map_in_order(lambda k: 2 * k, range(9))
    return b"".join(
        a.tobytes() for a in (*grads, *[c.detach().numpy() for c in copies], y)
    ) + bytes(doubled)


def work_on_four(_: Any = None) -> bytes:
    npnet.set_num_threads(4)
    return work()


def child(compute: Callable[[], bytes] = work) -> bytes:
    """What a child made by os.fork computes; TimeoutError, and its end, if it never does."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        try:
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                pipe.write(compute())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        result = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"the child ended with {status}"
    return result


def pool(expected: bytes) -> bool:
    with FORK.Pool(2) as workers:
        return workers.map_async(work, range(6)).get(SECONDS) == [expected] * 6


def executor(expected: bytes) -> bool:
    with ProcessPoolExecutor(2, mp_context=FORK) as workers:
        return list(workers.map(work, range(6), timeout=SECONDS)) == [expected] * 6


def process(expected: bytes) -> bool:
    queue = FORK.SimpleQueue()
    one = FORK.Process(target=lambda: queue.put(work()))
    one.start()
    result = queue.get()
    one.join(SECONDS)
    return result == expected and one.exitcode == 0


def more_threads(expected: bytes) -> bool:
    """A child that asks for more threads than its parent, and a worker that does."""
    with FORK.Pool(1) as workers:
        in_pool = workers.map_async(work_on_four, range(2)).get(SECONDS)
    return in_pool == [expected] * 2 and child(work_on_four) == expected


def from_thread(expected: bytes) -> bool:
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(child()))
    thread.start()
    thread.join(SECONDS)
    return found == [expected]


def loader(expected: bytes) -> bool:
    """A loader with workers, in a child as in its parent."""

    def load() -> bytes:
        batches = DataLoader(TensorDataset(images, labels), 40, num_workers=2)
        return b"".join(x.numpy().tobytes() for x, _ in batches) + work()

    return child(load) == images.numpy().tobytes() + expected


def pytorch(expected: bytes) -> bool:
    """PyTorch's OpenMP has run in the parent too."""
    import torch

    torch.nn.functional.conv2d(torch.zeros(32, 3, 32, 32), torch.zeros(8, 3, 3, 3))
    return child() == expected


def new_kernels(expected: bytes) -> bool:
    """A child loads or compiles what its parent did not."""
    y = F.max_pool2d(images, 2).numpy()

    def pooled() -> bytes:
        x = F.conv2d(images, npnet.ones(4, 3, 3, 3), stride=2).sigmoid()
        assert F.avg_pool2d(x, 3).numpy().shape == (40, 4, 1, 1)
        return F.max_pool2d(images, 2).numpy().tobytes()

    return child(pooled) == y.tobytes() and child() == expected


def grandchild(expected: bytes) -> bool:
    return child(lambda: child(lambda: child())) == expected


@contextmanager
def busy() -> Any:
    """Other threads compute, move tensors, compile functions and take locks all the while."""
    stop = threading.Event()

    def compute() -> None:
        mine = nn.Conv2d(3, 8, 3)
        while not stop.is_set():
            y = mine(images)
            y.flatten(1).numpy()
            y.sum().backward()
            with npnet.no_grad():
                compiled(images)
            map_in_order(lambda k: k, range(9))

    def compile_functions() -> None:
        while not stop.is_set():
            assert numba.njit(lambda x: x + 1)(1) == 2

    threads = [threading.Thread(target=f) for f in (compute, compute, compile_functions)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def while_busy(expected: bytes) -> bool:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with busy():
            return all(child() == expected for _ in range(trials(4, 60)))
    finally:
        sys.setswitchinterval(before)


WAYS = {
    f.__name__: f
    for f in (pool, executor, process, more_threads, from_thread, loader, pytorch, new_kernels)
}
WAYS |= {f.__name__: f for f in (grandchild, while_busy)}


def main(size: str, *ways: str) -> None:
    """Try the ways, and let the parent compute after each."""
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12's, of threads and fork
    choose(size)
    npnet.set_num_threads(2)
    if "before" in ways:
        first = child()
    expected = work()
    if "before" in ways:
        assert first == expected, "before"
    for name in ways:
        if name != "before":
            assert WAYS[name](expected), name
            assert work() == expected, f"the parent after {name}"


if __name__ == "__main__":
    main(*sys.argv[1:])
