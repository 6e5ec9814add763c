"""Programs with a Function of their own, as people write them for PyTorch: the same in both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def linear_function(lib: Any) -> Any:
    """PyTorch's manual, "Extending PyTorch"."""

    class LinearFunction(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(input: Any, weight: Any, bias: Any) -> Any:
            output = input.mm(weight.t())
            if bias is not None:
                output += bias.unsqueeze(0).expand_as(output)
            return output

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            input, weight, bias = ctx.saved_tensors
            grad_input = grad_weight = grad_bias = None
            if ctx.needs_input_grad[0]:
                grad_input = grad_output.mm(weight)
            if ctx.needs_input_grad[1]:
                grad_weight = grad_output.t().mm(input)
            if bias is not None and ctx.needs_input_grad[2]:
                grad_bias = grad_output.sum(0)
            return grad_input, grad_weight, grad_bias

    return LinearFunction


@LIBRARIES
@pytest.mark.parametrize("fast", [False, True])
def test_linear_of_the_manual(lib: Any, fast: bool) -> None:
    apply = linear_function(lib).apply
    x = lib.randn(4, 5, dtype=lib.float64, requires_grad=True)
    w = lib.randn(3, 5, dtype=lib.float64, requires_grad=True)
    assert lib.autograd.gradcheck(apply, (x, w, None), eps=1e-6, atol=1e-4, fast_mode=fast)
    with pytest.raises(RuntimeError):
        lib.autograd.gradcheck(
            lambda x, w: apply(x, w, None) + x.detach().sum(), (x, w), fast_mode=fast
        )


@LIBRARIES
def test_convolution_by_unfold(lib: Any) -> None:
    F = lib.nn.functional

    class Conv(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            y = w.view(w.size(0), -1) @ F.unfold(x, w.shape[2:])
            return y.view(x.size(0), w.size(0), x.size(2) - w.size(2) + 1, -1)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            g = g.flatten(2)
            gw = lib.einsum("nol,nkl->ok", g, F.unfold(x, w.shape[2:])).view_as(w)
            return F.fold(w.view(w.size(0), -1).t() @ g, x.shape[2:], w.shape[2:]), gw

    x = lib.randn(2, 2, 5, 4, dtype=lib.float64, requires_grad=True)
    w = lib.randn(3, 2, 3, 2, dtype=lib.float64, requires_grad=True)
    assert lib.autograd.gradcheck(Conv.apply, (x, w))


@LIBRARIES
def test_numpy_within_a_function(lib: Any) -> None:
    """What was saved requires a gradient; where nothing is recorded its values may be taken."""

    class Exp(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = lib.as_tensor(np.exp(x.numpy()))
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (y,) = ctx.saved_tensors
            return lib.from_numpy(g.numpy() * y.numpy())

    x = lib.tensor([0.0, 1.0], requires_grad=True)
    Exp.apply(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.0, 1.0]), rtol=1e-6)
    with pytest.raises(RuntimeError):
        x.numpy()
    with lib.no_grad():
        assert x.numpy().tolist() == [0.0, 1.0]


@LIBRARIES
def test_a_straight_through_estimator_in_a_module(lib: Any) -> None:
    class Step(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return (x > 0).float()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return lib.nn.functional.hardtanh(g)

    class Layer(lib.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return Step.apply(x)

    net = lib.nn.Sequential(lib.nn.Linear(2, 3), Layer())
    (3 * net(lib.ones(4, 2))).sum().backward()
    assert net[0].bias.grad.tolist() == [4.0] * 3


def test_what_gradcheck_has_not_is_refused() -> None:
    x = npnet.ones(2).double().requires_grad_()
    for name in ("check_batched_grad", "check_forward_ad", "check_undefined_grad", "masked"):
        with pytest.raises(NotImplementedError, match=name):
            npnet.autograd.gradcheck(lambda x: x * x, (x,), **{name: True})
        assert npnet.autograd.gradcheck(lambda x: x * x, (x,), **{name: False})
