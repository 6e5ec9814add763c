"""Transforms made of others: Compose, Lambda, RandomApply; and which of them take batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from npnet.base.checks import check_number
from npnet.base.pictures import array_to_picture, is_picture, picture_to_array
from npnet.ops.shape import stack
from npnet.random import Generator, numpy_generator
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor
from npnet.transforms.base import RandomTransform, Transform
from npnet.transforms.images import Array, as_batch

__all__ = [
    "Compose",
    "Lambda",
    "RandomApply",
    "apply_to_picture",
    "apply_to_pictures",
    "call",
    "own_steps",
]


class Compose:
    """Apply one transform after the other.

    Args:
        transforms: callables; each is given what the one before returned, as in torchvision.

    A second argument of the call is the generator of npnet's random transforms among them; see
    RandomTransform. In a data set every transform that is not npnet's own sees one picture at a
    time; so it does where Compose is called with an ndarray (N, C, H, W), each image of which
    becomes a Tensor (C, H, W). A Tensor (N, C, H, W) is handed on as it is.

    Example:
        >>> to_tensor, pad = npnet.transforms.ToTensor(), npnet.transforms.Pad(2)
        >>> prepare = npnet.transforms.Compose([to_tensor, pad])
        >>> prepare(np.zeros((28, 28), np.uint8)).shape
        (1, 32, 32)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        if isinstance(x, np.ndarray) and x.ndim == 4 and own_steps(self) is None:
            images, _ = as_batch("Compose", x)
            return stack([as_tensor(self(result(image), generator)) for image in images])
        for transform in self.transforms:
            x = call(transform, x, generator)
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

    Example:
        >>> npnet.transforms.Lambda(lambda x: x.flatten())(npnet.zeros(1, 28, 28)).shape
        (784,)
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

    Example:
        >>> blur = npnet.transforms.RandomApply([npnet.transforms.GaussianBlur(3)], p=0.5)
        >>> blur(npnet.zeros(3, 32, 32)).shape
        (3, 32, 32)
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
                x = call(transform, x, generator)
        return x

    def __repr__(self) -> str:
        lines = ["RandomApply(", f"    p={self.p}", *(f"    {t}" for t in self.transforms), ")"]
        return "\n".join(lines)


def call(transform: Any, x: Any, generator: Generator | np.random.Generator | None) -> Any:
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
    steps = _flat(transform)
    own = all(isinstance(s, Transform) and s.batched and s.as_written for s in steps)
    return steps if own else None


def _is_compose(transform: Any) -> bool:
    return type(transform) is Compose and Compose.__call__ is _COMPOSE_CALL


_COMPOSE_CALL = Compose.__call__


def apply_to_pictures(transform: Callable[[Any], Any], images: Array) -> list[Any] | Array:
    """What a transform makes of PIL images with these values: a list, or all of it in an ndarray.

    npnet's own transforms are given the batch, and a user's each picture by itself, or what the
    transform before it made of each: a PIL image, a Tensor (C, H, W), whatever.

    Shape: images (N, C, H, W) uint8, C being 1 or 3; an ndarray of the result is (N, C', H', W').
    """
    batch: _Batch | None = _Batch(np.ascontiguousarray(images), tensors=False)
    items: list[Any] = []
    for step in _flat(transform):
        own = isinstance(step, Transform) and step.batched and step.as_written
        if own and batch is None:
            batch = _Batch.of(items)
        if own and batch is not None:
            batch = batch.after(step)
        else:
            items = [step(item) for item in (items if batch is None else batch.items())]
            batch = None
    return items if batch is None else batch.images


class _Batch(NamedTuple):
    """Images (N, C, H, W) that stand for PIL images, or for Tensors (C, H, W)."""

    images: Array
    tensors: bool

    @classmethod
    def of(cls, items: list[Any]) -> _Batch | None:
        """The batch of some items; None unless all of them are alike, of one size."""
        first: Any = items[0] if items else None
        if is_picture(first):
            alike = first.mode in ("L", "RGB") and all(
                is_picture(item) and (item.mode, item.size) == (first.mode, first.size)
                for item in items
            )
            return cls(np.stack(list(map(picture_to_array, items))), False) if alike else None
        alike = type(first) is Tensor and all(
            type(item) is Tensor
            and not item.requires_grad
            and (item.shape, item.dtype) == (first.shape, first.dtype)
            for item in items
        )
        alike = alike and first.ndim == 3
        return cls(np.stack([item.array for item in items]), True) if alike else None

    def after(self, step: Transform) -> _Batch:
        """The batch that one of npnet's own transforms makes of it."""
        change = step.transform if self.tensors else step.pictures
        images = change(self.images, numpy_generator(None))
        return _Batch(images, self.tensors or step.makes_tensors)

    def items(self) -> list[Any]:
        """What a user's own transform is given, one by one."""
        make: Callable[[Array], Any] = result if self.tensors else array_to_picture
        return [make(image) for image in np.ascontiguousarray(self.images)]


def _flat(transform: Any) -> list[Any]:
    """The transforms one after the other; Compose may be nested."""
    if not _is_compose(transform):
        return [transform]
    return [step for part in transform.transforms for step in _flat(part)]


def apply_to_picture(transform: Callable[[Any], Any], image: Array) -> Any:
    """transform(PIL image of `image`), a (C, H, W) uint8 array, C being 1 or 3.

    npnet's own transforms work without Pillow unless the result is a PIL image.
    """
    steps = own_steps(transform)
    if steps is None:
        return transform(array_to_picture(image))
    batch = _Batch(image[None], tensors=False)
    for step in steps:
        batch = batch.after(step)
    return batch.items()[0]
