"""Activations: elementwise nonlinearities, softmax and log-softmax."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array
from npnet.base.checks import check_real
from npnet.ops import _sums
from npnet.ops.dtypes import check_dtypes
from npnet.ops.functions import as_float
from npnet.ops.masks import kept
from npnet.ops.shape import axis, cast, reshape
from npnet.ops.special import erf_of
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "elu",
    "elu_",
    "gelu",
    "hardswish",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "maybe_inplace",
    "relu",
    "relu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_axis",
    "tanh",
]


class ReLU(Function):
    """gx = gy where y > 0, else 0."""

    def forward(self, x: Array) -> Array:
        y: Array = np.maximum(x, x.dtype.type(0))
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (kept(gy, np.asarray(~(y <= 0))),)  # not y > 0: NaN lets gy pass, as in PyTorch


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """y = max(x, 0); the gradient at 0 is 0.

    Args:
        inplace: write the result into `input`. It saves no memory here.

    Shape: (...) -> the same.

    Example:
        >>> F.relu(npnet.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 2.])

    Source: Nair and Hinton (2010).
    """
    return maybe_inplace("relu", ReLU()(input), input, inplace)


def relu_(input: Tensor) -> Tensor:
    """`relu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-1.0, 2.0])
        >>> F.relu_(x) is x, x
        (True, tensor([0., 2.]))
    """
    return relu(input, inplace=True)


def maybe_inplace(op: str, y: Tensor, x: Tensor, inplace: bool) -> Tensor:
    """The result of an op, written into its input if that is asked for."""
    return x._write(y, f"{op}(inplace=True)") if inplace else y


class LeakyReLU(Function):
    """gx = gy where x > 0, else slope * gy."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return x * self._slopes(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        return (gy * self._slopes(x),)

    def _slopes(self, x: Array) -> Array:
        return np.array([self.slope, 1], x.dtype)[(x > 0).view(np.int8)]


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else negative_slope * x.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.leaky_relu(npnet.tensor([-2.0, 0.0, 2.0]), negative_slope=0.25)
        tensor([-0.5000,  0.0000,  2.0000])

    Source: Maas, Hannun, Ng (2013).
    """
    check_dtypes("leaky_relu", input)
    return maybe_inplace("leaky_relu", LeakyReLU(negative_slope)(input), input, inplace)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-2.0, 2.0])
        >>> F.leaky_relu_(x, negative_slope=0.25) is x, x
        (True, tensor([-0.5000,  2.0000]))
    """
    return leaky_relu(input, negative_slope, inplace=True)


class ELU(Function):
    """gx = gy where x > 0, else gy * alpha * exp(x)."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return np.where(x <= 0, x.dtype.type(self.alpha) * np.expm1(np.where(x <= 0, x, 0)), x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        slope = x.dtype.type(self.alpha) * np.exp(np.minimum(x, 0))
        return (np.where(x > 0, gy, gy * slope),)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y = x where x > 0, else alpha * (exp(x) - 1).

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.elu(npnet.tensor([-1.0, 0.0, 2.0]))
        tensor([-0.6321,  0.0000,  2.0000])

    Source: Clevert, Unterthiner, Hochreiter (2016), arXiv:1511.07289, section 3.
    """
    check_dtypes("elu", input)
    check_real("elu", "alpha", alpha)
    return maybe_inplace("elu", ELU(alpha)(input), input, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu`, in place.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a leaf that requires a gradient, unless under `no_grad`.

    Example:
        >>> x = npnet.tensor([-1.0, 2.0])
        >>> F.elu_(x) is x, x
        (True, tensor([-0.6321,  2.0000]))
    """
    return elu(input, alpha, inplace=True)


class SiLU(Function):
    """gx = gy * s * (1 + x * (1 - s)), s = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return x * sigmoid_of(x)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        s = sigmoid_of(x)
        return (gy * s * (1 + x * (1 - s)),)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """y = x / (1 + exp(-x)), which is called swish too.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.silu(npnet.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.2689,  0.0000,  0.7311])

    Source: Hendrycks and Gimpel (2016), arXiv:1606.08415, section 5.
    """
    check_dtypes("silu", input)
    return maybe_inplace("silu", SiLU()(input), input, inplace)


