"""The marks on a paper: pieces of ink that hang together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Array

__all__ = ["Mark", "find_marks"]


@dataclass(frozen=True)
class Mark:
    """A piece of ink.

    Attributes:
        number: of it in the labels of `find_marks`.
        area: pixels.
        top, left, bottom, right: the rows and columns that it is in, those of the end included.
        at_edge: whether it reaches the edge of the picture.
    """

    number: int
    area: int
    top: int
    left: int
    bottom: int
    right: int
    at_edge: bool

    @property
    def height(self) -> int:
        return self.bottom - self.top + 1

    @property
    def width(self) -> int:
        return self.right - self.left + 1

    @property
    def side(self) -> int:
        """The longer one."""
        return max(self.height, self.width)


def find_marks(mask: Array) -> tuple[Array, list[Mark]]:
    """Number the pieces of ink; pixels that touch by a corner hang together.

    Runs of ink in a row are joined with those of the row above that they touch (Rosenfeld and
    Pfaltz, 1966), so that Python counts runs, not pixels.

    Shape: mask (H, W) bool -> labels (H, W) int64, 0 where no ink is, and the marks, by size.
    """
    row, start, end = _runs(mask)
    parent = list(range(len(row)))
    first = np.searchsorted(row, np.arange(mask.shape[0] + 1)).tolist()
    starts, ends = start.tolist(), end.tolist()
    for y in range(1, mask.shape[0]):
        above, here, stop = first[y - 1], first[y], first[y + 1]
        last = here
        while above < last and here < stop:
            if ends[above] >= starts[here] and ends[here] >= starts[above]:
                a, b = _root(parent, above), _root(parent, here)
                parent[max(a, b)] = min(a, b)
            if ends[above] < ends[here]:
                above += 1
            else:
                here += 1
    roots = np.array([_root(parent, k) for k in range(len(row))], np.int64)
    return _labelled(mask, row, start, end, roots)


def _runs(mask: Array) -> tuple[Array, Array, Array]:
    """Row, first column and end of every run, in reading order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    return row, start, np.nonzero(change == -1)[1]


def _root(parent: list[int], k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


def _labelled(
    mask: Array, row: Array, start: Array, end: Array, roots: Array
) -> tuple[Array, list[Mark]]:
    _, number = np.unique(roots, return_inverse=True)
    count = int(number.max()) + 1 if len(number) else 0
    area = np.bincount(number, end - start, count).astype(int)
    bounds = [_extreme(number, count, values) for values in (row, start, -row, 1 - end)]
    order = np.argsort(-area, kind="stable")
    height, width = mask.shape
    marks: list[Mark] = []
    for new, old in enumerate(order, 1):
        top, left, bottom, right = (int(b[old]) for b in bounds)
        at_edge = top == 0 or left == 0 or -bottom == height - 1 or -right == width - 1
        marks.append(Mark(new, int(area[old]), top, left, -bottom, -right, at_edge))
    renumbered = np.zeros(count + 1, np.int64)
    renumbered[order + 1] = np.arange(1, count + 1)
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.repeat(renumbered[number + 1], end - start)
    return labels, marks


def _extreme(number: Array, count: int, values: Array) -> Array:
    """The least of the values of each number."""
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, number, values)
    return least
