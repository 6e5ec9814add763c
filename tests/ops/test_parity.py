"""Outputs and gradients of every case equal PyTorch's, whatever the inputs' memory layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet.base.arrays import Array
from npnet.lanes.choice import suits_lanes
from npnet.lanes.layout import to_lanes
from npnet.tape import result
from tests.cases import CASES, Case, arrays_of, npnet_names, torch_names, wants_gradient

# Two orders of summation in float64 differ by some 1e-15 of the largest term; 1e-10 is what the
# project promises. Where a result cancels, the error stands to the largest value, not to itself.
FLOAT64_RTOL = 1e-10
FLOAT64_ATOL = 1e-12  # times the largest expected value

# A sum of n random terms of size s comes to about sqrt(n) s. Each of its n additions rounds a
# partial sum of that size, by eps sqrt(n) s / 2, independently: together eps n s / 2, which is
# sqrt(n) / 2 eps of the result (Higham and Mary 2019, "A new approach to probabilistic rounding
# error analysis"). An op has a few such steps one after the other: 2 instead of 1/2. (npnet needs
# 0.31, PyTorch itself 0.66.) n is at most the size of the largest array: no value sums more.
FLOAT32_STEPS = 2.0


def strided(a: Array) -> Array:
    """The same values, the axes backwards in memory, every second place, the last axis mirrored."""
    if not a.ndim:
        return a.copy()
    room = np.zeros([2 * n for n in reversed(a.shape)], a.dtype)
    view = room[tuple(slice(None, None, 2) for _ in a.shape)].T[..., ::-1]
    view[...] = a
    return view


def as_tuple(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


def run_npnet(
    case: Case, arrays: list[Array], gys: list[Array], lanes: bool = False
) -> tuple[list[Any], list[Any]]:
    """Outputs, and gradients of the inputs, for the gradients `gys` of the outputs.

    Args:
        lanes: put the inputs that can be a batch into lanes.
    """
    wanted = wants_gradient(case)
    inputs = [npnet.as_tensor(a) for a in arrays]
    if lanes:
        inputs = [result(to_lanes(x.array)) if suits_lanes(x) else x for x in inputs]
    for x, w in zip(inputs, wanted, strict=True):
        x.requires_grad_(w)
    ys = as_tuple(case.call(npnet_names(), *inputs))
    for y, gy in zip(ys, gys, strict=True):
        if y.requires_grad:
            y.backward(npnet.as_tensor(gy), retain_graph=True)
    return [y.detach().numpy() for y in ys], [
        None if x.grad is None else x.grad.numpy() for x in inputs
    ]


def run_torch(
    case: Case, arrays: list[Array], gys: list[Array] | None
) -> tuple[list[Any], list[Any], list[Array]]:
    """The same by PyTorch, and random gradients of the outputs where none are given."""
    wanted = wants_gradient(case)
    inputs = [
        torch.tensor(np.array(a), requires_grad=w) for a, w in zip(arrays, wanted, strict=True)
    ]
    ys = as_tuple(case.call(torch_names(), *inputs))
    if gys is None:
        rng = np.random.default_rng(1)
        draw = [rng.standard_normal(tuple(y.shape)) for y in ys]
        gys = [
            np.asarray(g).astype(y.detach().numpy().dtype) for g, y in zip(draw, ys, strict=True)
        ]
    for y, gy in zip(ys, gys, strict=True):
        if y.requires_grad:
            y.backward(torch.tensor(gy).to(y.dtype), retain_graph=True)
    return (
        [y.detach().numpy() for y in ys],
        [None if x.grad is None else x.grad.numpy() for x in inputs],
        gys,
    )


def lay_out(arrays: list[Array], layout: str) -> list[Array]:
    """The arrays in that layout, protected from being written to."""
    laid = [strided(a) if layout == "strided" else a.copy() for a in arrays]
    for a in laid:
        a.setflags(write=False)
    return laid


def check(what: str, ours: Any, theirs: Any, rtol: float, atol: float) -> None:
    """`atol` counts in units of the largest expected value."""
    assert (ours is None) == (theirs is None), f"{what}: one library has none"
    if theirs is None:
        return
    assert ours.shape == theirs.shape, what
    if theirs.dtype.kind != "f":
        assert_array_equal(ours, theirs, err_msg=what)
        return
    largest = float(np.max(np.abs(theirs), initial=0, where=np.isfinite(theirs)))
    assert_allclose(ours, theirs, rtol=rtol, atol=atol * largest, err_msg=what)


@pytest.mark.parametrize("layout", ["contiguous", "strided"])
@pytest.mark.parametrize("name", CASES)
def test_float64_equals_torch(name: str, layout: str) -> None:
    case = CASES[name]
    arrays = arrays_of(name, case)
    theirs, their_gradients, gys = run_torch(case, arrays, None)
    inputs = lay_out(arrays, layout)
    ours, our_gradients = run_npnet(case, inputs, lay_out(gys, layout))
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.dtype == b.dtype, f"output {i}"
        check(f"output {i}", a, b, FLOAT64_RTOL, FLOAT64_ATOL)
    for i, (a, b) in enumerate(zip(our_gradients, their_gradients, strict=True)):
        check(f"gradient of input {i}", a, b, FLOAT64_RTOL, FLOAT64_ATOL)
    for a, before in zip(inputs, arrays, strict=True):
        assert_array_equal(a, before, err_msg="an input was written to")


@pytest.mark.parametrize("place", ["numpy", "numba", "lanes"])
@pytest.mark.parametrize("name", CASES)
def test_float32_is_as_near_as_its_sums_allow(name: str, place: str) -> None:
    """By NumPy; by kernels where there are some; and with the inputs in lanes beforehand."""
    case = CASES[name]
    arrays = arrays_of(name, case, np.float32)
    single, single_gradients, gys = run_torch(case, arrays, None)
    exact = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
    theirs, their_gradients, _ = run_torch(case, exact, gys)
    npnet.set_backend("numpy" if place == "numpy" else "numba")
    ours, our_gradients = run_npnet(case, lay_out(arrays, "contiguous"), gys, place == "lanes")
    longest = max(a.size for a in (*arrays, *single))
    bound = FLOAT32_STEPS * float(np.finfo(np.float32).eps) * np.sqrt(longest)
    for i, (a, b, s) in enumerate(zip(ours, theirs, single, strict=True)):
        assert a.dtype == s.dtype, f"output {i}"
        check(f"output {i}", a, b, bound, bound)
    for i, (a, b, s) in enumerate(
        zip(our_gradients, their_gradients, single_gradients, strict=True)
    ):
        assert s is None or a.dtype == s.dtype == arrays[i].dtype, f"gradient of input {i}"
        check(f"gradient of input {i}", a, b, bound, bound)
