"""VGG: 3x3 convolutions in five stages, each half as large as the one before.

Source: Simonyan and Zisserman (2014), Very deep convolutional networks for large-scale image
recognition, arXiv:1409.1556, table 1. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = [
    "VGG",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

# How many convolutions each of the five stages has.
_STAGES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Features, mean to 7x7, and three fully connected layers.

    Shape: x (N, 3, H, W), H and W 32 or more -> logits (N, num_classes).

    Args:
        features: x -> (N, 512, H / 32, W / 32).
        init_weights: draw the weights as torchvision does, else as each layer does.
        dropout: of the first two fully connected layers.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


def _initialise(model: nn.Module) -> None:
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
        else:
            continue
        if m.bias is not None:
            nn.init.constant_(m.bias, 0)


def _features(stages: Sequence[int], batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for count, width in zip(stages, _WIDTHS, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, weights: Any, options: dict[str, Any]) -> VGG:
    options = refuse_weights(f"vgg{depth}" + "_bn" * batch_norm, weights, options)
    return VGG(_features(_STAGES[depth], batch_norm), **options)


def vgg11(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Eight convolutions and three fully connected layers.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what VGG takes besides.
    """
    return _vgg(11, False, weights, options)


def vgg11_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """vgg11 with batch norm."""
    return _vgg(11, True, weights, options)


def vgg13(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Ten convolutions and three fully connected layers; arguments are vgg11's."""
    return _vgg(13, False, weights, options)


def vgg13_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """vgg13 with batch norm."""
    return _vgg(13, True, weights, options)


def vgg16(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Thirteen convolutions and three fully connected layers; arguments are vgg11's."""
    return _vgg(16, False, weights, options)


def vgg16_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """vgg16 with batch norm."""
    return _vgg(16, True, weights, options)


def vgg19(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Sixteen convolutions and three fully connected layers; arguments are vgg11's."""
    return _vgg(19, False, weights, options)


def vgg19_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """vgg19 with batch norm."""
    return _vgg(19, True, weights, options)
