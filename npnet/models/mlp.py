"""Fully connected networks, for images and for fitting functions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import npnet
from npnet import Tensor, nn
from npnet.base.checks import unknown_name

__all__ = ["MLP", "mlp"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


class MLP(nn.Module):
    """Fully connected layers with one activation between them; the last layer is linear.

    `MLP(widths=(1, 64, 64, 1), activation="tanh")` fits a function of one variable, such as
    f(x) = x^2 + 2 sin x + cos(x - 1) - 5, with 4,353 parameters.

        layer               output           parameters
        layers.0 Linear     (widths[1],)     (widths[0] + 1) * widths[1]
        layers.1 activation (widths[1],)     -
        layers.2 Linear     (widths[2],)     (widths[1] + 1) * widths[2]
        ...

    Shape: x (N, ...) of widths[0] values each, which are flattened -> (N, widths[-1]).

    Args:
        widths: how many values go in, leave each hidden layer, and come out.
        activation: gelu, leaky_relu, relu, sigmoid or tanh.

    Example:
        >>> model = npnet.models.MLP(widths=(1, 64, 64, 1))
        >>> model(npnet.zeros(8, 1)).shape
        (8, 1)
        >>> sum(p.numel() for p in model.parameters())
        4353

    Source: Rumelhart, Hinton, Williams (1986), Learning representations by back-propagating errors.
    """

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
        return self.layers(npnet.flatten(x, 1))


def mlp(
    in_channels: int = 1,
    num_classes: int = 10,
    hidden: Sequence[int] = (300, 100),
    activation: str = "tanh",
) -> MLP:
    """A classifier of 28x28 images with hidden layers of 300 and 100: 266,610 parameters.

        layer          output    parameters
        layers.0, tanh (300,)       235,500
        layers.2, tanh (100,)        30,100
        layers.4       (10,)          1,010

    Shape: x (N, in_channels, 28, 28) -> logits (N, num_classes).

    Example:
        >>> model = npnet.models.mlp(hidden=(64,), activation="relu")
        >>> model(npnet.zeros(2, 1, 28, 28)).shape
        (2, 10)

    Source: LeCun et al. (1998), section III.C, the 28x28-300-100-10 network.
    """
    return MLP((in_channels * 28 * 28, *hidden, num_classes), activation)
