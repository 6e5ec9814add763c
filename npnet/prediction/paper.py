"""Ink on paper: how much of it is at each pixel, whatever the light, the paper and the pen.

    ink = axis . (picture - paper),    divided by the brightness of paper that is the lighter one

`axis` is the direction of colours from paper to ink, its absolute values adding up to 1; of grey
pictures it is 1 or -1. Paper is the picture without strokes, or, where light is even, one colour.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.transforms import Resize

__all__ = ["Ink", "find_ink", "ranked", "reduced", "resized", "widened"]

FAINTEST = 0.07  # of white: less than this is a shade of the paper
_NOISES = 5.0  # deviations of the paper's noise that ink stands out by
_COARSE = 48  # pixels of the longer side, at which the light is looked at
_ROUNDS = 12  # of the fit: it changes no more after about eight
_TAIL = 0.02  # share of the pixels that tell whether ink is darker or lighter than paper
_STROKE = 0.24  # of the longer side: what is wider is no stroke
_BLOT = 0.3  # of what is taken for ink, how much may be as wide
_LEVELS = 256  # of grey, in the histogram
_TWO_TONES = 0.85  # of the variance; noise alone has 0.64 between its halves, a slope of light 0.75
_BLACK = 1 / 64  # of white: darker paper is not divided by,
_DEEPEST = 0.25  # nor paper darker than this of the brightest, whose noise would be ink


class Ink(NamedTuple):
    """What is on a picture.

    Attributes:
        amount: (H, W) float32, about 0 on paper.
        least: what is ink, and no noise of the paper, is above it.
        axis: (C,), from paper to ink.
        is_even: whether the light is: two tones are nearly all that there is.
    """

    amount: Array
    least: float
    axis: Array
    is_even: bool = False

    @property
    def is_light(self) -> bool:
        """Whether the ink is lighter than the paper."""
        return bool(self.axis.sum() > 0)


def find_ink(picture: Array, axis: Array | None = None) -> Ink:
    """Tell ink from paper.

    Args:
        picture: (C, H, W) float32, black 0 and white 1.
        axis: from paper to ink, where that is known.
    """
    is_paper = _two_tones(picture, axis)
    if is_paper is not None:
        colour = np.array([ranked(channel[is_paper], 0.5) for channel in picture], np.float32)
        axis = _unit(picture[:, ~is_paper].mean(1) - colour)
        amount = _amount(picture, axis, colour @ axis, colour @ np.abs(axis))
        noise = 1.4826 * ranked(np.abs(amount[is_paper]), 0.5)
        return Ink(amount, max(FAINTEST, _NOISES * noise), axis, is_even=True)
    surface = _surfaces(picture)
    axis = _axis(picture - surface) if axis is None else axis
    paper = _without_strokes(axis, picture, surface)
    brightness = -_without_strokes(-np.abs(axis), picture, surface)
    amount = _amount(picture, axis, paper, brightness)
    return Ink(amount, _least(amount), axis)


def _amount(
    picture: Array, axis: Array, paper: Array | np.float32, brightness: Array | np.float32
) -> Array:
    amount = np.tensordot(axis, picture, 1) - paper
    if axis.sum() <= 0:
        amount /= np.maximum(brightness, max(_BLACK, _DEEPEST * float(np.max(brightness))))
    return _smooth(amount)


def _least(amount: Array) -> float:
    """Above the noise of the paper, which the lower of all amounts tell: ink is the upper ones.

    Of a normal distribution 5 and 30 % lie below middle - 1.645 and middle - 0.524 deviations; of
    paper of which two fifths are ink the two tell nearly the same.
    """
    low, high = ranked(amount, 0.05), ranked(amount, 0.3)
    noise = (high - low) / 1.12
    return high + 0.524 * noise + max(FAINTEST, _NOISES * noise)


# ---- from paper to ink ---------------------------------------------------------------------------


def _axis(difference: Array) -> Array:
    """The colours' main direction, on the side on which pixels are further from the paper."""
    smooth = np.stack([_smooth(channel) for channel in difference])
    flat = smooth.reshape(len(smooth), -1).astype(np.float64)
    main = np.linalg.eigh(flat @ flat.T)[1][:, -1]
    along = np.sort(main @ flat)
    count = max(1, int(_TAIL * along.size))
    return _unit(main if along[-count:].mean() > -along[:count].mean() else -main)


def _unit(direction: Array) -> Array:
    total = np.abs(direction).sum()
    return np.asarray(direction / total if total else direction, np.float32)


def _two_tones(picture: Array, axis: Array | None) -> Array | None:
    """Where paper is, (H, W), if light is so even that two tones are nearly all there is; or None.

    That is where the variance between the two sides of Otsu's threshold is nearly the whole: then
    ink may fill half of the picture, from which no other paper could be told. What is too wide for
    a stroke is a shadow, and no ink.

    Source: Otsu (1979), A threshold selection method from gray-level histograms, eq. 12.
    """
    grey = picture.mean(0)
    counts, edges = np.histogram(grey, _LEVELS)
    level = (edges[:-1] + edges[1:]) / 2
    below, mass = counts.cumsum(), (counts * level).cumsum()
    above = grey.size - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2 / grey.size**2
    best = int(np.nan_to_num(between).argmax())  # nothing is between all and nothing
    if not between[best] > _TWO_TONES * float(grey.var()):
        return None
    dark = grey <= edges[best + 1]
    if axis is not None:
        is_light = axis.sum() > 0
    else:  # paper is the most, and most of the edge
        edge = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
        is_light = dark.mean() + edge.mean() > 1
    is_paper = dark if is_light else ~dark
    is_ink = 1 - is_paper.astype(np.float32)
    wide = _largest(-_largest(-is_ink, _radius(is_ink)), _radius(is_ink))
    return is_paper if wide.sum() <= _BLOT * is_ink.sum() else None


