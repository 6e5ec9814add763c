"""RandomAffine, RandomRotation: rotate, shift, scale and shear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from npnet.backend import uses_kernels
from npnet.base.checks import ShapeError, check_number
from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.random import numpy_generator
from npnet.transforms.affine_pictures import affine_pictures, is_as_pillow
from npnet.transforms.base import RandomTransform
from npnet.transforms.images import (
    Array,
    InterpolationMode,
    as_batch,
    channel_values,
    interpolation_mode,
)

__all__ = [
    "Places",
    "RandomAffine",
    "RandomRotation",
    "affine",
    "affine_image",
    "inverse_matrices",
    "on_tensors",
    "pillow_fill",
    "sample",
]

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
def affine(
    images: Array,
    matrices: Array,
    interpolation: str,
    fill: Array | None,
    size: tuple[int, int] | None = None,
) -> Array:
    """y[i, c] at place p is x[i, c] at matrices[i] @ (p, 1), places counted from the middle.

    Bilinear interpolation weighs the four pixels around that place by w_k, those outside the image
    with the value 0. With m the sum of the weights of those inside,

        y = m * sum_k w_k x_k + (1 - m) * fill,

    which is torchvision's formula too; nearest takes one pixel, or `fill` where it is outside.

    Args:
        matrices: as `inverse_matrices` makes them.
        interpolation: nearest or bilinear.
        fill: None is y = sum_k w_k x_k, or 0.
        size: (OH, OW) of the result; None is that of the images.

    Shape: images (N, C, H, W), matrices (N, 2, 3), fill (C,) -> (N, C, OH, OW) of the same dtype;
    integers are rounded to nearest.
    """
    bilinear = interpolation == "bilinear"
    size = size or (images.shape[2], images.shape[3])
    kernel = uses_kernels() and images.dtype == np.uint8 and images.flags.c_contiguous
    if kernel and size == images.shape[2:] and fill is not None:
        from npnet.kernels import affine as kernels

        return kernels.affine(images, matrices, bilinear, fill)
    dtype = np.float64 if images.dtype == np.float64 else np.float32
    matrices = matrices.astype(dtype)
    y = np.empty((*images.shape[:2], *size), images.dtype)
    step = max(1, _CHUNK // max(1, images[:1].size, y[:1].size))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        places = _sources(matrices[part], images.shape[2:], size)
        y[part] = sample(images[part], places, interpolation, fill)
    return y


def sample(images: Array, places: Places, interpolation: str, fill: Array | None) -> Array:
    """The values of images at places, of the dtype of the images; see `affine`.

    Shape: images (n, C, H, W), places (n or 1, OH, OW), fill (C,) -> (n, C, OH, OW).
    """
    places = Places(*(np.broadcast_to(p, (len(images), *p.shape[1:])) for p in places))
    fill = None if fill is None else fill.astype(places.x.dtype)
    values = (_bilinear if interpolation == "bilinear" else _nearest)(images, places, fill)
    return (values if images.dtype.kind == "f" else np.rint(values)).astype(images.dtype)


class Places(NamedTuple):
    """Column and row of the source of each output pixel: (n, H, W) floats."""

    x: Array
    y: Array


def _sources(matrices: Array, size: Sequence[int], out_size: Sequence[int]) -> Places:
    height, width = size
    dtype = matrices.dtype.type
    x = np.arange(out_size[1], dtype=dtype) - dtype(out_size[1] / 2 - 0.5)
    y = (np.arange(out_size[0], dtype=dtype) - dtype(out_size[0] / 2 - 0.5))[:, None]
    a, b, c, d, e, f = matrices.reshape(-1, 6, 1, 1).transpose(1, 0, 2, 3)
    return Places(
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


def _nearest(images: Array, places: Places, fill: Array | None) -> Array:
    values, inside = _pixels(images, np.rint(places.x), np.rint(places.y))
    if fill is None:
        return values
    return np.where(inside[:, None], values, fill[:, None, None])


def _bilinear(images: Array, places: Places, fill: Array | None) -> Array:
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
    if fill is None:
        return total
    covered = covered[:, None]
    return covered * total + (1 - covered) * fill[:, None, None]


class _Draws(NamedTuple):
    """What is drawn for each image: angle, scale (N,), translate, shear (N, 2)."""

    angle: Array
    translate: Array
    scale: Array
    shear: Array


def pillow_matrices(draws: _Draws, centre: Sequence[float]) -> Array:
    """The maps of `inverse_matrices` for places counted from the upper left corner, (N, 6), in
    torchvision's order of operations: the last bit decides where a place lies between pixels."""
    rotation, shear_x, shear_y = (
        [math.radians(v) for v in values.tolist()] for values in (draws.angle, *draws.shear.T)
    )

    def each(function: Callable[[float], float], values: list[float]) -> Array:
        return np.array([function(v) for v in values])

    difference = [r - s for r, s in zip(rotation, shear_y, strict=True)]
    cos, sin = each(math.cos, difference), each(math.sin, difference)
    tan, divisor = each(math.tan, shear_x), each(math.cos, shear_y)
    a = cos / divisor
    b = -cos * tan / divisor - each(math.sin, rotation)
    c = sin / divisor
    d = -sin * tan / divisor + each(math.cos, rotation)
    m = np.stack([d, -b, np.zeros_like(d), -c, a, np.zeros_like(d)]) / draws.scale
    x, y = centre
    shift_x, shift_y = -x - draws.translate[:, 0], -y - draws.translate[:, 1]
    m[2] += m[0] * shift_x + m[1] * shift_y
    m[5] += m[3] * shift_x + m[4] * shift_y
    m[2] += x
    m[5] += y
    return np.ascontiguousarray(m.T)


