"""Activations of straight pieces: limits, thresholds, shrinkage, slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_real, not_tensors
from npnet.ops import _sums
from npnet.ops.activation import LeakyReLU, maybe_inplace
from npnet.ops.arithmetic import mul
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import check_dtypes
from npnet.random import default_generator
from npnet.tape import Function, Variable, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "hardshrink",
    "hardsigmoid",
    "hardtanh",
    "hardtanh_",
    "prelu",
    "relu6",
    "rrelu",
    "rrelu_",
    "softshrink",
    "threshold",
    "threshold_",
]


class Hardtanh(Function):
    """gx = gy where low < x < high, else 0, also where x is NaN."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.clip(x, x.dtype.type(self.low), x.dtype.type(self.high))

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (np.where((x > self.low) & (x < self.high), gy, gy.dtype.type(0)),)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """y = min(max(x, min_val), max_val); the gradient on the bounds is 0.

    Shape: (...) -> the same.

    Raises:
        ValueError: `min_val` is larger than `max_val`.

    Example:
        >>> F.hardtanh(npnet.tensor([-2.0, 0.5, 2.0]))
        tensor([-1.0000,  0.5000,  1.0000])

    Source: Collobert (2004), section 5.3.
    """
    check_real("hardtanh", "min_val", min_val)
    check_real("hardtanh", "max_val", max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val must be <= max_val, got {min_val:g} and {max_val:g}")
    _check_numbers("hardtanh", input)
    if input.dtype.kind == "u" and min_val < 0:
        raise RuntimeError(f"hardtanh: negative min_val {min_val:g} with {input.dtype}")
    return maybe_inplace("hardtanh", Hardtanh(min_val, max_val)(input), input, inplace)


def _check_numbers(op: str, x: Tensor) -> None:
    if not isinstance(x, Variable):
        raise not_tensors(op, x)
    if x.dtype.kind == "b":
        raise RuntimeError(f"{op}: input must be numbers, got bool")


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-2.0, 0.5, 2.0])
        >>> F.hardtanh_(x) is x, x
        (True, tensor([-1.0000,  0.5000,  1.0000]))
    """
    return hardtanh(input, min_val, max_val, inplace=True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """y = min(max(x, 0), 6); the gradient at 0 and 6 is 0.

    Shape: (...) -> the same.

    Example:
        >>> F.relu6(npnet.tensor([-1.0, 3.0, 9.0]))
        tensor([0., 3., 6.])

    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10", section 2.1.
    """
    _check_numbers("relu6", input)
    return maybe_inplace("relu6", Hardtanh(0, 6)(input), input, inplace)


class Hardsigmoid(Function):
    """gx = gy / 6 where -3 < x < 3, else 0."""

    sixth = np.float32(1 / 6)  # in PyTorch a float32, whatever the dtype

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.minimum(np.maximum(x + 3, 0), 6) / 6

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (np.where((x > -3) & (x < 3), gy * gy.dtype.type(self.sixth), gy.dtype.type(0)),)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """y = min(max(x + 3, 0), 6) / 6.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.hardsigmoid(npnet.tensor([-3.0, 0.0, 1.5, 4.0]))
        tensor([0.0000, 0.5000, 0.7500, 1.0000])

    Source: Howard et al. (2019), arXiv:1905.02244, section 5.2.
    """
    check_dtypes("hardsigmoid", input)
    return maybe_inplace("hardsigmoid", Hardsigmoid()(input), input, inplace)


class Threshold(Function):
    """gx = 0 where x <= threshold, else gy."""

    def __init__(self, threshold: float, value: float) -> None:
        self.threshold, self.value = threshold, value

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.where(x <= self.threshold, x.dtype.type(self.value), x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (np.where(x <= self.threshold, gy.dtype.type(0), gy),)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """y = x where x > threshold, else value.

    Shape: (...) -> the same.

    Example:
        >>> npnet.threshold(npnet.tensor([0.5, 1.0, 2.0]), 1.0, -9.0)
        tensor([-9., -9.,  2.])
    """
    check_real("threshold", "threshold", threshold)
    check_real("threshold", "value", value)
    return maybe_inplace("threshold", Threshold(threshold, value)(input), input, inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([0.5, 1.0, 2.0])
        >>> F.threshold_(x, 1.0, -9.0) is x, x
        (True, tensor([-9., -9.,  2.]))
    """
    check_tensors("threshold_", input)
    y = Threshold(threshold, value)(input)
    return maybe_inplace("threshold", y, input, True)


