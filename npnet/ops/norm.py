"""Normalisation: over the batch and the pixels of a channel, or over the features of a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npnet._checks import ShapeError, check_number
from npnet.ops.linear import check_dtypes
from npnet.tensor import Array, Function, Tensor

__all__ = ["batch_norm", "layer_norm"]


def _gradient_of_standardised(g: Array, xhat: Array, rstd: Array, axes: tuple[int, ...]) -> Array:
    """gx of xhat = (x - mean) * rstd where mean and rstd come from x: Ioffe and Szegedy, section 3.

    gx = rstd * (g - mean(g) - xhat * mean(g * xhat))
    """
    inner = g - g.mean(axes, keepdims=True)
    inner -= xhat * (g * xhat).mean(axes, keepdims=True)
    inner *= rstd
    return inner


class BatchNorm(Function):
    """y = weight * xhat + bias, xhat = (x - mean) / sqrt(var + eps), for each channel.

    In training mean and var are the batch's, and gx goes through them; otherwise they are given.
    """

    def __init__(self, eps: float, statistics: tuple[Array, Array] | None) -> None:
        self.eps, self.given = eps, statistics

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:  # (N, C, ...)
        self.axes = (0, *range(2, x.ndim))
        if self.given is None:
            mean = x.mean(self.axes, keepdims=True)
            self.mean = mean.reshape(-1)
            self.var = np.square(x - mean).mean(self.axes)
        else:
            self.mean, self.var = self.given
        self.rstd = (1 / np.sqrt(self.var + self.eps)).astype(x.dtype)
        self.save_for_backward(x, weight)
        scale = weight * self.rstd
        y: Array = x * self._by_channel(scale)
        y += self._by_channel(bias - self.mean * scale)
        return y

    def backward(self, gy: Array) -> tuple[Array | None, Array, Array]:
        x, weight = self.saved
        rstd = self._by_channel(self.rstd)
        xhat = (x - self._by_channel(self.mean)) * rstd
        gweight, gbias = (gy * xhat).sum(self.axes), gy.sum(self.axes)
        if not self.needs_input_grad[0]:
            return None, gweight, gbias
        g = gy * self._by_channel(weight)
        if self.given is not None:
            return g * rstd, gweight, gbias
        return _gradient_of_standardised(g, xhat, rstd, self.axes), gweight, gbias

    def _by_channel(self, values: Array) -> Array:  # (C,) -> (C, 1, ...)
        return values.reshape(-1, *[1] * (len(self.axes) - 1))


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

    Source: Ioffe and Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: input must have axes (N, C, ...), got {input.shape}")
    check_number("batch_norm", "eps", eps, least=0)
    channels = (input.shape[1],)
    named = zip(
        ("running_mean", "running_var", "weight", "bias"),
        (running_mean, running_var, weight, bias),
        strict=True,
    )
    for name, value in named:
        if value is not None and value.shape != channels:
            raise ShapeError(
                f"batch_norm: {name} must be {channels}, got {value.shape}; input {input.shape}"
            )
    weight = Tensor(np.ones(channels, input.dtype)) if weight is None else weight
    bias = Tensor(np.zeros(channels, input.dtype)) if bias is None else bias
    check_dtypes("batch_norm", input, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: without training, running_mean and running_var are needed"
            )
        # Copies: a later forward in training moves the running statistics before backward.
        given = (running_mean.array.copy(), running_var.array.copy())
        return BatchNorm(eps, given)(input, weight, bias)
    count = input.numel() // max(input.shape[1], 1)
    if count == 1:
        raise ValueError(
            "batch_norm: training needs more than one value for each channel, "
            f"got input {input.shape}; use a larger batch, or eval()"
        )
    function = BatchNorm(eps, None)
    if count == 0:  # an empty batch has no statistics, and changes none
        zero = np.zeros(channels, input.dtype)
        return BatchNorm(eps, (zero, zero))(input, weight, bias)
    y = function(input, weight, bias)
    unbiased = function.var * (count / (count - 1))
    for running, new in ((running_mean, function.mean), (running_var, unbiased)):
        if running is not None:
            running.array *= 1 - momentum
            running.array += momentum * new
    return y


class LayerNorm(Function):
    """y = weight * xhat + bias, xhat = (x - mean) / sqrt(var + eps), for each sample."""

    def __init__(self, count: int, eps: float) -> None:
        self.count, self.eps = count, eps

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        self.axes = tuple(range(x.ndim - self.count, x.ndim))
        centred = x - x.mean(self.axes, keepdims=True)
        var = np.square(centred).mean(self.axes, keepdims=True)
        self.rstd = (1 / np.sqrt(var + self.eps)).astype(x.dtype)
        self.xhat = centred * self.rstd
        self.save_for_backward(weight)
        return self.xhat * weight + bias

    def backward(self, gy: Array) -> tuple[Array, Array, Array]:
        (weight,) = self.saved
        batch = tuple(range(gy.ndim - self.count))
        gx = _gradient_of_standardised(gy * weight, self.xhat, self.rstd, self.axes)
        return gx, (gy * self.xhat).sum(batch), gy.sum(batch)


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

    Source: Ba, Kiros, Hinton (2016), arXiv:1607.06450.
    """
    size = tuple(normalized_shape)
    if not size or input.shape[-len(size) :] != size:
        raise ShapeError(f"layer_norm: input must end in {size}, got {input.shape}")
    check_number("layer_norm", "eps", eps, least=0)
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and value.shape != size:
            raise ShapeError(f"layer_norm: {name} must be {size}, got {value.shape}")
    weight = Tensor(np.ones(size, input.dtype)) if weight is None else weight
    bias = Tensor(np.zeros(size, input.dtype)) if bias is None else bias
    check_dtypes("layer_norm", input, weight, bias)
    return LayerNorm(len(size), eps)(input, weight, bias)
