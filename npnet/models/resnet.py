"""Residual networks: ResNet-18 for photographs and ResNet-20 for CIFAR's 32x32 images.

Source: He, Zhang, Ren, Sun (2015), Deep residual learning for image recognition,
arXiv:1512.03385. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from npnet import Tensor, nn
from npnet.nn import functional as F

__all__ = ["BasicBlock", "CifarResNet", "ResNet", "Subsample", "resnet18", "resnet20"]


def conv3x3(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1; batch norm follows, so without bias."""
    return nn.Conv2d(in_planes, out_planes, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).

    Shape: x (N, in_planes, H, W) -> (N, planes, H/stride, W/stride), rounded up.

    Args:
        downsample: the shortcut where the shape changes; None is the identity.
    """

    def __init__(
        self, in_planes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_planes, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


def initialise(model: nn.Module) -> None:
    """Draw convolutions from He's normal distribution: variance 2 / (outputs fed by an input)."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.BatchNorm2d):
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)


class ResNet(nn.Module):
    """The residual network for photographs. With `layers=(2, 2, 2, 2)` it is ResNet-18:

        layer                               output at 224x224   parameters
        conv1 64@7x7, stride 2, padding 3   (64, 112, 112)           9,408
        bn1, ReLU                           (64, 112, 112)             128
        maxpool 3x3, stride 2, padding 1    (64, 56, 56)                 -
        layer1, blocks of 64@3x3            (64, 56, 56)           147,968
        layer2, blocks of 128@3x3, stride 2 (128, 28, 28)          525,568
        layer3, blocks of 256@3x3, stride 2 (256, 14, 14)        2,099,712
        layer4, blocks of 512@3x3, stride 2 (512, 7, 7)          8,393,728
        avgpool                             (512, 1, 1)                  -
        fc                                  (10,)                    5,130

    11,181,642 parameters. Where a stage changes the shape, its shortcut is a 1x1 convolution and
    batch norm (option B).

    Shape: x (N, in_channels, H, W), H and W 32 or more -> logits (N, num_classes).

    Args:
        layers: how many blocks each of the four stages has.
        zero_init_residual: start with the second batch norm of each block at 0, so that each block
            starts as the identity (Goyal et al., 2017, arXiv:1706.02677).

    Source: He et al. (2015), table 1; in the form of torchvision.models.resnet18, which has 3
    channels and 1000 classes.
    """

    def __init__(
        self,
        layers: tuple[int, int, int, int],
        num_classes: int = 10,
        in_channels: int = 3,
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(64, 64, layers[0], stride=1)
        self.layer2 = self._stage(64, 128, layers[1], stride=2)
        self.layer3 = self._stage(128, 256, layers[2], stride=2)
        self.layer4 = self._stage(256, 512, layers[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, num_classes)
        initialise(self)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, BasicBlock):
                    nn.init.constant_(m.bn2.weight, 0)

    def _stage(self, in_planes: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
        downsample = None
        if stride != 1 or in_planes != planes:
            downsample = nn.Sequential(
                nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )
        first = BasicBlock(in_planes, planes, stride, downsample)
        return nn.Sequential(first, *(BasicBlock(planes, planes) for _ in range(1, blocks)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def resnet18(
    in_channels: int = 3, num_classes: int = 10, zero_init_residual: bool = False
) -> ResNet:
    """ResNet-18: four stages of two blocks. 11,181,642 parameters for 10 classes."""
    return ResNet((2, 2, 2, 2), num_classes, in_channels, zero_init_residual)


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
    """ResNet-20 for CIFAR-10: three stages of three blocks. 269,722 parameters for 10 classes."""
    return CifarResNet(3, num_classes, in_channels)
