"""Images and signals in another size: each new pixel is a weighted sum of a few old ones.

The sums are separable: along each axis, new pixel i is the sum over t of weight[i, t] times old
pixel pixel[i, t]. Such a table is all that one mode differs from another by, and its transpose is
the table of the gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.tape import Function

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["Resample", "Taps", "resample", "taps"]


class Taps(NamedTuple):
    """What each new pixel along an axis is made of.

    Attributes:
        pixel: (out, T), which old pixels; `size` is none.
        weight: (out, T); None where there is one tap of weight 1.
        size: how many old pixels there are.
    """

    pixel: Array
    weight: Array | None
    size: int

    def transposed(self) -> Taps:
        """The taps by which old pixels collect from the new ones: those of the gradient."""
        out, count = self.pixel.shape
        sources, pixels = np.repeat(np.arange(out), count), self.pixel.ravel()
        weights = np.ones(pixels.size) if self.weight is None else self.weight.ravel()
        order = np.flatnonzero(pixels < self.size)
        order = order[np.argsort(pixels[order], kind="stable")]
        counts = np.bincount(pixels[order], minlength=self.size)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = self.size, int(counts.max(initial=1))
        index, weight = np.full(shape, out), np.zeros(shape, weights.dtype)
        index[pixels[order], place] = sources[order]
        weight[pixels[order], place] = weights[order]
        return Taps(index, weight, out)


class Resample(Function):
    """y[..., i, ...] = sum over t of weight[i, t] * x[..., pixel[i, t], ...], axis by axis;
    gx is the same by the transposed taps.

    Args:
        taps: for each of the last axes, its `Taps`.
    """

    def __init__(self, taps: tuple[Taps, ...]) -> None:
        self.taps = taps

    def forward(self, x: Array) -> Array:
        return _applied(x, self.taps)

    def backward(self, gy: Array) -> tuple[Array]:
        return (_applied(gy, tuple([t.transposed() for t in self.taps])),)


def _applied(x: Array, taps: tuple[Taps, ...]) -> Array:
    """Along the last axis first, as PyTorch does."""
    for axis in range(x.ndim - 1, x.ndim - 1 - len(taps), -1):
        x = _along(x, axis, taps[axis - x.ndim])
    return x


def _along(x: Array, axis: int, taps: Taps) -> Array:
    index, weight, size = taps
    if weight is None:
        return x.take(index[:, 0], axis)
    if x.dtype.kind == "u":
        return _bytes_along(x, axis, taps)
    if index.max(initial=0) == size:  # what is none is a pixel of 0 after the last
        frame = [(0, 1) if a == axis else (0, 0) for a in range(x.ndim)]
        x = np.pad(x, frame)
    weight = weight.astype(x.dtype).reshape(*weight.shape, *[1] * (x.ndim - 1 - axis))
    y = x.take(index[:, 0], axis)
    y *= weight[:, 0]
    for t in range(1, index.shape[1]):
        part = x.take(index[:, t], axis)
        part *= weight[:, t]
        y += part
    return y


def _bytes_along(x: Array, axis: int, taps: Taps) -> Array:
    """The same of bytes, by weights in 16 bits and rounded after each axis, as in PyTorch."""
    index, weight, size = taps
    assert weight is not None
    matrix = np.zeros((len(index), size + 1))
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
    matrix = matrix[:, :size]
    bits = next(b for b in range(22) if b == 21 or int(0.5 + matrix.max() * 2 ** (b + 1)) >= 2**15)
    whole = np.trunc(matrix * 2**bits + np.where(matrix < 0, -0.5, 0.5))
    sums = np.tensordot(whole, np.moveaxis(x, axis, 0).astype(np.float64), 1)  # exact: few bits
    rounded = np.floor((sums + 2 ** (bits - 1)) / 2**bits)
    return np.moveaxis(np.clip(rounded, 0, 255).astype(x.dtype), 0, axis)


# ---- tables ------------------------------------------------------------------------------------


@functools.lru_cache(256)
def taps(
    mode: str, size: int, out: int, scale: float | None, align: bool, antialias: bool, single: bool
) -> Taps:
    """The taps of a mode along an axis of `size` pixels, of which `out` become.

    Args:
        scale: new pixels for each old one, where that is not out / size.
        align: whether the first and the last pixels' centres stay; otherwise the image's edges do.
        single: whether PyTorch would reckon in float32, which may round to another pixel.
    """
    kind = np.dtype(np.float32 if single else np.float64).type
    step = kind(_step(size, out, scale, align))
    return _KINDS[mode](size, out, step, align, antialias)


def _step(size: int, out: int, scale: float | None, align: bool) -> float:
    """How far apart new pixels lie on the old ones."""
    if align:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return size / out if scale is None else 1 / scale


def _nearest(size: int, out: int, step: Any, align: bool, antialias: bool) -> Taps:
    at = np.arange(out).astype(step.dtype) * step
    return Taps(np.minimum(at.astype(np.int64), size - 1)[:, None], None, size)


def _nearest_exact(size: int, out: int, step: Any, align: bool, antialias: bool) -> Taps:
    at = (np.arange(out).astype(step.dtype) + step.dtype.type(0.5)) * step
    return Taps(np.minimum(at.astype(np.int64), size - 1)[:, None], None, size)


def _places(out: int, step: Any, align: bool) -> Array:
    """Where the centres of new pixels lie on the old ones."""
    at, half = np.arange(out).astype(step.dtype), step.dtype.type(0.5)
    return at * step if align else (at + half) * step - half


def _linear(size: int, out: int, step: Any, align: bool, antialias: bool) -> Taps:
    if antialias:
        return _filtered(size, out, step, align, 1, lambda x: np.maximum(1 - np.abs(x), 0))
    at = np.maximum(_places(out, step, align), 0)
    first = np.minimum(at.astype(np.int64), size - 1)
    share = np.clip(at - first.astype(step.dtype), 0, 1)
    index = np.stack([first, np.minimum(first + 1, size - 1)], 1)
    return Taps(index, np.stack([1 - share, share], 1), size)


def _cubic(size: int, out: int, step: Any, align: bool, antialias: bool) -> Taps:
    if antialias:
        return _filtered(size, out, step, align, 2, lambda x: _keys_cubic(x, -0.5))
    at = _places(out, step, align)
    first = np.floor(at).astype(np.int64)
    share = at - first.astype(step.dtype)
    offsets = np.arange(-1, 3)
    index = np.clip(first[:, None] + offsets, 0, size - 1)
    return Taps(index, _keys_cubic(share[:, None] - offsets, -0.75), size)


def _keys_cubic(x: Array, a: float) -> Array:
    """The cubic convolution kernel. Source: Keys (1981), equation 4 with a in place of -1/2."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0)).astype(x.dtype)


