"""VisionDataset and StandardTransform: what torchvision's data sets are made of."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from npnet.utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset"]

Function = Callable[..., Any]


class VisionDataset(Dataset[Any]):
    """Base of data sets of pictures. A subclass defines `__getitem__(index)` and `__len__()`.

    Args:
        root: the folder of the data; `~` is the user's home.
        transforms: called with a picture and its label, gives both changed.
        transform: called with a picture.
        target_transform: called with a label.

    Raises:
        ValueError: `transforms` beside one of the others.

    Example:
        >>> class Ones(npnet.datasets.VisionDataset):
        ...     def __getitem__(self, index):
        ...         return self.transforms(npnet.ones(1, 2), index)
        >>> Ones(transform=lambda x: 2 * x)[3]
        (tensor([[2., 2.]]), 3)
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Function | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                f"{type(self).__name__}: takes transforms, or transform and target_transform, got "
                "both; leave one out"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__()")

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        indent = " " * self._repr_indent
        return "\n".join([f"Dataset {type(self).__name__}", *(indent + line for line in body)])

    def extra_repr(self) -> str:
        """Lines of a subclass's own for `repr`."""
        return ""


class StandardTransform:
    """transform on the picture, target_transform on the label; None leaves it as it is."""

    def __init__(
        self, transform: Function | None = None, target_transform: Function | None = None
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if transform is not None:
                first, *others = repr(transform).splitlines()
                lines += [head + first, *(" " * len(head) + line for line in others)]
        return "\n".join(lines)
