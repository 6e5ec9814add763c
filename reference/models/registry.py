"""The networks in PyTorch by the names, and with the arguments, of `npnet.models.create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import Module

from npnet import models
from npnet.base.checks import unknown_name
from reference.models.convnet import ConvNet
from reference.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from reference.models.mlp import mlp
from reference.models.resnet import resnet18, resnet20

__all__ = ["MODELS", "create"]

MODELS: dict[str, Callable[..., Module]] = {
    "lenet4": LeNet4,
    "lenet5": LeNet5,
    "lenet": LeNet,
    "lenet_fc": LeNetFC,
    "convnet": ConvNet,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "mlp": mlp,
}


def create(
    name: str, *, in_channels: int | None = None, num_classes: int = 10, **options: Any
) -> Module:
    """A network by its name, freshly initialised. Arguments as of `npnet.models.create`."""
    if name not in MODELS:
        raise ValueError(unknown_name("models.create: name", name, MODELS))
    channels = models.MODELS[name].in_channels if in_channels is None else in_channels
    return MODELS[name](in_channels=channels, num_classes=num_classes, **options)
