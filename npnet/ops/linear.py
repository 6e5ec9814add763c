"""Matrix products: linear layers and matmul."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_axes, not_tensors
from npnet.ops import _sums, shape
from npnet.ops.dtypes import check_dtypes
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["linear", "matmul"]


class Linear(Function):
    """gx = gy @ weight, gweight = gy^T @ x, gbias = sum of gy over all axes but the last."""

    begins = True

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        self.save_for_backward(x, weight)
        y = _sums.multiply(_rows(x), weight.T)  # one product, however many leading axes there are
        if bias is not None:
            y += bias
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[0])

    def backward(self, gy: Array) -> tuple[Array | None, ...]:
        x, weight = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        g = _rows(gy)
        gx = _sums.multiply(g, weight) if needs_x else None
        if gx is not None and x.ndim != 2:
            gx = gx.reshape(x.shape)
        gweight = _sums.multiply(g.T, _rows(x)) if needs_weight else None
        gbias = _sums.add_up(g, (0,)) if any(needs_bias) else None
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]


def _rows(x: Array) -> Array:  # (..., features) -> (N, features)
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x @ weight^T + bias.

    Shape: input (..., in_features), weight (out_features, in_features), bias (out_features,)
        -> (..., out_features).

    Raises:
        ShapeError: the features do not fit.
        RuntimeError: input and weight are of different dtypes.

    Example:
        >>> weight = npnet.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> F.linear(npnet.tensor([[1.0, 2.0]]), weight, bias=npnet.tensor([10.0, 20.0, 30.0]))
        tensor([[11., 22., 33.]])

    Source: Rumelhart, Hinton, Williams (1986), Nature 323.
    """
    if not isinstance(input, Variable):
        raise not_tensors("linear", input)
    inputs = (input, weight) if bias is None else (input, weight, bias)
    if not _fit(*inputs):
        _check_linear(input, weight, bias)
    return Linear()(*inputs)


def _fit(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    """Whether these are floats that `_check_linear` says nothing of: so it costs less to know."""
    if not isinstance(input, Variable) or not isinstance(weight, Variable):
        return False
    x, w = input._values, weight._values
    if (
        len(w.shape) != 2
        or x.shape[-1:] != w.shape[1:]
        or x.dtype != w.dtype
        or x.dtype.kind != "f"
    ):
        return False
    if bias is None:
        return True
    b = bias._values
    return b.shape == w.shape[:1] and b.dtype == w.dtype


def _check_linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise where `linear` can't be done."""
    check_axes("linear", "weight", weight.shape, ("out_features", "in_features"))
    if input.ndim == 0 or input.shape[-1] != weight.shape[1]:
        features = input.shape[-1] if input.ndim else 0
        raise ShapeError(
            f"linear: input has {features} features but weight takes {weight.shape[1]}; "
            f"got x {input.shape}, weight {weight.shape}{_image_hint(input, weight)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: bias must be ({weight.shape[0]},), got {bias.shape}")
    inputs = (input, weight) if bias is None else (input, weight, bias)
    check_dtypes("linear", *inputs, integers=True)


def _image_hint(x: Tensor, weight: Tensor) -> str:
    """The likely fix where images, or their features, come in another size or not flattened."""
    if x.ndim == 4 and x.numel() // max(x.shape[0], 1) == weight.shape[1]:
        return " (flatten the images first: x.flatten(1))"
    if (x.shape[-1:], weight.shape[1]) == ((256,), 400):
        return " (LeNet wants 32x32 images: resize with transforms.Resize(32))"
    return ""


class MatMul(Function):
    """gx = gy @ other^T, gother = x^T @ gy, for equal leading axes."""

    def forward(self, x: Array, other: Array) -> Array:
        self.save_for_backward(x, other)
        return _sums.multiply(x, other)

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, other = self.saved
        needs_x, needs_other = self.needs_input_grad
        gx = _sums.multiply(gy, other.swapaxes(-1, -2)) if needs_x else None
        return gx, _sums.multiply(x.swapaxes(-1, -2), gy) if needs_other else None


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; one axis counts as a row on the left and as a column on the right.

    Shape: (..., n, k) @ (..., k, m) -> (..., n, m), leading axes broadcast.

    Raises:
        ShapeError: the inner sizes k differ, leading axes do not broadcast, or one is a single
            number.
        RuntimeError: the dtypes differ.

    Example:
        >>> x = npnet.tensor([[1, 2], [3, 4]])
        >>> npnet.matmul(x, x), npnet.matmul(x, npnet.tensor([1, 1]))
        (tensor([[ 7, 10],
                [15, 22]]), tensor([3, 7]))
        >>> npnet.matmul(npnet.zeros(5, 2, 3), npnet.zeros(3, 4)).shape
        (5, 2, 4)
    """
    if not input.ndim or not other.ndim or input.shape[-1] != other.shape[-min(2, other.ndim)]:
        raise ShapeError(
            "matmul: the last axis of the left must be as long as the last but one of the right; "
            f"got {input.shape} and {other.shape}"
        )
    check_dtypes("matmul", input, other, integers=True)
    if input.ndim == other.ndim == 2:  # the usual case
        return MatMul()(input, other)
    x = shape.unsqueeze(input, 0) if input.ndim == 1 else input
    w = shape.unsqueeze(other, 1) if other.ndim == 1 else other
    batch = shape.broadcast_shapes("matmul", x.shape[:-2], w.shape[:-2])
    x, w = (shape.expand(a, (*batch, *a.shape[-2:])) for a in (x, w))
    y = MatMul()(x, w)
    y = shape.squeeze(y, -1) if other.ndim == 1 else y
    return shape.squeeze(y, -1 if other.ndim == 1 else -2) if input.ndim == 1 else y
