"""Windows as columns, im2col, and columns added up to images, col2im: each the other's gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import windows
from npnet.ops.broadcasting import check_tensors
from npnet.ops.images import to_images
from npnet.ops.shape import reshape
from npnet.ops.windows import Pair, Window, as_pair
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["fold", "unfold"]


class Unfold(Function):
    """Windows as columns (im2col); the gradient is added up where they overlap (col2im)."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def forward(self, x: Array) -> Array:  # (N, C, H, W) -> (N, C*KH*KW, OH*OW)
        self.x_shape = x.shape
        return _columns(x, self.window)

    def backward(self, gy: Array) -> tuple[Array]:
        return (_images(gy, self.window, self.x_shape),)


class Fold(Function):
    """Columns added up to images (col2im); the gradient is their windows again (im2col)."""

    def __init__(self, window: Window, size: tuple[int, ...]) -> None:
        self.window, self.size = window, size

    def forward(self, x: Array) -> Array:  # (N, C*KH*KW, OH*OW) -> (N, C, H, W)
        return _images(x, self.window, self.size).copy()

    def backward(self, gy: Array) -> tuple[Array]:
        return (_columns(gy, self.window),)


def _columns(x: Array, window: Window) -> Array:  # (N, C, H, W) -> (N, C*KH*KW, OH*OW)
    columns = windows.im2col(x, window)  # (C, KH, KW, N, OH, OW)
    rows, places = math.prod(columns.shape[:3]), math.prod(columns.shape[4:])
    return columns.reshape(rows, x.shape[0], places).transpose(1, 0, 2).copy()


def _images(columns: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The transpose of `_columns`."""
    n, c, h, w = shape
    oh, ow = window.output_size((h, w))
    columns = columns.transpose(1, 0, 2).reshape(c, *window.kernel, n, oh, ow)
    return windows.col2im(columns, window, shape)


def unfold(
    input: Tensor,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """The windows of an image as columns: im2col.

        y[n, (c*KH + u)*KW + v, i*OW + j] = x[n, c, i*SH - PH + u*DH, j*SW - PW + v*DW]

    Shape: (N, C, H, W) -> (N, C*KH*KW, L), L = OH * OW windows in row-major order; without N if
        there is none.

    Raises:
        ShapeError: the kernel is larger than the padded input, or the input has other axes.

    Example:
        >>> x = npnet.arange(6.0).reshape(1, 2, 3)
        >>> F.unfold(x, (2, 2))  # two windows, one a column
        tensor([[0., 1.],
                [1., 2.],
                [3., 4.],
                [4., 5.]])

    Source: Chellapilla, Puri, Simard (2006), "High performance convolutional neural networks for
        document processing".
    """
    x = to_images("unfold", input, 2)
    window = Window.checked("unfold", x.shape, kernel_size, stride, padding, dilation)
    y = Unfold(window)(x)
    return y if input.ndim == 4 else reshape(y, y.shape[1:])


def fold(
    input: Tensor,
    output_size: int | Pair,
    kernel_size: int | Pair,
    dilation: int | Pair = 1,
    padding: int | Pair = 0,
    stride: int | Pair = 1,
) -> Tensor:
    """Columns added up to the images whose windows they are: col2im, the transpose of `unfold`.

    What lies in several windows is the sum, so `fold(unfold(x))` counts each pixel by its windows.

    Shape: (N, C*KH*KW, L) -> (N, C, H, W), (H, W) = output_size, where L is the number of windows;
        without N if there is none.

    Raises:
        ShapeError: the rows are no multiple of KH*KW, or the columns not as many as windows.

    Example:
        >>> columns = F.unfold(npnet.ones(1, 1, 2, 3), (2, 2))
        >>> F.fold(columns, (2, 3), (2, 2))  # the middle column lies in both windows
        tensor([[[[1., 2., 1.],
                  [1., 2., 1.]]]])
    """
    check_tensors("fold", input)
    if input.ndim not in (2, 3):
        raise ShapeError(
            f"fold: input must be (N, C*KH*KW, L), or (C*KH*KW, L) for one, got {input.shape}"
        )
    x = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    size, kernel = (
        as_pair("fold", "output_size", output_size, 1),
        as_pair("fold", "kernel_size", kernel_size, 1),
    )
    n, rows, places = x.shape
    if rows % math.prod(kernel):
        raise ShapeError(
            f"fold: the {rows} rows of input must be a multiple of the kernel's {kernel}; "
            f"got input {input.shape}"
        )
    images = (n, rows // math.prod(kernel), *size)
    window = Window.checked("fold", images, kernel, stride, padding, dilation)
    if math.prod(window.output_size(size)) != places:
        raise ShapeError(
            f"fold: images of {size} have {window.output_size(size)} windows, but input has "
            f"{places} columns; got input {input.shape}"
        )
    y = Fold(window, images)(x)
    return y if input.ndim == 3 else reshape(y, y.shape[1:])
