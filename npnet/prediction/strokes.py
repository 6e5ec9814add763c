"""Whether a mark on a paper is of strokes: what a shadow, a crease, a stain or a finger is not."""

from __future__ import annotations

import numpy as np

from npnet.base.arrays import Array
from npnet.prediction.paper import Ink, ranked

__all__ = ["NothingToRead", "check_strokes", "stroke_width", "without_shades"]

_WIDEST = 0.37  # of the longer side of a digit: a wider mark, if it is faint too, is a spot
_FAINT = 0.4  # of white
_CREASE = 0.03  # of it, the width of a line from edge to edge that is no digit
_STEPS = (2, 4, 8, 16, 32, 64, 80)  # pixels beside a stroke at which there may be paper
_ACROSS = ((0, 1), (1, 0), (1, 1), (1, -1))
_RISE = 0.3  # of the steeper flank of a stroke, how much the other one is at least
_DARKER = 1.5  # times as dark as the border of a shadow are strokes beside it


class NothingToRead(ValueError):
    """There is no ink on the picture.

    Example:
        >>> from npnet.prediction import NothingToRead, prepare_digit
        >>> try:
        ...     prepare_digit(np.zeros((1, 40, 40), np.uint8))
        ... except NothingToRead as error:
        ...     print(type(error).__name__)
        NothingToRead
    """


def check_strokes(ink: Ink, mark: Array) -> None:
    """Refuse a mark that no pen has made.

    It is too wide for its size, and faint; or, where light is uneven, a thin line between opposite
    edges, as a crease.

    Args:
        mark: (H, W) bool.

    Raises:
        NothingToRead: so it is.
    """
    side = max(np.ptp(at) + 1 for at in np.nonzero(mark))
    width = stroke_width(mark) / side
    if width > _WIDEST and ranked(ink.amount[mark], 0.5) < _FAINT:
        raise NothingToRead("there is a spot on it, and no stroke")
    is_thin = width < _CREASE and not ink.is_even
    if is_thin and any(at[0].any() and at[-1].any() for at in (mark, mark.T)):
        raise NothingToRead("there is a crease on it, and no stroke")


def without_shades(picture: Array, ink: Ink, threshold: float) -> Ink:
    """Ink without what has paper on one side only, as the border of a shadow has, and no stroke.

    Args:
        picture: (C, H, W) float32.
        threshold: what is above it is ink.

    Raises:
        NothingToRead: most of it is such a border, and the rest is hardly darker.
    """
    mark = ink.amount > threshold
    strokes = _flanked(np.tensordot(ink.axis, picture, 1), mark)
    shades = mark & ~strokes
    dark, pale = (ranked(ink.amount[m], 0.9) if m.any() else 0.0 for m in (strokes, shades))
    if strokes.sum() < shades.sum() and dark < _DARKER * pale:
        raise NothingToRead("there is a shadow on it, and no stroke")
    return ink._replace(amount=np.where(shades, np.float32(0), ink.amount))


def stroke_width(mark: Array) -> float:
    """Pixels. A stroke of length l and width b has the area l b and the perimeter 2 l, nearly."""
    padded = np.pad(mark, 1)
    perimeter = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
    # Counted along rows and columns it is longer than a slanted stroke's by 4 / pi on average.
    return float(2 * np.count_nonzero(padded) / (perimeter * np.pi / 4))


def _flanked(amount: Array, mark: Array) -> Array:
    """The pixels of a mark from which it goes down to paper on both sides, (H, W) bool.

    On either side of a pixel, along each of four directions, the fall is the deepest at a few
    distances; beyond the edge there is none.
    """
    rows, columns = np.nonzero(mark)
    here = amount[rows, columns]
    best, deepest = np.zeros_like(here), np.zeros_like(here)
    for down, right in _ACROSS:
        falls = []
        for sign in (1, -1):
            fall = np.zeros_like(here)
            for step in _STEPS:
                y, x = rows + sign * step * down, columns + sign * step * right
                inside = (y >= 0) & (y < amount.shape[0]) & (x >= 0) & (x < amount.shape[1])
                there = here - amount[y * inside, x * inside]
                fall = np.maximum(fall, np.where(inside, there, 0))
            falls.append(fall)
        best = np.maximum(best, np.minimum(*falls))
        deepest = np.maximum(deepest, np.maximum(*falls))
    flanked = np.zeros_like(mark)
    flanked[rows, columns] = best > _RISE * deepest
    return flanked