def affine_image(
    x: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    mode: InterpolationMode,
    fill: float | Sequence[float] | None,
    center: Sequence[float] | None,
) -> Any:
    """A PIL image, or all images of a Tensor, changed by the same numbers; see RandomAffine."""
    draws = _Draws(*(np.asarray(v, np.float64)[None] for v in (angle, translate, scale, shear)))
    if is_picture(x):
        centre = (x.width * 0.5, x.height * 0.5) if center is None else center
        [matrix] = pillow_matrices(draws, centre).tolist()
        colour = pillow_fill("affine", fill, x)
        return x.transform(x.size, 0, matrix, mode.pillow, fillcolor=colour)  # Pillow's AFFINE
    images, restore = as_batch("affine", x)
    middle = np.array([images.shape[3] / 2, images.shape[2] / 2])
    shift = np.zeros(2) if center is None else np.asarray(center) - middle
    matrices = np.repeat(inverse_matrices(*draws, shift), len(images), axis=0)
    colours = None if fill is None else channel_values("affine", "fill", fill, images)
    return restore(affine(images, matrices, on_tensors("affine", mode), colours))


class RandomAffine(RandomTransform):
    """Rotate, shift, scale and shear each image around its middle, or around `center`.

    Args:
        degrees: the angle is drawn from (least, most), or from (-degrees, degrees); clockwise.
        translate: shifts are drawn from (-a * W, a * W) and (-b * H, b * H) and rounded to whole
            pixels; None for no shift.
        scale: the factor is drawn from (least, most); None for 1.
        shear: angles in degrees: a number s for (-s, s) along x, (least, most) along x, or
            (least x, most x, least y, most y); None for none.
        interpolation: nearest or bilinear, by name, as InterpolationMode or Pillow's constant; PIL
            images take bicubic too.
        fill: value of pixels whose source is outside: one number, or one for each channel.
        center: (x, y) in pixels from the upper left corner.

    Shape: (..., C, H, W), dtype unchanged.

    Example:
        >>> shift = npnet.transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))
        >>> shift(npnet.zeros(8, 1, 28, 28)).shape
        (8, 1, 28, 28)
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: str | int | InterpolationMode = InterpolationMode.NEAREST,
        fill: float | Sequence[float] = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        op = "RandomAffine"
        self.degrees = _angles(op, "degrees", degrees, (2,))
        self.translate = None if translate is None else _numbers(op, "translate", translate, (2,))
        self.scale = None if scale is None else _numbers(op, "scale", scale, (2,))
        self.shear = None if shear is None else _angles(op, "shear", shear, (2, 4))
        self.interpolation = interpolation_mode(op, interpolation)
        self.fill = fill
        self.center = None if center is None else _numbers(op, "center", center, (2,))
        for share in self.translate or ():
            check_number(op, "translate", share, least=0, most=1)
        for factor in self.scale or ():
            check_number(op, "scale", factor, above=0)

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        mode = on_tensors("RandomAffine", self.interpolation)
        fill = channel_values("RandomAffine", "fill", self.fill, images)
        size = (images.shape[3], images.shape[2])
        middle = np.multiply(size, 0.5)
        centre = middle if self.center is None else np.asarray(self.center)
        matrices = inverse_matrices(*self._draw(len(images), size, rng), centre - middle)
        return affine(images, matrices, mode, fill)

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        [matrix] = self._pillow(1, picture.size, rng).tolist()
        return picture.transform(
            picture.size,
            0,  # Pillow's AFFINE
            matrix,
            self.interpolation.pillow,
            fillcolor=pillow_fill("RandomAffine", self.fill, picture),
        )

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        count, _, height, width = images.shape
        fill = channel_values("RandomAffine", "fill", self.fill, images).astype(np.uint8)
        matrices = self._pillow(count, (width, height), rng)
        bilinear = self.interpolation == InterpolationMode.BILINEAR
        if self.interpolation.pillow in (0, 2) and is_as_pillow(matrices, height, width, bilinear):
            return affine_pictures(images, matrices, bilinear, fill)
        y, colour = np.empty_like(images), tuple(fill.tolist())
        for i, matrix in enumerate(matrices.tolist()):
            mapped = array_to_picture(images[i]).transform(
                (width, height),
                0,
                matrix,
                self.interpolation.pillow,
                fillcolor=colour if len(colour) > 1 else colour[0],
            )
            y[i] = picture_to_array(mapped)
        return y

    def _pillow(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> Array:
        """Maps (count, 6) of pictures of `size` (W, H), for places as Pillow counts them."""
        centre = (size[0] * 0.5, size[1] * 0.5) if self.center is None else self.center
        return pillow_matrices(self._draw(count, size, rng), centre)

    def _draw(self, count: int, size: tuple[int, int], rng: np.random.Generator) -> _Draws:
        """Numbers for `count` images of `size` (W, H), in torchvision's order."""
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
        return _Draws(angle, translate, scale, shear)

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, shift, scale and shear of one image of (W, H)."""
        own = RandomAffine(degrees, translate, scale_ranges, shears)
        draws = own._draw(1, (img_size[0], img_size[1]), numpy_generator(None))
        (x, y), (shear_x, shear_y) = draws.translate[0].tolist(), draws.shear[0].tolist()
        return float(draws.angle[0]), (int(x), int(y)), float(draws.scale[0]), (shear_x, shear_y)

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


class RandomRotation(RandomTransform):
    """Rotate each image around its middle, or around `center`.

    Args:
        degrees: the angle is drawn from (least, most), or from (-degrees, degrees);
            counter-clockwise, unlike RandomAffine's.
        interpolation: nearest or bilinear, by name, as InterpolationMode or Pillow's constant; PIL
            images take bicubic too.
        expand: make the result as large as the rotated image, whose middle stays; a Tensor of
            several images must then come to one size.
        center: (x, y) in pixels from the upper left corner.
        fill: value of pixels whose source is outside: one number, or one for each channel.

    Shape: (..., C, H, W), dtype unchanged; another H and W with `expand`.

    Example:
        >>> rotate = npnet.transforms.RandomRotation((90, 90))
        >>> rotate(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 4],
                 [1, 3]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str | int | InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: float | Sequence[float] | None = 0,
    ) -> None:
        super().__init__()
        op = "RandomRotation"
        self.degrees = _angles(op, "degrees", degrees, (2,))
        self.interpolation = interpolation_mode(op, interpolation)
        self.expand = expand
        self.center = None if center is None else _numbers(op, "center", center, (2,))
        self.fill = fill

    @property
    def batched(self) -> bool:
        return not self.expand

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        mode = on_tensors("RandomRotation", self.interpolation)
        fill = None
        if self.fill is not None:
            fill = channel_values("RandomRotation", "fill", self.fill, images)
        height, width = images.shape[2:]
        middle = np.array([width / 2, height / 2])
        centre = middle if self.center is None else np.asarray(self.center)
        count = len(images)
        angle = rng.uniform(self.degrees[0], self.degrees[1], count)
        none = np.zeros((count, 2))
        matrices = inverse_matrices(-angle, none, np.ones(count), none, centre - middle)
        size = (height, width)
        if self.expand:
            sizes = {_expanded(matrix, size) for matrix in matrices} or {size}
            if len(sizes) > 1:
                raise ShapeError(
                    "RandomRotation: expand=True gives the images of a batch several sizes, such "
                    f"as {sorted(sizes)[0]} and {sorted(sizes)[-1]}; rotate one image at a time"
                )
            [size] = sizes
        return affine(images, matrices, mode, fill, size)

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        [angle] = rng.uniform(self.degrees[0], self.degrees[1], 1)
        return picture.rotate(
            float(angle),
            self.interpolation.pillow,
            self.expand,
            self.center,
            fillcolor=pillow_fill("RandomRotation", self.fill, picture),
        )

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle of one image, from (least, most)."""
        return float(numpy_generator(None).uniform(degrees[0], degrees[1]))

    def __repr__(self) -> str:
        parts = [
            f"degrees={self.degrees}",
            f"interpolation={self.interpolation.value}",
            f"expand={self.expand}",
        ]
        if self.center is not None:
            parts.append(f"center={self.center}")
        if self.fill is not None:
            parts.append(f"fill={self.fill}")
        return f"RandomRotation({', '.join(parts)})"


def _expanded(matrix: Array, size: tuple[int, int]) -> tuple[int, int]:
    """(OH, OW) that hold the corners of an image of `size`, in torchvision's float32."""
    height, width = size
    corners = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) * (width / 2, height / 2)
    theta = matrix.astype(np.float32)
    places = corners.astype(np.float32) @ theta[:, :2].T + theta[:, 2]
    places += np.array([width / 2, height / 2], np.float32)
    tolerance = np.float32(1e-4)
    most = np.ceil(np.trunc(places.max(0) / tolerance) * tolerance)
    least = np.floor(np.trunc(places.min(0) / tolerance) * tolerance)
    out_width, out_height = (most - least).astype(int).tolist()
    return out_height, out_width