def _filtered(
    size: int, out: int, step: Any, align: bool, reach: int, kernel: Callable[[Array], Array]
) -> Taps:
    """The kernel widened by the step where pixels become fewer, its weights scaled to sum 1."""
    wide = max(float(step), 1.0)
    support = reach * wide
    centre = step * (np.arange(out).astype(step.dtype) + step.dtype.type(0.5))
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), size)
    offsets = np.arange(max(int((last - first).max(initial=1)), 1))
    index = first[:, None] + offsets
    inside = index < last[:, None]
    weight = kernel((index - centre[:, None] + 0.5) / wide) * inside
    weight /= weight.sum(1, keepdims=True)
    return Taps(np.where(inside, index, size), weight.astype(step.dtype), size)


_KINDS: dict[str, Callable[[int, int, Any, bool, bool], Taps]] = {
    "nearest": _nearest,
    "nearest-exact": _nearest_exact,
    "linear": _linear,
    "cubic": _cubic,
}


def resample(
    x: Tensor,
    kind: str,
    sizes: tuple[int, ...],
    scales: tuple[float | None, ...],
    align: bool = False,
    antialias: bool = False,
) -> Tensor:
    """x with its last axes resampled to `sizes`.

    Args:
        kind: "nearest", "nearest-exact", "linear" or "cubic".
    """
    smooth_bytes = x.dtype.kind == "u" and not kind.startswith("nearest")
    single = x.dtype != np.float64 and not smooth_bytes
    olds = x.shape[x.ndim - len(sizes) :]
    tables = [
        taps(kind, old, new, scale, align, antialias, single)
        for old, new, scale in zip(olds, sizes, scales, strict=True)
    ]
    return Resample(tuple(tables))(x)
