"""`interpolate` and the older names of what it does."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from npnet.base.checks import ShapeError, check_count
from npnet.ops import pool, pool1d, shape
from npnet.ops.broadcasting import check_tensors
from npnet.ops.dtypes import check_dtypes
from npnet.ops.resample import resample

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Sizes: TypeAlias = int | Sequence[int] | None
Scales: TypeAlias = float | Sequence[float] | None

_SMOOTH = {"linear": 3, "bilinear": 4, "bicubic": 4, "trilinear": 5}  # and how many axes each takes
_MODES = ("nearest", "nearest-exact", "area", *_SMOOTH)


def interpolate(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Scales = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Signals, images or volumes in another size.

    Args:
        size: of the result without N and C: a number for all axes, or one for each.
        scale_factor: in its place, how much larger: the size is floor(H * scale_factor).
        mode: "nearest" (pixel floor(i * H / OH)), "nearest-exact" (that nearest to the new one's
            centre), "linear" for (N, C, L), "bilinear" and "bicubic" (a = -3/4) for (N, C, H, W),
            "trilinear" for (N, C, D, H, W), "area" (the adaptive mean).
        align_corners: of the smooth modes: whether the centres of the first and the last pixels
            stay where they are. Otherwise the image's edges do.
        recompute_scale_factor: whether pixels lie OH / H apart, not `scale_factor`, where they
            differ.
        antialias: of bilinear and bicubic: widen the filter where the image becomes smaller, so
            that every pixel counts.

    Shape: (N, C, L), (N, C, H, W) or (N, C, D, H, W) -> the same with other sizes.

    Raises:
        ValueError: neither or both of size and scale_factor are given; or `align_corners` or
            `antialias` with a mode that has none.
        NotImplementedError: `mode` is none of these, or not of the input's axes.
        ShapeError: input or output have no pixels.

    Example:
        >>> F.interpolate(npnet.tensor([[[1.0, 3.0]]]), scale_factor=2)
        tensor([[[1., 1., 3., 3.]]])
        >>> F.interpolate(npnet.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])

    Source: Keys (1981), IEEE TASSP 29, for bicubic.
    """
    check_tensors("interpolate", input)
    _check_mode(input, mode, align_corners, antialias)
    olds = input.shape[2:]
    sizes, scales = _sizes(olds, size, scale_factor, recompute_scale_factor, mode == "area")
    if min((*olds, *sizes)) < 1:
        raise ShapeError(
            f"interpolate: input and output must have pixels; got input {input.shape}, size {sizes}"
        )
    if mode == "area":
        return _area(input, sizes)
    if mode.startswith("nearest"):
        return resample(input, mode, sizes, scales)
    if not (mode in ("bilinear", "bicubic") and input.dtype == np.uint8):  # pictures
        check_dtypes("interpolate", input)
    kind = "cubic" if mode == "bicubic" else "linear"
    return resample(input, kind, sizes, scales, bool(align_corners), antialias)


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _MODES:
        raise NotImplementedError(
            f"interpolate: mode must be one of {', '.join(_MODES)}; got {mode!r}"
        )
    if x.ndim not in (3, 4, 5):
        raise NotImplementedError(
            "interpolate: input must be (N, C, L), (N, C, H, W) or (N, C, D, H, W), "
            f"got {x.ndim} axes: input.shape = {x.shape}"
        )
    if mode in _SMOOTH and _SMOOTH[mode] != x.ndim:
        fit = next(m for m, axes in _SMOOTH.items() if axes == x.ndim)
        raise NotImplementedError(
            f"interpolate: mode {mode!r} takes {_SMOOTH[mode]} axes, got {x.shape}; "
            f"mode {fit!r} takes these"
        )
    if align_corners is not None and mode not in _SMOOTH:
        raise ValueError(
            f"interpolate: align_corners is of the modes {', '.join(_SMOOTH)}; got mode {mode!r}"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolate: antialias is of bilinear and bicubic, got mode {mode!r}")


def _sizes(
    olds: tuple[int, ...], size: Sizes, scale: Scales, recompute: bool | None, area: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The new sizes, and the scales where they count."""
    if (size is None) == (scale is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"interpolate: needs either size or scale_factor, got {given}")
    if size is not None:
        if recompute:
            raise ValueError("interpolate: recompute_scale_factor needs a scale_factor, got a size")
        wanted = _each("size", size, len(olds))
        return tuple(check_count("interpolate", "size", n, 0) for n in wanted), (None,) * len(olds)
    factors = [float(s) for s in _each("scale_factor", scale, len(olds))]
    sizes = tuple(math.floor(n * s) for n, s in zip(olds, factors, strict=True))
    kept = None if recompute or area else factors
    return sizes, (None,) * len(olds) if kept is None else tuple(kept)


def _each(name: str, value: object, count: int) -> Sequence[float]:
    """One number for each axis."""
    if not isinstance(value, (tuple, list)):
        return [value] * count  # type: ignore[list-item] # a number, or it is refused further on
    if len(value) != count:
        raise ValueError(
            f"interpolate: {name} must be a number or {count} of them, as the input has axes "
            f"beside N and C; got {value!r}"
        )
    return value


def _area(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The mean of bins."""
    if x.ndim == 3:
        return pool1d.adaptive_avg_pool1d(x, sizes)
    if x.ndim == 4:
        return pool.adaptive_avg_pool2d(x, sizes)
    n, c, depth, h, w = x.shape  # rows and columns of each plane, then planes
    planes = pool.adaptive_avg_pool2d(shape.reshape(x, (n, c * depth, h, w)), sizes[1:])
    pixels = sizes[1] * sizes[2]
    y = pool.adaptive_avg_pool2d(shape.reshape(planes, (n, c, depth, pixels)), (sizes[0], pixels))
    return shape.reshape(y, (n, c, *sizes))


def upsample(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Scales = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its older name, which PyTorch warns of.

    Shape: (N, C, ...) -> the same with other sizes.

    Raises:
        ValueError: neither or both of size and scale_factor are given.
    """
    check_tensors("upsample", input)
    _deprecated("upsample", "interpolate")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Sizes = None, scale_factor: Scales = None) -> Tensor:
    """`interpolate(mode="nearest")` under its older name, which PyTorch warns of.

    Shape: (N, C, ...) -> the same with other sizes.

    Raises:
        ValueError: neither or both of size and scale_factor are given.
    """
    check_tensors("upsample_nearest", input)
    _deprecated("upsample_nearest", "interpolate")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Sizes = None, scale_factor: Scales = None) -> Tensor:
    """`interpolate(mode="bilinear", align_corners=True)` under its older name.

    Shape: (N, C, H, W) -> (N, C, OH, OW).

    Raises:
        NotImplementedError: the input has other axes.
    """
    check_tensors("upsample_bilinear", input)
    _deprecated("upsample_bilinear", "interpolate")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.{instead}` instead.",
        UserWarning,
        stacklevel=3,
    )