# ---- paper ---------------------------------------------------------------------------------------


def _without_strokes(axis: Array, picture: Array, surface: Array) -> Array:
    """Along an axis the picture without what is higher than around and no wider than a stroke.

    What it is off a smooth surface is opened by a square: each pixel is the largest, over the
    squares that it is in, of the least in each. So the border of a shadow stays, which the surface
    does not follow; the edge of a picture would be none on a slope.

    Shape: axis (C,), picture, surface (C, H, W) -> (H, W).

    Source: Serra (1982), Image analysis and mathematical morphology, chapter II.
    """
    smooth = np.tensordot(axis, surface, 1)
    x = np.tensordot(axis, picture, 1) - smooth
    blur = max(1, max(x.shape) // 100)
    opened = _largest(-_largest(-_box_mean(x, blur), _radius(x)), _radius(x))
    return smooth + _box_mean(opened, blur)


def _radius(x: Array) -> int:
    return max(1, int(_STROKE * max(x.shape) / 2))


def _surfaces(picture: Array) -> Array:
    """For each colour the surface of degree two that most pixels are near to: (C, H, W)."""
    coarse = reduced(picture, _COARSE)
    terms, fine = _terms(*coarse.shape[1:]), _terms(*picture.shape[1:])
    weights = [_fitted(terms, values.ravel()) for values in coarse]
    flat = np.stack([fine @ w for w in weights]).astype(np.float32)
    return flat.reshape(picture.shape)


def _terms(height: int, width: int) -> Array:
    """1, y, x, y^2, yx, x^2 of each pixel, from -1 to 1: (H * W, 6)."""
    y, x = np.meshgrid(*(_centres(side) for side in (height, width)), indexing="ij")
    return np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], -1).reshape(-1, 6)


def _centres(side: int) -> Array:
    return (2 * np.arange(side) + 1) / side - 1


def _fitted(terms: Array, values: Array) -> Array:
    """Weights of the terms, by least absolute differences, so that ink does not bend the paper.

    Iteratively reweighted least squares: each pixel weighs 1 / |its difference| of the last round,
    and from half the rounds on nothing where that is far beyond the median one.
    """
    weights = np.zeros(terms.shape[1])
    weights[0] = ranked(values, 0.5)
    for turn in range(_ROUNDS):
        off = np.abs(values - terms @ weights)
        typical = ranked(off, 0.5) + 1e-3
        share = 1 / np.maximum(off, 0.1 * typical)
        if turn >= _ROUNDS // 2:
            share[off > 6 * typical] = 0
        scaled = terms * share[:, None]
        gram = scaled.T @ terms + 1e-6 * share.sum() * np.eye(6)  # of a line the rest is nothing
        weights = np.linalg.solve(gram, scaled.T @ values)
    return weights


# ---- means and maxima of squares -----------------------------------------------------------------


def ranked(values: Array, share: float) -> float:
    """The value that this share of all is below; NumPy's percentiles are slow to start."""
    k = int(share * (values.size - 1))
    return float(np.partition(values, k, axis=None)[k])


def reduced(picture: Array, longest: int) -> Array:
    """(C, H, W) -> float32 with means of whole squares, so that no side is longer."""
    c, h, w = picture.shape
    factor = -(-max(h, w) // longest)
    rows, columns = min(factor, h), min(factor, w)
    cut = picture[:, : h // rows * rows, : w // columns * columns]
    sums = np.zeros((c, h // rows, cut.shape[2]), np.float32)
    for row in range(rows):  # first over whole rows: what is left is smaller by so much
        sums += cut[:, row::rows]
    sums = sums.reshape(c, h // rows, w // columns, columns).sum(3)
    return sums / np.float32(rows * columns)


def resized(image: Array, height: int, width: int) -> Array:
    """(H, W) float32 -> (height, width), bilinear, of every pixel something."""
    return Resize((height, width)).transform(image[None, None])[0, 0]


def widened(mask: Array, radius: int) -> Array:
    """Whether anything in the (2 radius + 1)^2 pixels around is."""
    return _largest(mask.astype(np.float32), radius) > 0.5


def _smooth(x: Array) -> Array:
    """Without the noise of single pixels, where there are so many that strokes keep their form."""
    radius = max(x.shape) // 200
    return _box_mean(x, radius) if radius else x


def _box_mean(x: Array, radius: int) -> Array:
    """The mean over the (2 radius + 1)^2 pixels around, beyond the edge as at it: (H, W)."""
    width = 2 * radius + 1
    for _ in range(2):
        padded = np.pad(x.T, ((radius + 1, radius), (0, 0)), "edge")
        total = padded.cumsum(0, dtype=np.float64)
        x = ((total[width:] - total[:-width]) / width).astype(np.float32)
    return x


def _largest(x: Array, radius: int) -> Array:
    """The largest of the (2 radius + 1)^2 pixels around, of those that there are: (H, W)."""
    width = 2 * radius + 1
    for _ in range(2):
        x = np.pad(x.T, ((radius, radius), (0, 0)), constant_values=-np.inf)
        done = 1
        while done < width:  # of `done` pixels, of twice as many, and so on
            step = min(done, width - done)
            x = np.maximum(x[:-step], x[step:])
            done += step
    return x
