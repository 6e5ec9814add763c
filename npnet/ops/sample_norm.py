"""Norms of single samples beside those of `norm`: of instances, of roots of mean squares, local."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS, limits
from npnet.base.checks import ShapeError, check_count, check_writable
from npnet.ops import _sums
from npnet.ops.dtypes import check_dtypes, get_default_dtype
from npnet.ops.images import check_numbers
from npnet.ops.norm import batch_norm, group_norm, move
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["instance_norm", "local_response_norm", "rms_norm"]

PIXELS = (2,)  # of (N, C, P), what is added up for each channel of each sample


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each channel of each sample, then scale and shift it: groups of one channel.

    Args:
        running_mean, running_var: where given, they move towards the mean over the batch of the
            samples' means and unbiased variances.
        use_input_stats: False takes the running statistics, as `batch_norm` in evaluation.

    Shape: input (N, C, ...) -> the same; all others (C,).

    Raises:
        ShapeError: the input has no axis beside N and C, or statistics, weight or bias are not
            (C,).
        ValueError: a channel has one pixel alone; or running statistics are wanted, but not given.

    Example:
        >>> F.instance_norm(npnet.tensor([[[1.0, 3.0], [10.0, 30.0]]]))
        tensor([[[-1.0000,  1.0000],
                 [-1.0000,  1.0000]]])

    Source: Ulyanov, Vedaldi, Lempitsky (2016), arXiv:1607.08022, eq. 7.
    """
    check_dtypes("instance_norm", input)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3:
        raise ShapeError(f"instance_norm: input must have axes (N, C, ...), got {input.shape}")
    pixels = math.prod(input.shape[2:])
    if pixels == 1:
        raise ValueError(
            "instance_norm: more than one pixel for each channel is needed, got input "
            f"{input.shape}"
        )
    statistics = {"running_mean": running_mean, "running_var": running_var}
    for name, running in statistics.items():
        if running is None:
            continue
        if running.shape != input.shape[1:2]:
            raise ShapeError(
                f"instance_norm: {name} must be {input.shape[1:2]}, got {running.shape}"
            )
        check_writable("instance_norm", name, running.array)
    y = group_norm(input, input.shape[1], weight, bias, eps)
    if running_mean is not None or running_var is not None:
        with np.errstate(all="ignore"):
            x = input.array.reshape(*input.shape[:2], pixels)
            _, start, off, squares = _sums.centred(x, PIXELS)
            move(running_mean, momentum, (start + off).mean((0, 2)))
            move(running_var, momentum, squares.mean((0, 2)) / (pixels - 1))
    return y


