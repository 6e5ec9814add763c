"""Convolution in lanes: forward, and the gradients by input and by weight.

Here is the choice of the way; the loops are in `correlate`, `weight_gradient`, `winograd`, and,
where each window covers the whole image, in `linear`, whose matrix `dense` makes.
"""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import check_pair
from npnet.kernels import activation, dense, elementwise, lanes, linear, weight_gradient, winograd
from npnet.kernels._arguments import Rule, check_images, row_major
from npnet.kernels.correlate import correlate
from npnet.kernels.simd import LANES
from npnet.ops.windows import Window

__all__ = ["conv2d", "conv2d_backward_data", "conv2d_backward_weight"]


NO_BIAS = np.zeros(1, np.float32)

_CONV2D = Rule(
    "conv2d", given="KH KW OH OW",
    x="B C H W 16", weight="O C KH KW", bias="O | None", residual="B O OH OW 16 | None",
)  # fmt: skip
_BACKWARD_DATA = Rule(
    "conv2d_backward_data", given="KH KW OH OW", gy="B O OH OW 16", weight="O C KH KW"
)
_FORWARD_IMAGES = Rule("conv2d", x="B C H W 16")
_BACKWARD_IMAGES = Rule("conv2d_backward_weight", x="B C H W 16")
_BACKWARD_WEIGHT = Rule(
    "conv2d_backward_weight", given="OH OW", x="B C H W 16", gy="B O OH OW 16"
)  # fmt: skip


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    window: Window,
    fast: bool = True,
    residual: Array | None = None,
    relu: bool = False,
) -> Array:
    """y[o, i, j] = bias[o] + sum over c, u, v of
        weight[o, c, u, v] * x[c, i*SH - PT + u, j*SW - PL + v],

    then y + residual, then max(y, 0), while what is stored is still in registers.

    Args:
        window: without dilation.
        fast: whether Winograd's algorithm may be used, which is less exact (see winograd.py).

    Shape: x (B, C, H, W, 16), weight (O, C, KH, KW), bias (O,)
        -> that of residual, (B, O, OH, OW, 16).
    """
    weight = row_major("conv2d", "weight", weight)
    bias = None if bias is None else row_major("conv2d", "bias", bias)
    _FORWARD_IMAGES(x)
    size = window.counts("conv2d", x.shape[2:4], dilated=False)
    _CONV2D(x, weight, bias, residual, given=(*window.kernel, *size))
    if window.is_padded and not np.isfinite(weight.sum()):
        # 0 * inf is NaN: the zeros around, which the kernel leaves out, count for once
        x, window = _padded(x, window), Window(window.kernel, window.stride)
    if dense.suits_dense(window, x.shape[2:4], *weight.shape[:2]):
        biases = None if bias is None else np.repeat(bias, size[0] * size[1])
        y = linear.linear(_flat(x), dense.gather(weight, window, x.shape[2:4]), biases)
        y = y.reshape(len(y), len(weight), *size, LANES)
        y = y if residual is None else elementwise.add(y, residual)
        return activation.relu(y) if relu else y
    y = lanes.empty((x.shape[0], weight.shape[0], *size, LANES))
    bias = NO_BIAS if bias is None else bias
    before = (window.padding[0][0], window.padding[1][0])
    if not (
        fast
        and suits_winograd(window, min(weight.shape[:2]))
        and min(weight.shape[:2]) >= LEAST_FORWARD
        and winograd.correlate(x, weight, bias, before, y, False, residual, relu)
    ):
        correlate(x, weight, bias, window, y, False, residual, relu)
    return y


