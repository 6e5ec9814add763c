"""The same bits for any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import npnet
from npnet import models
from npnet._threads import available_cores, map_in_order
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
