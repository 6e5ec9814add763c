"""Fully connected networks in PyTorch: the same as `npnet.models.mlp`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from reference.models.names import unknown_name

__all__ = ["MLP", "mlp"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    """Fully connected layers with one activation between them; the last layer is linear."""

    def __init__(self, widths: Sequence[int], activation: str = "tanh") -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"MLP: widths must hold input and output at least, got {widths}")
        if activation not in ACTIVATIONS:
            raise ValueError(unknown_name("MLP: activation", activation, ACTIVATIONS))
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(torch.flatten(x, 1))


def mlp(
    in_channels: int = 1,
    num_classes: int = 10,
    hidden: Sequence[int] = (300, 100),
    activation: str = "tanh",
) -> MLP:
    """A classifier of 28x28 images with hidden layers of 300 and 100. 266,610 parameters."""
    return MLP((in_channels * 28 * 28, *hidden, num_classes), activation)
