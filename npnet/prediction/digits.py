"""A photographed digit made one of MNIST's: what a network of digits was trained on.

The steps are those of MNIST's makers, after those that a camera makes necessary:

    1. ink is told from paper, whatever the light (see `paper`); none is NothingToRead
    2. what is no part of the digit is left out: dust, ruled lines, what comes in from the edge
    3. the digit is cut out, and a stroke far from the width of MNIST's pens is brought nearer to it
    4. it is scaled so that its longer side is 20 pixels, its proportion kept
    5. its centre of mass is moved to the middle of 28 x 28 pixels, by whole pixels

Source: steps 4 and 5, LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.prediction.marks import Mark, find_marks
from npnet.prediction.paper import Ink, find_ink, ranked, reduced, resized, widened
from npnet.prediction.strokes import NothingToRead, check_strokes, stroke_width, without_shades

__all__ = ["NothingToRead", "Prepared", "prepare_digit"]

SIDE = 28  # pixels of the image
FINE = 320  # pixels of the longer side at which a picture is looked at, and again around the digit
LEAST_MARK = 0.025  # of that side: smaller is dust
_CLEAN = 48  # of 255: as much may paper differ that is no photograph's
_BOX, _THIN, _THICK = 20, 1.5, 4.0  # of 20 pixels: MNIST's strokes are 1.1 to 3.7 wide, nearly all
_ENLARGED = 8  # times, at most: beyond there is nothing to be seen


class Placement(NamedTuple):
    """How the images of a data set lie on their 28 x 28 pixels.

    Attributes:
        box: pixels of the longer side of what is drawn.
        by_mass: whether its centre of mass is in the middle, or the middle of its box.
    """

    box: int
    by_mass: bool


# By a part of the data set's name, in this order. Sources: Cohen et al. (2017), EMNIST, section
# II.C, for which a border of 2 pixels is left; the others as their images are.
PLACEMENTS = {
    "emnist": Placement(24, by_mass=False),
    "kmnist": Placement(26, by_mass=False),
    "mnist": Placement(20, by_mass=True),
    "usps": Placement(28, by_mass=False),
    "digits": Placement(28, by_mass=False),
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture as a network of digits takes it.

    Attributes:
        image: (1, 28, 28) uint8, a light digit on black.
        inverted: whether the ink was darker than the paper.
        note: what the reader of a result should know; "" is nothing.
    """

    image: Array
    inverted: bool
    note: str = ""


def prepare_digit(picture: Array, placement: Placement = PLACEMENTS["mnist"]) -> Prepared:
    """Make of a picture of one digit an image like MNIST's.

    An image of 28 x 28 pixels that is one already, light on black or black on white, keeps all its
    values.

    Args:
        picture: (1 or 3, H, W): uint8, or finite floats in any units.
        placement: how the images lie that the network was trained on.

    Raises:
        NothingToRead: there is no ink on it.

    Example:
        >>> from npnet.prediction import prepare_digit
        >>> photograph = np.full((1, 60, 80), 255, np.uint8)
        >>> photograph[0, 10:50, 38:42] = 0
        >>> digit = prepare_digit(photograph)
        >>> digit.image.shape, digit.inverted
        ((1, 28, 28), True)
    """
    ready = _ready(picture, placement)
    if ready is not None:
        return ready
    black, white = (0.0, 255.0) if picture.dtype == np.uint8 else _extremes(picture)

    def look(part: Array) -> Array:
        return (reduced(part, FINE) - np.float32(black)) / np.float32(white - black)

    seen = look(picture)
    ink = _strokes(seen)
    labels, digit, note = _digit(ink)
    check_strokes(ink, _pixels(labels, digit))
    part, size = _around(picture, ink.amount.shape, digit)
    ink = _strokes(_enlarged(look(part)), ink.axis)
    labels, digit, _ = _digit(ink)
    sharpness = size / placement.box  # pixels of the picture to one of the digit
    image = _placed(_scaled(ink, labels, digit, sharpness, placement.box), placement)
    return Prepared(np.rint(255 * image).astype(np.uint8)[None], not ink.is_light, note)


# ---- what is one already -------------------------------------------------------------------------


