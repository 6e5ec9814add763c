"""Numba's pools and options, which kernels share with the user's own functions and threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import caching, codegen
from numba.core import config as numba_config
from numba.core.compiler_lock import global_compiler_lock

from npnet.kernels import _jit, _pool
from tests import campaign


def new_kernel() -> Any:
    """A kernel that has to be compiled."""
    kernel = _jit.kernel(lambda x: x + 1)
    kernel._cache = caching.NullCache()
    return kernel


@pytest.fixture(name="levels")
def _levels(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """At which levels LLVM optimised, by the thread's name."""
    levels: dict[str, set[int]] = {}
    build: Callable[..., Any] = codegen.create_pass_builder

    def record(*args: Any, opt: int, **options: Any) -> Any:
        levels.setdefault(threading.current_thread().name, set()).add(int(opt))
        return build(*args, opt=opt, **options)

    monkeypatch.setattr(codegen, "create_pass_builder", record)
    return levels


def test_users_functions_are_compiled_at_the_users_level(levels: dict[str, set[int]]) -> None:
    """Also while a kernel waits for Numba's lock to be compiled."""
    user = int(numba_config.OPT)
    thread = threading.Thread(target=lambda: new_kernel()(1), name="kernel")
    with global_compiler_lock:
        thread.start()
        time.sleep(0.1)  # to where it waits
        assert numba.njit(lambda x: x * 3)(2) == 6
        assert user == numba_config.OPT
    thread.join()
    me = threading.current_thread().name
    assert levels == {me: {0, user}, "kernel": {0, _jit.LEVEL}}  # 0: Numba's cheap pass


def test_options_are_never_changed(
    monkeypatch: pytest.MonkeyPatch, levels: dict[str, set[int]]
) -> None:
    """Seen from where Numba reads them, in the middle of compiling a kernel."""
    seen: list[tuple[int, str]] = []
    build = codegen.create_pass_builder

    def look(*args: Any, **options: Any) -> Any:
        seen.append((int(numba_config.OPT), numba_config.CACHE_DIR))
        return build(*args, **options)

    monkeypatch.setattr(codegen, "create_pass_builder", look)
    before = (int(numba_config.OPT), numba_config.CACHE_DIR)
    assert new_kernel()(1) == 2
    assert set(seen) == {before}
    assert set.union(*levels.values()) == {0, _jit.LEVEL}


def test_a_kernel_that_fails_to_compile_leaves_nothing_behind(levels: dict[str, set[int]]) -> None:
    with pytest.raises(numba.TypingError):
        new_kernel()("text")
    numba.njit(lambda x: x * 5)(2)
    assert set.union(*levels.values()) == {0, int(numba_config.OPT)}


def test_kernels_are_kept_in_their_folder_whatever_the_user_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _jit._folder()
    assert folder is not None
    monkeypatch.setattr(numba_config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba_config, "CACHE_LOCATOR_CLASSES", "UserWideCacheLocator", False)
    cache = _jit._KernelCache(test_options_are_never_changed)
    assert Path(cache.cache_path).parent == folder
    assert str(tmp_path) == numba_config.CACHE_DIR


TOGETHER = """
import sys, threading
import numba
import numpy as np
import npnet
from npnet import nn
from npnet.kernels import _jit, _pool, lanes
from npnet.kernels._parallel import parallel_for
from npnet.nn import functional as F

sys.setswitchinterval(1e-6)

@numba.njit(parallel=True, nogil=True)
def user(n):
    y = np.zeros(n, np.int64)
    for i in numba.prange(n):
        y[i] = 2 * i
    return y

@_jit.kernel
def number(y, k):
    y[k] = numba.get_thread_id()

@_jit.kernel
def numbers(y):
    parallel_for(number, y.shape[0], (y,))

if USER_FIRST:
    user(10)
npnet.set_num_threads(3)
y = np.full(1000, -1)
numbers(y)
assert set(y.tolist()) == {0, 1, 2}, set(y.tolist())
assert user(10).sum() == 90

models = [nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
          for _ in range(3)]
x, labels = npnet.randn(40, 3, 8, 8), npnet.tensor(np.arange(40) % 10)

def gradients(model):
    model.zero_grad()
    F.cross_entropy(model(x), labels).backward()
    return b"".join(p.grad.numpy().tobytes() for p in model.parameters())

expected, wrong = [gradients(m) for m in models], []

def train(k):
    for _ in range(COUNT):
        if gradients(models[k]) != expected[k]:
            wrong.append(k)

def use():
    for _ in range(5 * COUNT):
        if user(40).sum() != 1560:
            wrong.append("user")

calls = [*[lambda k=k: train(k) for k in range(3)], use]
threads = [threading.Thread(target=call) for call in calls]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not wrong, wrong
assert _pool._gate.value in (_pool.NONE, _pool.OPEN)
print(numba.threading_layer())
"""


@pytest.mark.campaign
@pytest.mark.parametrize(("layer", "first"), [("omp", True), ("workqueue", 1), ("workqueue", 0)])
def test_threads_and_the_users_functions_share_a_pool(layer: str, first: bool) -> None:
    """Which "workqueue" answers by ending the process, if nothing stands in front of it."""
    count = campaign.trials(15, 1_000)
    code = f"COUNT, USER_FIRST = {count}, {first}\n{TOGETHER}"
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{layer}\n"), done.stderr


def test_a_busy_pool_is_not_waited_for() -> None:
    """Whoever finds the gate taken computes alone, with the same bits."""
    from npnet.kernels import lanes

    x = np.arange(600, dtype=np.float32).reshape(100, 6)
    expected, before = lanes.to_lanes(x).tobytes(), _pool._gate.value
    threads = _pool.get_num_threads()
    _pool.set_num_threads(2)
    _pool._gate.value = _pool.TAKEN
    try:
        assert lanes.to_lanes(x).tobytes() == expected
        assert _pool._gate.value == _pool.TAKEN
    finally:
        _pool._gate.value = before
        _pool.set_num_threads(threads)
