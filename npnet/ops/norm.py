"""Normalisation: of a channel over the batch, of groups of channels, or of a sample's features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count, check_number, check_real, check_writable
from npnet.ops import _sums
from npnet.ops.dtypes import check_dtypes
from npnet.ops.shape import clone
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "layer_norm", "move"]

CHANNELS = (0, 2)  # what is added up for each channel of (N, C, P)
VALUES, SHARERS = (2, 3), (0, 3)  # of (M, R, K, P), for each group and for each weight


class BatchNorm(Function):
    """y = weight * r * (x - mean) + bias, r = 1 / sqrt(var + eps), for each channel.

        gbias = sum(gy),  gweight = r * sum(gy * (x - mean))
        gx = weight * r * (gy - mean(gy) - (x - mean) * r^2 * mean(gy * (x - mean)))

    In training, where mean and var are the batch's; otherwise they are given and gx = weight*r*gy.

    A mean that is large beside the deviation is kept as two numbers, `start` and `off`: x - start
    is exact there, and what is left to take off goes into the constants.

    Attributes:
        training: whether mean and var are the batch's.
        running: mean and variance as tensors, which are given or move in training, and momentum.
    """

    running: tuple[Tensor | None, Tensor | None, float] = (None, None, 0.0)

    def __init__(self, eps: float, statistics: tuple[Array, Array] | None) -> None:
        self.eps, self.given, self.training = eps, statistics, statistics is None

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:  # (N, C, ...)
        pixels = _flat(x)
        self.count = x.dtype.type(len(pixels) * pixels.shape[2])
        if self.given is None:
            y, start, off, squares = _sums.centred(pixels, CHANNELS)
            self.start, self.off = start[0, :, 0], off[0, :, 0]
            self.mean, self.var = self.start + self.off, squares[0, :, 0] / self.count
        else:
            self.mean, self.var = self.given
            self.start = self.mean.astype(x.dtype)
            self.off = np.zeros_like(self.start)
            y = np.subtract(pixels, self.start[:, None])
        self.rstd = (1 / np.sqrt(self.var + self.eps)).astype(x.dtype)
        self.save_for_backward(x, weight)
        scale = weight * self.rstd
        y *= scale[:, None]
        y += (bias - _finite(self.off * scale))[:, None]
        return y.reshape(x.shape)

    def backward(self, gy: Array) -> tuple[Array | None, Array, Array]:
        x, weight = self.saved
        g, pixels, start = _flat(gy), _flat(x), self.start[:, None]
        gbias = _sums.add_up(g, CHANNELS)
        dots = _sums.add_products(g, pixels, CHANNELS, less=start[None])
        dots -= _finite(self.off * gbias)
        gx = None
        if self.needs_input_grad[0]:
            scale = weight * self.rstd
            gx = g * scale[:, None]
            if self.given is None:
                slope = scale * self.rstd**2 * dots / self.count
                from_start = pixels - start
                from_start *= slope[:, None]
                gx -= from_start
                gx -= (scale * gbias / self.count - _finite(slope * self.off))[:, None]
            gx = gx.reshape(x.shape)
        return gx, dots * self.rstd, gbias


def _finite(correction: Array) -> Array:
    """Of what is taken off what it follows from, the finite numbers: inf - inf would be NaN."""
    return np.where(np.isfinite(correction), correction, 0).astype(correction.dtype, copy=False)


def _flat(x: Array) -> Array:  # (N, C, ...) -> (N, C, P)
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise each channel, then scale and shift it.

        y = weight * (x - mean) / sqrt(var + eps) + bias

    In training mean and (biased) var are those of the batch, and the running statistics, where
    given, move towards them in place: `r <- (1 - momentum) * r + momentum * new`, with the
    unbiased variance. Otherwise the running statistics are used.

    Shape: input (N, C, ...) -> the same; all others (C,).

    Raises:
        ValueError: a batch with one value for a channel, which has no variance.
        ShapeError: statistics, weight or bias are not (C,).

    Example:
        >>> x, mean, var = npnet.tensor([[1.0], [3.0]]), npnet.zeros(1), npnet.ones(1)
        >>> F.batch_norm(x, mean, var, training=True, momentum=0.5)
        tensor([[-1.0000],
                [ 1.0000]])
        >>> mean, var
        (tensor([1.]), tensor([1.5000]))

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """
    check_dtypes("batch_norm", input)
    check_real("batch_norm", "momentum", momentum)
    if input.shape == (0,):
        return clone(input)  # no images at all, which PyTorch lets through
    _check_batch_norm(input, running_mean, running_var, weight, bias, eps)
    channels = (input.shape[1],)
    weight = result(np.ones(channels, input.dtype)) if weight is None else weight
    bias = result(np.zeros(channels, input.dtype)) if bias is None else bias
    affine = _affine("batch_norm", input, channels, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: without training, running_mean and running_var are needed"
            )
        # Copies: a later forward in training moves the running statistics before backward.
        given = (running_mean.array.copy(), running_var.array.copy())
        function = BatchNorm(eps, given)
        function.running = running_mean, running_var, 0.0
        return function(input, *affine)
    count = input.numel() // max(input.shape[1], 1)
    if count == 1:
        raise ValueError(
            "batch_norm: training needs more than one value for each channel, "
            f"got input {input.shape}; use a larger batch, or eval()"
        )
    if count == 0:  # an empty batch has no statistics, and changes none
        zero = np.zeros(channels, input.dtype)
        return BatchNorm(eps, (zero, zero))(input, *affine)
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None:
            _check_running(name, running)
    function = BatchNorm(eps, None)
    function.running = running_mean, running_var, momentum
    y = function(input, *affine)
    with np.errstate(all="ignore"):  # a diverged batch shall not warn here either
        move(running_mean, momentum, function.mean)
        move(running_var, momentum, function.var * (count / (count - 1)))
    return y


