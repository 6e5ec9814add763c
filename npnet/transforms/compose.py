"""Compose, and what transforms that draw random numbers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.random import Generator, numpy_generator
from npnet.transforms.images import Array, as_images

__all__ = ["Compose", "RandomTransform"]


class RandomTransform(ABC):
    """A transform that draws numbers for each image of a batch.

    Called with images alone it draws from the generator that `npnet.manual_seed` sets; a second
    argument is the generator to draw from instead. What an image becomes depends on the generator
    and on the image's place in the batch, and on nothing else: not on threads, not on the backend.
    """

    def __call__(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Array:
        images = as_images(type(self).__name__, x)
        batch = images if images.ndim == 4 else images[None]
        y = self.transform(batch, numpy_generator(generator))
        return y if images.ndim == 4 else y[0]

    @abstractmethod
    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        """Transform images (N, C, H, W) with numbers drawn from `rng`."""


class Compose:
    """Apply one transform after the other.

    Args:
        transforms: callables, each from ndarray to ndarray.

    A second argument of the call is the generator of the random transforms among them; see
    RandomTransform.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        for transform in self.transforms:
            if isinstance(transform, (RandomTransform, Compose)):
                x = transform(x, generator)
            else:
                x = transform(x)
        return x

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {t}" for t in self.transforms), ")"])
