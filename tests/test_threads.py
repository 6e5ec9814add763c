"""The same bits for any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import numba
import numpy as np
import pytest

import npnet
from npnet import models
from npnet.base import threads as _threads
from npnet.base.threads import available_cores, map_in_order
from npnet.kernels import _jit
from npnet.nn import functional as F


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    npnet.set_num_threads(available_cores())


@pytest.mark.parametrize("name", ["lenet5", "convnet", "resnet20"])
def test_gradients_have_the_same_bits(name: str) -> None:
    npnet.manual_seed(0)
    network = models.create(name)
    spec = models.MODELS[name]
    size = spec.size_for(28)
    rng = np.random.default_rng(1)
    x = npnet.tensor(rng.standard_normal((24, spec.in_channels, size, size), dtype=np.float32))
    y = npnet.tensor(np.arange(24) % 10)
    expected = None
    for threads in (1, 2, 4):
        npnet.set_num_threads(threads)
        assert npnet.get_num_threads() == threads
        network.zero_grad()
        F.cross_entropy(network(x), y).backward()
        got = [p.grad.array.tobytes() for p in network.parameters() if p.grad is not None]
        expected = expected or got
        assert got == expected


def test_one_number_for_all_python_threads() -> None:
    """Whichever thread calls a kernel, and whatever backend was in force when it was set."""
    npnet.set_backend("numpy")
    npnet.set_num_threads(1)
    npnet.set_backend("auto")
    x, conv = npnet.randn(40, 3, 9, 9), npnet.nn.Conv2d(3, 8, 3)
    expected = conv(x).detach().numpy().tobytes()
    npnet.set_num_threads(2)
    found: list[tuple[int, bytes]] = []

    def call() -> None:
        found.append((_jit.get_num_threads(), conv(x).detach().numpy().tobytes()))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found == [(min(2, numba.config.NUMBA_NUM_THREADS), expected)]


def run(*arguments: str, threads: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"NPNET_NUM_THREADS": threads}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


COUNTS = """
import threadpoolctl
import npnet
from npnet.kernels import _jit
blas = {p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"}
print(npnet.get_num_threads(), _jit.get_num_threads(), blas)
npnet.set_num_threads(1)
print(npnet.get_num_threads(), _jit.get_num_threads())
"""


def test_environment_variable() -> None:
    most = min(2, numba.config.NUMBA_NUM_THREADS)
    assert run("-c", COUNTS, threads="2").stdout == f"2 {most} {{1}}\n1 1\n"
    cores = available_cores()
    assert run("-c", COUNTS, threads="").stdout.startswith(f"{cores} ")


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_wrong_environment_variable_is_an_error(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPNET_NUM_THREADS", text)
    monkeypatch.setattr(_threads, "_count", None)
    with pytest.raises(ValueError, match=f"NPNET_NUM_THREADS: .* >= 1, got '{text}'; unset it"):
        npnet.get_num_threads()


def test_a_command_says_so_in_one_line() -> None:
    done = run("-m", "npnet.train", threads="many")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "NPNET_NUM_THREADS: must be a whole number" in done.stderr


def test_results_keep_their_order() -> None:
    npnet.set_num_threads(3)
    assert map_in_order(lambda n: n * n, range(50)) == [n * n for n in range(50)]


def test_errors_come_through() -> None:
    npnet.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        map_in_order(lambda n: 1 // n, [1, 0, 2])


@pytest.mark.parametrize("num", [0, -1])
def test_wrong_numbers_are_refused(num: int) -> None:
    with pytest.raises(ValueError, match=f"num must be >= 1, got {num}"):
        npnet.set_num_threads(num)
