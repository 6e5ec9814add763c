"""RandomAffine: rotate, shift, scale and shear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from npnet._checks import check_number, unknown_name
from npnet.backend import lanes_wanted
from npnet.transforms.compose import RandomTransform
from npnet.transforms.images import Array, InterpolationMode, channel_values

__all__ = ["RandomAffine", "affine", "inverse_matrices"]

# Pixels that one step of the NumPy implementation works on: it holds some twenty arrays of them.
_CHUNK = 1 << 18


def inverse_matrices(
    angle: Array, translate: Array, scale: Array, shear: Array, centre: npt.ArrayLike = (0, 0)
) -> Array:
    """The maps from a place in the output to its source in the input, M^-1 with

        M = T(translate) C R(angle) S(scale) SHy(shear_y) SHx(shear_x) C^-1,
        SHx = [[1, -tan(shear_x)], [0, 1]],    SHy = [[1, 0], [-tan(shear_y), 1]],

    places being (x, y) from the middle of the image and C the shift to `centre`.

    Shape: angle, scale (N,), translate, shear (N, 2); angles in degrees -> (N, 2, 3) float64.
    """
    rotation, (shear_x, shear_y) = np.radians(angle), np.radians(shear).T
    a = np.cos(rotation - shear_y) / np.cos(shear_y)
    b = -a * np.tan(shear_x) - np.sin(rotation)
    c = np.sin(rotation - shear_y) / np.cos(shear_y)
    d = -c * np.tan(shear_x) + np.cos(rotation)
    # [[a, b], [c, d]] has the determinant 1, so its inverse needs no division.
    linear = np.stack([d, -b, -c, a], axis=-1).reshape(-1, 2, 2) / np.reshape(scale, (-1, 1, 1))
    middle = np.asarray(centre, np.float64)
    shift = middle - np.einsum("nij,nj->ni", linear, translate + middle)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


@np.errstate(all="ignore")  # NaN and infinity are values, as in the kernel
def affine(images: Array, matrices: Array, interpolation: str, fill: Array) -> Array:
    """y[i, c] at place p is x[i, c] at matrices[i] @ (p, 1), places counted from the middle.

    Bilinear interpolation weighs the four pixels around that place by w_k, those outside the image
    with the value 0. With m the sum of the weights of those inside,

        y = m * sum_k w_k x_k + (1 - m) * fill,

    which is torchvision's formula too; nearest takes one pixel, or `fill` where it is outside.

    Args:
        matrices: as `inverse_matrices` makes them.
        interpolation: nearest or bilinear.

    Shape: images (N, C, H, W), uint8 or float, matrices (N, 2, 3), fill (C,) -> (N, C, H, W) of the
    same dtype; uint8 is rounded to nearest.
    """
    bilinear = interpolation == "bilinear"
    if lanes_wanted() and images.dtype == np.uint8 and images.flags.c_contiguous:
        from npnet.kernels import affine as kernels

        return kernels.affine(images, matrices, bilinear, fill)
    dtype = np.float64 if images.dtype == np.float64 else np.float32
    matrices, fill = matrices.astype(dtype), fill.astype(dtype)
    sample = _bilinear if bilinear else _nearest
    y = np.empty_like(images)
    step = max(1, _CHUNK // max(1, images[:1].size))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        values = sample(images[part], _sources(matrices[part], images.shape[2:]), fill)
        y[part] = np.rint(values) if images.dtype == np.uint8 else values
    return y


class _Places(NamedTuple):
    """Column and row of the source of each output pixel: (n, H, W) floats."""

    x: Array
    y: Array


def _sources(matrices: Array, size: Sequence[int]) -> _Places:
    height, width = size
    dtype = matrices.dtype.type
    x = np.arange(width, dtype=dtype) - dtype(width / 2 - 0.5)
    y = (np.arange(height, dtype=dtype) - dtype(height / 2 - 0.5))[:, None]
    a, b, c, d, e, f = matrices.reshape(-1, 6, 1, 1).transpose(1, 0, 2, 3)
    return _Places(
        a * x + b * y + c + dtype(width / 2 - 0.5), d * x + e * y + f + dtype(height / 2 - 0.5)
    )


def _pixels(images: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Pixels (n, C, H, W) at whole places (n, H, W), 0 outside; and where they are inside."""
    height, width = images.shape[2:]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    row, column = np.where(inside, y, 0).astype(np.intp), np.where(inside, x, 0).astype(np.intp)
    image, channel = np.ogrid[: len(images), : images.shape[1]]
    values = images[image[..., None, None], channel[..., None, None], row[:, None], column[:, None]]
    return np.where(inside[:, None], values, 0).astype(x.dtype), inside


