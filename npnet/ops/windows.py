"""The sliding windows that convolution, pooling and unfold share: where they lie, and im2col."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_axes, check_pair

__all__ = [
    "Pair",
    "Scatter",
    "Window",
    "as_pair",
    "as_stride",
    "batch_chunks",
    "col2im",
    "im2col",
    "padded",
    "taps",
]

Pair: TypeAlias = tuple[int, int]

# The columns of one chunk of images stay in the cache while they are multiplied. Between 1 and 8 MB
# the convolutions of LeNet-5 and ResNet-20 take the same time within a tenth; 256 kB cost a fourth.
CHUNK_BYTES = 2**21


def as_pair(op: str, name: str, value: int | Pair, least: int) -> Pair:
    """`(value, value)` of one number, or the pair itself; ValueError if one is below `least`."""
    if type(value) is int and value >= least:  # the usual case, which should cost nothing
        return value, value
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) == 1:
        pair = pair * 2
    if len(pair) != 2 or not all(isinstance(v, (int, np.integer)) for v in pair):
        raise TypeError(f"{op}: {name} must be an int or a pair of ints, got {value!r}")
    if min(pair) < least:
        raise ValueError(f"{op}: {name} must be >= {least}, got {value!r}")
    return int(pair[0]), int(pair[1])


def as_stride(op: str, stride: int | Pair | None, kernel: Pair) -> Pair:
    """The pair of a stride; that of the kernel where it is None, or empty as PyTorch has it."""
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel
    return as_pair(op, "stride", stride, 1)


def _lenet_hint(shape: tuple[int, ...]) -> str:
    """The likely fix where what is left of a 28x28 image is too small for LeNet's last windows."""
    if shape[1:] in ((16, 4, 4), (120, 2, 2)):
        return " (LeNet wants 32x32 images: resize with transforms.Resize(32))"
    return ""


