"""One op by the loop and by a program: the same bits, wherever its buffers lie.

Ops are those that programs may have, as the table of cases applies them: a new one is tried as soon
as it has a case there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import npnet
from npnet import tape
from npnet.base.arrays import Array
from npnet.kernels import block_ops, lanes
from npnet.kernels.program import BLOCK, SLOT, Call, Phase, Program
from npnet.lanes import choice
from npnet.lanes.activation import Activation
from npnet.lanes.function import LaneOp
from npnet.lanes.layout import to_lanes
from npnet.lanes.loss import LOSSES, LaneLoss
from npnet.lanes.plan import Buffer, Extent, Loop, Recorded
from npnet.lanes.unsuited import Unsuited
from npnet.ops.conv import Conv2d
from npnet.ops.elementwise_loss import MeanSquaredError
from npnet.ops.loss import CrossEntropy
from npnet.ops.pool import AvgPool2d
from npnet.ops.windows import Pair, Window
from npnet.tape import Function, Variable
from tests.cases import CASES, arrays_of, npnet_names
from tests.kernels.oracle import spoiled
from tests.lanes import by_lanes
from tests.lanes.by_lanes import BY_LANES, op_name

pytestmark = pytest.mark.usefixtures("numba")

N, SLOTS = 37, 2  # images, in three blocks, and threads
CHAINED = {
    op_name(function): function
    for function, kind in BY_LANES.items()
    if issubclass(kind, LaneOp) and kind.chained
}


class Applied(NamedTuple):
    """A Function with its options, and the shapes of what it was applied to."""

    function: Function
    shapes: list[tuple[int, ...]]

    def op(self) -> Any:
        """By kernels, none of which wants the whole batch."""
        op: Any = BY_LANES[type(self.function)](self.function)
        op.fast, op.needs_input_grad = False, (True,) * len(self.shapes)
        return op

    def draw(self) -> tuple[Array, list[Array]]:
        """A batch of images, and weights."""
        rng = np.random.default_rng(0)
        shapes = [(N, *self.shapes[0][1:]), *self.shapes[1:]]
        x, *weights = [rng.standard_normal(s, np.float32) for s in shapes]
        return x, weights


@functools.cache
def applied() -> dict[type[Function], list[Applied]]:
    """All that the table of cases applies, with the inputs in lanes."""
    found: dict[type[Function], list[Applied]] = {}

    def note(function: Function, inputs: tuple[Variable, ...]) -> Function | None:
        chosen = choice.choose(function, inputs)
        if chosen is not None:
            shapes = [x.shape for x in inputs]
            found.setdefault(type(function), []).append(Applied(function, shapes))
        return chosen

    tape.let_choose(note)
    try:
        for name, case in CASES.items():
            inputs = [npnet.as_tensor(a) for a in arrays_of(name, case, np.float32)]
            placed = [
                tape.result(to_lanes(x.array)) if choice.suits_lanes(x) else x for x in inputs
            ]
            case.call(npnet_names(), *placed)
    finally:
        tape.let_choose(choice.choose)
    return found


# ---- by the loop and by a program --------------------------------------------------------------


# Of the weights' gradients by convolutions: the loop has the whole batch, and adds it up in other
# parts. All else is the same to the last bit.
ADDED_APART = ("conv2d", "conv_transpose2d")
FLOAT32 = 2e-6  # of sums of some hundred products, relative to the largest


def by_loop(case: Applied) -> list[Array]:
    """y, gx and the gradients of weights."""
    npnet.manual_seed(2)
    op, (x, weights), out = case.op(), case.draw(), Loop(N)
    y = op.forward(Buffer(spoiled(x)), out, *weights)
    gx, *gradients = op.backward(Buffer(spoiled(gradient(y))), out)
    return [lanes.from_lanes(y.array, N), lanes.from_lanes(gx.array, N), *gradients]


def by_program(case: Applied, by: int, overwrites: bool) -> list[Array]:
    """The same, from images found by slot or by block."""
    op, (images, weights), out = case.op(), case.draw(), Recorded(Extent(N, SLOTS))
    x = loaded(images, by, out)
    out.overwrites = overwrites
    y = op.forward(x, out, *weights)
    result = stored(y, out)
    out.overwrites = True
    gx, *gradients = op.backward(loaded(gradient(y), y.by, out), out)
    results = [result, stored(gx, out), *gradients]
    npnet.manual_seed(2)
    out.draw()
    run(out)
    return results


def gradient(y: Buffer) -> Array:
    return np.random.default_rng(1).standard_normal((N, *y.shape), np.float32)


def loaded(images: Array, by: int, out: Recorded) -> Buffer:
    """The images where a program has them."""
    x = out.empty(images.shape[1:], by)
    task = block_ops.load if by == SLOT else lanes.block_to_lanes
    out.blocks.append(Call(task, (images.reshape(N, -1), x.rows)))
    return x


def stored(y: Buffer, out: Recorded) -> Array:
    """What y is as long as its block is worked on."""
    images, whole = np.empty((N, *y.shape), np.float32), out.gathered(y)
    out.add(lanes.block_from_lanes, whole.rows, images.reshape(N, -1), of=whole)
    return images


def run(out: Recorded) -> None:
    blocks = Phase(out.blocks, out.extent.blocks, out.extent.chunks)
    phases = Phase(out.first), blocks, Phase(out.end), Phase(out.rest)
    Program([phase for phase in phases if phase.calls]).run()


def tried(name: str, by: int, overwrites: bool) -> Iterator[tuple[list[Array], list[Array]]]:
    """Results of the loop and of a program, for each case that has a program."""
    for case in applied()[CHAINED[name]]:
        try:
            got = by_program(case, by, overwrites)
        except Unsuited:
            continue
        yield by_loop(case), got


@pytest.mark.parametrize("name", CHAINED)
def test_has_a_case(name: str) -> None:
    assert applied().get(CHAINED[name]), f"no case of tests/cases applies {name} to lanes"


@pytest.mark.parametrize("overwrites", [False, True], ids=["apart", "over"])
@pytest.mark.parametrize("by", [SLOT, BLOCK], ids=["slots", "blocks"])
@pytest.mark.parametrize("name", CHAINED)
def test_the_same_bits(name: str, by: int, overwrites: bool) -> None:
    results = list(tried(name, by, overwrites))
    assert results, f"no case of {name} has a program"
    for loop, program in results:
        same = 2 if name in ADDED_APART else len(loop)
        for one, two in zip(loop[:same], program[:same], strict=True):
            np.testing.assert_array_equal(one, two)
        for one, two in zip(loop[same:], program[same:], strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=FLOAT32 * np.abs(one).max())


# ---- an activation and means, losses ------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [n for n, f in CHAINED.items() if issubclass(BY_LANES[f], Activation)]
)
def test_an_activation_and_means_are_one_op_with_the_same_bits(name: str) -> None:
    activation = applied()[CHAINED[name]][0].op
    pairs = 0
    for means in (case for kind in MEANS for case in applied()[CHAINED[kind]]):
        both = means.op().after(activation(), Buffer(lanes.empty(lanes_of(means))), True)
        if both is not None:
            expected = in_turn(means, activation(), means.op())
            for one, two in zip(in_turn(means, both), expected, strict=True):
                np.testing.assert_array_equal(one, two)
            pairs += 1
    assert pairs


# Windows of many taps, for which a kernel is compiled, alone and with what follows; and another.
CONVOLUTIONS = {
    "tiles along a row": ((3, 12, 20), 6, Window((5, 5))),
    "padding": ((2, 9, 12), 5, Window((5, 5), (1, 1), ((2, 2), (2, 2)))),
    "less padding": ((2, 8, 12), 20, Window((4, 6), (1, 1), ((1, 2), (0, 3)))),
    "strides": ((3, 13, 19), 7, Window((4, 4), (3, 3), ((0, 0), (0, 0)))),
    "dilation": ((3, 16, 16), 9, Window((3, 5), (1, 1), ((0, 0), (0, 0)), (2, 3))),
    "few taps": ((3, 10, 10), 9, Window((3, 3))),
}


@pytest.mark.parametrize("pool", [(2, 2), (4, 2), (1, 1)])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("where", CONVOLUTIONS)
def test_a_convolution_and_what_follows_are_one_op_with_the_same_bits(
    where: str, name: str, pool: Pair
) -> None:
    shape, outputs, window = CONVOLUTIONS[where]
    function = Applied(
        Conv2d(window, 1), [(N, *shape), (outputs, shape[0], *window.kernel), (outputs,)]
    )
    activation = applied()[CHAINED[name]][0].op
    ops = [function.op(), activation()]
    conv, act = function.op(), activation()
    both = act.after(conv, Buffer(lanes.empty((SLOTS, *shape, 16))), False)
    assert both is not None
    if pool != (1, 1):
        size = window.output_size(shape[1:])
        if size[0] % pool[0] or size[1] % pool[1]:
            return  # such windows leave pixels out
        means = AvgPool2d(Window(pool, pool), True, None)
        ops.append(BY_LANES[AvgPool2d](means))
        both = BY_LANES[AvgPool2d](means).after(
            both, Buffer(lanes.empty((SLOTS, *shape, 16))), False
        )
        assert both is not None
    both.needs_input_grad = (True, True, True)
    expected = in_turn(function, *ops)
    for one, two in zip(in_turn(function, both), expected, strict=True):
        np.testing.assert_array_equal(one, two)


MEANS = ("avg_pool2d", "adaptive_avg_pool2d", "mean")


def lanes_of(case: Applied) -> tuple[int, ...]:
    return (SLOTS, *case.shapes[0][1:], 16)


def in_turn(case: Applied, *ops: LaneOp) -> list[Array]:
    """y, gx and the first one's gradients by weights, of ops one after the other, in slots."""
    (images, weights), out = case.draw(), Recorded(Extent(N, SLOTS))
    images[0, 0, 0, 0], images[1, -1, -1, -1] = np.nan, np.inf
    x = loaded(images, SLOT, out)
    for op in ops:
        x = op.forward(x, out, *(weights if op is ops[0] else ()))
    results, gy = [stored(x, out)], loaded(gradient(x), SLOT, out)
    for op in reversed(ops):
        gy, *gradients = op.backward(gy, out)
    results += [stored(gy, out), *gradients]
    run(out)
    return results