class Hardswish(Function):
    """gx = 0 where x <= -3, gy where x >= 3, else gy * (x / 3 + 1 / 2)."""

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        return x * np.minimum(np.maximum(x + 3, 0), 6) / 6

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        inside = gy * (x / 3 + x.dtype.type(0.5))
        return (np.where(x >= 3, gy, np.where(x <= -3, gy.dtype.type(0), inside)),)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """y = x * min(max(x + 3, 0), 6) / 6.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: the input is not of a floating point dtype.

    Example:
        >>> F.hardswish(npnet.tensor([-3.0, -1.5, 0.0, 3.0]))
        tensor([-0.0000, -0.3750,  0.0000,  3.0000])

    Source: Howard et al. (2019), arXiv:1905.02244, section 5.2.
    """
    check_dtypes("hardswish", input)
    return maybe_inplace("hardswish", Hardswish()(input), input, inplace)


class Tanh(Function):
    """gx = gy * (1 - y^2)."""

    def forward(self, x: Array) -> Array:
        y: Array = np.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        gx = np.asarray(y * y)  # no array of an intermediate result beside it
        np.subtract(1, gx, out=gx)
        gx *= gy
        return (gx,)


def tanh(input: Tensor) -> Tensor:
    """y = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Shape: (...) -> the same.

    Example:
        >>> npnet.tanh(npnet.tensor([0.0, 1.0, -1.0]))
        tensor([ 0.0000,  0.7616, -0.7616])

    Source: LeCun, Bottou, Orr, Mueller (1998), Efficient BackProp, section 4.4, for networks.
    """
    return Tanh()(as_float(input, "tanh"))


class Sigmoid(Function):
    """gx = gy * y * (1 - y)."""

    def forward(self, x: Array) -> Array:
        y = sigmoid_of(x)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (gy * y * (1 - y),)


