"""The transforms as functions of a PIL image or a Tensor, under torchvision's names.

Each gives what the class of the same meaning gives with the same parameters, which describes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet.base.checks import check_number
from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.tensor import Tensor, as_tensor
from npnet.transforms import blur, colour, tones
from npnet.transforms import elastic as elastic_
from npnet.transforms import perspective as perspective_
from npnet.transforms.affine import RandomRotation, affine_image
from npnet.transforms.convert import ConvertImageDtype, PILToTensor, ToPILImage, ToTensor
from npnet.transforms.crop import CenterCrop, FiveCrop, TenCrop, crop_image
from npnet.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from npnet.transforms.images import (
    Array,
    InterpolationMode,
    as_batch,
    channel_values,
    dimensions,
    interpolation_mode,
)
from npnet.transforms.normalize import Normalize
from npnet.transforms.pad import Pad
from npnet.transforms.resize import Resize

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

Mode = str | int | InterpolationMode
Fill = float | Sequence[float] | None


def _on(
    op: str, img: Any, on_images: Callable[[Array], Array], on_picture: Callable[[Any], Any]
) -> Any:
    """A PIL image by Pillow, or the images of a Tensor."""
    if is_picture(img):
        return on_picture(img)
    images, restore = as_batch(op, img)
    return restore(on_images(images))


# ---- from one kind to another ------------------------------------------------------------------


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or an ndarray (H, W) or (H, W, C) as a Tensor (C, H, W); see ToTensor."""
    return ToTensor()(pic)


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a Tensor (C, H, W) of its own dtype; see PILToTensor."""
    return PILToTensor()(pic)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Tensor (C, H, W) or an ndarray (H, W, C) as a PIL image; see ToPILImage."""
    return ToPILImage(mode)(pic)


def convert_image_dtype(image: Tensor, dtype: npt.DTypeLike = np.float32) -> Tensor:
    """Another dtype, and the values scaled to its range; see ConvertImageDtype."""
    return ConvertImageDtype(dtype)(image)


def normalize(
    tensor: Tensor,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    inplace: bool = False,
) -> Tensor:
    """(x - mean) / std in each channel; see Normalize."""
    return Normalize(mean, std, inplace)(tensor)


# ---- what an image is --------------------------------------------------------------------------


def get_dimensions(img: Any) -> list[int]:
    """[C, H, W] of a PIL image or a Tensor."""
    return list(dimensions(img))


def get_image_size(img: Any) -> list[int]:
    """[W, H] of a PIL image or a Tensor."""
    _, height, width = dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """C of a PIL image or a Tensor."""
    return dimensions(img)[0]


# ---- places ------------------------------------------------------------------------------------


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """See Resize."""
    return Resize(size, interpolation, max_size, antialias)(img)


def pad(
    img: Any, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"
) -> Any:
    """See Pad."""
    return Pad(padding, 0 if fill is None else fill, padding_mode)(img)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of an image; what is outside is 0."""
    return crop_image(img, top, left, height, width)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """See CenterCrop."""
    return CenterCrop(output_size)(img)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: Mode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A part of an image, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, None, antialias)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """See FiveCrop."""
    return FiveCrop(size)(img)


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """See TenCrop."""
    return TenCrop(size, vertical_flip)(img)


def hflip(img: Any) -> Any:
    """Mirror an image left to right."""
    return RandomHorizontalFlip(1)(img)


def vflip(img: Any) -> Any:
    """Mirror an image top to bottom."""
    return RandomVerticalFlip(1)(img)


def rotate(
    img: Any,
    angle: float,
    interpolation: Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Any:
    """Rotate an image counter-clockwise; see RandomRotation."""
    return RandomRotation((angle, angle), interpolation, expand, center, fill)(img)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: Mode = InterpolationMode.NEAREST,
    fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Rotate an image clockwise, shift, scale and shear it; see RandomAffine.

    Args:
        translate: pixels to the right and down.
        shear: degrees along x, or along x and y.
    """
    check_number("affine", "scale", scale, above=0)
    shears = (*shear, 0.0)[:2] if isinstance(shear, Sequence) else (shear, 0.0)
    mode = interpolation_mode("affine", interpolation)
    return affine_image(img, angle, tuple(translate), scale, shears, mode, fill, center)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Mode = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Any:
    """Take four corners, from the upper left clockwise, to others; see RandomPerspective."""
    mode = interpolation_mode("perspective", interpolation)
    coeffs = perspective_.coefficients(startpoints, endpoints)

    def on_images(images: Array) -> Array:
        colour_ = _fill_of("perspective", fill, images)
        return perspective_.perspective(images, coeffs, mode.value, colour_)

    return _on(
        "perspective",
        img,
        on_images,
        lambda picture: perspective_.perspective_picture(picture, coeffs, mode, fill),
    )


