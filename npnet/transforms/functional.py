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
    """A PIL image or an ndarray (H, W) or (H, W, C) as a Tensor (C, H, W); see ToTensor.

    Example:
        >>> npnet.transforms.functional.to_tensor(np.array([[0, 255]], np.uint8))
        tensor([[[0., 1.]]])
    """
    return ToTensor()(pic)


def pil_to_tensor(pic: Any) -> Tensor:
    """A PIL image as a Tensor (C, H, W) of its own dtype; see PILToTensor.

    Example:
        >>> picture, label = npnet.datasets.FakeData(1, (3, 8, 8))[0]
        >>> npnet.transforms.functional.pil_to_tensor(picture).dtype
        dtype('uint8')
    """
    return PILToTensor()(pic)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Tensor (C, H, W) or an ndarray (H, W, C) as a PIL image; see ToPILImage.

    Example:
        >>> npnet.transforms.functional.to_pil_image(npnet.zeros(3, 24, 32)).size
        (32, 24)
    """
    return ToPILImage(mode)(pic)


def convert_image_dtype(image: Tensor, dtype: npt.DTypeLike = np.float32) -> Tensor:
    """Another dtype, and the values scaled to its range; see ConvertImageDtype.

    Example:
        >>> image = npnet.tensor([[[0, 255]]], dtype=npnet.uint8)
        >>> npnet.transforms.functional.convert_image_dtype(image)
        tensor([[[0., 1.]]])
    """
    return ConvertImageDtype(dtype)(image)


def normalize(
    tensor: Tensor,
    mean: float | Sequence[float],
    std: float | Sequence[float],
    inplace: bool = False,
) -> Tensor:
    """(x - mean) / std in each channel; see Normalize.

    Example:
        >>> npnet.transforms.functional.normalize(npnet.tensor([[[0.0, 1.0]]]), [0.5], [0.25])
        tensor([[[-2.,  2.]]])
    """
    return Normalize(mean, std, inplace)(tensor)


# ---- what an image is --------------------------------------------------------------------------


def get_dimensions(img: Any) -> list[int]:
    """[C, H, W] of a PIL image or a Tensor.

    Example:
        >>> npnet.transforms.functional.get_dimensions(npnet.zeros(3, 24, 32))
        [3, 24, 32]
    """
    return list(dimensions(img))


def get_image_size(img: Any) -> list[int]:
    """[W, H] of a PIL image or a Tensor.

    Example:
        >>> npnet.transforms.functional.get_image_size(npnet.zeros(3, 24, 32))
        [32, 24]
    """
    _, height, width = dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """C of a PIL image or a Tensor.

    Example:
        >>> npnet.transforms.functional.get_image_num_channels(npnet.zeros(3, 24, 32))
        3
    """
    return dimensions(img)[0]


# ---- places ------------------------------------------------------------------------------------


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """See Resize.

    Example:
        >>> npnet.transforms.functional.resize(npnet.zeros(3, 32, 64), 16).shape
        (3, 16, 32)
    """
    return Resize(size, interpolation, max_size, antialias)(img)


def pad(
    img: Any, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"
) -> Any:
    """See Pad.

    Example:
        >>> npnet.transforms.functional.pad(npnet.tensor([[[1, 2]]]), [1, 0], padding_mode="edge")
        tensor([[[1, 1, 2, 2]]])
    """
    return Pad(padding, 0 if fill is None else fill, padding_mode)(img)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of an image; what is outside is 0.

    Example:
        >>> image = npnet.arange(16).view(1, 4, 4)
        >>> npnet.transforms.functional.crop(image, top=2, left=1, height=1, width=4)
        tensor([[[ 9, 10, 11,  0]]])
    """
    return crop_image(img, top, left, height, width)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """See CenterCrop.

    Example:
        >>> npnet.transforms.functional.center_crop(npnet.arange(16).view(1, 4, 4), 2)
        tensor([[[ 5,  6],
                 [ 9, 10]]])
    """
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
    """A part of an image, resized.

    Example:
        >>> image = npnet.zeros(3, 32, 64)
        >>> npnet.transforms.functional.resized_crop(image, 0, 0, 8, 16, size=(4, 4)).shape
        (3, 4, 4)
    """
    return resize(crop(img, top, left, height, width), size, interpolation, None, antialias)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """See FiveCrop.

    Example:
        >>> len(npnet.transforms.functional.five_crop(npnet.zeros(3, 32, 32), 24))
        5
    """
    return FiveCrop(size)(img)


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """See TenCrop.

    Example:
        >>> len(npnet.transforms.functional.ten_crop(npnet.zeros(3, 32, 32), 24))
        10
    """
    return TenCrop(size, vertical_flip)(img)


def hflip(img: Any) -> Any:
    """Mirror an image left to right.

    Example:
        >>> npnet.transforms.functional.hflip(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 1],
                 [4, 3]]])
    """
    return RandomHorizontalFlip(1)(img)


def vflip(img: Any) -> Any:
    """Mirror an image top to bottom.

    Example:
        >>> npnet.transforms.functional.vflip(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[3, 4],
                 [1, 2]]])
    """
    return RandomVerticalFlip(1)(img)


