"""RandomChoice, RandomOrder: which transforms are applied, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.random import Generator, numpy_generator
from npnet.transforms.base import RandomTransform
from npnet.transforms.compose import call

__all__ = ["RandomChoice", "RandomOrder"]


class _RandomTransforms(RandomTransform):
    """Of a list of transforms; a Tensor of several images is drawn for once, as in torchvision."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence):
            raise TypeError(
                f"{type(self).__name__}: transforms must be a sequence, got "
                f"{type(transforms).__name__}"
            )
        self.transforms = transforms

    @property
    def batched(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class RandomOrder(_RandomTransforms):
    """Apply all of a list of transforms in random order.

    Example:
        >>> flips = npnet.transforms.RandomHorizontalFlip(1), npnet.transforms.RandomVerticalFlip(1)
        >>> npnet.transforms.RandomOrder(flips)(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[4, 3],
                 [2, 1]]])
    """

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        for i in numpy_generator(generator).permutation(len(self.transforms)):
            x = call(self.transforms[i], x, generator)
        return x


class RandomChoice(_RandomTransforms):
    """Apply one of a list of transforms.

    Args:
        transforms: callables.
        p: weights of them, such as probabilities; None is equal ones.

    Example:
        >>> flips = npnet.transforms.RandomHorizontalFlip(1), npnet.transforms.RandomVerticalFlip(1)
        >>> npnet.transforms.RandomChoice(flips, p=[1, 0])(npnet.tensor([[[1, 2], [3, 4]]]))
        tensor([[[2, 1],
                 [4, 3]]])
    """

    def __init__(
        self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None
    ) -> None:
        super().__init__(transforms)
        if p is not None and not isinstance(p, Sequence):
            raise TypeError(f"RandomChoice: p must be a sequence, got {type(p).__name__}")
        if p is not None and len(p) != len(transforms):
            raise ValueError(
                f"RandomChoice: p must have one number for each of {len(transforms)} transforms, "
                f"got {len(p)}"
            )
        self.p = p

    def drawn(self, generator: Generator | np.random.Generator | None = None) -> Any:
        """One of the transforms."""
        p = None if self.p is None else np.asarray(self.p, np.float64) / sum(self.p)
        return self.transforms[numpy_generator(generator).choice(len(self.transforms), p=p)]

    def forward(self, x: Any, generator: Generator | np.random.Generator | None = None) -> Any:
        return call(self.drawn(generator), x, generator)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"
