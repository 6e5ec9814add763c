"""MixUp, CutMix: batches in which each image is mixed with another, and its label too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from npnet.base.pictures import is_picture
from npnet.nn import Module
from npnet.ops import arranging, shape
from npnet.ops.indexing import one_hot
from npnet.random import numpy_generator
from npnet.tape import Variable
from npnet.tensor import Tensor

__all__ = ["CutMix", "MixUp"]


class _Mixing(Module):
    """Of a batch of images and its labels, each image mixed with the one before it.

    Called with (images, labels), in two arguments or in one tuple, list or dict, it gives the same
    back; what else is in there stays. Shape: images (N, C, H, W), labels (N,) or (N, num_classes)
    -> the same images, labels (N, num_classes).

    Args:
        alpha: of the Beta(alpha, alpha) distribution that the share of the image is drawn from.
        num_classes: needed where labels are class numbers.
        labels_getter: "default", which is the second of what is given (of a dict, the first whose
            name has "label" in it), or a function of that which gives the labels in it.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: str | Callable[[Any], Any] = "default",
    ) -> None:
        super().__init__()
        if alpha <= 0:
            raise ValueError(f"{type(self).__name__}: alpha must be > 0, got {alpha}")
        if labels_getter != "default" and not callable(labels_getter):
            raise ValueError(
                f"{type(self).__name__}: labels_getter must be 'default' or a function, got "
                f"{labels_getter!r}"
            )
        self.alpha, self.num_classes = float(alpha), num_classes
        self._labels_getter = labels_getter

    def forward(self, *inputs: Any) -> Any:
        given: Any = inputs if len(inputs) > 1 else inputs[0]
        is_table = isinstance(given, Mapping)
        parts = list(given.values()) if is_table else list(given)
        labels = self._labels(given)
        at = next((i for i, x in enumerate(parts) if x is labels), None)
        images = next((i for i, x in enumerate(parts) if isinstance(x, Tensor) and i != at), None)
        if at is None or images is None:
            raise ValueError(f"{type(self).__name__}: takes a batch of images and its labels")
        self._check(parts, parts[images], labels)
        parts[images], parts[at] = self._mixed(parts[images], labels)
        return dict(zip(given, parts, strict=True)) if is_table else type(given)(parts)

    def _labels(self, given: Any) -> Tensor:
        if callable(self._labels_getter):
            labels = self._labels_getter(given)
        elif isinstance(given, Mapping):
            labels = next((v for k, v in given.items() if "label" in str(k).lower()), None)
        else:
            labels = given[1] if len(given) > 1 else None
        if not isinstance(labels, Variable):
            kind = type(labels).__name__
            raise ValueError(f"{type(self).__name__}: the labels must be a tensor, got {kind}")
        return labels  # type: ignore[return-value] # every Variable is a Tensor

    def _check(self, parts: list[Any], images: Tensor, labels: Tensor) -> None:
        op = type(self).__name__
        if any(map(is_picture, parts)):
            raise ValueError(f"{op}: takes batches of tensors, got a PIL image")
        if labels.ndim not in (1, 2):
            raise ValueError(
                f"{op}: labels must be (N,) or (N, num_classes), got {tuple(labels.shape)}"
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError(f"{op}: num_classes is needed where labels are class numbers")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[1]):
            raise ValueError(
                f"{op}: labels must have num_classes = {self.num_classes} columns, got "
                f"{labels.shape[1]}"
            )
        if images.ndim != 4 or images.shape[0] != labels.shape[0]:
            raise ValueError(
                f"{op}: images must be ({labels.shape[0]}, C, H, W), as many as labels; got "
                f"{tuple(images.shape)}"
            )

    def _share(self) -> float:
        return float(numpy_generator(None).beta(self.alpha, self.alpha))

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        rows = one_hot(labels, self.num_classes or -1) if labels.ndim == 1 else labels
        return _mean(rows if rows.is_floating_point() else rows.float(), share)

    def extra_repr(self) -> str:
        count = "" if self.num_classes is None else f", num_classes={self.num_classes}"
        return f"alpha={self.alpha}{count}"


def _mean(x: Tensor, share: float) -> Tensor:
    """Each row by its share, and the one before it by the rest."""
    return arranging.roll(x, 1, 0) * (1.0 - share) + x * share


class MixUp(_Mixing):
    """Each image, and its label, a mean with the one before it in the batch; arguments below.

        x_i = share * x_i + (1 - share) * x_{i-1},   share drawn from Beta(alpha, alpha)

    Example:
        >>> from npnet.transforms import v2
        >>> images, labels = npnet.rand(4, 3, 8, 8), npnet.tensor([0, 1, 2, 0])
        >>> x, y = v2.MixUp(num_classes=3)(images, labels)
        >>> x.shape, y.sum(1).round(decimals=2)
        ((4, 3, 8, 8), tensor([1., 1., 1., 1.]))

    Source: Zhang et al. (2018), mixup: Beyond empirical risk minimization, arXiv:1710.09412.
    """

    __doc__ = f"{__doc__}\n    {_Mixing.__doc__}"

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if not images.is_floating_point():
            raise ValueError(f"MixUp: images must be floating point, got {images.dtype}")
        share = self._share()
        return _mean(images, share), self._mixed_labels(labels, share)


class CutMix(_Mixing):
    """Each image with a rectangle of the one before it, and their labels by the areas.

    The rectangle has 1 - share of the area, share drawn from Beta(alpha, alpha), with its middle
    anywhere; what is outside of the image is cut off.

    Example:
        >>> from npnet.transforms import v2
        >>> images, labels = npnet.rand(4, 3, 8, 8), npnet.tensor([0, 1, 2, 0])
        >>> x, y = v2.CutMix(num_classes=3)(images, labels)
        >>> x.shape, y.shape
        ((4, 3, 8, 8), (4, 3))

    Source: Yun et al. (2019), CutMix: Regularization strategy to train strong classifiers with
    localizable features, arXiv:1905.04899, eqs. 1-2.
    """

    __doc__ = f"{__doc__}\n    {_Mixing.__doc__}"

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        half = 0.5 * math.sqrt(1.0 - self._share())
        rng = numpy_generator(None)
        bounds = []
        for size in (width, height):
            middle, reach = int(rng.integers(size)), int(half * size)
            bounds.append((max(middle - reach, 0), min(middle + reach, size)))
        (left, right), (top, bottom) = bounds
        mixed = shape.clone(images)
        mixed[:, :, top:bottom, left:right] = arranging.roll(images, 1, 0)[
            :, :, top:bottom, left:right
        ]
        share = 1.0 - (right - left) * (bottom - top) / (width * height)
        return mixed, self._mixed_labels(labels, share)
