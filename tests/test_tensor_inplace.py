"""Writes in place: values, gradients and refusals are PyTorch's, also through views."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import npnet
from npnet.base.checks import ShapeError

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])

# Both libraries do the same dozen float64 operations; sums differ in their last bits at most.
RTOL = 1e-12


# ---- random programs ---------------------------------------------------------------------------

# What a step does to two of the tensors there are; a result that is not None becomes one more.
OUT_OF_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "mul": lambda x, y: x * y,
    "add": lambda x, y: x + y,
    "sin": lambda x, y: x.sin(),
    "exp": lambda x, y: (x * 0.1).exp(),
    "tanh": lambda x, y: x.tanh(),
    "relu": lambda x, y: x.relu(),
    "clone": lambda x, y: x.clone(),
    "detach": lambda x, y: x.detach(),
}
VIEWS: dict[str, Callable[[Any, Any], Any]] = {
    "row": lambda x, y: x[0],
    "last": lambda x, y: x[..., -1:],
    "pick": lambda x, y: x[1] if x.ndim == 1 else x[0, 1],
    "flat": lambda x, y: x.view(-1),
    "transposed": lambda x, y: x.t(),
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "add_": lambda x, y: x.add_(y),
    "mul_": lambda x, y: x.mul_(y),
    "sub_": lambda x, y: x.sub_(y, alpha=2),
    "div_": lambda x, y: x.div_(y),
    "relu_": lambda x, y: x.relu_(),
    "zero_": lambda x, y: x.zero_(),
    "fill_": lambda x, y: x.fill_(0.5),
    "copy_": lambda x, y: x.copy_(y),
    "clamp_": lambda x, y: x.clamp_(-1, 1),
    "set row": lambda x, y: x.__setitem__(0, y),
    "set columns": lambda x, y: x.__setitem__((..., slice(1, None)), y),
    "set masked": lambda x, y: x.__setitem__(x > 0.5, 2.0),
}
STEPS = {**OUT_OF_PLACE, **VIEWS, **IN_PLACE}

Program = list[tuple[str, int, int, bool]]


def steps() -> st.SearchStrategy[Program]:
    index = st.integers(0, 7)
    # Views and writes are what this is about: they come as often as all the rest.
    names = st.one_of(st.sampled_from(sorted(t)) for t in (OUT_OF_PLACE, VIEWS, IN_PLACE, IN_PLACE))
    off_tape = st.sampled_from([False, False, False, True])
    return st.lists(st.tuples(names, index, index, off_tape), min_size=2, max_size=9)


class Ending(NamedTuple):
    """What a program ends with: where and how it failed, or all values and gradients."""

    failed: str = ""
    message: str = ""
    found: tuple[np.ndarray[Any, Any], ...] = ()
    flags: tuple[bool, ...] = ()


def run(lib: Any, program: Program) -> Ending:
    a = lib.tensor([[0.5, -1.5, 2.0], [1.25, 0.75, -0.5]], dtype=lib.float64, requires_grad=True)
    b = lib.tensor([1.5, -0.25, 0.5], dtype=lib.float64, requires_grad=True)
    tensors = [a, b, a * 1, lib.ones(2, 3, dtype=lib.float64)]
    for number, (name, i, j, off_tape) in enumerate(program):
        x, y = tensors[i % len(tensors)], tensors[j % len(tensors)]
        if lib is torch:
            # A view whose base has got a history since is a leaf to torch until somebody looks.
            with contextlib.suppress(RuntimeError):
                _ = x.grad_fn
        try:
            with lib.no_grad() if off_tape else contextlib.nullcontext():
                result = STEPS[name](x, y)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            return Ending(f"step {number}", str(error))
        if name not in IN_PLACE:
            tensors.append(result)
    try:
        flags = tuple(t.requires_grad for t in tensors)
        sum((t * (k + 1)).sum() for k, t in enumerate(tensors)).backward()
    except RuntimeError as error:
        return Ending("backward", str(error))
    found = [t.detach().numpy() for t in tensors]
    found += [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in (a, b)]
    return Ending(found=tuple(found), flags=flags)


def check(program: Program) -> None:
    """Both libraries end alike: the same values and gradients, or an error at the same step.

    Two of PyTorch's ways are not npnet's. It refuses operands that overlap what is written: npnet
    computes the result beside, and so can. Of a view made under no_grad it says that it requires a
    gradient, which it never gets, and refuses it after any later write: to npnet it is a constant.
    """
    ours, theirs = run(npnet, program), run(torch, program)
    if "single memory location" in theirs.message:
        return
    constants = any(off_tape and name in VIEWS for name, _, _, off_tape in program)
    if constants and theirs.failed:
        return
    assert ours.failed == theirs.failed, (ours.message, theirs.message)
    for x, y in zip(ours.found, theirs.found, strict=True):
        assert_allclose(x, y, rtol=RTOL, atol=RTOL)
    assert constants or ours.flags == theirs.flags


@settings(max_examples=400, deadline=None, derandomize=True)
@given(steps())
def test_random_programs_end_as_in_torch(program: Program) -> None:
    check(program)


# ---- one by one --------------------------------------------------------------------------------


@LIBRARIES
def test_operators_write_in_place(lib: Any) -> None:
    x = lib.tensor([2.0, 4.0])
    alias = x
    x += 1
    x -= lib.tensor([1.0, 3.0])
    x *= 3
    x /= 2
    assert alias is x
    assert x.tolist() == [3.0, 3.0]


@LIBRARIES
def test_writing_a_leaf_is_an_error_unless_off_the_tape(lib: Any) -> None:
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    for write in (
        lambda: w.add_(1),
        lambda: w.zero_(),
        lambda: w.copy_(lib.ones(2)),
        lambda: w.__setitem__(0, 1.0),
        lambda: w[0:1].mul_(2),
        lambda: w.uniform_(),
    ):
        with pytest.raises(RuntimeError, match=r"leaf"):
            write()
    assert w.tolist() == [1.0, 2.0], "nothing was written"
    with lib.no_grad():
        w -= 1
        w[1] = 5
    assert w.tolist() == [0.0, 5.0]
    assert w.is_leaf
    assert w.requires_grad


@LIBRARIES
@pytest.mark.parametrize("op", ["exp", "tanh", "sigmoid", "relu", "sqrt"])
def test_a_result_that_backward_needs_may_not_be_overwritten(lib: Any, op: str) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = getattr(x, op)()
    y += 1
    with pytest.raises(RuntimeError, match=r"in place|inplace"):
        y.sum().backward()


@LIBRARIES
def test_an_operand_that_backward_needs_may_not_be_overwritten(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    factor = lib.tensor([3.0, 4.0])
    y = (x * factor).sum()
    factor[0] = 0
    with pytest.raises(RuntimeError, match=r"in place|inplace"):
        y.backward()


@LIBRARIES
def test_what_backward_does_not_need_may_be_overwritten(lib: Any) -> None:
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    term = lib.tensor([3.0, 4.0])
    y = (x * 2 + term).sum()
    term.zero_()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_an_index_or_a_condition_may_be_overwritten_and_is_remembered() -> None:
    x = npnet.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index, where = npnet.tensor([2, 2]), x > 1.5
    y = x[index].sum() + npnet.where(where, x, -x).sum() + x.gather(0, index).sum()
    index.zero_()
    where.zero_()
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-1.0, 1.0, 5.0]


@LIBRARIES
def test_an_in_place_op_that_needs_the_old_value_keeps_it(lib: Any) -> None:
    x = lib.tensor([2.0, 3.0], requires_grad=True)
    w = lib.tensor([5.0, 7.0], requires_grad=True)
    y = x * 1
    y *= w
    y /= x
    y.clamp_(min=6)
    y.sum().backward()
    assert w.grad.tolist() == [0.0, 1.0]


@LIBRARIES
def test_residual_block_with_relu_in_place(lib: Any) -> None:
    x = lib.tensor([1.0, -2.0, 3.0], requires_grad=True)
    out = x * 2
    out += x
    out = lib.nn.functional.relu(out, inplace=True)
    out.sum().backward()
    assert x.grad.tolist() == [3.0, 0.0, 3.0]


@LIBRARIES
def test_writes_through_views_reach_the_base_and_its_other_views(lib: Any) -> None:
    base = lib.zeros(2, 3)
    row, pick, flat = base[1], base[0, 0], base.view(6)
    row += 1
    pick.fill_(7)
    flat[1] = 5
    base.t()[2, 0] = 9
    assert base.tolist() == [[7.0, 5.0, 9.0], [1.0, 1.0, 1.0]]
    assert flat.tolist() == [7.0, 5.0, 9.0, 1.0, 1.0, 1.0]


@LIBRARIES
def test_picks_of_one_value_are_views(lib: Any) -> None:
    base = lib.zeros(2, 2)
    for pick in (base[0, 0], base[0][0], base[..., 0, 0], base.view(-1)[0]):
        pick += 1
    assert base[0, 0].item() == 4.0
    assert base[0, 0].ndim == 0


@LIBRARIES
def test_a_buffer_filled_row_by_row(lib: Any) -> None:
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    rows = lib.zeros(3, 2)
    for i in range(3):
        rows[i] = w * i
    assert rows.requires_grad
    (rows * rows).sum().backward()
    assert w.grad.tolist() == [10.0, 20.0]


@LIBRARIES
def test_masked_and_indexed_assignment(lib: Any) -> None:
    x = lib.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]], requires_grad=True)
    v = lib.tensor([10.0, 20.0], requires_grad=True)
    y = x * 1
    y[y < 0] = 0
    y[:, 1] = v
    y[lib.tensor([0, 1]), lib.tensor([2, 0])] = v * 2
    assert y.tolist() == [[1.0, 10.0, 20.0], [40.0, 20.0, 0.0]]
    (y * lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert v.grad.tolist() == [8.0, 13.0]


@LIBRARIES
def test_assignment_to_integers_and_bools(lib: Any) -> None:
    n, mask = lib.arange(4), lib.zeros(3, dtype=lib.bool)
    n[n > 1] = -1
    n[0] = 2.7
    mask[1:] = True
    assert n.tolist() == [2, 1, -1, -1]
    assert mask.tolist() == [False, True, True]


@LIBRARIES
def test_dtypes_that_do_not_fit_are_refused(lib: Any) -> None:
    n = lib.tensor([1, 2])
    for write in (lambda: n.add_(0.5), lambda: n.div_(2), lambda: n.mul_(lib.tensor([1.5, 1.0]))):
        with pytest.raises(RuntimeError, match=r"can't be"):
            write()
    x = lib.tensor([1.0, 2.0])
    x.add_(lib.tensor([1.0, 1.0], dtype=lib.float64))
    assert x.dtype == lib.float32


@LIBRARIES
def test_shapes_that_do_not_fit_are_refused(lib: Any) -> None:
    x = lib.zeros(2)
    for write in (
        lambda: x.add_(lib.ones(3, 2)),
        lambda: x.copy_(lib.ones(3)),
        lambda: x.__setitem__(slice(None), lib.ones(3)),
    ):
        with pytest.raises(RuntimeError):
            write()
    with pytest.raises(IndexError):
        x[5] = 1
    assert x.tolist() == [0.0, 0.0]


@LIBRARIES
def test_expanded_memory_is_not_written(lib: Any) -> None:
    x = lib.zeros(1, 3).expand(2, 3)
    with pytest.raises(RuntimeError, match="clone"):
        x.add_(1)


def test_a_read_only_array_is_not_written() -> None:
    array = np.zeros(2)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match=r"fill_: the memory can't be written: it is read-only"):
        npnet.from_numpy(array).fill_(1)


def test_a_view_whose_base_lost_its_memory_is_refused() -> None:
    w = npnet.ones(2, requires_grad=True)
    base = npnet.zeros(3)
    view = base[0:2]
    base.data = npnet.ones(3)
    with pytest.raises(RuntimeError, match="make the view again"):
        view.mul_(w)


def test_views_of_a_transposed_array_find_their_places() -> None:
    w = npnet.tensor([2.0, 3.0], dtype=npnet.float64, requires_grad=True)
    base = npnet.from_numpy(np.arange(6.0).reshape(2, 3).T[::-1])  # neither C nor Fortran order
    base[1:, 0].mul_(w)
    assert base.tolist() == [[2.0, 5.0], [2.0, 4.0], [0.0, 3.0]]
    (base * npnet.from_numpy(np.arange(6.0).reshape(3, 2))).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 0.0]


@LIBRARIES
def test_copy_takes_values_and_history_but_no_identity(lib: Any) -> None:
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    x = lib.zeros(2)
    x.copy_(w)
    assert not x.is_leaf
    (x * x).sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]
    assert x.grad_fn is not w.grad_fn


@LIBRARIES
def test_zeroing_a_result_gives_gradients_of_zero(lib: Any) -> None:
    w = lib.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    y.zero_()
    y.sum().backward()
    assert w.grad.tolist() == [0.0, 0.0]


def test_nothing_is_written_where_the_result_does_not_fit() -> None:
    x = npnet.zeros(2)
    with pytest.raises(ShapeError, match=r"add_: the result \(3, 2\) does not fit into \(2,\)"):
        x.add_(npnet.ones(3, 2))
