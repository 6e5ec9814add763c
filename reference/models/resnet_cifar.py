"""ResNet-20 in PyTorch: the same as `npnet.models.resnet_cifar`, where the table is."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from reference.models.resnet import BasicBlock, conv3x3, initialise

__all__ = ["CifarResNet", "Subsample", "resnet20"]


class Subsample(nn.Module):
    """The shortcut without parameters: every other pixel, and channels of zeros around.

    Shape: x (N, C, H, W) -> (N, C + 2*padding, H/2, W/2), rounded up.

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
    """The residual network for CIFAR (He et al., 2015, section 4.2), with option-A shortcuts."""

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
    """ResNet-20 for CIFAR-10: three stages of three blocks. 269,722 parameters for 10 classes."""
    return CifarResNet(3, num_classes, in_channels)
