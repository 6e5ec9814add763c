"""The networks in PyTorch by the names, and with the arguments, of `npnet.models.create`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.nn import Module

from reference.models.convnet import ConvNet
from reference.models.lenet import LeNet, LeNet4, LeNet5, LeNetFC
from reference.models.mlp import mlp
from reference.models.names import unknown_name
from reference.models.resnet import resnet18
from reference.models.resnet_cifar import resnet20

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


def create(name: str, **options: Any) -> Module:
    """A network by its name, freshly initialised; `options` as of `npnet.models.create`."""
    if name not in MODELS:
        raise ValueError(unknown_name("models.create: name", name, MODELS))
    return MODELS[name](**options)
