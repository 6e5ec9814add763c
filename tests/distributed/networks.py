"""Networks of a user's own for runs of several ranks."""

from __future__ import annotations

from typing import Any

import npnet
from npnet import distributed, nn
from npnet.training import Callback


class Dropping(nn.Sequential):
    """A chain with dropout of channels and of numbers, groups, and norms of groups."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 8, 5),
            nn.GroupNorm(2, 8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(0.2),
            nn.Conv2d(8, 8, 3, groups=4),
            nn.PReLU(8),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(800, num_classes),
        )


class Normed(nn.Sequential):
    """Batch norm and dropout, of which shards have their own."""

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 8, 5, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout2d(0.2),
            nn.Flatten(),
            nn.Linear(1152, 32),
            nn.BatchNorm1d(32, momentum=None),
            nn.Dropout(0.3),
            nn.Linear(32, num_classes),
        )


class Branching(nn.Module):
    """One that no program can be made of."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.flatten, self.fc = nn.Flatten(), nn.Linear(784, num_classes)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        y = self.fc(self.flatten(x))
        return y * 0.5 if y.abs().max().item() > 100 else y


class StopsInRankOne(Callback):
    def on_epoch_end(self, trainer: Any) -> None:
        if distributed.get_rank() == 1:
            trainer.stop("rank 1 has seen enough")