def rotate(
    img: Any,
    angle: float,
    interpolation: Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Fill = None,
) -> Any:
    """Rotate an image counter-clockwise; see RandomRotation.

    Example:
        >>> npnet.transforms.functional.rotate(npnet.tensor([[[1, 2], [3, 4]]]), 90)
        tensor([[[2, 4],
                 [1, 3]]])
    """
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

    Example:
        >>> image = npnet.tensor([[[1, 2], [3, 4]]])
        >>> npnet.transforms.functional.affine(image, 0.0, translate=(1, 0), scale=1.0, shear=0.0)
        tensor([[[0, 1],
                 [0, 3]]])
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
    """Take four corners, from the upper left clockwise, to others; see RandomPerspective.

    Example:
        >>> image, corners = npnet.tensor([[[1, 2], [3, 4]]]), [[0, 0], [1, 0], [1, 1], [0, 1]]
        >>> npnet.transforms.functional.perspective(image, corners, corners, "nearest")
        tensor([[[1, 2],
                 [3, 4]]])
    """
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
    """Move the pixels by a field (1, H, W, 2); see ElasticTransform.

    Example:
        >>> image = npnet.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> npnet.transforms.functional.elastic_transform(image, npnet.zeros(1, 2, 2, 2))
        tensor([[[1., 2.],
                 [3., 4.]]])
    """
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
    column j.

    Example:
        >>> npnet.transforms.functional.erase(npnet.ones(1, 2, 3), i=0, j=1, h=1, w=2, v=9.0)
        tensor([[[1., 9., 9.],
                 [1., 1., 1.]]])
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"erase: img must be a Tensor, got {type(img).__name__}")
    result = img if inplace else img.clone()
    result[..., i : i + h, j : j + w] = as_tensor(v).to(img.dtype)
    return result


# ---- values ------------------------------------------------------------------------------------


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """0 is black, 1 the image itself, 2 twice as bright; see ColorJitter.

    Example:
        >>> npnet.transforms.functional.adjust_brightness(npnet.tensor([[[0.25, 0.75]]]), 2.0)
        tensor([[[0.5000, 1.0000]]])
    """
    return _adjusted("brightness", img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """0 is grey, 1 the image itself; see ColorJitter.

    Example:
        >>> npnet.transforms.functional.adjust_contrast(npnet.tensor([[[0.25, 0.75]]]), 0.5)
        tensor([[[0.3750, 0.6250]]])
    """
    return _adjusted("contrast", img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """0 is without colour, 1 the image itself; see ColorJitter.

    Example:
        >>> y = npnet.transforms.functional.adjust_saturation(npnet.rand(3, 8, 8), 0.0)
        >>> npnet.allclose(y[0], y[2])
        True
    """
    return _adjusted("saturation", img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Turn the colours by a share of the circle, from -0.5 to 0.5; see ColorJitter.

    Example:
        >>> red = npnet.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        >>> npnet.transforms.functional.adjust_hue(red, 0.5).flatten()
        tensor([0., 1., 1.])
    """
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
    """y = gain * x ** gamma of values from 0 to 1, cut to that range.

    Example:
        >>> npnet.transforms.functional.adjust_gamma(npnet.tensor([[[0.0, 0.5, 1.0]]]), 2.0)
        tensor([[[0.0000, 0.2500, 1.0000]]])
    """
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
    """See Grayscale.

    Example:
        >>> npnet.transforms.functional.rgb_to_grayscale(npnet.zeros(3, 24, 32)).shape
        (1, 24, 32)
    """
    return colour.Grayscale(num_output_channels)(img)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image of any mode as one of mode L or RGB; see Grayscale.

    Example:
        >>> picture, label = npnet.datasets.FakeData(1, (3, 8, 8))[0]
        >>> npnet.transforms.functional.to_grayscale(picture).mode
        'L'
    """
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

    Example:
        >>> npnet.transforms.functional.gaussian_blur(npnet.ones(1, 8, 8), 3).shape
        (1, 8, 8)
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
    """See RandomInvert.

    Example:
        >>> npnet.transforms.functional.invert(npnet.tensor([[[0.25, 1.0]]]))
        tensor([[[0.7500, 0.0000]]])
    """
    return _changed(tones.RandomInvert(), img)


def posterize(img: Any, bits: int) -> Any:
    """See RandomPosterize.

    Example:
        >>> image = npnet.tensor([[[7, 200]]], dtype=npnet.uint8)
        >>> npnet.transforms.functional.posterize(image, bits=1).flatten().tolist()
        [0, 128]
    """
    return _changed(tones.RandomPosterize(bits), img)


def solarize(img: Any, threshold: float) -> Any:
    """See RandomSolarize.

    Example:
        >>> npnet.transforms.functional.solarize(npnet.tensor([[[0.25, 0.75]]]), 0.5)
        tensor([[[0.2500, 0.2500]]])
    """
    return _changed(tones.RandomSolarize(threshold), img)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """0 is smooth, 1 the image itself, 2 twice as sharp; see RandomAdjustSharpness.

    Example:
        >>> npnet.transforms.functional.adjust_sharpness(npnet.ones(3, 8, 8), 2.0).unique()
        tensor([1.])
    """
    if not is_picture(img):
        check_number("adjust_sharpness", "sharpness_factor", sharpness_factor, least=0)
    return _changed(tones.RandomAdjustSharpness(sharpness_factor), img)


def autocontrast(img: Any) -> Any:
    """See RandomAutocontrast.

    Example:
        >>> npnet.transforms.functional.autocontrast(npnet.tensor([[[0.25, 0.5]]]))
        tensor([[[0., 1.]]])
    """
    return _changed(tones.RandomAutocontrast(), img)


def equalize(img: Any) -> Any:
    """See RandomEqualize.

    Example:
        >>> image = npnet.tensor([[[100, 101, 102]]], dtype=npnet.uint8)
        >>> npnet.transforms.functional.equalize(image).dtype
        dtype('uint8')
    """
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
