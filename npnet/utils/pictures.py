"""make_grid, save_image: Tensors as pictures, under the names of torchvision.utils."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, kind_of
from npnet.base.pictures import pillow
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["make_grid", "save_image"]


def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Many images as one, row by row; grey images become images of three channels.

    Args:
        tensor: images (B, C, H, W), one (C, H, W) or (H, W), or a list of images of one size.
        nrow: images in a row.
        padding: pixels between images, and around all.
        normalize: shift and scale the values to 0 to 1, those beyond value_range cut off.
        value_range: (least, most) that become 0 and 1; None is those of all images.
        scale_each: None is those of each image.
        pad_value: the value of the pixels between.

    Shape: (B, C, H, W) -> (C, rows * (H + padding) + padding, columns * (W + padding) + padding);
    of a single image just the image, without a border. The dtype stays; no gradient.

    Raises:
        TypeError: neither a Tensor nor a list of Tensors; value_range is no tuple.
        ShapeError: other axes.

    Example:
        >>> npnet.utils.make_grid(npnet.zeros(10, 1, 28, 28), nrow=5).shape
        (3, 62, 152)
    """
    images = _images(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if len(images) == 1:
        return result(images[0])
    count, channels, height, width = images.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = height + padding, width + padding
    shape = (channels, rows * height + padding, columns * width + padding)
    grid = np.full(shape, pad_value, images.dtype)
    for k, image in enumerate(images):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return result(grid)


def _images(tensor: Any) -> Array:
    """(B, C, H, W) with three channels in place of one."""
    if isinstance(tensor, list):
        for image in tensor:
            if not isinstance(image, Tensor):
                raise TypeError(
                    "make_grid: takes a Tensor or a list of Tensors, got a list with "
                    f"{type(image).__name__}"
                )
        shapes = sorted({image.shape for image in tensor})
        if len(shapes) != 1:
            raise ShapeError(
                f"make_grid: the images of a list must have one shape, got {shapes or 'no image'}"
            )
        images = np.stack([image.array for image in tensor])
    elif isinstance(tensor, Tensor):
        images = tensor.array
    else:
        raise TypeError(f"make_grid: takes a Tensor or a list of Tensors, got {kind_of(tensor)}")
    if images.ndim not in (2, 3, 4) or not len(images):
        raise ShapeError(
            "make_grid: images must have the axes (B, C, H, W), (C, H, W) or (H, W), got shape "
            f"{images.shape}"
        )
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    return np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images.copy()


def _normalized(images: Array, value_range: Any, scale_each: bool) -> Array:
    """(x - least) / max(most - least, 1e-5), x cut to least and most."""
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError(
            f"make_grid: value_range must be a tuple (min, max), got {type(value_range).__name__}"
        )
    if images.dtype.kind != "f":
        raise RuntimeError(
            f"make_grid: normalize=True gives fractions, which {images.dtype} does not hold; give "
            "tensor.float()"
        )
    for part in images if scale_each else [images]:
        low, high = value_range or (float(part.min()), float(part.max()))
        np.clip(part, low, high, out=part)
        part -= low
        part /= max(high - low, 1e-5)
    return images


def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write images to a file as one picture: a value v becomes the byte round(255 * v).

    Args:
        tensor: as make_grid takes it; several images are written as a grid.
        fp: a path, whose ending names the format, or a file open for writing bytes.
        format: of Pillow's names, where `fp` does not tell.
        kwargs: the other arguments of make_grid.

    Raises:
        RuntimeError: integers.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> npnet.utils.save_image(npnet.zeros(10, 1, 28, 28), file, format="png", nrow=5)
        >>> file.getvalue()[1:4]
        b'PNG'
    """
    grid = make_grid(tensor, **kwargs).array
    if grid.dtype.kind != "f":
        raise RuntimeError(
            f"save_image: values must be floats from 0 to 1, got {grid.dtype}; give tensor / 255"
        )
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    picture = pillow("save_image writes a picture").fromarray(np.ascontiguousarray(pixels))
    picture.save(fp, format=format)