def elastic_transform(
    img: Any,
    displacement: Tensor,
    interpolation: Mode = InterpolationMode.BILINEAR,
    fill: Fill = None,
) -> Any:
    """Move the pixels by a field (1, H, W, 2); see ElasticTransform."""
    if not isinstance(displacement, Tensor):
        raise TypeError(
            f"elastic_transform: displacement must be a Tensor, got {type(displacement).__name__}"
        )
    _, height, width = dimensions(img)
    if displacement.shape != (1, height, width, 2):
        raise ValueError(
            f"elastic_transform: displacement must have the shape {(1, height, width, 2)}, got "
            f"{tuple(displacement.shape)}"
        )
    mode = interpolation_mode("elastic_transform", interpolation).value

    def on_images(images: Array) -> Array:
        colour_ = _fill_of("elastic_transform", fill, images)
        return elastic_.elastic(images, displacement.array, mode, colour_)

    return _by_values("elastic_transform", img, on_images)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """Write `v`, that broadcasts to (C, h, w), into a rectangle whose upper left corner is row i,
    column j."""
    if not isinstance(img, Tensor):
        raise TypeError(f"erase: img must be a Tensor, got {type(img).__name__}")
    result = img if inplace else img.clone()
    result[..., i : i + h, j : j + w] = as_tensor(v).to(img.dtype)
    return result


# ---- values ------------------------------------------------------------------------------------


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the image itself, 2 twice as bright; see ColorJitter."""
    return _adjusted("brightness", img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is grey, 1 the image itself; see ColorJitter."""
    return _adjusted("contrast", img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is without colour, 1 the image itself; see ColorJitter."""
    return _adjusted("saturation", img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the colours by a share of the circle, from -0.5 to 0.5; see ColorJitter."""
    check_number("adjust_hue", "hue_factor", hue_factor, least=-0.5, most=0.5)
    return _adjusted("hue", img, hue_factor)


def _adjusted(name: str, img: Any, factor: float) -> Any:
    if name != "hue" and not is_picture(img):
        check_number(f"adjust_{name}", f"{name}_factor", factor, least=0)
    return _on(
        f"adjust_{name}",
        img,
        lambda images: colour.adjust(name, images, factor),
        lambda picture: colour.adjust_picture(name, picture, factor),
    )


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """y = gain * x ** gamma of values from 0 to 1, cut to that range."""
    check_number("adjust_gamma", "gamma", gamma, least=0)

    def on_images(images: Array) -> Array:
        colour.check_channels("adjust_gamma", images)
        x = images if images.dtype.kind == "f" else ConvertImageDtype(np.float32).transform(images)
        y = np.clip(x.dtype.type(gain) * x ** x.dtype.type(gamma), 0, 1)
        return ConvertImageDtype(images.dtype).transform(y)

    def on_picture(picture: Any) -> Any:
        levels = [int((255 + 1 - 1e-3) * gain * math.pow(v / 255, gamma)) for v in range(256)]
        return picture.convert("RGB").point(levels * 3).convert(picture.mode)

    return _on("adjust_gamma", img, on_images, on_picture)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """See Grayscale."""
    return colour.Grayscale(num_output_channels)(img)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image of any mode as one of mode L or RGB; see Grayscale."""
    if not is_picture(img):
        raise TypeError(
            f"to_grayscale: takes a PIL image, got {type(img).__name__}; rgb_to_grayscale takes "
            "Tensors"
        )
    return colour.Grayscale(num_output_channels)(img)


def gaussian_blur(
    img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None
) -> Any:
    """See GaussianBlur.

    Args:
        kernel_size: weights along x and y, odd.
        sigma: pixels along x and y; None is 0.15 * kernel_size + 0.35.
    """
    sizes = blur.odd_sizes("gaussian_blur", kernel_size)
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in sizes]
    widths = tuple(sigma) if isinstance(sigma, Sequence) else (sigma,)
    if len(widths) not in (1, 2) or not all(width > 0 for width in widths):
        raise ValueError(f"gaussian_blur: sigma must be one or two positive numbers, got {sigma}")
    widths = (widths[0], widths[-1])
    return _by_values("gaussian_blur", img, lambda x: blur.gaussian_blur(x, sizes, widths))


def invert(img: Any) -> Any:
    """See RandomInvert."""
    return _changed(tones.RandomInvert(), img)


def posterize(img: Any, bits: int) -> Any:
    """See RandomPosterize."""
    return _changed(tones.RandomPosterize(bits), img)


def solarize(img: Any, threshold: float) -> Any:
    """See RandomSolarize."""
    return _changed(tones.RandomSolarize(threshold), img)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is smooth, 1 the image itself, 2 twice as sharp; see RandomAdjustSharpness."""
    if not is_picture(img):
        check_number("adjust_sharpness", "sharpness_factor", sharpness_factor, least=0)
    return _changed(tones.RandomAdjustSharpness(sharpness_factor), img)


def autocontrast(img: Any) -> Any:
    """See RandomAutocontrast."""
    return _changed(tones.RandomAutocontrast(), img)


def equalize(img: Any) -> Any:
    """See RandomEqualize."""
    return _changed(tones.RandomEqualize(), img)


def _changed(tone: Any, img: Any) -> Any:
    return _on(type(tone).__name__, img, tone.change, tone.change_picture)


# ---- what they share ---------------------------------------------------------------------------


def _by_values(op: str, img: Any, change: Callable[[Array], Array]) -> Any:
    """The images of a Tensor, or a PIL image by its values."""

    def on_picture(picture: Any) -> Any:
        return array_to_picture(change(picture_to_array(picture)[None])[0], like=picture)

    return _on(op, img, change, on_picture)


def _fill_of(op: str, fill: Fill, images: Array) -> Array | None:
    return None if fill is None else channel_values(op, "fill", fill, images)