class RMSNorm(Function):
    """y = weight * xhat, xhat = x * r, r = 1 / sqrt(mean(x^2) + eps), over the last axes;

    gx = r * (g - xhat * mean(g * xhat)), g = gy * weight;  gweight = the sum of gy * xhat.
    """

    def __init__(self, count: int, eps: float) -> None:
        self.count, self.eps = count, eps

    def forward(self, x: Array, weight: Array) -> Array:
        split = x.ndim - self.count
        self.size = math.prod(x.shape[:split]), math.prod(x.shape[split:])
        rows = x.reshape(self.size)
        squares = _sums.add_products(rows, rows, (1,), keepdims=True)
        self.rstd = 1 / np.sqrt(squares / x.dtype.type(self.size[1]) + x.dtype.type(self.eps))
        self.xhat = rows * self.rstd
        self.save_for_backward(weight)
        return (self.xhat * weight.reshape(-1)).reshape(x.shape)

    def backward(self, gy: Array) -> tuple[Array, Array]:
        (weight,) = self.saved
        g = gy.reshape(self.size)
        gweight = _sums.add_products(g, self.xhat, (0,))
        gx = g * weight.reshape(-1)
        slope = _sums.add_products(gx, self.xhat, (1,), keepdims=True)
        gx -= self.xhat * (slope / gy.dtype.type(self.size[1]))
        gx *= self.rstd
        return gx.reshape(gy.shape), gweight.reshape(weight.shape)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide each sample by the root of the mean square of its last axes, then scale it.

        y = weight * x / sqrt(mean(x^2) + eps)

    Args:
        eps: default the dtype's distance from 1 to the next number.

    Shape: input (..., *normalized_shape) -> the same; weight normalized_shape.

    Raises:
        ShapeError: the input does not end in `normalized_shape`, or the weight is not of it.

    Example:
        >>> npnet.rms_norm(npnet.tensor([[3.0, 4.0], [6.0, 8.0]]), (2,))
        tensor([[0.8485, 1.1314],
                [0.8485, 1.1314]])

    Source: Zhang and Sennrich (2019), arXiv:1910.07467, eq. 4.
    """
    check_dtypes("rms_norm", input)
    size = tuple(normalized_shape)
    if not size:
        raise ShapeError("rms_norm: normalized_shape must name at least one axis, got ()")
    if input.shape[-len(size) :] != size:
        raise ShapeError(f"rms_norm: input must end in {size}, got {input.shape}")
    if weight is None:
        weight = result(np.ones(size, input.dtype))
    if weight.shape != size:
        raise ShapeError(f"rms_norm: weight must be {size}, got {weight.shape}")
    check_dtypes("rms_norm", input, weight)
    least = float(limits(input.dtype).eps) if eps is None else eps
    return RMSNorm(len(size), least)(input, weight)


class LocalResponse(Function):
    """y = x / d^beta, d = k + alpha / size * sum of x^2 over the channels around;

    gx_c = gy_c / d_c^beta - 2 alpha beta / size * x_c * the sum of gy x / d^(beta + 1) over the
    channels that c is around of.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Array) -> Array:  # (N, C, ...)
        share = x.dtype.type(self.alpha / self.size)
        self.d = share * self.around(x * x, self.size // 2) + x.dtype.type(self.k)
        self.save_for_backward(x)
        return x / self.d**self.beta

    def backward(self, gy: Array) -> tuple[Array]:
        (x,) = self.saved
        power = self.d**-self.beta
        slope = self.around(gy * x * power / self.d, (self.size - 1) // 2)
        return (gy * power - gy.dtype.type(2 * self.alpha * self.beta / self.size) * x * slope,)

    def around(self, values: Array, before: int) -> Array:
        """For each channel the sum of `size`, of which so many lie before it."""
        total, channels = np.zeros_like(values), values.shape[1]
        for shift in range(-before, self.size - before):
            low, high = max(0, -shift), min(channels, channels - shift)
            if low < high:
                total[:, low:high] += values[:, low + shift : high + shift]
        return total


def _integer_response(x: Tensor, op: LocalResponse) -> Tensor:
    """That of integers, whose mean square PyTorch rounds to 0 before all else is float."""
    mean = op.around(x.array * x.array, op.size // 2) // op.size
    d = mean.astype(get_default_dtype()) * op.alpha + op.k
    return result(np.asarray(x.array / d**op.beta).astype(get_default_dtype()))


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """y_c = x_c / (k + alpha / size * sum of x_j^2)^beta over the `size` channels j around c.

    Those are size // 2 before c and (size - 1) // 2 behind it; beyond the channels there are zeros.

    Shape: input (N, C, ...) -> the same.

    Raises:
        ShapeError: the input has no axis beside N and C.
        ValueError: `size` is less than 1.

    Example:
        >>> x = npnet.tensor([[[1.0], [2.0], [3.0]]])
        >>> F.local_response_norm(x, 3, alpha=3.0, beta=1.0).flatten()  # 1 / 6, 2 / 15, 3 / 14
        tensor([0.1667, 0.1333, 0.2143])

    Source: Krizhevsky, Sutskever, Hinton (2012), section 3.3, whose alpha is alpha / size here.
    """
    check_numbers("local_response_norm", input)
    if input.ndim < 3:
        raise ShapeError(
            f"local_response_norm: input must have axes (N, C, ...), got {input.shape}"
        )
    count = check_count("local_response_norm", "size", size)
    if input.dtype.kind not in FLOATS:
        if not input.numel():
            return input
        return _integer_response(input, LocalResponse(count, alpha, beta, k))
    return LocalResponse(count, alpha, beta, k)(input)