def _check_running(name: str, running: Tensor) -> None:
    """Raise unless a running statistic can be moved: both can, or neither is."""
    check_writable("batch_norm", name, running.array)
    if not running.is_floating_point():
        raise TypeError(f"batch_norm: {name} must be floating point, got {running.dtype}")


def move(running: Tensor | None, momentum: float, new: Array) -> None:
    """Let a running statistic go some way towards the batch's, in place."""
    if running is not None:
        statistics = running.array
        statistics *= 1 - momentum
        statistics += momentum * new


def _check_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> None:
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: input must have axes (N, C, ...), got {input.shape}")
    check_number("batch_norm", "eps", eps, above=0)
    channels = (input.shape[1],)
    names = ("running_mean", "running_var", "weight", "bias")
    for name, value in zip(names, (running_mean, running_var, weight, bias), strict=True):
        if value is not None and value.shape != channels:
            raise ShapeError(
                f"batch_norm: {name} must be {channels}, got {value.shape}; input {input.shape}"
            )


def _affine(
    op: str, input: Tensor, size: tuple[int, ...], weight: Tensor | None, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """The weight and the bias, or neither, or the weight alone, if they are of this size."""
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != size:
            raise ShapeError(f"{op}: {name} must be {size}, got {value.shape}")
    if weight is None and bias is not None:
        weight = result(np.ones(size, input.dtype))
    affine = tuple([value for value in (weight, bias) if value is not None])
    check_dtypes(op, input, *affine)
    return affine


class GroupNorm(Function):
    """y = weight * xhat + bias, xhat = (x - mean) * r, r = 1 / sqrt(var + eps), for each group.

    gx = r * (g - mean(g) - xhat * mean(g * xhat)), g = gy * weight

    Without weight or bias, those are 1 and 0.
    """

    def __init__(self, groups: int, eps: float) -> None:
        self.groups, self.eps = groups, eps

    def parts(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """(M, R, K, P): M times R groups of K * P values, of which P share one of R * K weights."""
        n, channels, *pixels = shape
        return n, self.groups, channels // self.groups, math.prod(pixels)

    def forward(self, x: Array, weight: Array | None = None, bias: Array | None = None) -> Array:
        self.size = self.parts(x.shape)
        xhat, _, off, squares = _sums.centred(x.reshape(self.size), VALUES)
        xhat -= off
        rstd = 1 / np.sqrt(squares / self._count(x) + self.eps)
        xhat *= rstd
        self.xhat, self.rstd = xhat, rstd
        self.save_for_backward(weight)
        y = xhat.copy() if weight is None else xhat * self._shared(weight)
        if bias is not None:
            y += self._shared(bias)
        return y.reshape(x.shape)

    def backward(self, gy: Array) -> tuple[Array, ...]:
        (weight,) = self.saved
        g, count = gy.reshape(self.size), self._count(gy)
        gx = g.copy() if weight is None else g * self._shared(weight)
        gradients = []
        if weight is not None:
            gweight, gbias = _sums.add_products(g, self.xhat, SHARERS), _sums.add_up(g, SHARERS)
            gradients = [gweight.reshape(weight.shape), gbias.reshape(weight.shape)]
        mean = _sums.mean(gx, VALUES, keepdims=True)
        slope = _sums.add_products(gx, self.xhat, VALUES, keepdims=True) / count  # of none: NaN
        off = self.xhat * slope
        off += mean
        gx -= off
        gx *= self.rstd
        return gx.reshape(gy.shape), *gradients[: len(self.needs_input_grad) - 1]

    def _shared(self, weight: Array) -> Array:
        return weight.reshape(*self.size[1:3], 1)

    def _count(self, x: Array) -> np.floating[Any]:
        return x.dtype.type(math.prod(self.size[2:]))


class LayerNorm(GroupNorm):
    """The same of the last `count` axes, which are one group; each value has its own weight."""

    def __init__(self, count: int, eps: float) -> None:
        self.count, self.eps = count, eps

    def parts(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        split = len(shape) - self.count
        return math.prod(shape[:split]), 1, math.prod(shape[split:]), 1


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise groups of channels of each sample, then scale and shift each channel.

        y = weight * (x - mean) / sqrt(var + eps) + bias,   var biased

    mean and var are those of the C / num_groups channels of a group and all their pixels.

    Shape: input (N, C, ...) -> the same; weight and bias (C,).

    Raises:
        ShapeError: the channels can't be divided among so many groups.
        ValueError: there is but one value in all, which has no variance.

    Example:
        >>> F.group_norm(npnet.tensor([[1.0, 3.0, 10.0, 30.0]]), 2)
        tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])

    Source: Wu and He (2018), arXiv:1803.08494, section 3.1.
    """
    check_dtypes("group_norm", input)
    check_real("group_norm", "eps", eps)
    groups = check_count("group_norm", "num_groups", num_groups)
    if input.ndim < 2:
        raise ShapeError(f"group_norm: input must have axes (N, C, ...), got {input.shape}")
    n, channels, *pixels = input.shape
    if channels % groups:
        raise ShapeError(
            f"group_norm: num_groups must divide the number of channels, got {groups}; "
            f"input {input.shape}"
        )
    if n * (channels // groups) * math.prod(pixels) == 1:
        raise ValueError(
            f"group_norm: a group of one sample needs more than one value, got input {input.shape} "
            f"and num_groups {groups}"
        )
    affine = _affine("group_norm", input, (channels,), weight, bias)
    return GroupNorm(groups, eps)(input, *affine)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Standardise the last axes of each sample, then scale and shift them.

        y = weight * (x - mean) / sqrt(var + eps) + bias,   var biased

    Shape: input (..., *normalized_shape) -> the same; weight and bias normalized_shape.

    Raises:
        ShapeError: the input does not end in `normalized_shape`, or weight or bias are not of it.

    Example:
        >>> F.layer_norm(npnet.tensor([[1.0, 3.0], [10.0, 30.0]]), (2,))
        tensor([[-1.0000,  1.0000],
                [-1.0000,  1.0000]])

    Source: Ba, Kiros, Hinton (2016), arXiv:1607.06450.
    """
    check_dtypes("layer_norm", input)
    size = tuple(normalized_shape)
    if not size:
        raise ShapeError("layer_norm: normalized_shape must name at least one axis, got ()")
    if input.shape[-len(size) :] != size:
        raise ShapeError(f"layer_norm: input must end in {size}, got {input.shape}")
    check_real("layer_norm", "eps", eps)
    affine = _affine("layer_norm", input, size, weight, bias)
    return LayerNorm(len(size), eps)(input, *affine)
