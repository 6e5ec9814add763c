"""GoogLeNet: inception blocks, four branches of different width beside each other.

Source: Szegedy et al. (2015), Going deeper with convolutions, arXiv:1409.4842, table 1, with batch
norms. Names of layers, and so of weights, are torchvision's; the branch of 5x5 has 3x3 as there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import npnet
from npnet import Tensor, nn
from npnet.models.weights import refuse_weights
from npnet.nn import functional as F

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]

Block = Callable[..., nn.Module]


class GoogLeNetOutputs(NamedTuple):
    """The logits, and in training those of the two classifiers on the way, the later one first.

    Example:
        >>> npnet.models.GoogLeNetOutputs._fields
        ('logits', 'aux_logits2', 'aux_logits1')
    """

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    """A convolution without bias, a batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """1x1, 1x1 to 3x3 twice, and pooling to 1x1, beside each other.

    Shape: x (N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Block | None = None,
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return npnet.cat([branch(x) for branch in branches], 1)


class InceptionAux(nn.Module):
    """A classifier on the way, for training alone.  Shape: (N, in_channels, H, W) -> logits."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: Block | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


# Name, and arguments, of each inception block; one number is the window of max pooling.
_BLOCKS: dict[str, tuple[int, ...]] = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "maxpool3": (3,),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "maxpool4": (2,),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}
# Which classifier stands after which block.
_AUX = {"inception4a": "aux1", "inception4d": "aux2"}
# The means and deviations of ImageNet, which torchvision's weights of old were not trained with.
_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class GoogLeNet(nn.Module):
    """Shape: x (N, 3, H, W), H and W 15 or more -> logits (N, num_classes).

    Args:
        aux_logits: whether there are classifiers on the way, whose logits are given in training.
        transform_input: whether images are normalized by ImageNet's means and are to be by 0.5.
        init_weights: draw weights as torchvision did of old; default True, with its warning.
        blocks: other classes for convolution, inception block and classifier on the way.
        dropout, dropout_aux: before the last layer of the network and of those classifiers.

    Example:
        >>> model = npnet.models.GoogLeNet(num_classes=10, aux_logits=False, init_weights=False)
        >>> model.eval()(npnet.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Sequence[Block] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        if init_weights is None:
            warnings.warn(
                "The default weight initialization of GoogleNet will be changed in future releases "
                "of torchvision. If you wish to keep the old behavior (which leads to long "
                "initialization times due to scipy/scipy#11299), please set init_weights=True.",
                FutureWarning,
                stacklevel=2,
            )
            init_weights = True
        chosen: Sequence[Block] = blocks or (BasicConv2d, Inception, InceptionAux)
        conv, inception, aux = chosen
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, sizes in _BLOCKS.items():
            is_pool = len(sizes) == 1
            block = nn.MaxPool2d(sizes[0], 2, ceil_mode=True) if is_pool else inception(*sizes)
            setattr(self, name, block)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            self._draw_weights()

    def _draw_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    def _normalized(self, x: Tensor) -> Tensor:
        scale = npnet.tensor(_DEVIATIONS, dtype=x.dtype)[:, None, None] / 0.5
        shift = (npnet.tensor(_MEANS, dtype=x.dtype)[:, None, None] - 0.5) / 0.5
        return x * scale + shift

    def forward(self, x: Tensor) -> Any:
        x = self._normalized(x) if self.transform_input else x
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        found: dict[str, Tensor] = {}
        for name in _BLOCKS:
            x = getattr(self, name)(x)
            classify = getattr(self, _AUX[name]) if name in _AUX and self.training else None
            if classify is not None:
                found[_AUX[name]] = classify(x)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(logits, found.get("aux2"), found.get("aux1"))
        return logits


def googlenet(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> GoogLeNet:
    """GoogLeNet with the arguments of its class; 13 million parameters, 6.6 without `aux_logits`.

    `weights` must be None, and `progress` has nothing to show.

    Example:
        >>> model = npnet.models.googlenet(num_classes=10, aux_logits=False, init_weights=False)
        >>> sum(p.numel() for p in model.parameters())
        5610154
    """
    return GoogLeNet(**refuse_weights("googlenet", weights, kwargs))
