"""Transposed convolution: the gradient of a convolution by its input, as an op of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_axes
from npnet.ops import _sums, padding, shape
from npnet.ops.conv import Conv2d
from npnet.ops.images import as_row, check_numbers, from_images, to_images
from npnet.ops.windows import Pair, Window, as_pair
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d"]


class ConvTranspose2d(Function):
    """y = col2im(weight^T x) + bias: what `Conv2d`, from y to x, makes of a gradient x.

        gx = Conv2d(gy),  gweight = x columns(gy)^T,  gbias = sum of gy

    Args:
        window: that of the convolution from y to x.
        size: (OH, OW).
    """

    begins = True

    def __init__(self, window: Window, groups: int, size: Pair) -> None:
        self.window, self.groups, self.size = window, groups, size

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        self.save_for_backward(x, weight)
        outputs = weight.shape[1] * self.groups
        like = np.broadcast_to(x.dtype.type(0), (x.shape[0], outputs, *self.size))
        y, _ = Conv2d(self.window, self.groups).gradients(like, x, weight, True, False)
        assert y is not None
        if bias is not None:
            y += bias[:, None, None]
        return y

    def backward(self, gy: Array) -> tuple[Array | None, ...]:
        x, weight = self.saved
        needs_x, needs_weight, *needs_bias = self.needs_input_grad
        conv = Conv2d(self.window, self.groups)
        gx = conv.forward(gy, weight) if needs_x else None
        _, gweight = conv.gradients(gy, x, weight, False, needs_weight)
        gbias = _sums.add_up(gy, (0, 2, 3)) if any(needs_bias) else None
        return (gx, gweight, gbias)[: len(self.needs_input_grad)]


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    output_padding: int | Pair = 0,
    groups: int = 1,
    dilation: int | Pair = 1,
) -> Tensor:
    """The transpose of `conv2d`: each pixel is spread over its window, as a gradient would be.

        y[n, o, i*SH - PH + u*DH, j*SW - PW + v*DW] += weight[c, o, u, v] * x[n, c, i, j]

    and bias[o] everywhere.

    Args:
        padding: what is cut off on each side.
        output_padding: rows and columns that are added below and to the right, fewer than the
            stride or the dilation: which is meant of the sizes that `conv2d` takes to this one.

    Shape: input (N, C, H, W) or (C, H, W), weight (C, O/G, KH, KW), bias (O,) -> (N, O, OH, OW),
        OH = (H - 1) * SH - 2*PH + DH * (KH - 1) + 1 + output_padding, OW alike.

    Raises:
        ShapeError: the channels of input and weight do not fit, or the output would be empty.
        RuntimeError: `output_padding` is not less than the stride or the dilation.

    Example:
        >>> x, weight = npnet.tensor([[[[1.0, 2.0]]]]), npnet.ones(1, 1, 2, 2)
        >>> npnet.conv_transpose2d(x, weight), npnet.conv_transpose2d(x, weight, stride=2).shape
        (tensor([[[[1., 3., 2.],
                  [1., 3., 2.]]]]), (1, 1, 2, 4))

    Source: Zeiler et al. (2010); Dumoulin and Visin (2016), arXiv:1603.07285, section 4.
    """
    op = "conv_transpose2d"
    check_numbers(op, *((input, weight) if bias is None else (input, weight, bias)))
    x = to_images(op, input, 2)
    check_axes(op, "weight", weight.shape, ("C", "O/groups", "KH", "KW"))
    step, around, added, apart = (
        as_pair(op, name, value, least)
        for name, value, least in (
            ("stride", stride, 1),
            ("padding", padding, 0),
            ("output_padding", output_padding, 0),
            ("dilation", dilation, 1),
        )
    )
    y = _transpose(op, (x, weight, bias), step, around, added, groups, apart)
    return from_images(y, input, 2)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The transpose of `conv1d`: `conv_transpose2d` on images of one row.

    Shape: input (N, C, L) or (C, L), weight (C, O/G, K), bias (O,) -> (N, O, OL),
        OL = (L - 1) * S - 2*P + D * (K - 1) + 1 + output_padding.

    Raises:
        ShapeError: the channels of input and weight do not fit, or the output would be empty.
        RuntimeError: `output_padding` is not less than the stride or the dilation.

    Example:
        >>> x = npnet.tensor([[[1.0, 2.0]]])
        >>> npnet.conv_transpose1d(x, npnet.tensor([[[1.0, 10.0, 100.0]]]))
        tensor([[[  1.,  12., 120., 200.]]])

    Source: Zeiler et al. (2010), as of `conv_transpose2d`.
    """
    op = "conv_transpose1d"
    check_numbers(op, *((input, weight) if bias is None else (input, weight, bias)))
    x = to_images(op, input, 1)
    check_axes(op, "weight", weight.shape, ("C", "O/groups", "K"))
    step, around, added, apart = (
        as_row(op, name, value, least, least)
        for name, value, least in (
            ("stride", stride, 1),
            ("padding", padding, 0),
            ("output_padding", output_padding, 0),
            ("dilation", dilation, 1),
        )
    )
    w = shape.unsqueeze(weight, 2)
    return from_images(_transpose(op, (x, w, bias), step, around, added, groups, apart), input, 1)


