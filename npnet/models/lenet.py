"""LeNet: the convolutional networks that read handwritten digits.

Source: LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document
recognition, Proceedings of the IEEE 86(11). Every network here takes 32x32 images.
"""

from __future__ import annotations

import npnet
from npnet import Tensor, nn
from npnet.nn import functional as F

__all__ = ["LeNet", "LeNet4", "LeNet5", "LeNetFC"]


class LeNet5(nn.Module):
    """LeNet-5 without the connection table and the trainable pooling: 61,706 parameters.

        layer               output         parameters
        conv1 6@5x5, tanh   (6, 28, 28)           156
        pool1 mean of 2x2   (6, 14, 14)             -
        conv2 16@5x5, tanh  (16, 10, 10)        2,416
        pool2 mean of 2x2   (16, 5, 5)              -
        conv3 120@5x5, tanh (120, 1, 1)        48,120
        fc1, tanh           (84,)              10,164
        fc2                 (10,)                 850

    Shape: x (N, in_channels, 32, 32) -> logits (N, num_classes).

    Example:
        >>> model = npnet.models.LeNet5()
        >>> model(npnet.zeros(2, 1, 32, 32)).shape, sum(p.numel() for p in model.parameters())
        ((2, 10), 61706)

    Source: LeCun et al. (1998), section II.B and fig. 2. There, conv2 sees a hand-made choice of
    the 6 maps, pooling has a weight and a bias, and the output layer measures distances to
    drawings of the digits; the table here has one input channel and 10 classes.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = nn.AvgPool2d(2)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(npnet.tanh(self.conv1(x)))
        x = self.pool2(npnet.tanh(self.conv2(x)))
        x = npnet.tanh(self.conv3(x))
        x = npnet.flatten(x, 1)
        x = npnet.tanh(self.fc1(x))
        return self.fc2(x)


class LeNet4(nn.Module):
    """One convolution fewer than LeNet-5, and wide pooling instead: 29,290 parameters.

        layer               output        parameters
        conv1 6@5x5, tanh   (6, 28, 28)          156
        pool1 mean of 4x4   (6, 7, 7)              -
        conv2 120@5x5, tanh (120, 3, 3)       18,120
        pool2 mean of 3x3   (120, 1, 1)            -
        fc1, tanh           (84,)             10,164
        fc2                 (10,)                850

    Shape: x (N, in_channels, 32, 32) -> logits (N, num_classes).

    Example:
        >>> model = npnet.models.LeNet4()
        >>> model(npnet.zeros(2, 1, 32, 32)).shape, sum(p.numel() for p in model.parameters())
        ((2, 10), 29290)

    Source: a course handout whose figure is lost. This is the reading that fits its text: two
    convolutions, two fully connected layers, 120 features of 1x1. It is not the LeNet-4 of LeCun
    et al. (1998), section III.C.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool1 = nn.AvgPool2d(4)
        self.conv2 = nn.Conv2d(6, 120, 5)
        self.pool2 = nn.AvgPool2d(3)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(npnet.tanh(self.conv1(x)))
        x = self.pool2(npnet.tanh(self.conv2(x)))
        x = npnet.flatten(x, 1)
        x = npnet.tanh(self.fc1(x))
        return self.fc2(x)


class LeNet(nn.Module):
    """LeNet-5 as it is written today, with ReLU and max pooling: 61,706 parameters.

        layer               output         parameters
        conv1 6@5x5, ReLU   (6, 28, 28)           156
        pool1 max of 2x2    (6, 14, 14)             -
        conv2 16@5x5, ReLU  (16, 10, 10)        2,416
        pool2 max of 2x2    (16, 5, 5)              -
        conv3 120@5x5, ReLU (120, 1, 1)        48,120
        fc1, ReLU           (84,)              10,164
        fc2                 (10,)                 850

    Shape: x (N, in_channels, 32, 32) -> logits (N, num_classes).

    Example:
        >>> npnet.models.LeNet(in_channels=3, num_classes=26)(npnet.zeros(2, 3, 32, 32)).shape
        (2, 26)

    Source: a classifier of handwritten characters in any number of channels and classes; the
    layers are those of LeCun et al. (1998), fig. 2.
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.fc1 = nn.Linear(120, 84)
        self.fc2 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.conv1(x)))
        x = self.pool2(F.relu(self.conv2(x)))
        x = F.relu(self.conv3(x))
        x = npnet.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


class LeNetFC(nn.Module):
    """LeNet-5 with its last convolution written as a fully connected layer: 61,706 parameters.

        layer              output         parameters
        conv1 6@5x5, ReLU  (6, 28, 28)           156
        pool1 max of 2x2   (6, 14, 14)             -
        conv2 16@5x5, ReLU (16, 10, 10)        2,416
        pool2 max of 2x2   (16, 5, 5)              -
        fc1, ReLU          (120,)             48,120
        fc2, ReLU          (84,)              10,164
        fc3                (10,)                 850

    Shape: x (N, in_channels, 32, 32) -> logits (N, num_classes).

    Example:
        >>> model = npnet.models.LeNetFC()
        >>> model(npnet.zeros(2, 1, 32, 32)).shape, sum(p.numel() for p in model.parameters())
        ((2, 10), 61706)

    Source: the network of PyTorch's tutorial "Neural Networks" (Deep Learning with PyTorch: A
    60 Minute Blitz).
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.conv1(x)))
        x = self.pool2(F.relu(self.conv2(x)))
        x = npnet.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)
