"""Programs of kernels: what is called on which items, by any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import npnet
from npnet.kernels import activation, lanes
from npnet.kernels.program import BLOCK, SLOT, Call, Phase, Program
from tests.kernels import oracle


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = npnet.get_num_threads()
    npnet.set_num_threads(request.param)
    yield request.param
    npnet.set_num_threads(before)


def blocks(count: int, size: int, value: float = 0.0) -> oracle.Array:
    x = lanes.empty((count, size))
    x.fill(value)
    return x


def relu_call(x: oracle.Array, y: oracle.Array, by: int = BLOCK) -> Call:
    """One block, a row of x, to one of y."""
    return Call(activation.relu_span, (x.reshape(-1), y.reshape(-1), x.shape[1]), 1, by)


@pytest.mark.parametrize("parts", [1, 3, 5])
def test_calls_follow_one_another_for_each_block(threads: int, parts: int) -> None:
    x, y, z = blocks(5, 32), blocks(5, 32), blocks(5, 32)
    x[:] = np.arange(-80, 80).reshape(5, 32)
    Program([Phase([relu_call(x, y), relu_call(y, z)], 5, parts)]).run()
    np.testing.assert_array_equal(z, np.maximum(x, 0))


def test_slots_are_the_threads_own(threads: int) -> None:
    x, y = blocks(threads, 16, 2.0), blocks(threads, 16)
    Program([Phase([relu_call(x, y, SLOT)], 64, 64)]).run()
    np.testing.assert_array_equal(y[0], 2)
    assert np.isin(y, [0, 2]).all()


def test_pieces_are_each_done_once(threads: int) -> None:
    pairs = [(blocks(n, 16, n), blocks(n, 16)) for n in (3, 1, 7)]
    calls = [
        Call(activation.relu_span, (x.reshape(-1), y.reshape(-1), 16), len(x)) for x, y in pairs
    ]
    Program([Phase(calls)]).run()
    for x, y in pairs:
        np.testing.assert_array_equal(y, x)


def test_phases_wait_for_one_another(threads: int) -> None:
    x, y, z = blocks(9, 4096, 3.0), blocks(9, 4096), blocks(9, 4096)
    Program([Phase([relu_call(x, y)], 9, 9), Phase([relu_call(y, z)], 9, 9)]).run()
    np.testing.assert_array_equal(z, 3)


def test_arguments_can_be_bound_anew() -> None:
    x, y = blocks(1, 16, 1.0), blocks(1, 16)
    call = relu_call(x, y)
    program = Program([Phase([call], 1, 1)])
    other = blocks(1, 16, 5.0)
    call.bind((other.reshape(-1), y.reshape(-1), 16))
    program.run()
    np.testing.assert_array_equal(y, 5)


def test_a_program_keeps_its_arrays() -> None:
    y = blocks(1, 16)
    program = Program([Phase([relu_call(blocks(1, 16, 4.0), y)], 1, 1)])
    for _ in range(50):
        blocks(1, 16, -1.0)  # would take the memory that was given back
    program.run()
    np.testing.assert_array_equal(y, 4)
