"""DenseNet: each layer sees the outputs of all layers before it in its block.

Source: Huang et al. (2016), Densely connected convolutional networks, arXiv:1608.06993, table 1.
Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import npnet
from npnet import Tensor, nn
from npnet.models.weights import refuse_weights
from npnet.nn import functional as F

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]


class _DenseLayer(nn.Module):
    """growth_rate new channels of all channels so far, by a 1x1 and a 3x3 convolution."""

    def __init__(self, channels: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        narrow = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, narrow, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(narrow, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(npnet.cat(features, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Shape: x (N, channels, H, W) -> (N, channels + layers * growth_rate, H, W)."""

    def __init__(
        self, layers: int, channels: int, bn_size: int, growth_rate: int, drop_rate: float
    ) -> None:
        super().__init__()
        for i in range(layers):
            layer = _DenseLayer(channels + i * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return npnet.cat(features, 1)


class _Transition(nn.Sequential):
    """Half the channels, half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """Shape: x (N, 3, H, W), H and W 29 or more -> logits (N, num_classes).

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers of each of the four blocks.
        num_init_features: channels of the first convolution.
        bn_size: of the 1x1 convolutions, in growth rates.
        drop_rate: dropout after each layer.
        memory_efficient: compute what is between two convolutions once more in the backward pass;
            npnet has no such checkpoints, True is refused.

    Example:
        >>> model = npnet.models.DenseNet(4, (1, 1, 1, 1), num_init_features=8, num_classes=10)
        >>> model(npnet.zeros(2, 3, 64, 64)).shape
        (2, 10)
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        if memory_efficient:
            raise NotImplementedError(
                "DenseNet: memory_efficient=True is not in npnet; leave it out"
            )
        channels = num_init_features
        self.features = nn.Sequential()
        self.features.add_module(
            "conv0", nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        )
        self.features.add_module("norm0", nn.BatchNorm2d(channels))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        for i, layers in enumerate(block_config, start=1):
            block = _DenseBlock(layers, channels, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{i}", block)
            channels += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(channels))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight)
            elif isinstance(m, nn.Linear):
                nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x))
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def densenet121(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-121: blocks of 6, 12, 24 and 16 layers.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what DenseNet takes besides.
    """
    return DenseNet(32, (6, 12, 24, 16), 64, **refuse_weights("densenet121", weights, options))


def densenet161(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-161: 6, 12, 36 and 24 layers of 48 channels; arguments are densenet121's."""
    return DenseNet(48, (6, 12, 36, 24), 96, **refuse_weights("densenet161", weights, options))


def densenet169(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-169: 6, 12, 32 and 32 layers; arguments are densenet121's."""
    return DenseNet(32, (6, 12, 32, 32), 64, **refuse_weights("densenet169", weights, options))


def densenet201(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-201: 6, 12, 48 and 32 layers; arguments are densenet121's."""
    return DenseNet(32, (6, 12, 48, 32), 64, **refuse_weights("densenet201", weights, options))