def sigmoid_of(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x)) of an array, 0 where exp(-x) is infinite; NumPy may warn of that."""
    y: Array = np.negative(x, out=np.empty(x.shape, x.dtype) if out is None else out)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def sigmoid(input: Tensor) -> Tensor:
    """y = 1 / (1 + exp(-x)).

    Shape: (...) -> the same.

    Example:
        >>> npnet.sigmoid(npnet.tensor([0.0, 1.0, -1.0]))
        tensor([0.5000, 0.7311, 0.2689])

    Source: Rumelhart, Hinton, Williams (1986), Nature 323, eq. 2.
    """
    return Sigmoid()(as_float(input, "sigmoid"))


class GELU(Function):
    """gx = gy * (Phi(x) + x * phi(x)): Phi and phi are the normal distribution and its density."""

    def forward(self, x: Array) -> Array:
        below = erf_of(np.asarray(x / math.sqrt(2)))
        below += 1
        below *= 0.5
        self.below = below
        self.save_for_backward(x)
        return x * below

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        gx = np.asarray(-0.5 * x)
        gx *= x
        np.exp(gx, out=gx)
        gx /= math.sqrt(2 * math.pi)
        gx *= x
        gx += self.below
        gx *= gy
        return (gx,)


class GELUTanh(Function):
    """y = x/2 * (1 + t), t = tanh(u), u = a (x + b x^3);

    gx = gy * ((1 + t) + x (1 - t^2) u') / 2.
    """

    scale, cubic = math.sqrt(2 / math.pi), 0.044715

    def forward(self, x: Array) -> Array:
        self.save_for_backward(x)
        self.t = np.tanh(self.scale * (x + self.cubic * x * x * x))
        return 0.5 * x * (1 + self.t)

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        slope = self.scale * (1 + 3 * self.cubic * x * x)
        return (gy * 0.5 * ((1 + self.t) + x * (1 - self.t * self.t) * slope),)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """y = x * Phi(x), where Phi is the standard normal distribution function.

    Args:
        approximate: "none", or "tanh" for the paper's approximation.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: `approximate` is none of these, or the input is not of a floating point dtype.

    Example:
        >>> F.gelu(npnet.tensor([-1.0, 0.0, 1.0])), F.gelu(npnet.tensor([1.0]), approximate="tanh")
        (tensor([-0.1587,  0.0000,  0.8413]), tensor([0.8412]))

    Source: Hendrycks and Gimpel (2016), arXiv:1606.08415.
    """
    check_dtypes("gelu", input)
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return GELU()(input) if approximate == "none" else GELUTanh()(input)


class Softmax(Function):
    """gx = y * (gy - sum(gy * y))."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        y = np.exp(_shifted(x, self.dim))
        y /= _sums.add_up(y, (self.dim,), keepdims=True)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (y * (gy - _sums.add_products(gy, y, (self.dim,), keepdims=True)),)


class LogSoftmax(Function):
    """gx = gy - exp(y) * sum(gy)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        y = log_softmax_of(x, self.dim)
        self.save_for_backward(y)
        return y

    def backward(self, gy: Array) -> tuple[Array]:
        (y,) = self.saved
        return (gy - np.exp(y) * _sums.add_up(gy, (self.dim,), keepdims=True),)


def _shifted(x: Array, dim: int) -> Array:
    """x less its largest value, so that no exponential overflows; inf - inf is NaN."""
    return x - x.max(dim, keepdims=True) if x.size else x.copy()


def log_softmax_of(x: Array, dim: int) -> Array:
    """x - log(sum(exp(x))) of an array."""
    shifted = _shifted(x, dim)
    shifted -= np.log(_sums.add_up(np.exp(shifted), (dim,), keepdims=True))
    return shifted


def softmax(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """y_i = exp(x_i) / sum over j of exp(x_j), along `dim`.

    Args:
        dim: the axis; None guesses as PyTorch does (0 for one or three axes, else 1) and warns.
        _stacklevel: of the warning; PyTorch has it in this place.
        dtype: to convert to first.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype, and no `dtype` is given.

    Example:
        >>> F.softmax(npnet.tensor([[0.0, 0.0], [0.0, 1.0]]), dim=1)
        tensor([[0.5000, 0.5000],
                [0.2689, 0.7311]])

    Source: Bridle (1990), Probabilistic interpretation of feedforward classification network
        outputs.
    """
    x = input if dtype is None else cast(input, np.dtype(dtype))
    return _along(Softmax, softmax_axis("softmax", x, dim, _stacklevel), x)


def log_softmax(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: npt.DTypeLike | None = None,
) -> Tensor:
    """y_i = x_i - log(sum over j of exp(x_j)), along `dim`. Arguments as of `softmax`.

    Shape: (...) -> the same.

    Raises:
        IndexError: `dim` is no axis.
        RuntimeError: the input is not of a floating point dtype, and no `dtype` is given.

    Example:
        >>> F.log_softmax(npnet.tensor([0.0, 0.0]), dim=0)
        tensor([-0.6931, -0.6931])

    Source: Bridle (1990), as of `softmax`.
    """
    x = input if dtype is None else cast(input, np.dtype(dtype))
    return _along(LogSoftmax, softmax_axis("log_softmax", x, dim, _stacklevel), x)


def _along(function: type[Softmax | LogSoftmax], dim: int, x: Tensor) -> Tensor:
    """The function along an axis; a single number counts as one of one value."""
    return function(dim)(x) if x.ndim else reshape(function(0)(reshape(x, (1,))), ())


def softmax_axis(op: str, x: Tensor, dim: int | None, stacklevel: int) -> int:
    """The axis of a softmax; where none is given, the one PyTorch guesses, with a warning."""
    check_dtypes(op, x)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{op}: dim is guessed to be {dim}; pass it", UserWarning, stacklevel=stacklevel
        )
    return axis(op, dim, x.ndim or 1)
