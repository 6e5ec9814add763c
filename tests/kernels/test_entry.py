"""How Python comes to kernels: what is written for them, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import types

import npnet
from npnet.kernels import _entry, _jit
from npnet.kernels._entry import leaf_of, make_code
from npnet.kernels.simd import TILES

SHAPE = TILES[4, 1]


@_jit.kernel
def nothing(x, number, half, single, flag, shape, none, k):  # type: ignore[no-untyped-def]
    """Takes one of each kind."""


ARGUMENTS = (np.zeros((2, 3), np.float32), 5, 0.5, np.float32(0.25), True, SHAPE, None)


@pytest.fixture(name="code", scope="module")
def _code() -> _entry.Code:
    leaves = [leaf_of(value)[0] for value in ARGUMENTS]
    kernel = _jit.kernel(nothing.py_func, _entry.ItemsCompiler)
    kernel._cache = _jit.caching.NullCache()
    return make_code(kernel, (*(leaf.type for leaf in leaves), types.intp), leaves, ARGUMENTS)


def test_words_of_each_kind(code: _entry.Code) -> None:
    x = np.ones((2, 3), np.float32)
    words = np.zeros(code.words, np.int64)
    code.write(words, x, -(2**40), -0.5, np.float32(0.25), False, SHAPE, None)
    assert words[:9].tolist() == [0, 0, 6, 4, x.ctypes.data, 2, 3, 12, 4]
    assert words[9] == -(2**40)
    assert words[10:11].view(np.float64) == -0.5
    assert words[11:12].view(np.float32)[0] == 0.25
    assert words[12] == 0
    assert code.words == 13


def _with(at: int, value: Any) -> tuple[Any, ...]:
    return (*ARGUMENTS[:at], value, *ARGUMENTS[at + 1 :])


class Other(np.ndarray[Any, Any]):
    """An array of a class that may lie otherwise."""


@pytest.mark.parametrize(
    "arguments",
    [
        _with(0, np.zeros((2, 3))),
        _with(0, np.zeros((2, 3), ">f4")),
        _with(0, np.zeros(6, np.float32)),
        _with(0, np.zeros((3, 2), np.float32).T),
        _with(0, np.zeros((2, 3), np.float32).view(Other)),
        _with(0, npnet.zeros(2, 3)),
        _with(0, None),
        _with(1, 5.0),
        _with(1, True),
        _with(1, np.int64(5)),
        _with(2, 1),
        _with(2, np.float64(1)),
        _with(3, 0.25),
        _with(4, 1),
        _with(4, np.bool_(True)),
        _with(5, TILES[8, 2]),
        _with(6, 0),
        ARGUMENTS[:-1],
        (*ARGUMENTS, None),
        (),
    ],
    ids=repr,
)
def test_other_types_are_refused(code: _entry.Code, arguments: tuple[Any, ...]) -> None:
    words = np.zeros(code.words, np.int64)
    with pytest.raises(TypeError):
        code.call(1, 1, *arguments)
    with pytest.raises(TypeError):
        code.write(words, *arguments)


def test_what_cannot_be_written_to_is_refused_unless_it_is_only_read() -> None:
    fixed = np.zeros(3, np.float32)
    fixed.setflags(write=False)
    for writes in (True, False):
        leaf, _ = leaf_of(np.zeros(3, np.float32), writes)
        code = make_code(_kernel_of_one(), (leaf.type, types.intp), [leaf], None)
        if writes:
            with pytest.raises(TypeError):
                code.call(1, 1, fixed)
        else:
            code.call(1, 1, fixed)


def _kernel_of_one() -> Any:
    kernel = _jit.kernel(lambda x, k: None, _entry.ItemsCompiler)
    kernel._cache = _jit.caching.NullCache()
    return kernel


def test_numbers_that_are_too_large_overflow(code: _entry.Code) -> None:
    with pytest.raises(OverflowError):
        code.call(1, 1, *_with(1, 2**64))
    with pytest.raises(OverflowError):
        code.call(2**64, 1, *ARGUMENTS)


def test_nothing_is_counted_twice_or_never(code: _entry.Code) -> None:
    """References of the arguments and of None stay as they were."""
    things = [*ARGUMENTS[:4], SHAPE]
    before = [sys.getrefcount(thing) for thing in things]
    refused: Callable[..., None] = code.call
    for _ in range(100):
        assert code.call(1, 1, *ARGUMENTS) is None  # type: ignore[func-returns-value]
        with pytest.raises(TypeError):
            refused(1, 1, *_with(4, 2))
    assert before == [sys.getrefcount(thing) for thing in things]


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (np.zeros(4, np.float32).view(Other), types.float32[::1]),
        (np.zeros(4, np.dtype(np.float32, metadata={"a": 1})), types.float32[::1]),
        (np.zeros(4, np.longlong), types.int64[::1]),
        (np.int16(3), types.int64),
        (np.float64(3), types.float64),
        (np.bool_(False), types.boolean),
    ],
    ids=str,
)
def test_what_equals_is_taken_as_what_is_known(given: Any, known: Any) -> None:
    leaf, value = leaf_of(given)
    assert (leaf.type, np.all(value == given)) == (known, True)
    code = make_code(_kernel_of_one(), (leaf.type, types.intp), [leaf], None)
    code.call(1, 1, value)


def test_leaves_are_known_by_all_that_is_looked_at() -> None:
    one, other = (leaf_of(np.zeros(3, np.float32), writes)[0] for writes in (True, False))
    assert one != other
    assert one.type == other.type
