"""A convolutional network with batch normalisation, for 28x28 images."""

from __future__ import annotations

import npnet
from npnet import Tensor, nn
from npnet.nn import functional as F

__all__ = ["ConvNet"]


class ConvNet(nn.Module):
    """Two convolutions with batch norm, then three wide layers: 5,070,832 parameters.

        layer                        output         parameters
        conv1 64@3x3, padding 1      (64, 28, 28)          640
        bn1, ReLU                    (64, 28, 28)          128
        pool1 max of 2x2             (64, 14, 14)            -
        conv2 128@3x3, padding 1     (128, 14, 14)      73,856
        bn2, ReLU                    (128, 14, 14)         256
        pool2 max of 2x2             (128, 7, 7)             -
        fc1, ReLU                    (784,)          4,918,032
        fc2, ReLU                    (98,)              76,930
        fc3                          (10,)                 990

    Shape: x (N, in_channels, 28, 28) -> logits (N, num_classes).

    Example:
        >>> npnet.models.ConvNet().eval()(npnet.zeros(2, 1, 28, 28)).shape
        (2, 10)

    Source: a batch-norm network for MNIST; batch norm before the nonlinearity is that of Ioffe and
    Szegedy (2015), arXiv:1502.03167, section 3.2, which also says why a convolution before it
    needs no bias. It has one here, as written by most.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(64, 128, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(128)
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(128 * 7 * 7, 784)
        self.fc2 = nn.Linear(784, 98)
        self.fc3 = nn.Linear(98, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = self.pool2(F.relu(self.bn2(self.conv2(x))))
        x = npnet.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
