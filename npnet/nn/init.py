"""Initialisation, in place, from the default generator: the distributions and bounds of PyTorch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import ParamSpec

import numpy as np

from npnet.base.checks import unknown_name
from npnet.base.grad_mode import no_grad
from npnet.random import Generator, numpy_generator
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant",
    "constant_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    "linear": 1.0,
    "conv2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw evenly from [a, b).

    Shape: (...), kept.

    Raises:
        RuntimeError: a is larger than b.

    Example:
        >>> weight = nn.init.uniform_(npnet.empty(100), 2.0, 3.0)
        >>> bool(weight.min() >= 2), bool(weight.max() < 3)
        (True, True)
    """
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the normal distribution.

    Shape: (...), kept.

    Raises:
        RuntimeError: `std` is negative.

    Example:
        >>> nn.init.normal_(npnet.empty(2, 3), mean=5.0, std=0.0)
        tensor([[5., 5., 5.],
                [5., 5., 5.]])
    """
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution until every value lies in [a, b].

    Shape: (...), kept.

    Raises:
        ValueError: a is not less than b.

    Example:
        >>> weight = nn.init.trunc_normal_(npnet.empty(100), a=-1.0, b=1.0)
        >>> bool(weight.abs().max() <= 1)
        True
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be below b, got [{a:g}, {b:g}]")
    tensor.normal_(mean, std, generator=generator)
    while (outside := (tensor.array < a) | (tensor.array > b)).any():
        again = result(np.empty(int(outside.sum()), tensor.dtype))
        tensor.array[outside] = again.normal_(mean, std, generator=generator).array
    return tensor


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Set every value.

    Shape: (...), kept.

    Example:
        >>> nn.init.constant_(npnet.empty(2, 3), 0.5)
        tensor([[0.5000, 0.5000, 0.5000],
                [0.5000, 0.5000, 0.5000]])
    """
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Set every value to 1.

    Shape: (...), kept.

    Example:
        >>> nn.init.ones_(npnet.empty(2, 3))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Set every value to 0.

    Shape: (...), kept.

    Example:
        >>> nn.init.zeros_(npnet.empty(2, 3))
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return constant_(tensor, 0.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights must be larger to keep the variance through a nonlinearity.

    Args:
        nonlinearity: linear, conv2d, sigmoid, tanh, relu, leaky_relu or selu.
        param: the negative slope of leaky_relu; default 0.01.

    Raises:
        ValueError: the nonlinearity is none of these.

    Example:
        >>> nn.init.calculate_gain("relu") == 2**0.5, nn.init.calculate_gain("leaky_relu", 1)
        (True, 1.0)

    Source: He et al. (2015), arXiv:1502.01852, section 2.2, for relu and leaky_relu.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        names = [*_GAINS, "leaky_relu"]
        raise ValueError(unknown_name("calculate_gain: nonlinearity", nonlinearity, names))
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output has, and outputs an input: of (O, I, ...) weights.

    Underscored in PyTorch too, where programs of which `reset_parameters` is a copy take it.
    """
    if tensor.ndim < 2:
        raise ValueError(f"init: fan in and fan out need at least 2 axes, got {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    """One of the two, by its name."""
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode must be fan_in or fan_out, got {mode!r}")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw evenly from [-b, b), b = gain * sqrt(3 / fan).

    Args:
        a: the negative slope of leaky_relu.
        mode: fan_in keeps the variance of activations, fan_out that of gradients.

    Shape: (O, I) or (O, I, ...), kept; fan in is I times the rest, fan out O times it.

    Raises:
        ValueError: the tensor has fewer than two axes, or `mode` or `nonlinearity` is unknown.

    Example:
        >>> weight = nn.init.kaiming_uniform_(npnet.empty(64, 24), nonlinearity="relu")
        >>> bool(weight.abs().max() <= 0.5)  # sqrt(2) * sqrt(3 / 24)
        True

    Source: He et al. (2015), arXiv:1502.01852, eqs. 10 (fan_in) and 14 (fan_out), 15 for the slope.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution of std gain / sqrt(fan). See `kaiming_uniform_`.

    Shape: (O, I) or (O, I, ...), kept; fan in is I times the rest, fan out O times it.

    Raises:
        ValueError: the tensor has fewer than two axes, or `mode` or `nonlinearity` is unknown.

    Example:
        >>> nn.init.kaiming_normal_(npnet.empty(64, 3, 5, 5), nonlinearity="relu").shape
        (64, 3, 5, 5)

    Source: He et al. (2015), arXiv:1502.01852, eqs. 10 (fan_in) and 14 (fan_out), 15 for the slope.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / sum(_calculate_fan_in_and_fan_out(tensor)))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw evenly from [-b, b), b = gain * sqrt(6 / (fan_in + fan_out)).

    Shape: (O, I) or (O, I, ...), kept; fans as of `kaiming_uniform_`.

    Raises:
        ValueError: the tensor has fewer than two axes.

    Example:
        >>> weight = nn.init.xavier_uniform_(npnet.empty(8, 16))
        >>> bool(weight.abs().max() <= 0.5)  # sqrt(6 / 24)
        True

    Source: Glorot and Bengio (2010), eq. 16.
    """
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution of std gain * sqrt(2 / (fan_in + fan_out)).

    Shape: (O, I) or (O, I, ...), kept; fans as of `kaiming_uniform_`.

    Raises:
        ValueError: the tensor has fewer than two axes.

    Example:
        >>> nn.init.xavier_normal_(npnet.empty(10, 5)).shape
        (10, 5)

    Source: Glorot and Bengio (2010), eq. 12.
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Set 1 on the diagonal and 0 elsewhere, of a matrix.

    Shape: (n, m), kept.

    Raises:
        ValueError: the tensor has not two axes.

    Example:
        >>> nn.init.eye_(npnet.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: the tensor must have 2 axes, got {tensor.shape}")
    return tensor.copy_(result(np.eye(*tensor.shape, dtype=tensor.dtype)))


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Make the rows, or the columns where there are fewer, orthogonal and of length `gain`.

    Axes from the second on count as one.

    Shape: (n, ...), kept.

    Raises:
        ValueError: the tensor has fewer than two axes.

    Example:
        >>> weight = nn.init.orthogonal_(npnet.empty(3, 5))
        >>> npnet.allclose(weight @ weight.T, npnet.eye(3), atol=1e-5)
        True

    Source: Saxe, McClelland, Ganguli (2013), arXiv:1312.6120.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: the tensor must have at least 2 axes, got {tensor.shape}")
    if not tensor.numel():
        return tensor
    tensor._check_write(False, "orthogonal_")  # before numbers are drawn
    rows = tensor.shape[0]
    flat = numpy_generator(generator).standard_normal((rows, tensor.numel() // rows))
    q, r = np.linalg.qr(flat.T if rows < flat.shape[1] else flat)
    q *= np.sign(np.diag(r))  # makes the draw uniform over all such matrices
    q = q.T if rows < flat.shape[1] else q
    return tensor.copy_(result((gain * q).reshape(tensor.shape).astype(tensor.dtype)))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Set weights (O, I, ...) of a convolution so that it keeps as many channels as it can.

    Shape: (O, I, K), (O, I, KH, KW) or (O, I, KD, KH, KW), kept.

    Raises:
        ValueError: the tensor has other axes, or `groups` does not divide O.

    Example:
        >>> weight = nn.init.dirac_(npnet.empty(2, 2, 3, 3))
        >>> x = npnet.rand(1, 2, 5, 5)
        >>> npnet.equal(F.conv2d(x, weight, padding=1), x)
        True
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: the tensor must have 3, 4 or 5 axes, got {tensor.shape}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {groups} groups must divide {tensor.shape[0]} outputs")
    values = np.zeros(tensor.shape, tensor.dtype)
    outputs, middle = tensor.shape[0] // groups, [n // 2 for n in tensor.shape[2:]]
    for group in range(groups):
        for i in range(min(outputs, tensor.shape[1])):
            values[(group * outputs + i, i, *middle)] = 1
    return tensor.copy_(result(values))


@no_grad()
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Draw a matrix from the normal distribution, with a part `sparsity` of each column 0.

    Shape: (n, m), kept.

    Raises:
        ValueError: the tensor has not two axes.

    Example:
        >>> weight = nn.init.sparse_(npnet.empty(10, 4), sparsity=0.3)
        >>> (weight == 0).sum(dim=0)
        tensor([3, 3, 3, 3])

    Source: Martens (2010), "Deep learning via Hessian-free optimization", section 5.
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: the tensor must have 2 axes, got {tensor.shape}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    rng = numpy_generator(generator)
    for column in range(columns):
        tensor.array[rng.permutation(rows)[:zeros], column] = 0
    return tensor


P = ParamSpec("P")


def _deprecated(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The function by PyTorch's name of old, which warns of it."""
    new = function.__name__
    old = new[:-1]

    def initialise(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    initialise.__name__, initialise.__doc__ = old, f"`{new}`, by the name that PyTorch deprecates."
    return initialise


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
