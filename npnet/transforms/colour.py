"""Grayscale, RandomGrayscale, ColorJitter: what changes colours and leaves places alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.checks import ShapeError, check_number
from npnet.base.pictures import array_to_picture, pillow
from npnet.random import numpy_generator
from npnet.tape import result
from npnet.tensor import Tensor
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.convert import ConvertImageDtype
from npnet.transforms.images import Array

__all__ = ["ColorJitter", "Grayscale", "RandomGrayscale"]


def check_channels(op: str, images: Array) -> None:
    """ShapeError unless images (N, C, H, W) are grey or of three colours."""
    if images.shape[1] not in (1, 3):
        raise ShapeError(
            f"{op}: images must have 1 or 3 channels, got {images.shape[1]}: "
            f"images.shape = {images.shape}"
        )


def grey(op: str, images: Array) -> Array:
    """y = 0.2989 r + 0.587 g + 0.114 b, cut to whole numbers in integers; grey images as they are.

    Shape: (N, 1 or 3, H, W) -> (N, 1, H, W), same dtype.
    """
    check_channels(op, images)
    if images.shape[1] == 1:
        return images
    kind = images.dtype.type if images.dtype.kind == "f" else np.float32
    r, g, b = (images[:, c : c + 1].astype(kind, copy=False) for c in range(3))
    return (kind(0.2989) * r + kind(0.587) * g + kind(0.114) * b).astype(images.dtype)


def _grey_picture(picture: Any, channels: int) -> Any:
    grey = picture.convert("L")
    if channels == 1:
        return grey
    return pillow("Grayscale").merge("RGB", (grey, grey, grey))


class Grayscale(Transform):
    """Grey images of colour images.

    Args:
        num_output_channels: 1, or 3 for three equal channels of a colour image.

    Shape: (..., 3, H, W) -> (..., num_output_channels, H, W), dtype unchanged; (..., 1, H, W) stays
    as it is, as in torchvision. A PIL image of any mode becomes one of mode L or RGB.

    Example:
        >>> npnet.transforms.Grayscale()(npnet.zeros(3, 32, 32)).shape
        (1, 32, 32)
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        if num_output_channels not in (1, 3):
            raise ValueError(
                f"Grayscale: num_output_channels must be 1 or 3, got {num_output_channels}"
            )
        self.num_output_channels = num_output_channels

    def transform(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        channels = self.num_output_channels if images.shape[1] == 3 else 1
        return np.repeat(grey("Grayscale", images), channels, axis=1)

    def picture(self, picture: Any, rng: np.random.Generator | None = None) -> Any:
        return _grey_picture(picture, self.num_output_channels)

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        """By Pillow's whole weights, in 65,536ths."""
        if images.shape[1] == 3:
            weights = np.array([19595, 38470, 7471], np.uint32)
            total = np.einsum("nchw,c->nhw", images, weights) + np.uint32(0x8000)
            images = (total >> 16).astype(np.uint8)[:, None]
        return np.repeat(images, self.num_output_channels, axis=1)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class RandomGrayscale(RandomTransform):
    """Grey images in place of some, with as many channels as before.

    Args:
        p: the probability, from 0 to 1.

    Shape: (..., 1 or 3, H, W), unchanged.

    Example:
        >>> y = npnet.transforms.RandomGrayscale(p=1.0)(npnet.rand(3, 8, 8))
        >>> bool((y[0] == y[2]).all())
        True
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        check_number("RandomGrayscale", "p", p, least=0, most=1)
        self.p = p

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        chosen = rng.random(len(images)) < self.p
        return np.where(chosen[:, None, None, None], grey("RandomGrayscale", images), images)

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        if rng.random() >= self.p:
            return picture
        return _grey_picture(picture, len(picture.getbands()))

    def __repr__(self) -> str:
        return f"RandomGrayscale(p={self.p})"


Range = tuple[float, float]


class ColorJitter(RandomTransform):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

        brightness, contrast, saturation:    y = f x + (1 - f) z, cut to the range of the dtype,

    z being black, the mean of the grey image, and the grey image. Hue is turned by a share f of
    the circle.

    Args:
        brightness, contrast, saturation: f is drawn from (least, most), or a number v stands for
            (max(0, 1 - v), 1 + v).
        hue: f is drawn from (least, most) within (-0.5, 0.5), or from (-v, v).

    Shape: (..., 1 or 3, H, W), integers or floats from 0 to 1, unchanged.

    Example:
        >>> jitter = npnet.transforms.ColorJitter(brightness=0.5, hue=0.1)
        >>> jitter(npnet.zeros(8, 3, 32, 32)).shape
        (8, 3, 32, 32)
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _factors("hue", hue, centre=0.0, bounds=(-0.5, 0.5))

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        if images.dtype.kind not in "fiu":
            raise TypeError(f"ColorJitter: images must be numbers, got {images.dtype}")
        y = images.copy()
        for i in range(len(y)):
            for name, factor in self._draw(rng):
                y[i : i + 1] = adjust(name, y[i : i + 1], factor)
        return y

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        for name, factor in self._draw(rng):
            picture = adjust_picture(name, picture, factor)
        return picture

    def _draw(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        """Names and factors of one image, in the order of their application."""
        order = rng.permutation(4)
        ranges = [(name, getattr(self, name)) for name in _ADJUST]
        factors = [(name, rng.uniform(*span)) if span else None for name, span in ranges]
        return [drawn for i in order if (drawn := factors[i]) is not None]

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four changes, and a factor of each; None stays None."""
        rng = numpy_generator(None)
        order = result(rng.permutation(4))
        spans = (brightness, contrast, saturation, hue)
        b, c, s, h = (
            None if span is None else float(rng.uniform(span[0], span[1])) for span in spans
        )
        return order, b, c, s, h

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


def _factors(
    name: str,
    value: float | Sequence[float],
    centre: float = 1.0,
    bounds: Range = (0.0, np.inf),
) -> Range | None:
    """(least, most); None where that is always `centre`, which changes nothing."""
    if isinstance(value, Sequence):
        if len(value) != 2:
            raise ValueError(f"ColorJitter: {name} must be (least, most), got {value!r}")
        least, most = float(value[0]), float(value[1])
    else:
        check_number("ColorJitter", name, value, least=0)
        least, most = centre - value, centre + value
        least = max(least, 0.0) if centre else least
    if not bounds[0] <= least <= most <= bounds[1]:
        raise ValueError(f"ColorJitter: {name} must lie in {bounds}, got ({least:g}, {most:g})")
    return None if least == most == centre else (least, most)


def blend(images: Array, others: Any, factor: float) -> Array:
    """f x + (1 - f) z, cut to the range of the dtype."""
    kind = images.dtype.type if images.dtype.kind == "f" else np.float32
    most = 1 if images.dtype.kind == "f" else np.iinfo(images.dtype).max
    mixed = kind(factor) * images.astype(kind) + kind(1 - factor) * others
    return np.clip(mixed, 0, most).astype(images.dtype)


def _brightness(images: Array, factor: float) -> Array:
    return blend(images, np.zeros((), images.dtype), factor)


def _contrast(images: Array, factor: float) -> Array:
    kind = images.dtype if images.dtype.kind == "f" else np.float32
    mean = grey("ColorJitter", images).mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    return blend(images, mean.astype(kind), factor)


def _saturation(images: Array, factor: float) -> Array:
    return blend(images, grey("ColorJitter", images), factor)


def _hue(images: Array, factor: float) -> Array:
    """Turned in the space HSV, in float32."""
    if images.shape[1] == 1:
        return images
    grey("ColorJitter", images)  # checks the channels
    hue, saturation, value = _to_hsv(ConvertImageDtype(np.float32).transform(images))
    y = _from_hsv((hue + np.float32(factor)) % 1, saturation, value)
    return ConvertImageDtype(images.dtype).transform(y)


def _to_hsv(x: Array) -> tuple[Array, Array, Array]:
    """Hue, saturation and value, each from 0 to 1.  Shape: (N, 3, H, W) -> (N, H, W)."""
    r, g, b = x.transpose(1, 0, 2, 3)
    most, least = x.max(axis=1), x.min(axis=1)
    equal = most == least
    saturation = (most - least) / np.where(equal, 1, most)
    span = np.where(equal, 1, most - least)
    rc, gc, bc = (most - r) / span, (most - g) / span, (most - b) / span
    sector = np.where(most == r, bc - gc, np.where(most == g, 2 + rc - bc, 4 + gc - rc))
    return np.fmod(sector / 6 + 1, 1), saturation, most


def _from_hsv(hue: Array, saturation: Array, value: Array) -> Array:
    """The inverse.  Shape: (N, H, W) each -> (N, 3, H, W)."""
    sector = np.floor(hue * 6)
    f = hue * 6 - sector
    p = np.clip(value * (1 - saturation), 0, 1)
    q = np.clip(value * (1 - saturation * f), 0, 1)
    t = np.clip(value * (1 - saturation * (1 - f)), 0, 1)
    v, which = value, sector.astype(np.intp) % 6
    channels = [(v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q)]
    return np.stack([np.choose(which, choices) for choices in channels], axis=1)


def adjust(name: str, images: Array, factor: float) -> Array:
    """Images of another brightness, contrast, saturation or hue.  Shape: (N, 1 or 3, H, W)."""
    return _ADJUST[name](images, factor)


def adjust_picture(name: str, picture: Any, factor: float) -> Any:
    """The same of a PIL image, by Pillow."""
    if name == "hue":
        return _turn_picture(picture, factor)
    from PIL import ImageEnhance

    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    return enhancers[name](picture).enhance(factor)


def _turn_picture(picture: Any, factor: float) -> Any:
    if picture.mode in ("L", "1", "I", "F"):
        return picture
    hue, saturation, value = picture.convert("HSV").split()
    turned = np.array(hue)
    turned += np.int32(factor * 255).astype(np.uint8)  # wraps, as a circle does
    hue = array_to_picture(turned[None])
    merged = pillow("ColorJitter").merge("HSV", (hue, saturation, value))
    return merged.convert(picture.mode)


_ADJUST = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}
