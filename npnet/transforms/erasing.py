"""RandomErasing: hide a rectangle of random size in some of the images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.random import numpy_generator
from npnet.tape import result
from npnet.transforms.base import TensorTransform
from npnet.transforms.images import Array, channel_values

__all__ = ["RandomErasing"]


class RandomErasing(TensorTransform):
    """Erase a rectangle of each image with probability `p`; an image in which ten drawn rectangles
    do not fit stays as it is.

    Args:
        p: from 0 to 1.
        scale: (least, most) share of the image's area.
        ratio: (least, most) height / width, drawn on a logarithmic scale.
        value: of the erased pixels: one number, one for each channel, or "random" for draws from a
            normal distribution.
        inplace: write the result over the images.

    Shape: (..., C, H, W), Tensors alone, dtype unchanged.

    Example:
        >>> y = npnet.transforms.RandomErasing(p=1.0, value=0.5)(npnet.ones(3, 32, 32))
        >>> y.unique()
        tensor([0.5000, 1.0000])

    Source: Zhong et al. (2017), Random erasing data augmentation, arXiv:1708.04896, algorithm 1.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        check_number("RandomErasing", "p", p, least=0, most=1)
        for name, pair in (("scale", scale), ("ratio", ratio)):
            if not isinstance(pair, Sequence) or len(pair) != 2 or not pair[0] <= pair[1]:
                raise ValueError(f"RandomErasing: {name} must be (least, most), got {pair!r}")
        for share in scale:
            check_number("RandomErasing", "scale", share, least=0, most=1)
        for factor in ratio:
            check_number("RandomErasing", "ratio", factor, above=0)
        if isinstance(value, str) and value != "random":
            raise ValueError(
                f"RandomErasing: value must be a number, one for each channel, or 'random', got "
                f"{value!r}"
            )
        self.p, self.scale, self.ratio = p, scale, ratio
        self.value, self.inplace = value, inplace

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        fill = None
        if not isinstance(self.value, str):
            fill = channel_values("RandomErasing", "value", self.value, images)[:, None, None]
        y = images if self.inplace else images.copy()
        for image in y:
            if rng.random() < self.p:
                self._erase(image, fill, rng)
        return y

    def _erase(self, image: Array, fill: Array | None, rng: np.random.Generator) -> None:
        part = _draw(image.shape[1:], self.scale, self.ratio, rng)
        if part is not None:
            top, left, h, w = part
            value = rng.standard_normal((len(image), h, w)) if fill is None else fill
            image[:, top : top + h, left : left + w] = value

    @staticmethod
    def get_params(
        img: Any,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: Sequence[float] | None = None,
    ) -> tuple[int, int, int, int, Any]:
        """Top, left, height and width of a rectangle of one image, and what to put there; the
        whole image where none fits."""
        channels, height, width = img.shape[-3:]
        rng = numpy_generator(None)
        part = _draw((height, width), scale, ratio, rng)
        if part is None:
            return 0, 0, height, width, img
        size = (channels, part[2], part[3])
        drawn = (
            rng.standard_normal(size, np.float32)
            if value is None
            else np.asarray(value, np.float32).reshape(-1, 1, 1)
        )
        return (*part, result(drawn))

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )


def _draw(
    size: Sequence[int], scale: Sequence[float], ratio: Sequence[float], rng: np.random.Generator
) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of a rectangle that fits; None where ten do not."""
    height, width = size
    least, most = map(math.log, ratio)
    for _ in range(10):
        area = height * width * rng.uniform(scale[0], scale[1])
        factor = math.exp(rng.uniform(least, most))
        h, w = round(math.sqrt(area * factor)), round(math.sqrt(area / factor))
        if h < height and w < width:
            top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
            return int(top), int(left), h, w
    return None
