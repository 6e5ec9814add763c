"""ResNet-20, the residual network for CIFAR's 32x32 images.

Source: He, Zhang, Ren, Sun (2015), Deep residual learning for image recognition,
arXiv:1512.03385, section 4.2.
"""

from __future__ import annotations

from npnet import Tensor, nn
from npnet.models.resnet import BasicBlock, conv3x3, initialise
from npnet.nn import functional as F

__all__ = ["CifarResNet", "Subsample", "resnet20"]


class Subsample(nn.Module):
    """The shortcut without parameters: every other pixel, and channels of zeros around.

    Shape: x (N, C, H, W) -> (N, C + 2*padding, H/2, W/2), rounded up.

    Example:
        >>> npnet.models.Subsample(padding=8)(npnet.zeros(2, 16, 32, 32)).shape
        (2, 32, 16, 16)

    Source: He et al. (2015), arXiv:1512.03385, section 3.3, option A.
    """

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))

    def extra_repr(self) -> str:
        return f"padding={self.padding}"


class CifarResNet(nn.Module):
    """The residual network for CIFAR. With `blocks=3` it is ResNet-20:

        layer                              output at 32x32   parameters
        conv1 16@3x3, padding 1            (16, 32, 32)             432
        bn1, ReLU                          (16, 32, 32)              32
        layer1, blocks of 16@3x3           (16, 32, 32)          14,016
        layer2, blocks of 32@3x3, stride 2 (32, 16, 16)          51,648
        layer3, blocks of 64@3x3, stride 2 (64, 8, 8)           202,944
        avgpool                            (64, 1, 1)                 -
        fc                                 (10,)                    650

    269,722 parameters in 6 * blocks + 2 layers. Shortcuts have none (option A).

    Shape: x (N, in_channels, H, W) -> logits (N, num_classes).

    Example:
        >>> model = npnet.models.CifarResNet(blocks=1)
        >>> model.eval()(npnet.zeros(2, 3, 32, 32)).shape
        (2, 10)

    Source: He et al. (2015), section 4.2.
    """

    def __init__(self, blocks: int, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._stage(16, 16, blocks, stride=1)
        self.layer2 = self._stage(16, 32, blocks, stride=2)
        self.layer3 = self._stage(32, 64, blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(64, num_classes)
        initialise(self)

    def _stage(self, in_planes: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
        downsample = None if stride == 1 else Subsample((planes - in_planes) // 2)
        first = BasicBlock(in_planes, planes, stride, downsample)
        return nn.Sequential(first, *(BasicBlock(planes, planes) for _ in range(1, blocks)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def resnet20(in_channels: int = 3, num_classes: int = 10) -> CifarResNet:
    """ResNet-20 for CIFAR-10: three stages of three blocks. 269,722 parameters for 10 classes.

    Example:
        >>> sum(p.numel() for p in npnet.models.resnet20().parameters())
        269722
    """
    return CifarResNet(3, num_classes, in_channels)