def _ready(picture: Array, placement: Placement) -> Prepared | None:
    """An image made as MNIST's are, or None."""
    if picture.shape[1:] != (SIDE, SIDE) or picture.dtype != np.uint8:
        return None
    if len(picture) > 1 and (picture != picture[:1]).any():
        return None
    image, box = picture[0], placement.box
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    inverted = bool(ranked(edge, 0.5) > 127)
    if inverted:
        image, edge = 255 - image, 255 - edge
    if (edge > _CLEAN).mean() > 0.05 or ranked(edge, 0.5) > 0:
        return None
    rows, columns = np.nonzero(image > _CLEAN)
    if not len(rows) or not box - 3 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= box:
        return None
    off = np.abs(np.array(_centre(image)) - SIDE / 2)
    is_placed = off.max() <= 0.6 or not placement.by_mass
    return Prepared(image[None], inverted) if is_placed else None


def _centre(image: Array) -> tuple[float, float]:
    """Row and column of the centre of mass."""
    total = image.sum(dtype=np.float64)
    places = (np.arange(side) for side in image.shape)
    row, column = (image.sum(1 - k, dtype=np.float64) @ at / total for k, at in enumerate(places))
    return float(row), float(column)


def _extremes(picture: Array) -> tuple[float, float]:
    low, high = float(picture.min()), float(picture.max())
    if not high > low:
        raise NothingToRead("all pixels are equal")
    return low, high


# ---- the digit among the marks -------------------------------------------------------------------


def _strokes(picture: Array, axis: Array | None = None) -> Ink:
    """Ink, as `find_ink` tells it, without the borders of shadows where light is uneven.

    Where that leaves nothing, the other direction of colours is tried: paper in a shadow may have
    looked like the ink of a dark sheet.
    """
    ink = find_ink(picture, axis)
    if ink.is_even:
        return ink
    try:
        return without_shades(picture, ink, _threshold(ink))
    except NothingToRead:
        if axis is not None:
            raise
        ink = find_ink(picture, -ink.axis)
        return without_shades(picture, ink, _threshold(ink))


def _digit(ink: Ink) -> tuple[Array, list[Mark], str]:
    """The labels of all marks, the marks that are the digit's, and what is to be said of it."""
    mask = ink.amount > _threshold(ink)
    labels, marks = find_marks(_without_lines(mask))
    least = max(3.0, LEAST_MARK * max(mask.shape))
    marks = [mark for mark in marks if mark.side >= least]
    if not marks:
        raise NothingToRead("there is no ink on it")
    inner = [mark for mark in marks if not mark.at_edge]
    if inner and inner[0].side > 0.3 * marks[0].side and inner[0].area > 0.1 * marks[0].area:
        marks = inner
    first = marks[0]
    parts = [m for m in marks if m.area >= 0.05 * first.area and _gap(m, first) <= 0.3 * first.side]
    return labels, parts, _note(marks)


def _pixels(labels: Array, digit: list[Mark]) -> Array:
    return np.isin(labels, [mark.number for mark in digit])


def _threshold(ink: Ink) -> float:
    """Half way up the edge of a stroke."""
    return max(ink.least, 0.45 * _full(ink))


def _full(ink: Ink) -> float:
    """How much ink there is within a stroke."""
    values = ink.amount[ink.amount > ink.least]
    if not len(values):
        raise NothingToRead("there is no ink on it")
    return ranked(values, 0.9)


def _gap(a: Mark, b: Mark) -> int:
    """Pixels between the two, along the axis where they are further apart."""
    rows = max(a.top, b.top) - min(a.bottom, b.bottom)
    columns = max(a.left, b.left) - min(a.right, b.right)
    return max(rows, columns, 0)


def _note(marks: list[Mark]) -> str:
    """Two marks beside each other, of about one height, are two digits, or one in pieces."""
    first = marks[0]
    for other in marks[1:]:
        beside = other.left > first.right or other.right < first.left
        if beside and other.height > 0.6 * first.height and other.area > 0.3 * first.area:
            return "more than one digit?"
    return ""


def _without_lines(mask: Array) -> Array:
    """Without ruled lines, which go through whole rows or columns, but for what crosses them."""
    mask = mask.copy()
    for view in (mask, mask.T):
        lines = view.mean(1) > 0.75
        if not 0 < lines.mean() < 0.3:
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], lines, [0]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            begin, stop = max(start - 1, 0), min(end + 1, len(view))
            above = view[max(begin - 1, 0)] & (begin > 0)
            below = view[min(stop, len(view) - 1)] & (stop < len(view))
            view[begin:stop] &= above & below
    return mask