@dataclass(frozen=True)
class Window:
    """Where windows lie on an image (H, W); every pair is (vertical, horizontal).

    Window (i, j) holds, for 0 <= u < KH and 0 <= v < KW, the pixel at row
    `i * SH - PT + u * DH` and column `j * SW - PL + v * DW`, where (SH, SW) is the stride,
    (DH, DW) the dilation, and PT, PL the padding above and to the left.

    Attributes:
        padding: ((above, below), (left, right)).
        ceil_mode: whether a last window may begin inside the image and reach out of it.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        """Kernels take no other numbers: what reaches out of an image would be read there."""
        for name, least in (("kernel", 1), ("stride", 1), ("dilation", 1)):
            check_pair("Window", name, getattr(self, name), least)
        if not isinstance(self.padding, tuple) or len(self.padding) != 2:
            raise TypeError(f"Window: padding must be two pairs of ints, got {self.padding!r}")
        for pair in self.padding:
            check_pair("Window", "padding", pair, 0)

    @classmethod
    def checked(
        cls,
        op: str,
        shape: tuple[int, ...],
        kernel: int | Pair,
        stride: int | Pair | None,
        padding: int | Pair | str = 0,
        dilation: int | Pair = 1,
        ceil_mode: bool = False,
    ) -> Window:
        """The windows of an op on images of `shape` (N, C, H, W), or an error that names the op.

        Args:
            stride: None or () is the kernel's size, so that windows touch.
            padding: also "valid" (none) and "same" (the output is as large as the input, which
                needs stride 1; an odd total puts one more below and to the right).
        """
        check_axes(op, "input", shape, ("N", "C", "H", "W"))
        size = as_pair(op, "kernel_size", kernel, 1)
        step = as_stride(op, stride, size)
        apart = as_pair(op, "dilation", dilation, 1)
        around = cls.around(op, padding, size, step, apart)
        return _fitting(op, shape, size, step, around, apart, ceil_mode)

    @staticmethod
    def around(
        op: str, padding: int | Pair | str, kernel: Pair, stride: Pair, dilation: Pair
    ) -> tuple[Pair, Pair]:
        """((above, below), (left, right)) of a padding as `checked` takes it."""
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding == "same":
            if stride != (1, 1):
                raise ValueError(f"{op}: padding 'same' needs stride 1, got {stride}")
            high, wide = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
            return (high // 2, high - high // 2), (wide // 2, wide - wide // 2)
        if isinstance(padding, str):
            raise ValueError(f"{op}: padding must be 'same', 'valid' or numbers, got {padding!r}")
        vertical, horizontal = as_pair(op, "padding", padding, 0)
        return (vertical, vertical), (horizontal, horizontal)

    @property
    def extent(self) -> Pair:
        """How many rows and columns a window spans: dilation * (kernel - 1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @property
    def is_padded(self) -> bool:
        """Whether there is anything around the image."""
        return self.padding != ((0, 0), (0, 0))

    def output_size(self, size: tuple[int, ...]) -> Pair:
        """How many windows an image of (H, W) has: floor((H + PT + PB - extent) / SH) + 1."""
        return self._count(size[0], 0), self._count(size[1], 1)

    def counts(self, op: str, size: tuple[int, ...], dilated: bool = True) -> Pair:
        """The same for kernels: ShapeError where there is no window.

        Args:
            dilated: whether the kernel takes windows with dilation; a ValueError, if not.
        """
        if not dilated and self.dilation != (1, 1):
            raise ValueError(f"{op}: the kernel takes no dilation, got {self.dilation}")
        high, wide = self.output_size(size)
        if high < 1 or wide < 1:
            raise ShapeError(f"{op}: no window fits into an image of {tuple(size)}, got {self}")
        return high, wide

    def _count(self, size: int, axis: int) -> int:
        stride, (before, after) = self.stride[axis], self.padding[axis]
        room = size + before + after - self.extent[axis]
        if not self.ceil_mode:
            return room // stride + 1
        count = -(-room // stride) + 1  # 1, too, where a kernel reaches out by less than a stride
        # As in PyTorch: the last window begins inside the image or the padding before it.
        return count - 1 if (count - 1) * stride >= size + before else count

    def reach(self, size: tuple[int, ...]) -> tuple[Pair, Pair]:
        """What must be put around an image of (H, W) so that every window lies inside."""
        counts = self.output_size(size)
        pairs = []
        for a in (0, 1):
            before, after = self.padding[a]
            last = (counts[a] - 1) * self.stride[a] + self.extent[a]
            pairs.append((before, max(after, last - before - size[a])))
        return pairs[0], pairs[1]


@functools.lru_cache(512)
def _fitting(
    op: str,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    ceil_mode: bool,
) -> Window:
    """The windows, if images of `shape` have at least one."""
    window = Window(kernel, stride, padding, dilation, ceil_mode)
    if min(window.output_size(shape[2:])) < 1:
        high, wide = (n + sum(p) for n, p in zip(shape[2:], padding, strict=True))
        raise ShapeError(
            f"{op}: the kernel reaches over {window.extent} pixels but the padded input has "
            f"({high}, {wide}); got input {shape}, kernel_size {kernel}, dilation {dilation}"
            f"{_lenet_hint(shape)}"
        )
    return window


def padded(x: Array, window: Window, value: float = 0) -> Array:
    """Images (N, C, H, W) with `value` around, as far as windows reach; x itself where nowhere."""
    rows, columns = window.reach(x.shape[2:])
    if not any(rows + columns):
        return x
    n, c, h, w = x.shape
    y = np.full((n, c, h + sum(rows), w + sum(columns)), value, x.dtype)
    y[:, :, rows[0] : rows[0] + h, columns[0] : columns[0] + w] = x
    return y


def taps(window: Window, counts: Pair) -> Iterator[tuple[int, int, tuple[Any, ...]]]:
    """For each place (u, v) in the window, the index of that pixel of every window.

    The index applies to padded images (..., H, W) and gives (..., OH, OW).
    """
    (sh, sw), (dh, dw), (oh, ow) = window.stride, window.dilation, counts
    for u in range(window.kernel[0]):
        for v in range(window.kernel[1]):
            rows = slice(u * dh, u * dh + (oh - 1) * sh + 1, sh)
            columns = slice(v * dw, v * dw + (ow - 1) * sw + 1, sw)
            yield u, v, (..., rows, columns)


def sliding(x: Array, window: Window, value: float = 0) -> Array:
    """Every window of images (N, C, H, W), a view on the padded images: (N, C, OH, OW, KH, KW)."""
    oh, ow = window.output_size(x.shape[2:])
    x = padded(x, window, value)
    n, c, h, w = x.strides
    (sh, sw), (dh, dw) = window.stride, window.dilation
    return as_strided(
        x,
        (*x.shape[:2], oh, ow, *window.kernel),
        (n, c, h * sh, w * sw, h * dh, w * dw),
        writeable=False,
    )


def im2col(x: Array, window: Window) -> Array:
    """Every window of images (N, C, H, W) as columns: a new array (C, KH, KW, N, OH, OW).

    Source: Chellapilla, Puri, Simard (2006), section 3, "unrolling".
    """
    return sliding(x, window).transpose(1, 4, 5, 0, 2, 3).copy()


class Scatter:
    """Images that windows are added into; the transpose of `padded` and `taps`.

    Attributes:
        image: (..., H', W'), zeros at first, as large as windows reach; `taps` index it.
    """

    def __init__(self, window: Window, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        *leading, h, w = shape
        (top, bottom), (left, right) = window.reach((h, w))
        self.image = np.zeros((*leading, top + h + bottom, left + w + right), dtype)
        self._inside = (..., slice(top, top + h), slice(left, left + w))

    def inner(self) -> Array:
        """The part inside the frame of padding: (..., H, W)."""
        return self.image[self._inside]


def col2im(columns: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """The transpose of im2col: (C, KH, KW, N, OH, OW) added up into images of `shape`."""
    n, c, h, w = shape
    if columns.shape != (c, *window.kernel, n, *window.output_size((h, w))):
        raise ShapeError(
            f"col2im: columns must be those of images {shape} by {window}, got {columns.shape}"
        )
    total = Scatter(window, (c, n, h, w), columns.dtype)
    for u, v, place in taps(window, window.output_size((h, w))):
        total.image[place] += columns[:, u, v]
    return total.inner().swapaxes(0, 1)


def batch_chunks(n: int, bytes_per_image: int, least: int = 0) -> Iterator[slice]:
    """The batch in runs of images whose columns take CHUNK_BYTES, or `least` if that is more.

    It follows from shapes alone, not from threads: sums over runs have the same bits everywhere.
    """
    step = max(1, max(CHUNK_BYTES, least) // max(bytes_per_image, 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
