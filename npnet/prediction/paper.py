"""Ink on paper: how much of it is at each pixel, whatever the light, the paper and the pen.

    ink = |picture / paper - 1|    on light paper, with dark ink
    ink = |picture - paper|        on dark paper, with light chalk

of the colour that differs most. What the paper is like at each pixel, under uneven light, is
estimated twice: as a surface of degree two that most pixels are near to, and then as the mean of
the pixels around that are no ink.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.transforms import Resize

__all__ = ["Ink", "box_mean", "find_ink", "ranked", "reduced", "resized", "widened"]

FAINTEST = 0.07  # of white: less than this is a shade of the paper
NOISES = 5.0  # deviations of the paper's noise that ink stands out by
_COARSE = 48  # pixels of the longer side, at which the light is looked at
_ROUNDS = 12  # of the fit: it changes no more after about eight
_TAIL = 0.02  # share of the pixels that tell whether ink is darker or lighter than paper
_AROUND = 0.2  # of the longer side, from which the paper under ink is taken
_LEVELS = 256  # of grey, in the histogram
_TWO_TONES = 0.85  # of the variance; noise alone has 0.64 between its halves, a slope of light 0.75
_BLACK = 1 / 64  # of white: darker paper is not divided by


class Ink(NamedTuple):
    """What is on a picture.

    Attributes:
        amount: (H, W) float32, about 0 on paper; below where it is brighter than the paper around.
        least: what is ink, and no noise of the paper, is above it.
        is_light: whether the ink is lighter than the paper.
    """

    amount: Array
    least: float
    is_light: bool


def reduced(picture: Array, longest: int) -> Array:
    """(C, H, W) -> float32 with means of whole squares, so that no side is longer than `longest`,
    or nearly so; itself where it is small enough."""
    c, h, w = picture.shape
    factor = -(-max(h, w) // longest)
    rows, columns = max(min(factor, h), 1), max(min(factor, w), 1)
    if rows == columns == 1:
        return picture.astype(np.float32)
    cut = picture[:, : h // rows * rows, : w // columns * columns]
    # Rows first, over whole arrays; what is left is smaller by so much.
    sums = np.zeros((c, h // rows, cut.shape[2]), np.float32)
    for row in range(rows):
        sums += cut[:, row::rows]
    sums = sums.reshape(c, h // rows, w // columns, columns).sum(3)
    return sums / np.float32(rows * columns)


def ranked(values: Array, share: float) -> float:
    """The value that this share of all is below; NumPy's percentiles are slow to start."""
    k = int(share * (values.size - 1))
    return float(np.partition(values, k, axis=None)[k])


def find_ink(picture: Array, is_light: bool | None = None) -> Ink:
    """Tell ink from paper.

    Args:
        picture: (C, H, W) float32, black 0 and white 1.
        is_light: whether the ink is, where that is known.
    """
    flat = _two_tones(picture, is_light)
    if flat is not None:
        is_paper, is_light = flat
        colours = [ranked(channel[is_paper], 0.5) for channel in picture]
        paper = np.array(colours, np.float32)[:, None, None]
        amount = _smooth(_amount(picture, paper, is_light))
        noise = 1.4826 * ranked(np.abs(amount[is_paper]), 0.5)
        return Ink(amount, max(FAINTEST, NOISES * noise), is_light)
    surface = _surfaces(picture)
    if is_light is None:
        is_light = _is_light(picture - surface)
    amount = _smooth(_amount(picture, surface, is_light))
    is_ink = widened(amount > _least(amount), max(1, max(amount.shape) // 100))
    paper = _paper_around(picture, surface, ~is_ink)
    amount = _smooth(_amount(picture, paper, is_light))
    return Ink(amount, _least(amount), is_light)


def _two_tones(picture: Array, is_light: bool | None) -> tuple[Array, bool] | None:
    """Where paper is, (H, W), and whether ink is lighter, if the light is even enough to tell.

    That is where the variance between the two halves of Otsu's threshold is nearly all there is:
    then no surface is needed, which ink that fills half of the picture would bend.

    Source: Otsu (1979), A threshold selection method from gray-level histograms, eq. 12.
    """
    grey = picture.mean(0)
    counts, edges = np.histogram(grey, _LEVELS)
    level = (edges[:-1] + edges[1:]) / 2
    below, mass = counts.cumsum(), (counts * level).cumsum()
    above = grey.size - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2 / grey.size**2
    best = int(np.nanargmax(between))
    if not between[best] > _TWO_TONES * float(grey.var()):
        return None
    dark = grey <= edges[best + 1]
    if is_light is None:
        edge = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
        is_light = bool(dark.mean() + edge.mean() > 1)  # paper is the most, and most of the edge
    is_paper = dark if is_light else ~dark
    return (is_paper, is_light) if is_paper.any() else None


def _amount(picture: Array, paper: Array, is_light: bool) -> Array:
    if is_light:
        return (picture - paper).max(0)
    return ((paper - picture) / np.maximum(paper, _BLACK)).max(0)


def _least(amount: Array) -> float:
    """Above the noise of the paper, which the lower of all amounts tell: ink is the upper ones.

    Of a normal distribution 5 and 30 % lie below middle - 1.645 and middle - 0.524 deviations; of
    paper of which two fifths are ink the two tell nearly the same.
    """
    low, high = ranked(amount, 0.05), ranked(amount, 0.3)
    noise = (high - low) / 1.12
    return high + 0.524 * noise + max(FAINTEST, NOISES * noise)


def _is_light(difference: Array) -> bool:
    """Whether what differs most from the paper is lighter than it."""
    grey = _smooth(difference.mean(0))
    count = max(1, int(_TAIL * grey.size))
    ordered = np.sort(grey, axis=None)
    return bool(ordered[-count:].mean() > -ordered[:count].mean())


# ---- paper ---------------------------------------------------------------------------------------


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


def _paper_around(picture: Array, surface: Array, is_paper: Array) -> Array:
    """The mean of the paper around each pixel; where there is none near, the surface."""
    radius = max(1, int(_AROUND * max(is_paper.shape) / 2))
    weight = is_paper.astype(np.float32)
    near = box_mean(weight, radius)
    few = np.float32(0.05)  # of the square around: then the surface counts as much
    off = [
        box_mean(box_mean((p - s) * weight, radius), radius)
        for p, s in zip(picture, surface, strict=True)
    ]
    return surface + np.stack(off) / (box_mean(near, radius) + few)


# ---- means and maxima of squares -----------------------------------------------------------------


def box_mean(x: Array, radius: int) -> Array:
    """The mean over the (2 radius + 1)^2 pixels around, beyond the edge as at it: (H, W)."""
    for _ in range(2):
        padded = np.pad(x.T, ((radius + 1, radius), (0, 0)), "edge")
        total = padded.cumsum(0, dtype=np.float64)
        width = 2 * radius + 1
        x = ((total[width:] - total[:-width]) / width).astype(np.float32)
    return x


def _smooth(amount: Array) -> Array:
    """Without the noise of single pixels, where there are so many that strokes keep their form."""
    radius = max(amount.shape) // 200
    return box_mean(amount, radius) if radius else amount


def widened(mask: Array, radius: int) -> Array:
    """Whether anything in the (2 radius + 1)^2 pixels around is."""
    return box_mean(mask.astype(np.float32), radius) > 0.5 / (2 * radius + 1) ** 2


def resized(image: Array, height: int, width: int) -> Array:
    """(H, W) float32 -> (height, width), bilinear, of every pixel something."""
    return Resize((height, width)).transform(image[None, None])[0, 0]
