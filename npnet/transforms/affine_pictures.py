"""Pillow's affine maps of many small pictures at once, to the value.

Pillow maps one picture in ten microseconds, but making it of an array and back takes five times
that. Here a batch goes through Pillow's arithmetic as arrays.
Source: Pillow, src/libImaging/Geometry.c: affine_fixed, ImagingScaleAffine, bilinear_filter8.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from npnet.base.pictures import array_to_picture, picture_to_array, pillow
from npnet.transforms.images import Array

__all__ = ["affine_pictures", "is_as_pillow"]

_CHUNK = 1 << 14  # pixels of one step, whose arrays then stay in the cache
_FARTHEST = 1 << 14  # places that 16 + 16 bits hold for certain


def affine_pictures(images: Array, matrices: Array, bilinear: bool, fill: Array) -> Array:
    """y[i, c] at place p is x[i, c] at matrices[i] @ (p, 1), as Pillow's `transform` computes it.

    Args:
        matrices: for places counted from the upper left corner of the picture, pixel (0, 0) being
            at (0.5, 0.5); see `is_as_pillow`.
        fill: the value of pixels whose source is outside.

    Shape: images (N, C, H, W) uint8, matrices (N, 6), fill (C,) uint8 -> (N, C, H, W) uint8.
    """
    y = np.empty_like(images, order="C")
    step = max(1, _CHUNK // max(1, images[0, 0].size if len(images) else 1))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        chunk = np.ascontiguousarray(images[part])
        values, inside = (_bilinear if bilinear else _nearest)(chunk, matrices[part])
        y[part] = np.where(inside[:, None], values, fill[:, None, None])
    return y


def is_as_pillow(matrices: Array, height: int, width: int, bilinear: bool) -> bool:
    """Whether `affine_pictures` has the installed Pillow's values for these matrices."""
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]])
    places = matrices.reshape(-1, 2, 3) @ corners.T
    return bool((np.abs(places) < _FARTHEST).all()) and _agrees(bilinear)


@functools.cache
def _agrees(bilinear: bool) -> bool:
    """Whether the installed Pillow does this: tried on random pictures and matrices.

    Where Pillow is not installed there is nothing to differ from.
    """
    try:
        pillow("a check of RandomAffine")
    except ImportError:
        return True
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        x = rng.integers(0, 256, (30, channels, 13, 18), np.uint8)
        matrices = rng.uniform(-1.5, 1.5, (30, 6)) + np.array([0, 0, 9, 0, 0, 6])
        matrices[:5, [1, 3]] = 0
        fill = np.full(channels, 7, np.uint8)
        colour = 7 if channels == 1 else (7,) * 3
        expected = [
            array_to_picture(image).transform(
                (18, 13), 0, tuple(m), 2 if bilinear else 0, fillcolor=colour
            )
            for image, m in zip(x, matrices.tolist(), strict=True)
        ]
        ours = affine_pictures(x, matrices, bilinear, fill)
        if not np.array_equal(ours, np.stack(list(map(picture_to_array, expected)))):
            return False
    return True


def _take(images: Array, rows: Array, columns: Array) -> Array:
    """Pixels (n, C, H, W) at whole places (n, H, W) that are inside."""
    count, channels, height, width = images.shape
    at = rows * width
    at += columns
    at += np.arange(count).reshape(-1, 1, 1) * (channels * height * width)
    flat = images.reshape(-1)
    return np.stack([flat.take(at + c * (height * width)) for c in range(channels)], axis=1)


def _nearest(images: Array, matrices: Array) -> tuple[Array, Array]:
    """Pixels, and where they are inside: places are counted in 65,536ths of a pixel."""
    height, width = images.shape[2:]
    m = matrices.T[:, :, None, None]
    a, b, d, e = (np.floor(m[k] * 65536 + 0.5).astype(np.int32) for k in (0, 1, 3, 4))
    c, f = (
        np.floor((m[k] + m[k - 2] * 0.5 + m[k - 1] * 0.5) * 65536 + 0.5).astype(np.int32)
        for k in (2, 5)
    )
    x, y = np.arange(width, dtype=np.int32), np.arange(height, dtype=np.int32)[:, None]
    columns, rows = ((c + b * y) + a * x) >> 16, ((f + e * y) + d * x) >> 16
    straight = (matrices[:, 1] == 0) & (matrices[:, 3] == 0)
    if straight.any():  # Pillow adds up the places instead
        columns[straight] = _steps(matrices[straight, 2], matrices[straight, 0], width)[:, None]
        rows[straight] = _steps(matrices[straight, 5], matrices[straight, 4], height)[:, :, None]
    inside = (columns.view(np.uint32) < width) & (rows.view(np.uint32) < height)
    return _take(images, rows * inside, columns * inside), inside


def _steps(start: Array, step: Array, count: int) -> Array:
    places = np.repeat(step[:, None], count, axis=1)
    places[:, 0] = start + step * 0.5
    return np.floor(np.add.accumulate(places, axis=1)).astype(np.int32)


class _Axis(NamedTuple):
    """Of places along one axis: the pixel before, the one after, the share of the latter, and
    whether the place is inside."""

    before: Array
    after: Array
    share: Array
    inside: Array


def _axes(matrices: Array, height: int, width: int) -> Iterator[_Axis]:
    m = matrices.T[:, :, None, None]
    x, y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
    for k, size in ((0, width), (3, height)):
        place = m[k] * x + m[k + 1] * y
        place += m[k + 2]
        inside = (place >= 0) & (place < size)
        place -= 0.5
        before = np.floor(place)
        place -= before
        first = before.astype(np.intp)
        yield _Axis(np.clip(first, 0, size - 1), np.clip(first + 1, 0, size - 1), place, inside)


def _bilinear(images: Array, matrices: Array) -> tuple[Array, Array]:
    """v = v1 + (v2 - v1) dy with v1, v2 alike along x, cut to whole numbers."""
    column, row = _axes(matrices, *images.shape[2:])
    share = column.share[:, None]

    def along(rows: Array) -> Array:
        left = _take(images, rows, column.before).astype(np.float64)
        return left + (_take(images, rows, column.after) - left) * share

    upper = along(row.before)
    # Below the last row Pillow takes the upper value: the clipped row, whose value is the same.
    value = upper + (along(row.after) - upper) * row.share[:, None]
    return value.astype(np.uint8), column.inside & row.inside
