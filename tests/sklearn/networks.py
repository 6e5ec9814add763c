"""Networks that pickles find by name."""

from __future__ import annotations

import npnet
from npnet import Tensor, nn


class Net(nn.Module):
    """All of what an estimator fills in, and layers that training and evaluation differ in."""

    def __init__(self, in_features: int, width: int, n_classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(npnet.relu(self.norm(self.first(x)))))


class Images(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3)
        self.last = nn.LazyLinear(num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(npnet.relu(self.conv(x)).flatten(1))


class Branching(nn.Module):
    """One that has no program."""

    def __init__(self, in_features: int, n_outputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(in_features, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x) if float(x.sum()) > 0 else self.last(2 * x)


def overwriting(in_features: int, n_outputs: int) -> nn.Module:
    """A network that writes to its input."""
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(in_features, n_outputs))