def _nearest(images: Array, places: _Places, fill: Array) -> Array:
    values, inside = _pixels(images, np.rint(places.x), np.rint(places.y))
    return np.where(inside[:, None], values, fill[:, None, None])


def _bilinear(images: Array, places: _Places, fill: Array) -> Array:
    """The sum goes from the upper left to the lower right pixel, as in the kernel."""
    left, top = np.floor(places.x), np.floor(places.y)
    right_share, lower_share = places.x - left, places.y - top
    total, covered = places.x.dtype.type(0), places.x.dtype.type(0)
    for down in (0, 1):
        for right in (0, 1):
            weight = (lower_share if down else 1 - lower_share) * (
                right_share if right else 1 - right_share
            )
            values, inside = _pixels(images, left + right, top + down)
            total = total + weight[:, None] * values
            covered = covered + np.where(inside, weight, 0)
    covered = covered[:, None]
    return covered * total + (1 - covered) * fill[:, None, None]


class RandomAffine(RandomTransform):
    """Rotate, shift, scale and shear each image around its middle, or around `center`.

    Args:
        degrees: the angle is drawn from (least, most), or from (-degrees, degrees); clockwise.
        translate: shifts are drawn from (-a * W, a * W) and (-b * H, b * H) and rounded to whole
            pixels; None for no shift.
        scale: the factor is drawn from (least, most); None for 1.
        shear: angles in degrees: a number s for (-s, s) along x, (least, most) along x, or
            (least x, most x, least y, most y); None for none.
        interpolation: nearest or bilinear, by name or as InterpolationMode.
        fill: value of pixels whose source is outside: one number, or one for each channel.
        center: (x, y) in pixels from the upper left corner.

    Shape: (N, C, H, W) or (C, H, W), uint8 or float, dtype unchanged.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str | InterpolationMode = InterpolationMode.NEAREST,
        fill: float | Sequence[float] = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        self.degrees = _angles("degrees", degrees, (2,))
        self.translate = None if translate is None else _numbers("translate", translate, (2,))
        self.scale = None if scale is None else _numbers("scale", scale, (2,))
        self.shear = None if shear is None else _angles("shear", shear, (2, 4))
        self.interpolation = _mode(interpolation)
        self.fill = fill
        self.center = None if center is None else _numbers("center", center, (2,))
        for share in self.translate or ():
            check_number("RandomAffine", "translate", share, least=0, most=1)
        for factor in self.scale or ():
            check_number("RandomAffine", "scale", factor, above=0)

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        fill = channel_values("RandomAffine", "fill", self.fill, images)
        height, width = images.shape[2:]
        matrices = self._draw(len(images), (width, height), rng)
        return affine(images, matrices, self.interpolation.value, fill)

    def _draw(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Array:
        """The inverse matrices of `count` images of `size` (W, H), in torchvision's order."""
        angle = rng.uniform(self.degrees[0], self.degrees[1], count)
        translate, shear = np.zeros((count, 2)), np.zeros((count, 2))
        scale = np.ones(count)
        if self.translate is not None:
            most = np.multiply(self.translate, size)
            translate = np.rint(rng.uniform(-most, most, (count, 2)))
        if self.scale is not None:
            scale = rng.uniform(self.scale[0], self.scale[1], count)
        if self.shear is not None:
            shear[:, 0] = rng.uniform(self.shear[0], self.shear[1], count)
            if len(self.shear) == 4:
                shear[:, 1] = rng.uniform(self.shear[2], self.shear[3], count)
        middle = np.multiply(size, 0.5)
        centre = middle if self.center is None else np.asarray(self.center)
        return inverse_matrices(angle, translate, scale, shear, centre - middle)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                parts.append(f"{name}={getattr(self, name)}")
        if self.interpolation != InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"RandomAffine({', '.join(parts)})"


def _numbers(name: str, values: Sequence[float], counts: tuple[int, ...]) -> tuple[float, ...]:
    """A sequence of finite numbers of an allowed length."""
    if not isinstance(values, Sequence) or len(values) not in counts:
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"RandomAffine: {name} must be {allowed} numbers, got {values!r}")
    for value in values:
        check_number("RandomAffine", name, value)
    return tuple(values)


def _angles(name: str, value: float | Sequence[float], counts: tuple[int, ...]) -> list[float]:
    """[least, most] pairs; one number v stands for [-v, v]."""
    if isinstance(value, Sequence):
        return [float(angle) for angle in _numbers(name, value, counts)]
    check_number("RandomAffine", name, value, least=0)
    return [-float(value), float(value)]


def _mode(interpolation: str | InterpolationMode) -> InterpolationMode:
    known = {mode.value: mode for mode in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR)}
    name = str(getattr(interpolation, "value", interpolation))
    if name not in known:
        raise ValueError("RandomAffine: " + unknown_name("interpolation", name, known))
    return known[name]
