"""The networks by name, and what a trainer must know of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from npnet.base import expected
from npnet.base.checks import unknown_name
from npnet.models.convnet import ConvNet
from npnet.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from npnet.models.mlp import mlp
from npnet.models.resnet import resnet18
from npnet.models.resnet_cifar import resnet20
from npnet.nn import Module

__all__ = ["MODELS", "ModelSpec", "create"]


@dataclass(frozen=True)
class ModelSpec:
    """One network of the registry.

    Attributes:
        build: makes it; takes `in_channels`, `num_classes` and options of the network's own.
        in_channels: of the images that it is usually given.
        input_size: height and width that images must have; None where any from `min_size` do.
        min_size: the least height and width.

    Example:
        >>> spec = npnet.models.MODELS["lenet5"]
        >>> spec.in_channels, spec.input_size
        (1, 32)
    """

    build: Callable[..., Module]
    in_channels: int
    input_size: int | None
    min_size: int

    def size_for(self, size: int) -> int:
        """To what images of `size` must be resized: `size` itself where the network takes it."""
        return max(size, self.min_size) if self.input_size is None else self.input_size


MODELS: dict[str, ModelSpec] = {
    "lenet4": ModelSpec(LeNet4, in_channels=1, input_size=32, min_size=32),
    "lenet5": ModelSpec(LeNet5, in_channels=1, input_size=32, min_size=32),
    "lenet": ModelSpec(LeNet, in_channels=1, input_size=32, min_size=32),
    "lenet_fc": ModelSpec(LeNetFC, in_channels=1, input_size=32, min_size=32),
    "convnet": ModelSpec(ConvNet, in_channels=1, input_size=28, min_size=28),
    "resnet18": ModelSpec(resnet18, in_channels=3, input_size=None, min_size=32),
    "resnet20": ModelSpec(resnet20, in_channels=3, input_size=None, min_size=32),
    "mlp": ModelSpec(mlp, in_channels=1, input_size=28, min_size=28),
}


def create(
    name: str, *, in_channels: int | None = None, num_classes: int = 10, **options: Any
) -> Module:
    """A network by its name in `MODELS`, freshly initialised.

    Args:
        in_channels: of the images; default the network's own.
        options: what the network takes besides: `zero_init_residual` of resnet18, `hidden` and
            `activation` of mlp.

    Raises:
        ValueError: no network has that name.

    Example:
        >>> npnet.models.create("lenet5", num_classes=26)(npnet.zeros(2, 1, 32, 32)).shape
        (2, 26)
    """
    if name not in MODELS:
        raise ValueError(unknown_name("models.create: name", name, MODELS))
    expected.expect(name)
    spec = MODELS[name]
    channels = spec.in_channels if in_channels is None else in_channels
    return spec.build(in_channels=channels, num_classes=num_classes, **options)