def conv2d_backward_data(
    gy: Array, weight: Array, window: Window, size: tuple[int, int], fast: bool = True
) -> Array:
    """gx[c, h, w] = sum over o, u, v of weight[o, c, u, v] * gy[o, i, j],
        where i*SH - PT + u = h and j*SW - PL + v = w.

    Shape: gy (B, O, OH, OW, 16), weight (O, C, KH, KW), size (H, W) -> (B, C, H, W, 16).
    """
    op = "conv2d_backward_data"
    weight = row_major(op, "weight", weight)
    size = check_pair(op, "size", size)
    _BACKWARD_DATA(gy, weight, given=(*window.kernel, *window.counts(op, size, dilated=False)))
    shape = (gy.shape[0], weight.shape[1], *size, LANES)
    if dense.suits_dense(window, size, *weight.shape[:2]):
        matrix = dense.gather(weight, window, size)
        return linear.linear_backward_data(_flat(gy), matrix).reshape(shape)
    gx = lanes.empty(shape)
    before = (2 - window.padding[0][0], 2 - window.padding[1][0])
    if not (
        fast
        and suits_winograd(window, min(weight.shape[:2]))
        and winograd.correlate(gy, weight, NO_BIAS, before, gx, True)
    ):
        correlate(gy, weight, NO_BIAS, window, gx, True)
    return gx


def conv2d_backward_weight(
    x: Array, gy: Array, window: Window, n: int, fast: bool = True
) -> tuple[Array, Array]:
    """gweight[o, c, u, v] = sum over images, i, j of
        gy[o, i, j] * x[c, i*SH - PT + u, j*SW - PL + v].

    Shape: x (B, C, H, W, 16), gy (B, O, OH, OW, 16), n images -> (O, C, KH, KW), and the bias's
    gradient (O,), the sum of gy.
    """
    op = "conv2d_backward_weight"
    _BACKWARD_IMAGES(x)
    _BACKWARD_WEIGHT(x, gy, given=window.counts(op, x.shape[2:4], dilated=False))
    check_images(op, n, len(x))
    channels, outputs, size = x.shape[1], gy.shape[1], x.shape[2:4]
    if dense.suits_dense(window, size, outputs, channels):
        gmatrix, gbiases = linear.linear_backward_weight(_flat(x), _flat(gy), n)
        # Otherwise taps that saw nothing but the zeros around have 0 * NaN too.
        if not window.is_padded or np.isfinite(gmatrix).all():
            gweight = dense.scatter_add(gmatrix, window, size, outputs)
            return gweight, gbiases.reshape(outputs, -1).sum(1)
    most = LARGEST // max(1, winograd.gradient_bytes(channels, outputs))
    if (
        fast
        and suits_winograd(window, min(outputs, channels))
        and most >= min(len(x), weight_gradient.CHUNKS)
    ):
        chunks = min(most, weight_gradient.chunk_count(len(x)))
        before = (window.padding[0][0], window.padding[1][0])
        gweight = winograd.backward_weight(x, gy, before, n, chunks)
        if np.isfinite(gweight).all():  # as in `winograd.correlate`
            return gweight, weight_gradient.backward_bias(gy, n)
    return weight_gradient.backward_weight(x, gy, window, n)


# With fewer channels the transforms cost more than they save. Forward, where an error can flip the
# sign at a ReLU, 16 channels are faster too, but ResNet-20's gradients would then be four times as
# far from exact ones as PyTorch's.
LEAST_CHANNELS, LEAST_FORWARD = 16, 24
LARGEST = 2**25  # bytes of the frequencies' gradients


def suits_winograd(window: Window, channels: int) -> bool:
    """Whether Winograd's algorithm is faster, where it may be used."""
    return (
        window.kernel == (3, 3)
        and window.stride == (1, 1)
        and max(map(max, window.padding)) <= 2
        and channels >= LEAST_CHANNELS
    )


def _padded(x: Array, window: Window) -> Array:
    (top, bottom), (left, right) = window.reach(x.shape[2:4])
    around = ((0, 0), (0, 0), (top, bottom), (left, right), (0, 0))
    y = lanes.empty(tuple(n + sum(p) for n, p in zip(x.shape, around, strict=True)))
    y[...] = np.pad(x, around)
    return y


def _flat(x: Array) -> Array:  # (B, C, H, W, 16) -> (B, C*H*W, 16)
    return x.reshape(len(x), x.shape[1] * x.shape[2] * x.shape[3], LANES)
