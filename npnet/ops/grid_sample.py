"""Images looked at through a grid of places, and the grids of affine maps."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.ops import _sums
from npnet.ops.dtypes import check_dtypes
from npnet.ops.linear import matmul
from npnet.ops.shape import reshape, transpose
from npnet.tape import Function, result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]


class Along(NamedTuple):
    """What the places of a grid read along one axis of the image, each (T, N, P) for T taps.

    Attributes:
        pixel: which pixels; any where none is `inside`.
        weight: by which they are multiplied.
        slope: the derivative of the weight by the grid's number.
        inside: whether the pixel is one of the image.
    """

    pixel: Array
    weight: Array
    slope: Array
    inside: Array


Taps: TypeAlias = tuple[tuple[Along, int], ...]  # one of each axis


class GridSample(Function):
    """y[n, c, p] = sum over taps of weights along all axes times the pixel there.

        gx adds weight * gy up where it came from,
        ggrid[n, p, a] = sum over c and taps of slope along a * other weights * pixel * gy

    Args:
        along: gives what the grid reads along an axis, of its numbers (N, P) and the axis's size.
    """

    def __init__(self, along: Callable[[Array, int], Along]) -> None:
        self.along = along

    def forward(self, x: Array, grid: Array) -> Array:  # (N, C, *sizes), (N, *places, d)
        self.save_for_backward(x, grid)
        y = np.zeros((*x.shape[:2], math.prod(grid.shape[1:-1])), x.dtype)
        for pixels, taps, inside in self._taps(x, grid):
            y += _product(taps)[:, None] * _pixels(x, pixels, inside)
        return y.reshape(*x.shape[:2], *grid.shape[1:-1])

    def backward(self, gy: Array) -> tuple[Array | None, Array | None]:
        x, grid = self.saved
        needs_x, needs_grid = self.needs_input_grad
        n, c = x.shape[:2]
        gy = gy.reshape(n, c, -1)
        flat = n, c, math.prod(x.shape[2:])
        gx = np.zeros(flat, x.dtype) if needs_x else None
        ggrid = np.zeros((*gy.shape[::2], grid.shape[-1]), grid.dtype) if needs_grid else None
        images, channels = np.ogrid[:n, :c]
        for pixels, taps, inside in self._taps(x, grid):
            if gx is not None:
                values = np.where(inside, _product(taps), 0)[:, None] * gy
                index = images[..., None], channels[..., None], pixels[:, None]
                gx += _sums.add_at(flat, index, values)
            if ggrid is not None:
                seen = (_pixels(x, pixels, inside) * gy).sum(1)
                for axis, (a, t) in enumerate(taps):
                    others = _product((*taps[:axis], *taps[axis + 1 :]))
                    place = len(taps) - 1 - axis  # the grid names columns first
                    ggrid[..., place] += seen * a.slope[t] * others
        return (
            None if gx is None else gx.reshape(x.shape),
            None if ggrid is None else ggrid.reshape(grid.shape),
        )

    def _taps(self, x: Array, grid: Array) -> Iterator[tuple[Array, Taps, Array]]:
        """For each combination of taps: pixels (N, P), taps along the axes, which are inside."""
        sizes, n = x.shape[2:], len(grid)
        numbers = [grid[..., len(sizes) - 1 - a].reshape(n, -1) for a in range(len(sizes))]
        axes = [self.along(g, size) for g, size in zip(numbers, sizes, strict=True)]
        for chosen in itertools.product(*[range(len(a.pixel)) for a in axes]):
            taps = tuple(zip(axes, chosen, strict=True))
            pixels: Array = np.zeros(numbers[0].shape, np.int64)
            inside: Array = np.ones(pixels.shape, np.bool_)
            for (a, t), size in zip(taps, sizes, strict=True):
                pixels = pixels * size + np.where(a.inside[t], a.pixel[t], 0)
                inside = inside & a.inside[t]
            yield pixels, taps, inside


def _product(taps: Taps) -> Array:
    """The product of the weights, (N, P)."""
    return functools.reduce(np.multiply, [a.weight[t] for a, t in taps])


def _pixels(x: Array, index: Array, inside: Array) -> Array:
    """The pixels at `index` (N, P) of each plane, 0 where they are outside: (N, C, P)."""
    n, c, *sizes = x.shape
    planes = np.arange(n * c).reshape(n, c, 1) * math.prod(sizes)  # where each begins
    return np.where(inside[:, None], x.reshape(-1)[planes + index[:, None]], x.dtype.type(0))


# ---- along an axis -----------------------------------------------------------------------------


def _along(mode: str, padding: str, align: bool) -> Callable[[Array, int], Along]:
    """What a grid reads along an axis in a mode."""

    def along(numbers: Array, size: int) -> Along:
        scale = (size - 1) / 2 if align else size / 2
        at = (numbers + 1) * numbers.dtype.type(scale)
        at = at if align else at - numbers.dtype.type(0.5)
        slope = np.full_like(at, scale)
        if mode != "bicubic":
            at, turned = _within(at, size, padding, align)
            slope *= turned
        if mode == "nearest":
            first, weights, slopes = np.rint(at), [np.ones_like(at)], [np.zeros_like(at)]
        elif mode == "bilinear":
            first = np.floor(at)
            share = at - first
            weights, slopes = [1 - share, share], [-slope, slope]
        else:
            first = np.floor(at) - 1
            weights, slopes = _cubic(at - np.floor(at), slope)
        index = first + np.arange(len(weights))[:, None, None]
        if mode == "bicubic":
            index, _ = _within(index, size, padding, align)
            index = np.rint(index)
        inside = (index >= 0) & (index < size)
        whole = np.where(inside, index, 0).astype(np.int64)
        return Along(whole, np.stack(weights), np.stack(slopes), inside)

    return along


def _within(at: Array, size: int, padding: str, align: bool) -> tuple[Array, Array]:
    """Places brought into the image, and the derivative: 1, -1 where mirrored, 0 where held."""
    slope = np.ones_like(at)
    if padding == "zeros":
        return at, slope
    if padding == "reflection":
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return np.zeros_like(at), np.zeros_like(at)
        beyond = np.abs(at - low)
        slope = np.where(at < low, -slope, slope)
        rest, odd = np.fmod(beyond, span), np.floor(beyond / span) % 2 != 0
        slope = np.where(odd, -slope, slope)
        at = np.where(odd, span - rest, rest) + at.dtype.type(low)
    held = (at <= 0) | (at >= size - 1)
    return np.clip(at, 0, size - 1), np.where(held, 0, slope).astype(at.dtype)


def _cubic(share: Array, slope: Array) -> tuple[list[Array], list[Array]]:
    """Weights of four taps at a share of a pixel, and their slopes: Keys (1981), a = -3/4."""
    a, weights, slopes = -0.75, [], []
    for offset in (-1, 0, 1, 2):
        signed = share - offset
        x = np.abs(signed)
        if offset in (0, 1):
            weight = ((a + 2) * x - (a + 3)) * x * x + 1
            steep = (3 * (a + 2) * x - 2 * (a + 3)) * x
        else:
            weight = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
            steep = (3 * a * x - 10 * a) * x + 8 * a
        weights.append(weight)
        slopes.append(np.where(signed < 0, -steep, steep) * slope)
    return weights, slopes


# ---- public ------------------------------------------------------------------------------------


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The image at the places that a grid names, from -1 to 1 along each axis.

    Args:
        grid: (x, y) of each place, so columns before rows; of volumes (x, y, z).
        mode: "bilinear", "nearest", or for images "bicubic".
        padding_mode: what lies outside: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the centres of the first and the last pixel; otherwise
            (the default) they are the image's edges.

    Shape: input (N, C, H, W), grid (N, OH, OW, 2) -> (N, C, OH, OW); input (N, C, D, H, W), grid
        (N, OD, OH, OW, 3) -> (N, C, OD, OH, OW).

    Raises:
        ShapeError: input and grid do not fit, or the input has no pixels.
        ValueError: `mode` or `padding_mode` is none of these.
        RuntimeError: "bicubic" comes with volumes.

    Example:
        >>> x = npnet.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> grid = npnet.tensor([[[[0.0, 0.0], [-1.0, 1.0]]]])  # the middle; on the left, below
        >>> F.grid_sample(x, grid, align_corners=True)
        tensor([[[[2.5000, 3.0000]]]])

    Source: Jaderberg et al. (2015), arXiv:1506.02025, section 3.3.
    """
    for name, value, known in (
        ("mode", mode, ("bilinear", "nearest", "bicubic")),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        if value not in known:
            raise ValueError(
                f"grid_sample: {name} must be one of {', '.join(known)}; got {value!r}"
            )
    align = _aligned("grid_sample", align_corners)
    check_dtypes("grid_sample", input, grid)
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1:] != (dims,):
        raise ShapeError(
            "grid_sample: takes input (N, C, H, W) and grid (N, OH, OW, 2), or one axis more and "
            f"3; got input {input.shape}, grid {grid.shape}"
        )
    if grid.shape[0] != input.shape[0] or 0 in input.shape[2:]:
        raise ShapeError(
            "grid_sample: input and grid must have the same N, and the input pixels; "
            f"got input {input.shape}, grid {grid.shape}"
        )
    if mode == "bicubic" and dims != 2:
        raise RuntimeError(
            f"grid_sample: mode 'bicubic' takes images (N, C, H, W), got {input.shape}"
        )
    return GridSample(_along(mode, padding_mode, align))(input, grid)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid, for `grid_sample`, of an affine map: theta applied to (x, y, 1) of each place.

    Composed of a matrix product.

    Shape: theta (N, 2, 3), size (N, C, H, W) -> (N, H, W, 2); theta (N, 3, 4), size
        (N, C, D, H, W) -> (N, D, H, W, 3).

    Raises:
        ShapeError: theta and size do not fit.
        ValueError: a size is less than 1.

    Example:
        >>> theta = npnet.tensor([[[0.5, 0.0, 0.0], [0.0, 1.0, 0.0]]])  # half the width
        >>> F.affine_grid(theta, (1, 1, 1, 3), align_corners=True)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.0000,  0.0000],
                  [ 0.5000,  0.0000]]]])

    Source: Jaderberg et al. (2015), arXiv:1506.02025, equation 1.
    """
    align = _aligned("affine_grid", align_corners)
    check_dtypes("affine_grid", theta)
    n, places = size[0], tuple(map(int, size[2:]))
    dims = len(places)
    if dims not in (2, 3) or theta.shape != (n, dims, dims + 1):
        wanted = (n, dims, dims + 1) if dims in (2, 3) else "(N, 2, 3) with size (N, C, H, W)"
        raise ShapeError(f"affine_grid: theta must be {wanted}, got {theta.shape}, size {size}")
    if min(size) < 1:
        raise ValueError(f"affine_grid: size must be >= 1 along all axes, got {tuple(size)}")
    axes = [_spread(count, align) for count in places]
    base = [a.ravel() for a in np.meshgrid(*axes, indexing="ij")][::-1]
    columns = np.stack([*base, np.ones_like(base[0])], 1).astype(theta.dtype)  # (P, d + 1)
    grid = matmul(result(columns), transpose(theta, 1, 2))
    return reshape(grid, (n, *places, dims))


def _spread(count: int, align: bool) -> Array:
    """From -1 to 1, as many numbers: the centres of pixels, unless the ends are aligned."""
    ends = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return ends if align else ends * ((count - 1) / count)


def _aligned(op: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            f"{op}: align_corners is False where it is not given; say which is meant",
            UserWarning,
            stacklevel=3,
        )
    return bool(align_corners)