def drawn_targets() -> dict[str, tuple[Function, list[Array], Array]]:
    """By the name of a loss: its Function, what this one takes beside logits, and the target."""
    rng = np.random.default_rng(2)
    labels, values = rng.integers(0, 10, N), rng.standard_normal((N, 10), np.float32)
    return {
        "cross_entropy": (CrossEntropy(labels, 0.0), [], labels),
        "mse_loss": (MeanSquaredError(), [values], values),
    }


@pytest.mark.parametrize("name", [loss.__name__ for loss in LOSSES])
def test_losses_have_the_same_bits(name: str) -> None:
    function, others, target = drawn_targets()[name]
    logits = np.random.default_rng(0).standard_normal((N, 10), np.float32)
    value, gx = by_lanes.run(function, logits, *others, gy=np.ones((), np.float32))
    loss, out = loss_of(name), Recorded(Extent(N, SLOTS))
    g = stored(loss.forward(loaded(logits, BLOCK, out), out), out)
    assert loss.bind(target)
    run(out)
    assert loss.value() == value
    np.testing.assert_array_equal(g, gx)


@pytest.mark.parametrize("name", [loss.__name__ for loss in LOSSES])
def test_losses_of_a_program_take_targets_of_one_kind(name: str) -> None:
    _, _, target = drawn_targets()[name]
    loss, out = loss_of(name), Recorded(Extent(N, SLOTS))
    loss.forward(out.empty((10,)), out)
    assert loss.bind(target)
    others = target[1:], target.astype(np.float64), target + (10 if target.ndim == 1 else 1j)
    assert not any(loss.bind(other) for other in others)


def loss_of(name: str) -> LaneLoss:
    """A program's, for the batch."""
    (make,) = [make for loss, make in LOSSES.items() if loss.__name__ == name]
    return make(N)
