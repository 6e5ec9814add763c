"""ShuffleNetV2: half of the channels pass by, and are shuffled with those of the other half.

Source: Ma et al. (2018), ShuffleNet V2: Practical guidelines for efficient CNN architecture design,
arXiv:1807.11164, table 5. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import npnet
from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = [
    "ShuffleNetV2",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The first channel of each group, then the second of each, and so on."""
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


class _Unit(nn.Module):
    """Shape: x (N, inp, H, W) -> (N, oup, H/stride, W/stride), rounded up."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError(f"ShuffleNetV2: stride must be 1 to 3, got {stride}")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(
                f"ShuffleNetV2: a unit of stride 1 keeps its channels, got {inp} and {oup}"
            )
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(inp, inp, 3, stride, 1, bias=False, groups=inp),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.ReLU(inplace=True),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, stride, 1, bias=False, groups=half),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            half = x.shape[1] // 2
            parts = [x[:, :half], self.branch2(x[:, half:])]
        else:
            parts = [self.branch1(x), self.branch2(x)]
        return channel_shuffle(npnet.cat(parts, 1), 2)


_Unit.__name__ = _Unit.__qualname__ = "InvertedResidual"


class ShuffleNetV2(nn.Module):
    """Shape: x (N, 3, H, W) -> logits (N, num_classes).

    Args:
        stages_repeats: units of each of the three stages.
        stages_out_channels: of the first convolution, of the stages, and of the last convolution.
        inverted_residual: what stages are made of.

    Example:
        >>> model = npnet.models.ShuffleNetV2([1, 1, 1], [8, 16, 32, 64, 128], num_classes=10)
        >>> model.eval()(npnet.zeros(2, 3, 32, 32)).shape
        (2, 10)
    """

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = _Unit,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3 or len(stages_out_channels) != 5:
            raise ValueError(
                "ShuffleNetV2: takes 3 stages_repeats and 5 stages_out_channels, got "
                f"{len(stages_repeats)} and {len(stages_out_channels)}"
            )
        channels, *widths, last = stages_out_channels
        self.conv1 = _convolution(3, channels, 3, 2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (repeats, width) in enumerate(zip(stages_repeats, widths, strict=True), start=2):
            units = [inverted_residual(channels, width, 2)]
            units += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{i}", nn.Sequential(*units))
            channels = width
        self.conv5 = _convolution(channels, last, 1, 1)
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


def _convolution(inp: int, oup: int, size: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inp, oup, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(oup), nn.ReLU(inplace=True))


def _made(name: str, widths: Sequence[int], weights: Any, options: dict[str, Any]) -> ShuffleNetV2:
    return ShuffleNetV2((4, 8, 4), widths, **refuse_weights(name, weights, options))


def shufflenet_v2_x0_5(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Half as wide as shufflenet_v2_x1_0.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what ShuffleNetV2 takes besides.

    Example:
        >>> model = npnet.models.shufflenet_v2_x0_5(num_classes=10).eval()
        >>> model(npnet.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """
    return _made("shufflenet_v2_x0_5", (24, 48, 96, 192, 1024), weights, options)


def shufflenet_v2_x1_0(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Stages of 116, 232 and 464 channels; arguments are shufflenet_v2_x0_5's.

    Example:
        >>> sum(p.numel() for p in npnet.models.shufflenet_v2_x1_0().parameters())
        2278604
    """
    return _made("shufflenet_v2_x1_0", (24, 116, 232, 464, 1024), weights, options)


def shufflenet_v2_x1_5(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Half as wide again as shufflenet_v2_x1_0; arguments are shufflenet_v2_x0_5's.

    Example:
        >>> sum(p.numel() for p in npnet.models.shufflenet_v2_x1_5().parameters())
        3503624
    """
    return _made("shufflenet_v2_x1_5", (24, 176, 352, 704, 1024), weights, options)


def shufflenet_v2_x2_0(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Twice as wide as shufflenet_v2_x1_0; arguments are shufflenet_v2_x0_5's.

    Example:
        >>> sum(p.numel() for p in npnet.models.shufflenet_v2_x2_0().parameters())
        7393996
    """
    return _made("shufflenet_v2_x2_0", (24, 244, 488, 976, 2048), weights, options)
