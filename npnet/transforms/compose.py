"""Transforms made of others: Compose, Lambda, RandomApply; and which of them take batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.base.checks import check_number
from npnet.base.pictures import array_to_picture
from npnet.ops.shape import stack
from npnet.random import Generator, numpy_generator
from npnet.tape import result
from npnet.tensor import as_tensor
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.images import Array, as_batch

__all__ = ["Compose", "Lambda", "RandomApply", "apply_to_picture", "apply_to_pictures", "own_steps"]


class Compose:
    """Apply one transform after the other.

    Args:
        transforms: callables; each is given what the one before returned, as in torchvision.

    A second argument of the call is the generator of npnet's random transforms among them; see
    RandomTransform. In a data set every transform that is not npnet's own sees one picture at a
    time; so it does where Compose is called with an ndarray (N, C, H, W), each image of which
    becomes a Tensor (C, H, W). A Tensor (N, C, H, W) is handed on as it is.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if isinstance(x, np.ndarray) and x.ndim == 4 and own_steps(self) is None:
            images, _ = as_batch("Compose", x)
            return stack([as_tensor(self(result(image), generator)) for image in images])
        for transform in self.transforms:
            x = _call(transform, x, generator)
        return x

    def transform(self, images: Array, rng: np.random.Generator) -> Array:
        """All in turn on a batch (N, C, H, W); for npnet's own transforms alone."""
        for transform in self.transforms:
            images = transform.transform(images, rng)  # type: ignore[attr-defined] # else an error
        return images

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {t}" for t in self.transforms), ")"])


class Lambda(Transform):
    """A function as a transform; it is given what the transform before it returned.

    Args:
        lambd: the function.
    """

    @property
    def batched(self) -> bool:
        return False

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        super().__init__()
        if not callable(lambd):
            raise TypeError(f"Lambda: lambd must be callable, got {type(lambd).__name__}")
        self.lambd = lambd

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        return self.lambd(x)

    def __repr__(self) -> str:
        return "Lambda()"


class RandomApply(RandomTransform):
    """Apply all of a list of transforms with probability `p`, or none.

    Args:
        transforms: callables.
        p: from 0 to 1.

    A Tensor of several images is drawn for once, as in torchvision; in a data set each picture is.
    """

    @property
    def batched(self) -> bool:
        return False

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__()
        check_number("RandomApply", "p", p, least=0, most=1)
        self.transforms = transforms
        self.p = p

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if numpy_generator(generator).random() < self.p:
            for transform in self.transforms:
                x = _call(transform, x, generator)
        return x

    def __repr__(self) -> str:
        lines = ["RandomApply(", f"    p={self.p}", *(f"    {t}" for t in self.transforms), ")"]
        return "\n".join(lines)


def _call(transform: Any, x: Any, generator: Generator | np.random.Generator | None) -> Any:
    """Call it, with the generator where its call is one of npnet's, which take it."""
    if generator is None:
        return transform(x)
    own = isinstance(transform, Transform) and transform.as_written
    return transform(x, generator) if own or _is_compose(transform) else transform(x)


def own_steps(transform: Any) -> list[Transform] | None:
    """The transforms one after the other, if a batch gives what picture by picture would.

    None where one is not npnet's own: a function, a subclass, one whose methods were replaced or
    that has hooks. Compose may be nested.
    """
    if not _is_compose(transform):
        own = isinstance(transform, Transform) and transform.batched and transform.as_written
        return [transform] if own else None
    steps: list[Transform] = []
    for part in transform.transforms:
        own_part = own_steps(part)
        if own_part is None:
            return None
        steps += own_part
    return steps


def _is_compose(transform: Any) -> bool:
    return type(transform) is Compose and Compose.__call__ is _COMPOSE_CALL


_COMPOSE_CALL = Compose.__call__


def apply_to_pictures(steps: Sequence[Transform], images: Array) -> tuple[Array, bool]:
    """What the steps make of PIL images with these values, and whether it is Tensors.

    Shape: images (N, C, H, W) uint8, C being 1 or 3 -> (N, C', H', W').
    """
    rng = numpy_generator(None)
    tensors = False
    for step in steps:
        images = (step.transform if tensors else step.pictures)(images, rng)
        tensors = tensors or step.makes_tensors
    return images, tensors


def apply_to_picture(transform: Callable[[Any], Any], image: Array) -> Any:
    """transform(PIL image of `image`), a (C, H, W) uint8 array, C being 1 or 3.

    npnet's own transforms work without Pillow unless the result is a PIL image.
    """
    steps = own_steps(transform)
    if steps is None:
        return transform(array_to_picture(image))
    images, tensors = apply_to_pictures(steps, image[None])
    return result(images[0]) if tensors else array_to_picture(images[0])
