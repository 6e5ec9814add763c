"""From a picture, in whatever form somebody has it, to what a trained network takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import npnet
from npnet import Tensor, transforms
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.models.pictures import of_pillow, read_picture
from npnet.tape import result

__all__ = ["Pixels", "Preprocess"]


# Of red, green and blue in grey, ITU-R BT.601 as Pillow rounds it: in 65536ths of uint8 and as is.
_GREY_WHOLE, _GREY = (19595, 38470, 7471), (0.299, 0.587, 0.114)
_ROUNDING = 1e-3  # how far from 0 and 1 a float may be that was made of a byte


class Pixels(NamedTuple):
    """The pixels that a network was trained on.

    Attributes:
        dtype: uint8 or float32.
        least, most: of the training images; 0 and 255 of uint8.
    """

    dtype: str = "uint8"
    least: float = 0.0
    most: float = 255.0

    @property
    def are_shares(self) -> bool:
        """Whether they are floats from 0 to 1, as ToTensor makes them of bytes."""
        return self.dtype != "uint8" and self.least >= 0 and self.most <= 1


class Preprocess:
    """Make of pictures what the network was trained on: its channels, its size, standardised.

        y = (resize(x) / 255 - mean[c]) / std[c]

    as the validation of the run did, to the bit for pictures as the data set has them. A picture of
    another shape is stretched to the network's, colours become grey by 0.299 R + 0.587 G + 0.114 B,
    and grey becomes three equal channels.

    Args:
        image_shape: (C, H, W) of the network's images.
        mean, std: of each channel, in units of `transforms.ToTensor`.
        pixels: what the training images were.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        mean: Sequence[float],
        std: Sequence[float],
        pixels: Pixels = Pixels(),  # noqa: B008 # a tuple, which nothing can change
    ) -> None:
        self.channels, *size = image_shape
        self.size, self.pixels = tuple(size), pixels
        self.mean, self.std = tuple(mean), tuple(std)

    def __call__(self, pictures: Any) -> Tensor:
        """One picture or several as a batch.

        Args:
            pictures: a path; a PIL image; an ndarray (H, W), (H, W, C) or (C, H, W), or a batch
                (N, H, W, C), (N, C, H, W) or, of grey pictures for a grey network, (N, H, W); a
                Tensor (H, W), (C, H, W) or (N, C, H, W), npnet's or PyTorch's; or a list of these.
                C is 1 or 3. uint8 counts from 0 to 255, floats from 0 to 1 (or as the training
                images did, where these were floats of another range), bools as black and white.

        Returns:
            (N, C, H, W) float32, N = 1 for one picture.

        Raises:
            TypeError: another kind of object or dtype.
            ShapeError: a shape that is no picture's, or that can be read in two ways.
            ValueError: pixels out of the range, transparent ones, or a file that is no picture.
            OSError: a file can't be read.
        """
        if isinstance(pictures, (list, tuple)):
            if not pictures:
                raise ValueError("preprocess: the list has no pictures")
            return npnet.cat([self(picture) for picture in pictures])
        images = self._in_channels(self._images(pictures))
        return self._standardised(images)

    def __repr__(self) -> str:
        return (
            f"Preprocess(image_shape={(self.channels, *self.size)}, mean={self.mean}, "
            f"std={self.std}, pixels={tuple(self.pixels)})"
        )

    # ---- what comes in ---------------------------------------------------------------------------

    def _images(self, x: Any) -> Array:
        """A picture or a batch as (N, 1 or 3, H, W), uint8 or finite float32 in range."""
        if isinstance(x, (str, os.PathLike)):
            return self._checked(read_picture(x)[None])
        if hasattr(x, "convert") and hasattr(x, "mode"):  # PIL's, which need not be installed
            return self._checked(of_pillow(x)[None])
        is_tensor = hasattr(x, "detach")
        if isinstance(x, Tensor):
            x = x.array
        elif is_tensor:
            x = x.detach().cpu().numpy()
        elif not isinstance(x, np.ndarray):
            raise TypeError(
                "preprocess: takes a path, a PIL image, an ndarray, a Tensor, or a list of these, "
                f"got {type(x).__name__}"
            )
        return self._checked(self._channels_first(x, is_tensor))

    def _channels_first(self, x: Array, is_tensor: bool) -> Array:
        """(H, W), (H, W, C), (C, H, W) and batches as (N, C, H, W), where there is one reading."""
        shape, readings = x.shape, []
        if x.ndim == 2:
            readings = [x[None, None]]
        elif x.ndim == 3:
            if shape[0] in (1, 3):
                readings.append(x[None])
            if shape[2] in (1, 3):
                readings.append(x.transpose(2, 0, 1)[None])
            # Two and four are channels with alpha: no batch of slivers, nor, of a Tensor, of maps.
            may_be_channels = shape[2] <= 4 or shape[0] == 1 or (is_tensor and shape[0] <= 4)
            if self.channels == 1 and not may_be_channels:
                readings.append(x[:, None])
        elif x.ndim == 4:
            if shape[1] in (1, 3):
                readings.append(x)
            if shape[3] in (1, 3):
                readings.append(x.transpose(0, 3, 1, 2))
        if len(readings) == 1 and x.size:
            return readings[0]
        why = "can be read in two ways" if readings else "is no picture's"
        raise ShapeError(
            f"preprocess: the shape {tuple(shape)} {'has no pixels' if not x.size else why}; give "
            "one picture as (H, W) or (H, W, C), or a batch as (N, C, H, W), with C of 1 or 3: "
            "grey pictures (N, H, W) as x[:, None], RGBA (H, W, 4) as x[..., :3]"
        )

    def _checked(self, x: Array) -> Array:
        """uint8 or finite float32, in the range of the network's."""
        if x.dtype == np.bool_:
            x = x.astype(np.uint8) * np.uint8(255)
        if x.dtype == np.uint8:
            return self._bytes(x)
        if x.dtype.kind != "f":
            raise TypeError(
                f"preprocess: pixels must be uint8 or float, got {x.dtype}; {_advice(x)}"
            )
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, refused below
            x = np.ascontiguousarray(x, np.float32)
        low, high = self._range()
        if not (x.min() >= low and x.max() <= high):  # so is a NaN not
            raise ValueError(
                f"preprocess: floats must be from {low:.3g} to {high:.3g} for this network, "
                f"which was trained on {self._trained_on()}, got {x.min():.3g} to {x.max():.3g}; "
                "do not standardise them before, and give pixels from 0 to 255 as uint8"
            )
        return x

    def _bytes(self, x: Array) -> Array:
        if self.pixels.dtype == "uint8":
            return np.ascontiguousarray(x)
        if not self.pixels.are_shares:
            raise ValueError(
                f"preprocess: this network was trained on {self._trained_on()}, and nobody knows "
                "what bytes were there; give floats, made as the training images were"
            )
        return x.astype(np.float32) / np.float32(255)

    def _range(self) -> tuple[float, float]:
        """What floats may be: 0 to 1, or near to what the network has seen."""
        least, most = self.pixels.least, self.pixels.most
        if self.pixels.dtype == "uint8" or self.pixels.are_shares:
            return -_ROUNDING, 1 + _ROUNDING
        return least - (most - least), most + (most - least)

    def _trained_on(self) -> str:
        return f"{self.pixels.dtype} from {self.pixels.least:.3g} to {self.pixels.most:.3g}"

    # ---- what goes out ---------------------------------------------------------------------------

    def _in_channels(self, images: Array) -> Array:
        """Grey as colours, or colours as grey: (N, 1 or 3, H, W) -> (N, channels, H, W)."""
        if images.shape[1] == self.channels:
            return images
        if self.channels == 3:
            return np.repeat(images, 3, axis=1)
        if images.dtype == np.uint8:
            weights = np.array(_GREY_WHOLE, np.uint32)
            grey = np.einsum("nchw,c->nhw", images, weights, dtype=np.uint32) + 0x8000 >> 16
            return grey.astype(np.uint8)[:, None]
        return np.einsum("nchw,c->nhw", images, np.array(_GREY, np.float32))[:, None]

    def _standardised(self, images: Array) -> Tensor:
        x = np.asarray(transforms.Resize(self.size)(result(images)))
        if x.dtype == np.uint8:
            x = x.astype(np.float32) / np.float32(255)
        normalize = transforms.Normalize(self.mean, self.std)
        return result(np.asarray(normalize(result(x))))


def _advice(x: Array) -> str:
    """What to write for pixels of a dtype that does not tell which value is white."""
    if x.dtype.kind not in "iu":
        return "give uint8 from 0 to 255, or floats from 0 to 1"
    if x.min() < 0:
        return "give floats from 0 to 1: (x - black) / (white - black), by the pictures' own values"
    if x.max() <= 1:
        return "they are 0 and 1: write x.astype(bool)"
    if x.max() <= 255:
        return "they are 0 to 255: write x.astype(np.uint8)"
    return (
        "write (x / white).astype(np.float32), 0 to 1, where white is 65535 for pictures of 16 "
        "bits, 4095 for 12"
    )
