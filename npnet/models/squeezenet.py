"""SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters.

Source: Iandola et al. (2016), SqueezeNet: AlexNet-level accuracy with 50x fewer parameters,
arXiv:1602.07360, table 1. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from typing import Any

import npnet
from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = ["Fire", "SqueezeNet", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then a 1x1 and a 3x3 one beside each other.

    Shape: x (N, inplanes, H, W) -> (N, expand1x1_planes + expand3x3_planes, H, W).
    """

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        one = self.expand1x1_activation(self.expand1x1(x))
        return npnet.cat([one, self.expand3x3_activation(self.expand3x3(x))], 1)


# Squeezed channels of each Fire, which expands to eight times as many; None is max pooling.
_FIRES = {
    "1_0": (None, 16, 16, 32, None, 32, 48, 48, 64, None, 64),
    "1_1": (None, 16, 16, None, 32, 32, None, 48, 48, 64, 64),
}
_STEM = {"1_0": (96, 7), "1_1": (64, 3)}


class SqueezeNet(nn.Module):
    """Shape: x (N, 3, H, W), H and W 21 or more -> logits (N, num_classes).

    Args:
        version: 1_0, or 1_1, which pools earlier.
        dropout: before the last convolution.

    Example:
        >>> model = npnet.models.SqueezeNet("1_1", num_classes=10).eval()
        >>> model(npnet.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _FIRES:
            raise ValueError(f"SqueezeNet: version must be 1_0 or 1_1, got {version!r}")
        self.num_classes = num_classes
        channels, size = _STEM[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, size, stride=2), nn.ReLU(inplace=True)]
        for squeezed in _FIRES[version]:
            if squeezed is None:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                layers.append(Fire(channels, squeezed, 4 * squeezed, 4 * squeezed))
                channels = 8 * squeezed
        self.features = nn.Sequential(*layers)
        final = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), final, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                if m is final:
                    nn.init.normal_(m.weight, 0.0, 0.01)
                else:
                    nn.init.kaiming_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.constant_(m.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(weights: Any = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """SqueezeNet as in its paper.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what SqueezeNet takes besides.

    Example:
        >>> sum(p.numel() for p in npnet.models.squeezenet1_0().parameters())
        1248424
    """
    return SqueezeNet("1_0", **refuse_weights("squeezenet1_0", weights, options))


def squeezenet1_1(weights: Any = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """SqueezeNet that pools earlier, in less than half the time; arguments are squeezenet1_0's.

    Example:
        >>> sum(p.numel() for p in npnet.models.squeezenet1_1().parameters())
        1235496
    """
    return SqueezeNet("1_1", **refuse_weights("squeezenet1_1", weights, options))
