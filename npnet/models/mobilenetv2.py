"""MobileNetV2: depthwise convolutions between narrow layers.

Source: Sandler et al. (2018), MobileNetV2: Inverted residuals and linear bottlenecks,
arXiv:1801.04381, table 2. Names of layers, and so of weights, are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from npnet import Tensor, nn
from npnet.models.weights import refuse_weights

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

Norm = Callable[[int], nn.Module]
# Expansion, channels, blocks and stride of each stage.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Conv2dNormActivation(nn.Sequential):
    """A convolution that keeps the size at stride 1, a norm and ReLU6."""

    def __init__(
        self, inp: int, oup: int, size: int, stride: int, norm: Norm, groups: int = 1
    ) -> None:
        convolution = nn.Conv2d(inp, oup, size, stride, (size - 1) // 2, groups=groups, bias=False)
        super().__init__(convolution, norm(oup), nn.ReLU6(inplace=True))
        self.out_channels = oup


class InvertedResidual(nn.Module):
    """Widened by a 1x1 convolution, a depthwise 3x3 one, narrowed by a 1x1 one; and x itself added
    where the shape stays.

    Shape: x (N, inp, H, W) -> (N, oup, H/stride, W/stride), rounded up.
    """

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: float,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride must be 1 or 2, got {stride}")
        norm = norm_layer or nn.BatchNorm2d
        wide = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        widen = [] if expand_ratio == 1 else [Conv2dNormActivation(inp, wide, 1, 1, norm)]
        self.conv = nn.Sequential(
            *widen,
            Conv2dNormActivation(wide, wide, 3, stride, norm, groups=wide),
            nn.Conv2d(wide, oup, 1, bias=False),
            norm(oup),
        )
        self.out_channels = oup

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Shape: x (N, 3, H, W) -> logits (N, num_classes).

    Args:
        width_mult: all channels times this, rounded to multiples of `round_nearest`.
        inverted_residual_setting: expansion, channels, blocks and stride of each stage; None is
            the paper's.
        block: what stages are made of; None is InvertedResidual.
        norm_layer: makes a norm of so many channels; None is BatchNorm2d.
        dropout: before the fully connected layer.

    Example:
        >>> model = npnet.models.MobileNetV2(num_classes=10, width_mult=0.25).eval()
        >>> model(npnet.zeros(1, 3, 32, 32)).shape
        (1, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or len(stages[0]) != 4:
            raise ValueError(
                "MobileNetV2: inverted_residual_setting must have stages of 4 numbers, got "
                f"{stages}"
            )
        channels = _divisible(32 * width_mult, round_nearest)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [Conv2dNormActivation(3, channels, 3, 2, norm)]
        for expansion, width, count, stride in stages:
            wide = _divisible(width * width_mult, round_nearest)
            for i in range(count):
                step = stride if i == 0 else 1
                made = block(channels, wide, step, expand_ratio=expansion, norm_layer=norm)
                features.append(made)
                channels = wide
        features.append(Conv2dNormActivation(channels, self.last_channel, 1, 1, norm))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


def _initialise(model: nn.Module) -> None:
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out")
        elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
            nn.init.ones_(m.weight)
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, 0, 0.01)
        else:
            continue
        if m.bias is not None:
            nn.init.zeros_(m.bias)


def _divisible(value: float, divisor: int) -> int:
    """The nearest multiple, but not a tenth less."""
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near if near >= 0.9 * value else near + divisor


def mobilenet_v2(weights: Any = None, progress: bool = True, **options: Any) -> MobileNetV2:
    """MobileNetV2: 3,504,872 parameters for 1000 classes.

    Args:
        weights: None: npnet has no pretrained weights.
        progress: of their download; without effect.
        options: what MobileNetV2 takes besides.

    Example:
        >>> sum(p.numel() for p in npnet.models.mobilenet_v2().parameters())
        3504872
    """
    return MobileNetV2(**refuse_weights("mobilenet_v2", weights, options))
