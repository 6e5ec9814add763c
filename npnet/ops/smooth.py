"""Smooth activations beside those of `activation`: exponential units, softplus, gates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_real
from npnet.ops import arithmetic, functions, shape
from npnet.ops.activation import maybe_inplace, sigmoid_of, softmax, softmax_axis, tanh
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import check_dtypes
from npnet.random import default_generator
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "celu",
    "celu_",
    "glu",
    "gumbel_softmax",
    "logsigmoid",
    "mish",
    "selu",
    "selu_",
    "softmin",
    "softplus",
    "softsign",
    "tanhshrink",
]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class ScaledELU(Function):
    """y = scale * x where x > 0, else scale * alpha * (exp(rate * x) - 1);

    gx = scale * gy where x > 0, else scale * alpha * rate * gy * exp(rate * x).
    """

    def __init__(self, alpha: float, scale: float, rate: float) -> None:
        self.alpha, self.scale, self.rate = alpha, scale, rate

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        number = x.dtype.type
        below = np.expm1(np.where(x <= 0, x, 0) * number(self.rate))
        return np.where(x <= 0, number(self.scale * self.alpha) * below, number(self.scale) * x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        number = x.dtype.type
        slope = number(self.scale * self.alpha * self.rate) * np.exp(
            np.minimum(x, 0) * number(self.rate)
        )
        return (np.where(x > 0, gy * number(self.scale), gy * slope),)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """y = scale * (x where x > 0, else alpha * (exp(x) - 1)); both keep mean 0 and variance 1.

    scale = 1.0507009873554805, alpha = 1.6732632423543772.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> npnet.selu(npnet.tensor([-1.0, 0.0, 1.0]))
        tensor([-1.1113,  0.0000,  1.0507])

    Source: Klambauer et al. (2017), arXiv:1706.02515, eq. 2.
    """
    check_dtypes("selu", input)
    return maybe_inplace("selu", ScaledELU(SELU_ALPHA, SELU_SCALE, 1.0)(input), input, inplace)


def selu_(input: Tensor) -> Tensor:
    """`selu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-1.0, 2.0])
        >>> F.selu_(x) is x, x
        (True, tensor([-1.1113,  2.1014]))
    """
    return selu(input, inplace=True)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha * (exp(x / alpha) - 1).

    Shape: (...) -> the same.

    Raises:
        RuntimeError: `alpha` is 0, or the input is not of a floating point dtype.

    Example:
        >>> npnet.celu(npnet.tensor([-2.0, 0.0, 2.0]), alpha=2.0)
        tensor([-1.2642,  0.0000,  2.0000])

    Source: Barron (2017), arXiv:1704.07483.
    """
    check_dtypes("celu", input)
    check_real("celu", "alpha", alpha)
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0, x is divided by it")
    return maybe_inplace("celu", ScaledELU(alpha, 1.0, 1 / alpha)(input), input, inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-2.0, 2.0])
        >>> F.celu_(x, alpha=2.0) is x, x
        (True, tensor([-1.2642,  2.0000]))
    """
    return celu(input, alpha, inplace=True)


class Softplus(Function):
    """gx = gy * sigmoid(beta * x), gy where beta * x > threshold."""

    def __init__(self, beta: float, threshold: float) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        scaled = x * x.dtype.type(self.beta)
        return np.where(scaled > self.threshold, x, softplus_of(scaled) / x.dtype.type(self.beta))

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        scaled = x * x.dtype.type(self.beta)
        return (np.where(scaled > self.threshold, gy, gy * sigmoid_of(scaled)),)


def softplus_of(x: Array) -> Array:
    """log(1 + exp(x)) of an array, without overflow."""
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """y = log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.softplus(npnet.tensor([-1.0, 0.0, 30.0]))
        tensor([ 0.3133,  0.6931, 30.0000])

    Source: Dugas et al. (2000).
    """
    check_dtypes("softplus", input)
    check_real("softplus", "beta", beta)
    check_real("softplus", "threshold", threshold)
    return Softplus(beta, threshold)(input)


class Mish(Function):
    """gx = gy * (t + x * s * (1 - t) * (1 + t)), t = tanh(softplus(x)), s = sigmoid(x).

    With f = exp(-|x|), t = n / d: n = f (f + 2), d = n + 2 where x <= 0, n = 1 + 2 f, d = n + 2 f^2
    else. So no exponential overflows, and 1 - t = (d - n) / d does not cancel.
    """

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        n, rest = self._parts(x)
        return np.asarray(x * (n / (n + rest)))

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        n, rest = self._parts(x)
        t, left = n / (n + rest), rest / (n + rest)
        return (gy * (t + x * sigmoid_of(x) * left * (1 + t)),)

    @staticmethod
    def _parts(x: Array) -> tuple[Array, Array]:
        """n and d - n."""
        f = np.exp(-np.abs(x))
        square = f * f
        below = x <= 0
        number = x.dtype.type
        n = np.where(below, square, number(1)) + 2 * f
        return n, 2 * np.where(below, number(1), square)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """y = x * tanh(log(1 + exp(x))).

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.mish(npnet.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.3034,  0.0000,  0.8651])

    Source: Misra (2019), arXiv:1908.08681.
    """
    check_dtypes("mish", input)
    return maybe_inplace("mish", Mish()(input), input, inplace)


class LogSigmoid(Function):
    """gx = gy * sigmoid(-x)."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return -softplus_of(-x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (gy * sigmoid_of(-x),)


def logsigmoid(input: Tensor) -> Tensor:
    """y = log(1 / (1 + exp(-x))).

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.logsigmoid(npnet.tensor([0.0, -100.0]))
        tensor([  -0.6931, -100.0000])
    """
    check_dtypes("logsigmoid", input)
    return LogSigmoid()(input)


def softsign(input: Tensor) -> Tensor:
    """y = x / (1 + |x|), of the ops it is written with.

    Shape: (...) -> the same.

    Example:
        >>> F.softsign(npnet.tensor([-1.0, 0.0, 3.0]))
        tensor([-0.5000,  0.0000,  0.7500])

    Source: Elliott (1993), "A better activation function for artificial neural networks".
    """
    check_tensors("softsign", input)
    return arithmetic.div(input, arithmetic.add(functions.abs(input), 1))


def tanhshrink(input: Tensor) -> Tensor:
    """y = x - tanh(x), of the ops it is written with.

    Shape: (...) -> the same.

    Example:
        >>> F.tanhshrink(npnet.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2384,  0.0000,  0.2384])
    """
    check_tensors("tanhshrink", input)
    return arithmetic.sub(input, tanh(input))


class GLU(Function):
    """y = a * s, s = sigmoid(b), for halves a and b;  ga = gy * s, gb = gy * a * s * (1 - s)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        a, b = np.split(x, 2, self.dim)
        return a * sigmoid_of(b)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        a, b = np.split(x, 2, self.dim)
        s = sigmoid_of(b)
        ga = gy * s
        return (np.concatenate([ga, ga * a * (1 - s)], self.dim),)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """y = a * sigmoid(b), where a and b are the halves of the input along `dim`.

    Shape: (..., 2 * N, ...) -> (..., N, ...).

    Raises:
        ShapeError: the size along `dim` is odd, or there is no axis.
        IndexError: `dim` is no axis.

    Example:
        >>> F.glu(npnet.tensor([1.0, 2.0, 0.0, 100.0]))
        tensor([0.5000, 2.0000])

    Source: Dauphin et al. (2017), arXiv:1612.08083, section 2.
    """
    check_dtypes("glu", input)
    if not input.ndim:
        raise ShapeError("glu: a single number can't be halved")
    axis = shape.axis("glu", dim, input.ndim)
    if input.shape[axis] % 2:
        raise ShapeError(f"glu: axis {dim} must have an even size, got {input.shape}")
    return GLU(axis)(input)


def softmin(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """y_i = exp(-x_i) / sum over j of exp(-x_j), along `dim`. Arguments as of `softmax`.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype, and no `dtype` is given.

    Example:
        >>> F.softmin(npnet.tensor([[0.0, 0.0], [0.0, 1.0]]), dim=1)
        tensor([[0.5000, 0.5000],
                [0.7311, 0.2689]])

    Source: Bridle (1990), as of `softmax`.
    """
    axis = softmax_axis(
        "softmin", input if dtype is None else shape.cast(input, np.dtype(dtype)), dim, _stacklevel
    )
    return softmax(arithmetic.neg(input), axis, dtype=dtype)  # negated first, as in PyTorch


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """The softmax of (logits + g) / tau: a soft draw of one class for each, where g is Gumbel's.

    Args:
        hard: make each draw one-hot; the gradient is that of the soft one.
        eps: of old, changes nothing, as in PyTorch.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the logits are not of a floating point dtype.

    Example:
        >>> F.gumbel_softmax(npnet.zeros(2, 3), hard=True).sum(dim=1)
        tensor([1., 1.])

    Source: Jang, Gu, Poole (2017), arXiv:1611.01144; Maddison, Mnih, Teh (2017), arXiv:1611.00712.
    """
    check_dtypes("gumbel_softmax", logits)
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = default_generator.numpy.gumbel(size=logits.shape).astype(logits.dtype)
    soft = softmax(arithmetic.div(arithmetic.add(logits, result(noise)), tau), dim)
    if not hard:
        return soft
    y = soft.detach()
    one_hot = np.zeros_like(y.array)
    np.put_along_axis(one_hot, y.array.argmax(dim, keepdims=True), 1, dim)
    return arithmetic.add(arithmetic.sub(result(one_hot), y), soft)
