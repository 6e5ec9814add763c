"""Residual networks: ResNet-18 to ResNet-152, for photographs.

Source: He, Zhang, Ren, Sun (2015), Deep residual learning for image recognition,
arXiv:1512.03385. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

Norm = Callable[[int], nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size at stride 1; batch norm follows, so without bias."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        3,
        stride=stride,
        padding=dilation,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution, without bias as well."""
    return nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: y = relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)).

    Shape: x (N, inplanes, H, W) -> (N, planes, H/stride, W/stride), rounded up.

    Args:
        downsample: the shortcut where the shape changes; None is the identity.
        groups, base_width, dilation: 1, 64 and 1: others are Bottleneck's.
        norm_layer: makes a norm of so many channels; None is BatchNorm2d.

    Example:
        >>> npnet.models.BasicBlock(16, 16)(npnet.zeros(8, 16, 8, 8)).shape
        (8, 16, 8, 8)
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise NotImplementedError("Dilation > 1 not supported in BasicBlock")
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution and a shortcut, four times as wide outside as within.

    Shape: x (N, inplanes, H, W) -> (N, 4 * planes, H/stride, W/stride), rounded up.

    The stride is that of the 3x3 convolution, as in torchvision; He et al. have it in the first.

    Args:
        groups: of the 3x3 convolution.
        base_width: channels of a group for planes=64.
        downsample, norm_layer: as BasicBlock takes them.

    Example:
        >>> shortcut = nn.Sequential(nn.Conv2d(16, 32, 1, stride=2), nn.BatchNorm2d(32))
        >>> block = npnet.models.Bottleneck(16, 8, stride=2, downsample=shortcut)
        >>> block(npnet.zeros(8, 16, 8, 8)).shape
        (8, 32, 4, 4)
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += identity
        return self.relu(out)


Block = type[BasicBlock] | type[Bottleneck]


def initialise(model: nn.Module) -> None:
    """Draw convolutions from He's normal distribution: variance 2 / (outputs fed by an input)."""
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)) and m.weight is not None:
            nn.init.constant_(m.weight, 1)
            nn.init.constant_(m.bias, 0)


class ResNet(nn.Module):
    """The residual network for photographs. Of BasicBlocks, `layers=(2, 2, 2, 2)`, it is ResNet-18:

        layer                               output at 224x224   parameters
        conv1 64@7x7, stride 2, padding 3   (64, 112, 112)           9,408
        bn1, ReLU                           (64, 112, 112)             128
        maxpool 3x3, stride 2, padding 1    (64, 56, 56)                 -
        layer1, blocks of 64@3x3            (64, 56, 56)           147,968
        layer2, blocks of 128@3x3, stride 2 (128, 28, 28)          525,568
        layer3, blocks of 256@3x3, stride 2 (256, 14, 14)        2,099,712
        layer4, blocks of 512@3x3, stride 2 (512, 7, 7)          8,393,728
        avgpool                             (512, 1, 1)                  -
        fc, of 10 classes                   (10,)                    5,130

    11,181,642 parameters. Where a stage changes the shape, its shortcut is a 1x1 convolution and
    batch norm (option B).

    Shape: x (N, in_channels, H, W), H and W 32 or more -> logits (N, num_classes).

    Args:
        block: BasicBlock or Bottleneck.
        layers: how many blocks each of the four stages has.
        zero_init_residual: start with the last batch norm of each block at 0, so that each block
            starts as the identity (Goyal et al., 2017, arXiv:1706.02677).
        groups, width_per_group: of the 3x3 convolutions of Bottleneck.
        replace_stride_with_dilation: for each of the last three stages, whether it keeps the size
            and its convolutions are dilated.
        norm_layer: makes a norm of so many channels; None is BatchNorm2d.
        in_channels: of the images.

    Example:
        >>> block = npnet.models.BasicBlock
        >>> model = npnet.models.ResNet(block, (1, 1, 1, 1), num_classes=10, in_channels=1)
        >>> model.eval()(npnet.zeros(2, 1, 32, 32)).shape
        (2, 10)

    Source: He et al. (2015), table 1; in the form of torchvision.models.ResNet.
    """

    def __init__(
        self,
        block: Block,
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
        *,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise ValueError(
                f"ResNet: replace_stride_with_dilation must have 3 values, got {list(dilate)}"
            )
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2, dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], 2, dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], 2, dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        initialise(self)
        if zero_init_residual:
            for m in self.modules():
                if isinstance(m, (BasicBlock, Bottleneck)):
                    last = m.bn2 if isinstance(m, BasicBlock) else m.bn3
                    nn.init.constant_(last.weight, 0)

    def _make_layer(
        self, block: Block, planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        before = self.dilation
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        wide, downsample = planes * block.expansion, None
        if stride != 1 or self.inplanes != wide:
            shortcut = conv1x1(self.inplanes, wide, stride)
            downsample = nn.Sequential(shortcut, self._norm_layer(wide))
        widths, norm = (self.groups, self.base_width), self._norm_layer
        made = [block(self.inplanes, planes, stride, downsample, *widths, before, norm)]
        self.inplanes = wide
        made += [
            block(wide, planes, 1, None, *widths, self.dilation, norm) for _ in range(1, blocks)
        ]
        return nn.Sequential(*made)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(x)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def resnet18(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-18: four stages of two blocks. 11,689,512 parameters for 1000 classes.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what ResNet takes besides.

    Example:
        >>> sum(p.numel() for p in npnet.models.resnet18().parameters())
        11689512
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), **refuse_weights("resnet18", weights, options))


def resnet34(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-34: stages of 3, 4, 6 and 3 blocks; arguments are resnet18's."""
    return ResNet(BasicBlock, (3, 4, 6, 3), **refuse_weights("resnet34", weights, options))


def resnet50(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-50: stages of 3, 4, 6 and 3 bottlenecks; arguments are resnet18's."""
    return ResNet(Bottleneck, (3, 4, 6, 3), **refuse_weights("resnet50", weights, options))


def resnet101(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-101: stages of 3, 4, 23 and 3 bottlenecks; arguments are resnet18's."""
    return ResNet(Bottleneck, (3, 4, 23, 3), **refuse_weights("resnet101", weights, options))


def resnet152(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-152: stages of 3, 8, 36 and 3 bottlenecks; arguments are resnet18's."""
    return ResNet(Bottleneck, (3, 8, 36, 3), **refuse_weights("resnet152", weights, options))


def resnext50_32x4d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-50 in 32 groups of 4 channels; arguments are resnet18's.

    Source: Xie et al. (2016), Aggregated residual transformations, arXiv:1611.05431.
    """
    return resnet50(weights, progress, **{"groups": 32, "width_per_group": 4, **options})


def resnext101_32x8d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-101 in 32 groups of 8 channels; arguments are resnet18's."""
    return resnet101(weights, progress, **{"groups": 32, "width_per_group": 8, **options})


def resnext101_64x4d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-101 in 64 groups of 4 channels; arguments are resnet18's."""
    return resnet101(weights, progress, **{"groups": 64, "width_per_group": 4, **options})


def wide_resnet50_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-50, twice as wide within; arguments are resnet18's.

    Source: Zagoruyko and Komodakis (2016), Wide residual networks, arXiv:1605.07146.
    """
    return resnet50(weights, progress, **{"width_per_group": 128, **options})


def wide_resnet101_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-101, twice as wide within; arguments are resnet18's."""
    return resnet101(weights, progress, **{"width_per_group": 128, **options})