# ---- from the picture to 28 x 28 -----------------------------------------------------------------


def _around(picture: Array, seen: tuple[int, ...], digit: list[Mark]) -> tuple[Array, float]:
    """The part of the picture with the digit and paper around, and how large the digit is in it.

    Args:
        seen: (H, W) at which the marks were found.
    """
    scale = [full / small for full, small in zip(picture.shape[1:], seen, strict=True)]
    top, left = min(m.top for m in digit), min(m.left for m in digit)
    bottom, right = max(m.bottom for m in digit) + 1, max(m.right for m in digit) + 1
    side = max(bottom - top, right - left)
    margin = side / 2 + 2
    rows = slice(max(int((top - margin) * scale[0]), 0), int((bottom + margin) * scale[0]) + 1)
    columns = slice(max(int((left - margin) * scale[1]), 0), int((right + margin) * scale[1]) + 1)
    return picture[:, rows, columns], side * max(scale)


def _enlarged(picture: Array) -> Array:
    """A small picture so large that the edge of a stroke lies between its pixels."""
    _, h, w = picture.shape
    times = min(FINE // max(h, w), _ENLARGED)
    if times <= 1:
        return picture
    return np.stack([resized(channel, h * times, w * times) for channel in picture])


def _scaled(ink: Ink, labels: Array, digit: list[Mark], sharpness: float, box: int) -> Array:
    """The digit, 0 to 1, whose longer side is `box` pixels.

    Args:
        sharpness: how many pixels of the picture are one of these. Of many, those at the edge of a
            stroke are blurred; of one, they are how MNIST has them.
    """
    blurred = min(max(sharpness - 1, 0) / 2, 1)
    full = _full(ink)
    low, high = 0.08 + 0.22 * blurred, 1 - 0.3 * blurred
    amount = np.clip((ink.amount / full - low) / (high - low), 0, 1)
    chosen = _pixels(labels, digit)
    side = (
        max(
            max(m.bottom for m in digit) - min(m.top for m in digit),
            max(m.right for m in digit) - min(m.left for m in digit),
        )
        + 1
    )
    amount *= widened(chosen, max(1, side // 25))
    amount = _as_by_a_pen(amount, side)
    if not (amount > 0.5).any():
        raise NothingToRead("what is on it is no stroke")
    rows, columns = (np.flatnonzero((amount > 0.5).any(axis)) for axis in (1, 0))
    cut = amount[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = box / max(cut.shape)
    small = resized(cut, *(max(1, round(length * scale)) for length in cut.shape))
    return np.clip(small / small.max(), 0, 1)


def _as_by_a_pen(amount: Array, side: int) -> Array:
    """Strokes thickened or thinned, where they are thinner or thicker than MNIST's."""
    width = stroke_width(amount > 0.5) * _BOX / side
    change = max(_THIN - width, 0) - max(width - _THICK, 0)
    steps = round(abs(change) * side / _BOX / 2)
    room = np.pad(amount, steps + 1) if change > 0 else amount
    for step in range(steps):
        room = _spread(room, step % 2 == 0) if change > 0 else 1 - _spread(1 - room, step % 2 == 0)
    return room


def _spread(x: Array, with_corners: bool) -> Array:
    """The largest of each pixel and its neighbours; both kinds by turns grow nearly a circle."""
    padded = np.pad(x, 1, "edge")
    across = np.maximum(np.maximum(padded[:, :-2], padded[:, 2:]), padded[:, 1:-1])
    if with_corners:
        return np.maximum(np.maximum(across[:-2], across[2:]), across[1:-1])
    return np.maximum(np.maximum(padded[:-2, 1:-1], padded[2:, 1:-1]), across[1:-1])


def _placed(digit: Array, placement: Placement) -> Array:
    """On 28 x 28 pixels, its centre of mass within half a pixel of row and column 14, or in the
    middle."""
    image = np.zeros((SIDE, SIDE), np.float32)
    corner = []
    for centre, length in zip(_centre(digit), digit.shape, strict=True):
        start = SIDE // 2 - int(np.floor(centre + 0.5))
        start = start if placement.by_mass else (SIDE - length) // 2
        corner.append(min(max(start, 0), SIDE - length))
    top, left = corner
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image
