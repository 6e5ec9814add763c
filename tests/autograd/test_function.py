"""A user's own Function: the same in both libraries, errors of the same kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor([float(v) for v in values], requires_grad=True)


def define(lib: Any, **methods: Any) -> Any:
    """A Function of a library with these static methods."""
    own = {name: staticmethod(method) for name, method in methods.items()}
    return type("Own", (lib.autograd.Function,), own)


def saves_input(ctx: Any, x: Any) -> Any:
    ctx.save_for_backward(x)
    return x * x


def of_square(ctx: Any, g: Any) -> Any:
    (x,) = ctx.saved_tensors
    return 2 * x * g


@LIBRARIES
def test_forward_and_backward(lib: Any) -> None:
    square = define(lib, forward=saves_input, backward=of_square)
    x = leaf(lib, 1, -3)
    y = square.apply(x)
    assert y.requires_grad
    assert y.grad_fn.name() == "OwnBackward"
    (3 * y).sum().backward()
    assert x.grad.tolist() == [6.0, -18.0]


@LIBRARIES
def test_the_parts_of_forward_apart(lib: Any) -> None:
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.x, ctx.factor = inputs[0], inputs[1]
        assert output.tolist() == [4.0]

    scaled = define(
        lib,
        forward=lambda x, factor: x * factor,
        setup_context=setup_context,
        backward=lambda ctx, g: (g * ctx.factor, None),
    )
    x = leaf(lib, 2)
    scaled.apply(x, 2).sum().backward()
    assert x.grad.tolist() == [2.0]


@LIBRARIES
def test_nothing_is_recorded_inside(lib: Any) -> None:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        seen.append(y.requires_grad)
        return y

    def backward(ctx: Any, g: Any) -> Any:
        h = leaf(lib, 1) * g
        seen.append(h.requires_grad)
        return h

    x = leaf(lib, 2)
    define(lib, forward=forward, backward=backward).apply(x).sum().backward()
    assert seen == [False, False]


@LIBRARIES
def test_needs_input_grad_counts_all_arguments(lib: Any) -> None:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return g, None, None

    f = define(lib, forward=lambda ctx, x, n, y: x * n + y, backward=backward)
    f.apply(leaf(lib, 1), 3, lib.ones(1)).sum().backward()
    assert seen == [(True, False, False)]


@LIBRARIES
def test_several_results(lib: Any) -> None:
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        return a * 10 + b * 100

    f = define(
        lib,
        forward=lambda ctx, x: (x + 0, x * 2, "text"),
        backward=lambda c, a, b, t: backward(c, a, b),
    )
    x = leaf(lib, 1)
    a, b, text = f.apply(x)
    assert text == "text"
    (a * 3 + b * 5 + b).sum().backward()
    assert x.grad.tolist() == [630.0]


@LIBRARIES
@pytest.mark.parametrize("materialize", [True, False])
def test_a_result_that_nothing_used(lib: Any, materialize: bool) -> None:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(materialize)
        return x * 2, x * 3

    def backward(ctx: Any, a: Any, b: Any) -> Any:
        seen.append(b if b is None else b.tolist())
        return a

    x = leaf(lib, 1)
    define(lib, forward=forward, backward=backward).apply(x)[0].sum().backward()
    assert seen == [[0.0] if materialize else None]


@LIBRARIES
def test_what_is_marked_not_differentiable(lib: Any) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        y, z = x * 2, x * 3
        ctx.mark_non_differentiable(z)
        return y, z, (x > 0).long()

    x = leaf(lib, 1)
    f = define(lib, forward=forward, backward=lambda ctx, a, b, c: a)
    y, z, n = f.apply(x)
    assert (y.requires_grad, z.requires_grad, n.requires_grad) == (True, False, False)


@LIBRARIES
def test_an_argument_returned_is_another_tensor(lib: Any) -> None:
    f = define(lib, forward=lambda ctx, x: x, backward=lambda ctx, g: -g)
    x = leaf(lib, 1, 2)
    y = f.apply(x)
    assert y is not x
    assert x.is_leaf
    (y * 5).sum().backward()
    assert x.grad.tolist() == [-5.0, -5.0]


@LIBRARIES
def test_an_argument_changed_in_place(lib: Any) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(2)
        return x

    f = define(lib, forward=forward, backward=lambda ctx, g: g * 2)
    x = leaf(lib, 1, 2)
    y = x * 3
    z = f.apply(y)
    assert z is y
    z.sum().backward()
    assert y.tolist() == [6.0, 12.0]
    assert x.grad.tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="leaf"):
        f.apply(leaf(lib, 1))


@LIBRARIES
def test_what_was_saved_and_written_to(lib: Any) -> None:
    square = define(lib, forward=saves_input, backward=of_square)
    x = leaf(lib, 1) * 1
    y = square.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError):
        y.sum().backward()


@LIBRARIES
def test_going_through_twice(lib: Any) -> None:
    square = define(lib, forward=saves_input, backward=of_square)
    x = leaf(lib, 3)
    y = square.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    with pytest.raises(RuntimeError):
        y.backward()


@LIBRARIES
@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (lambda g: (g, g, g), "incorrect number of gradients"),
        (lambda g: g, "incorrect number of gradients"),
        (lambda g: (g, g), "different than None at position 2"),
        (lambda g: (g[:1], None), "invalid gradient at index 0"),
    ],
    ids=["too many", "too few", "of a number", "of another shape"],
)
def test_gradients_that_do_not_fit(lib: Any, returned: Any, error: str) -> None:
    f = define(lib, forward=lambda ctx, x, n: x * n, backward=lambda ctx, g: returned(g))
    x = leaf(lib, 1, 2)
    y = f.apply(x, 2).sum()
    with pytest.raises((RuntimeError, ValueError), match=error):
        y.backward()


@LIBRARIES
def test_a_gradient_that_was_broadcast_is_added_up(lib: Any) -> None:
    f = define(lib, forward=lambda ctx, x: x + 0, backward=lambda ctx, g: g.expand(3, 4, 2))
    x = lib.ones(1, 2, requires_grad=True) if lib is torch else npnet.ones(1, 2).requires_grad_()
    f.apply(x).sum().backward()
    assert x.grad.tolist() == [[12.0, 12.0]]


@LIBRARIES
def test_without_recording_and_without_need(lib: Any) -> None:
    square = define(lib, forward=saves_input, backward=of_square)
    with lib.no_grad():
        assert not square.apply(leaf(lib, 1)).requires_grad
    assert not square.apply(lib.ones(1)).requires_grad


@LIBRARIES
def test_an_object_of_it_is_refused(lib: Any) -> None:
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        square = define(lib, forward=saves_input, backward=of_square)()
    assert square.apply(leaf(lib, 2)).tolist() == [4.0]
    with pytest.raises(RuntimeError):
        square(leaf(lib, 1))


@LIBRARIES
def test_only_tensors_are_saved(lib: Any) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(3)
        return x * 2

    with pytest.raises(TypeError, match="can only save"):
        define(lib, forward=forward).apply(leaf(lib, 1))


@LIBRARIES
def test_once_differentiable(lib: Any) -> None:
    once = lib.autograd.function.once_differentiable
    f = define(lib, forward=saves_input, backward=once(of_square))
    x = leaf(lib, 2)
    f.apply(x).sum().backward()
    assert x.grad.tolist() == [4.0]


@LIBRARIES
def test_gradcheck_of_it(lib: Any) -> None:
    right = define(lib, forward=saves_input, backward=of_square)
    wrong = define(lib, forward=saves_input, backward=lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    x = lib.tensor([0.5, -1.5], dtype=lib.float64, requires_grad=True)
    assert lib.autograd.gradcheck(right.apply, (x,))
    assert not lib.autograd.gradcheck(wrong.apply, (x,), raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        lib.autograd.gradcheck(wrong.apply, (x,))


def test_straight_through_in_a_network() -> None:
    """As binarised networks have it: the sign forward, the identity where |x| <= 1 backward."""
    x = np.random.default_rng(0).standard_normal((4, 3), dtype=np.float32)
    grads = []
    for lib in (npnet, torch):
        sign = define(
            lib,
            forward=lambda ctx, x: (ctx.save_for_backward(x), x.sign())[1],
            backward=lambda ctx, g: g * (ctx.saved_tensors[0].abs() <= 1).float(),
        )
        w = lib.tensor(x, requires_grad=True)
        (sign.apply(w) * 2).sum().backward()
        grads.append(w.grad.numpy())
    np.testing.assert_array_equal(*grads)


@LIBRARIES
def test_names_of_old_programs(lib: Any) -> None:
    """`saved_variables` and `InplaceFunction`, whose forward writes to its argument."""

    class Doubled(lib.autograd.function.InplaceFunction):  # type: ignore[misc] # of either library
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            with pytest.warns(DeprecationWarning, match="use 'saved_tensors'"):
                (x,) = ctx.saved_variables
            return 2 * g + 0 * x

    x = lib.ones(2, requires_grad=True)
    Doubled.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2]
