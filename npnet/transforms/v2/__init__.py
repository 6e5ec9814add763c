"""The names of torchvision.transforms.v2 for pictures alone: the same classes, and some of its own.

Bounding boxes, masks and videos are not in npnet.
"""

from __future__ import annotations

from typing import Any

from npnet import transforms as v1
from npnet.nn import Identity
from npnet.tensor import Tensor
from npnet.transforms import *  # noqa: F403  # all of them
from npnet.transforms.mixing import CutMix, MixUp
from npnet.transforms.v2.convert import ToDtype, ToImage, ToPureTensor

# isort: split
import npnet.transforms.v2.functional  # noqa: F401  # here, where it takes the place of v1's

__all__ = [*v1.__all__, "CutMix", "Identity", "MixUp", "ToDtype", "ToImage", "ToPureTensor"]
__all__.sort()


class RandomChoice(v1.RandomChoice):  # type: ignore[no-redef] # of several arguments
    """Apply one of a list of transforms, which may take several arguments, as MixUp does.

    Args:
        transforms: callables.
        p: weights of them, such as probabilities; None is equal ones.

    Example:
        >>> from npnet.transforms import v2
        >>> mix = v2.RandomChoice([v2.MixUp(num_classes=3), v2.CutMix(num_classes=3)])
        >>> mix(npnet.rand(4, 3, 8, 8), npnet.tensor([0, 1, 2, 0]))[1].shape
        (4, 3)
    """

    def forward(self, x: Any, *others: Any) -> Any:
        if not any(isinstance(y, Tensor) for y in others):
            return super().forward(x, *others)
        return self.drawn()(x, *others)
