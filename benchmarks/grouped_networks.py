"""Networks of grouped and depthwise convolutions for CIFAR, in either library.

Sources: Sandler et al. (2018), arXiv:1801.04381 (MobileNetV2); Ma et al. (2018), arXiv:1807.11164
(ShuffleNetV2); Tan and Le (2019), arXiv:1905.11946 (EfficientNet-B0, without drop connect); Xie et
al. (2016), arXiv:1611.05431 (ResNeXt-29, 2x64d). Their first strides are 1, as images are small.
"""

from __future__ import annotations

from typing import Any

__all__ = ["NETWORKS"]


def _mobilenet(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self, seen: int, made: int, expansion: int, stride: int) -> None:
            super().__init__()
            planes = expansion * seen
            self.layers = nn.Sequential(
                nn.Conv2d(seen, planes, 1, bias=False),
                nn.BatchNorm2d(planes),
                nn.ReLU6(),
                nn.Conv2d(planes, planes, 3, stride, 1, groups=planes, bias=False),
                nn.BatchNorm2d(planes),
                nn.ReLU6(),
                nn.Conv2d(planes, made, 1, bias=False),
                nn.BatchNorm2d(made),
            )
            self.skips = stride == 1 and seen == made

        def forward(self, x: Any) -> Any:
            return x + self.layers(x) if self.skips else self.layers(x)

    rows = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1)]
    rows += [(6, 160, 3, 2), (6, 320, 1, 1)]
    layers: list[Any] = [nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
    seen = 32
    for expansion, made, count, stride in rows:
        for i in range(count):
            layers.append(Block(seen, made, expansion, stride if i == 0 else 1))
            seen = made
    layers += [nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 10))


def _shufflenet(lib: Any) -> Any:
    nn = lib.nn

    def branch(seen: int, made: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(seen, made, 1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
            nn.Conv2d(made, made, 3, stride, 1, groups=made, bias=False),
            nn.BatchNorm2d(made),
            nn.Conv2d(made, made, 1, bias=False),
            nn.BatchNorm2d(made),
            nn.ReLU(),
        )

    def shuffled(x: Any) -> Any:
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).permute(0, 2, 1, 3, 4).reshape(n, c, h, w)

    class Basic(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.half = channels // 2
            self.right = branch(self.half, self.half, 1)

        def forward(self, x: Any) -> Any:
            left, right = x[:, : self.half], x[:, self.half :]
            return shuffled(lib.cat([left, self.right(right)], 1))

    class Down(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self, seen: int, made: int) -> None:
            super().__init__()
            self.left = nn.Sequential(
                nn.Conv2d(seen, seen, 3, 2, 1, groups=seen, bias=False),
                nn.BatchNorm2d(seen),
                nn.Conv2d(seen, made // 2, 1, bias=False),
                nn.BatchNorm2d(made // 2),
                nn.ReLU(),
            )
            self.right = branch(seen, made // 2, 2)

        def forward(self, x: Any) -> Any:
            return shuffled(lib.cat([self.left(x), self.right(x)], 1))

    layers: list[Any] = [nn.Conv2d(3, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU()]
    seen = 24
    for made, count in ((116, 3), (232, 7), (464, 3)):
        layers += [Down(seen, made), *[Basic(made) for _ in range(count)]]
        seen = made
    layers += [nn.Conv2d(464, 1024, 1, bias=False), nn.BatchNorm2d(1024), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10))


def _efficientnet(lib: Any) -> Any:
    nn, F = lib.nn, lib.nn.functional

    def swish(x: Any) -> Any:
        return x * x.sigmoid()

    class Block(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self, seen: int, made: int, kernel: int, stride: int, expansion: int) -> None:
            super().__init__()
            planes = expansion * seen
            self.expands, self.skips = expansion != 1, stride == 1 and seen == made
            self.conv1 = nn.Conv2d(seen, planes, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            options: Any = {"groups": planes, "bias": False}
            self.conv2 = nn.Conv2d(planes, planes, kernel, stride, kernel // 2, **options)
            self.bn2 = nn.BatchNorm2d(planes)
            self.se1, self.se2 = nn.Conv2d(planes, seen // 4, 1), nn.Conv2d(seen // 4, planes, 1)
            self.conv3 = nn.Conv2d(planes, made, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(made)

        def forward(self, x: Any) -> Any:
            y = swish(self.bn1(self.conv1(x))) if self.expands else x
            y = swish(self.bn2(self.conv2(y)))
            gate = self.se2(swish(self.se1(F.adaptive_avg_pool2d(y, 1)))).sigmoid()
            y = self.bn3(self.conv3(y * gate))
            return y + x if self.skips else y

    class Net(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32)
            rows = [(1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2)]
            rows += [(6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)]
            blocks, seen = [], 32
            for expansion, made, count, kernel, stride in rows:
                for i in range(count):
                    blocks.append(Block(seen, made, kernel, stride if i == 0 else 1, expansion))
                    seen = made
            self.blocks, self.linear = nn.Sequential(*blocks), nn.Linear(320, 10)

        def forward(self, x: Any) -> Any:
            y = self.blocks(swish(self.bn1(self.conv1(x))))
            return self.linear(F.adaptive_avg_pool2d(y, 1).flatten(1))

    return Net()


def _resnext(lib: Any) -> Any:
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined] # of either library
        def __init__(self, seen: int, width: int, stride: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(seen, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, stride, 1, groups=2, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, 2 * width, 1, bias=False),
                nn.BatchNorm2d(2 * width),
            )
            self.short = nn.Sequential()
            if stride != 1 or seen != 2 * width:
                self.short = nn.Sequential(
                    nn.Conv2d(seen, 2 * width, 1, stride, bias=False), nn.BatchNorm2d(2 * width)
                )
            self.relu = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.relu(self.layers(x) + self.short(x))

    layers: list[Any] = [nn.Conv2d(3, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    seen = 64
    for width, stride in ((128, 1), (256, 2), (512, 2)):
        for i in range(3):
            layers.append(Block(seen, width, stride if i == 0 else 1))
            seen = 2 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10))


NETWORKS = {
    "mobilenetv2": _mobilenet,
    "shufflenetv2": _shufflenet,
    "efficientnet": _efficientnet,
    "resnext": _resnext,
}