def _transpose(
    op: str,
    inputs: tuple[Tensor, Tensor, Tensor | None],
    stride: Pair,
    around: Pair,
    added: Pair,
    groups: int,
    dilation: Pair,
) -> Tensor:
    """The transposed convolution of images."""
    x, weight, bias = inputs
    _check(op, x.shape, weight.shape, None if bias is None else bias.shape, groups)
    if any(a >= max(s, d) for a, s, d in zip(added, stride, dilation, strict=True)):
        raise RuntimeError(
            f"{op}: output_padding must be less than the stride {stride} or the dilation "
            f"{dilation}, got {added}"
        )
    # Beyond the reach of every window there is nothing but the bias.
    beyond = tuple(max(a - p - s + 1, 0) for a, p, s in zip(added, around, stride, strict=True))
    kernel = (weight.shape[2], weight.shape[3])
    window = Window(
        kernel,
        stride,
        tuple((p, max(p - a, 0)) for p, a in zip(around, added, strict=True)),  # type: ignore[arg-type] # (h, w)
        dilation,
    )
    size = tuple(
        (n - 1) * s - 2 * p + e + a - b
        for n, s, p, e, a, b in zip(
            x.shape[2:], stride, around, window.extent, added, beyond, strict=True
        )
    )
    if min(size) < 1 or min(x.shape[2:]) < 1:
        raise ShapeError(
            f"{op}: the output would be {size} pixels; got input {x.shape}, kernel_size {kernel}, "
            f"stride {stride}, padding {around}"
        )
    apply = ConvTranspose2d(window, groups, size)
    if not any(beyond):
        return apply(*((x, weight) if bias is None else (x, weight, bias)))
    y = padding.pad(apply(x, weight), (0, beyond[1], 0, beyond[0]))
    return y if bias is None else y + shape.reshape(bias, (-1, 1, 1))


def _check(
    op: str,
    x: tuple[int, ...],
    weight: tuple[int, ...],
    bias: tuple[int, ...] | None,
    groups: int,
) -> None:
    if groups < 1 or weight[0] % groups:
        raise ValueError(
            f"{op}: groups must be >= 1 and divide the {weight[0]} input channels, got {groups}"
        )
    if x[1] != weight[0]:
        channels = "1 channel" if x[1] == 1 else f"{x[1]} channels"
        raise ShapeError(
            f"{op}: x has {channels} but weight takes {weight[0]}; got x {x}, weight {weight}"
        )
    if bias is not None and bias != (weight[1] * groups,):
        raise ShapeError(f"{op}: bias must be ({weight[1] * groups},), got {bias}")
