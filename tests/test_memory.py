"""The memory that npnet keeps for its next arrays: bounded, given back, and quiet at exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import accelerator, cuda
from npnet.base import memory as _memory
from npnet.kernels import lanes
from tests import campaign


def new_pool(kept: int = 4, largest: int = 100, sizes: int = 8, most: int = 300) -> lanes._Pool:
    return lanes._Pool(kept, largest, sizes, most)


def give(pool: lanes._Pool, *sizes: int) -> None:
    for size in sizes:
        pool.give(np.empty(size, np.uint8))


def held(pool: lanes._Pool) -> dict[int, int]:
    return {size: len(shelf.pieces) for size, shelf in pool._shelves.items() if shelf.pieces}


def test_a_piece_is_lent_again() -> None:
    pool = new_pool()
    memory = pool.take(64)
    pool.give(memory)
    assert pool.take(64) is memory
    assert pool.take(64) is not memory
    assert pool.held == 0


def test_the_bound_is_in_bytes_and_the_oldest_sizes_go() -> None:
    pool = new_pool()
    give(pool, 90, 80, 90, 70, 60)
    assert held(pool) == {70: 1, 60: 1}  # for 70 the piece of 80 went, for 60 those of 90
    assert pool.held == 130
    give(pool, 60, 70, 60)
    assert held(pool) == {60: 3}  # 320 bytes were too many, and 70 was older


def test_few_sizes_few_pieces_and_none_too_large() -> None:
    pool = new_pool()
    give(pool, *range(1, 12), 1, 1, 1, 1, 1, 101)
    assert held(pool) == {1: 4, **dict.fromkeys(range(5, 12), 1)}


def test_everything_together_stays_below_the_bound() -> None:
    rng = np.random.default_rng(0)
    for n in rng.integers(1, 300, 60):
        arrays = [lanes.empty((int(n), 64, 64)) for _ in range(5)]
        del arrays
        assert sum(size * k for size, k in held(lanes._pool).items()) <= lanes.MOST
    npnet.empty_cache()
    assert held(lanes._pool) == {}


def test_threads_leave_the_count_right() -> None:
    def use() -> None:
        for k in range(300):
            a = [pool.take(10 + (k + i) % 9) for i in range(3)]
            for memory in a:
                pool.give(memory)

    before, pool = sys.getswitchinterval(), new_pool(sizes=6)
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=use) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    pool._shrink()
    assert pool.held == sum(size * k for size, k in held(pool).items())


def test_where_there_is_no_memory_the_pool_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = new_pool()
    give(pool, 90, 80)
    asked: list[int] = []

    def empty(size: int, dtype: type) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        asked.append(size)
        if held(pool):
            raise MemoryError
        return np.zeros(size, np.uint8)

    monkeypatch.setattr(lanes.np, "empty", empty)
    assert pool.take(50).size == 50
    assert asked == [50 + lanes.ALIGNMENT] * 2  # so that 50 bytes can begin at a cache line
    assert held(pool) == {}


def test_more_than_there_is_remains_an_error() -> None:
    with pytest.raises(MemoryError):
        lanes.empty((2**40, 2**20))


def test_one_meaning_under_pytorchs_names() -> None:
    assert npnet.empty_cache is cuda.empty_cache is accelerator.empty_cache
    x = lanes.empty((3, 5))
    x[:] = 7
    npnet.empty_cache()
    assert (x == 7).all()  # what is in use stays


def test_limits_of_control_groups_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/x\n0::/a/b\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "memory.max").write_text("max\n")
    (tmp_path / "a" / "memory.max").write_text("123456\n")
    monkeypatch.setattr(_memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(_memory, "OWN_CGROUPS", own)
    assert _memory.available_memory() == 123456


AT_EXIT = """
import sys, threading, types
import npnet
m, x = npnet.nn.Conv2d(3, 8, 3), npnet.randn(32, 3, 16, 16)
kept = [m(x) for _ in range(10)]
kept.append((kept, m(x)))
npnet.tensor.kept = sys.modules["other"] = types.ModuleType("other")
sys.modules["other"].y = npnet.kernels.lanes.kept = m(x)
class Last:
    def __init__(self): self.y, self.me = m(x), self
    def __del__(self): self.y = None
last, started = Last(), threading.Event()
def loop():
    while True:
        kept[0] = m(x).relu()
        started.set()
threading.Thread(target=loop, daemon=True).start()
started.wait()
"""


@pytest.mark.parametrize("options", [[], ["-X", "dev"]])
def test_exit_is_quiet(options: list[str]) -> None:
    command = [sys.executable, *options, "-c", AT_EXIT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "compiling kernels" not in line] == []


FLAT = """
import gc, sys
import numpy as np
import npnet
from npnet import nn, optim
from npnet.nn import functional as F

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

class Stop(Exception):
    pass

def stop(*_):
    raise Stop

def work(rng):
    n, size = int(rng.integers(1, 49)), int(rng.integers(8, 40))
    x = npnet.tensor(rng.standard_normal((n, 3, size, size), dtype=np.float32))
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )
    optimizer, labels = optim.Adam(model.parameters()), npnet.tensor(np.arange(n) % 10)
    model.me = [model, x]  # a cycle
    kind = rng.integers(4)
    if kind == 0:
        with npnet.no_grad():
            npnet.compile(model.eval())(x)
        return
    if kind == 1:
        model[int(rng.integers(8))].register_forward_hook(stop)
    if kind == 2:
        chain = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                              nn.Linear(8 * ((size - 4) // 2) ** 2, 10))
        step = npnet.compile(chain, F.cross_entropy, optim.SGD(chain.parameters(), lr=0.1))
        step(x, labels)
        return
    y = model(x)
    loss = F.cross_entropy(y, labels)
    if kind == 3:
        return  # the graph goes as it is
    loss.backward()
    optimizer.step()

rng, most = np.random.default_rng(0), 0
for k in range(START + COUNT):
    try:
        work(rng)
    except Stop as error:
        error.kept = error.__traceback__  # a cycle with all frames
    if k == START:
        first = resident()
    most = max(most, resident())
print(most - first)
gc.collect()
npnet.empty_cache()
print(resident() - first)
"""
SLACK = 64  # MiB: the garbage of cycles between two collections, and what malloc can't give back


@pytest.mark.campaign
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no resident size to read")
def test_memory_stays_flat() -> None:
    """Changing shapes, errors in the middle, cycles, graphs that are never gone through."""
    count = campaign.trials(60, 800)
    code = f"START, COUNT = 40, {count}\n{FLAT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    growth, left = (float(line) for line in done.stdout.split())
    assert growth <= lanes.MOST / 2**20 + SLACK
    assert left <= SLACK