class Shrink(Function):
    """y = 0 where -lambd <= x <= lambd, else x less `off` away from 0;

    gx = gy where x < -lambd or x > lambd, else 0, also where x is NaN.
    """

    def __init__(self, lambd: float, off: float) -> None:
        self.lambd, self.off = lambd, off

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        moved = x - np.copysign(x.dtype.type(self.off), x) if self.off else x
        return np.where((x >= -self.lambd) & (x <= self.lambd), x.dtype.type(0), moved)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (np.where((x < -self.lambd) | (x > self.lambd), gy, gy.dtype.type(0)),)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """y = 0 where -lambd <= x <= lambd, else x.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.hardshrink(npnet.tensor([-2.0, 0.5, 0.75]))
        tensor([-2.0000,  0.0000,  0.7500])

    Source: Donoho and Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage": hard
        thresholding.
    """
    check_dtypes("hardshrink", input)
    check_real("hardshrink", "lambd", lambd)
    return Shrink(lambd, 0)(input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """y = 0 where -lambd <= x <= lambd, else x - lambd * sign x.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: `lambd` is negative, or the input is not of a floating point dtype.

    Example:
        >>> F.softshrink(npnet.tensor([-2.0, 0.5, 0.75]))
        tensor([-1.5000,  0.0000,  0.2500])

    Source: Donoho and Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage": soft
        thresholding.
    """
    check_dtypes("softshrink", input)
    check_real("softshrink", "lambd", lambd)
    if not lambd >= 0:
        raise RuntimeError(f"softshrink: lambd must be >= 0, got {lambd:g}")
    return Shrink(lambd, lambd)(input)


class PReLU(Function):
    """gx = gy where x > 0, else w * gy;  gweight = the sum of gy * x where x <= 0."""

    def forward(self, x: Array, weight: Array) -> Array:  # (N, C, ...) and (C,), or (1,)
        self.save_for_backward(x, weight)
        return np.where(x > 0, x, x * self._spread(x, weight))

    def backward(self, gy: Array) -> tuple[Array, Array]:
        x, weight = self.saved
        gx = np.where(x > 0, gy, gy * self._spread(x, weight))
        below = np.where(x > 0, gy.dtype.type(0), gy * x)
        if weight.size == 1:
            return gx, _sums.add_up(below, range(x.ndim)).reshape(weight.shape)
        axes = tuple(axis for axis in range(x.ndim) if axis != min(1, x.ndim - 1))
        return gx, _sums.add_up(below, axes).reshape(weight.shape)

    @staticmethod
    def _spread(x: Array, weight: Array) -> Array:
        return weight.reshape(-1, *[1] * (x.ndim - 2)) if weight.size > 1 else weight.reshape(())


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """y = x where x > 0, else weight * x.

    Shape: input (N, C, ...) -> the same; weight (C,), or (1,) or () for all channels.

    Raises:
        ShapeError: the weight has another number of values.

    Example:
        >>> npnet.prelu(npnet.tensor([[-2.0, -2.0]]), npnet.tensor([0.5, 0.25]))
        tensor([[-1.0000, -0.5000]])

    Source: He et al. (2015), arXiv:1502.01852, eq. 1.
    """
    check_dtypes("prelu", input, weight)
    channels = input.shape[1] if input.ndim > 1 else input.numel()
    if weight.ndim > 1 or (weight.ndim and weight.numel() not in (1, channels)):
        raise ShapeError(
            f"prelu: weight must be (1,) or one for each of {channels} channels, got "
            f"{weight.shape}; input {input.shape}"
        )
    if weight.numel() > 1 and input.ndim == 1:
        raise ShapeError(f"prelu: input (L,) has no channels for {weight.numel()} weights")
    return PReLU()(input, weight)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """y = x where x > 0, else a * x: a is drawn evenly from [lower, upper) for each number.

    Args:
        training: False takes a = (lower + upper) / 2.

    Shape: (...) -> the same.

    Raises:
        ValueError: `lower` is larger than `upper`.
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.rrelu(npnet.tensor([-2.0, 1.0]), lower=0.25, upper=0.75)  # in evaluation
        tensor([-1.,  1.])

    Source: Xu et al. (2015), arXiv:1505.00853, section 2.4.
    """
    check_dtypes("rrelu", input)
    if not lower <= upper:
        raise ValueError(f"rrelu: lower must be <= upper, got {lower:g} and {upper:g}")
    if not training:
        return maybe_inplace("rrelu", LeakyReLU((lower + upper) / 2)(input), input, inplace)
    if inplace:  # refused before numbers are drawn
        input._check_write(False, "rrelu(inplace=True)")
    drawn = default_generator.numpy.uniform(lower, upper, input.shape)
    slopes = np.where(input.array <= 0, drawn, 1).astype(input.dtype)
    return maybe_inplace("rrelu", mul(input, result(slopes)), input, inplace)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """`rrelu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-2.0, 1.0])
        >>> F.rrelu_(x, lower=0.25, upper=0.75) is x, x
        (True, tensor([-1.,  1.]))
    """
    return rrelu(input, lower, upper, training, inplace=True)