def pillow_fill(op: str, fill: float | Sequence[float] | None, picture: Any) -> Any:
    """The value of new pixels as Pillow takes it: whole numbers except in mode F; 0 for None."""
    fill = 0 if fill is None else fill
    bands = len(picture.getbands())
    values = tuple(fill) if isinstance(fill, Sequence) else (fill,)
    if len(values) not in (1, bands):
        raise ShapeError(
            f"{op}: fill must have one number for each channel, got {len(values)} for {bands}; the "
            f"picture's mode is {picture.mode}"
        )
    values *= bands // len(values)
    if picture.mode != "F":
        values = tuple(int(value) for value in values)
    return values[0] if bands == 1 else values


def on_tensors(op: str, mode: InterpolationMode) -> str:
    if mode not in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR):
        raise ValueError(
            f"{op}: interpolation of Tensors must be nearest or bilinear, got {mode.value}"
        )
    return mode.value


def _numbers(
    op: str, name: str, values: Sequence[float], counts: tuple[int, ...]
) -> tuple[float, ...]:
    """A sequence of finite numbers of an allowed length."""
    if not isinstance(values, Sequence) or len(values) not in counts:
        allowed = " or ".join(map(str, counts))
        raise ValueError(f"{op}: {name} must be {allowed} numbers, got {values!r}")
    for value in values:
        check_number(op, name, value)
    return tuple(values)


def _angles(
    op: str, name: str, value: float | Sequence[float], counts: tuple[int, ...]
) -> list[float]:
    """[least, most] pairs; one number v stands for [-v, v]."""
    if isinstance(value, Sequence):
        return [float(angle) for angle in _numbers(op, name, value, counts)]
    check_number(op, name, value, least=0)
    return [-float(value), float(value)]
