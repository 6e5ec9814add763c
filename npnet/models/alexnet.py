"""AlexNet: five convolutions and three fully connected layers.

Source: Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks,
arXiv:1404.5997, in torchvision's form, whose names of layers these are.
"""

from __future__ import annotations

from typing import Any

from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = ["AlexNet", "alexnet"]


class AlexNet(nn.Module):
    """Shape: x (N, 3, H, W), H and W 63 or more -> logits (N, num_classes).

    Args:
        dropout: before the first two fully connected layers.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


def alexnet(weights: Any = None, progress: bool = True, **options: Any) -> AlexNet:
    """AlexNet.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what AlexNet takes besides.
    """
    return AlexNet(**refuse_weights("alexnet", weights, options))
