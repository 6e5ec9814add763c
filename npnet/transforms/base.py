"""Transform: what is common to npnet's transforms of images."""

from __future__ import annotations

import operator
from typing import Any, ClassVar

import numpy as np

from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.nn import Module
from npnet.random import Generator, numpy_generator
from npnet.transforms.images import Array, as_batch

__all__ = ["RandomTransform", "TensorTransform", "Transform"]


class Transform(Module):
    """A transform of images. Called with

    - a PIL image, it gives a PIL image, with the values that Pillow gives;
    - a Tensor (..., C, H, W) or (H, W), of any number of images, a Tensor;
    - an ndarray (N, C, H, W) of 1 to 4 channels, an ndarray, and of (C, H, W) a Tensor.

    A subclass defines `transform(images, rng)`, on a batch (N, C, H, W). What an image becomes
    does not depend on the others of its batch.

    Attributes:
        exact: whether `transform` of uint8 images gives the values that Pillow gives.
        makes_tensors: whether a PIL image becomes a Tensor.

    Attributes that are arguments of a transform may be changed; the next call goes by them.

    Example:
        >>> class Double(npnet.transforms.Transform):
        ...     def transform(self, images, rng):
        ...         return images * 2
        >>> Double()(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 4],
                 [6, 8]]])
    """

    # What decides between a batch and one picture after the other; see `as_written`.
    _DECIDING: ClassVar[tuple[str, ...]] = (
        "__call__",
        "forward",
        "transform",
        "picture",
        "pictures",
    )
    _written: ClassVar[tuple[Any, ...]] = ()

    exact: ClassVar[bool] = False
    makes_tensors: ClassVar[bool] = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """So that a subclass need not call `super().__init__()`."""
        self = object.__new__(cls)
        Module.__init__(self)
        return self

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith("npnet.transforms."):
            cls._written = tuple(getattr(cls, name) for name in cls._DECIDING)

    @property
    def as_written(self) -> bool:
        """Whether it is one of npnet's own, does what npnet wrote, and has no hooks: neither a
        subclass of somebody else's nor one whose methods were replaced since."""
        cls = type(self)
        return (
            "_written" in vars(cls)
            and all(map(operator.is_, cls._written, [getattr(cls, n) for n in cls._DECIDING]))
            and not any(name in vars(self) for name in cls._DECIDING)
            and not self._forward_hooks
            and not self._forward_pre_hooks
        )

    @property
    def batched(self) -> bool:
        """Whether a data set may hand it a batch in place of one picture after the other."""
        return True

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        """Transform x; random ones draw from `generator`, None is the one `manual_seed` sets."""
        rng = numpy_generator(generator)
        if is_picture(x):
            return self.picture(x, rng)
        images, restore = as_batch(type(self).__name__, x)
        return restore(self.transform(images, rng))

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        """Transform images (N, C, H, W) with numbers drawn from `rng`, if any."""
        raise NotImplementedError(f"{type(self).__name__}: define transform(images, rng)")

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        """Transform one PIL image of any mode: by its values, unless a subclass asks Pillow."""
        maps = picture_to_array(picture)
        return array_to_picture(self.transform(maps[None], rng)[0], like=picture)

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        """What `picture` does to each of uint8 images (N, C, H, W), C being 1 or 3."""
        if self.exact:
            return self.transform(images, rng)
        results = [self.picture(array_to_picture(image), rng) for image in images]
        if not results:
            return self.transform(images, rng)
        return np.stack([picture_to_array(result) for result in results])


class RandomTransform(Transform):
    """A transform that draws numbers for each image of a batch.

    Called with images alone it draws from the generator that `npnet.manual_seed` sets; a second
    argument is the generator to draw from instead. What an image becomes depends on the generator
    and on the image's place in the batch, and on nothing else: not on threads, not on the backend.

    Example:
        >>> flip, images = npnet.transforms.RandomHorizontalFlip(), npnet.rand(8, 3, 4, 4)
        >>> first, second = (flip(images, np.random.default_rng(0)) for _ in range(2))
        >>> bool((first == second).all())
        True
    """


class TensorTransform(Transform):
    """A transform of Tensors alone: of pixels that are numbers, not colours."""

    def picture(self, picture: Any, rng: np.random.Generator) -> Any:
        raise TypeError(
            f"{type(self).__name__}: takes Tensors, got a PIL image; put ToTensor() before it"
        )

    def pictures(self, images: Array, rng: np.random.Generator) -> Array:
        return self.picture(None, rng)
