"""The windows of a node, on images or signals, in whatever way it writes their padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet.base.checks import ShapeError
from npnet.onnx.reading import Node
from npnet.ops.windows import Window
from npnet.tensor import Tensor

__all__ = ["Windows", "back", "counted", "images"]


def counted(node: Node, name: str, count: int, default: Sequence[int]) -> tuple[int, ...]:
    """Numbers of an attribute, so many as there are axes."""
    values = tuple(node.get(name) or default)
    if len(values) != count:
        raise node.unread(f"{name} has {len(values)} numbers for {count} axes")
    return values


class Windows:
    """The windows of a node on images or signals, whatever way their padding is written.

    Attributes:
        dims: 2 of images, 1 of signals.
    """

    def __init__(self, node: Node, kernel: Sequence[int]) -> None:
        self.dims = len(kernel)
        if self.dims not in (1, 2):
            raise node.unread(f"windows of {self.dims} axes; npnet has them of 1 and 2")
        ones = [1] * self.dims
        self.kernel = tuple(kernel)
        self.stride = counted(node, "strides", self.dims, ones)
        self.dilation = counted(node, "dilations", self.dims, ones)
        self.auto = node.get("auto_pad", "NOTSET")
        pads = counted(node, "pads", 2 * self.dims, [0] * 2 * self.dims)
        if min(pads) < 0:
            raise node.unread(f"pads are negative: {pads}")
        self.pads = tuple(zip(pads[: self.dims], pads[self.dims :], strict=True))
        self.ceil = bool(node.get("ceil_mode", 0))
        if self.auto == "VALID":
            self.pads = ((0, 0),) * self.dims
        if self.auto in ("SAME_UPPER", "SAME_LOWER") and set(self.stride) == {1}:
            self.pads, self.auto = self._same([0] * self.dims), "NOTSET"

    @property
    def extent(self) -> list[int]:
        """How many pixels a window spans along each axis."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]

    @property
    def even(self) -> tuple[int, ...] | None:
        """The padding where it is the same on both sides, as PyTorch's layers have it."""
        if self.auto not in ("NOTSET", "VALID") or any(a != b for a, b in self.pads):
            return None
        return tuple(a for a, _ in self.pads)

    def _same(self, size: Sequence[int]) -> tuple[tuple[int, int], ...]:
        pads = []
        for n, s, e in zip(size, self.stride, self.extent, strict=True):
            total = max((-(-n // s) - 1) * s + e - n, 0) if s > 1 else e - 1
            half = total // 2
            pads.append((half, total - half) if self.auto == "SAME_UPPER" else (total - half, half))
        return tuple(pads)

    def placed(self, pads: Sequence[tuple[int, int]]) -> Window:
        """The windows with this padding; signals are images of one row."""
        numbers: Any = [self.kernel, self.stride, self.dilation]
        around: Any = tuple(pads)
        if self.dims == 1:
            numbers, around = [(1, n) for (n,) in numbers], ((0, 0), *around)
        kernel, stride, dilation = numbers
        return Window(kernel, stride, around, dilation, self.ceil)

    def on(self, size: Sequence[int]) -> Window:
        """The windows on images of a size."""
        window = self.placed(self._same(size) if self.auto.startswith("SAME") else self.pads)
        if min(window.output_size((1, *size)[-2:])) < 1:
            raise ShapeError(
                f"the kernel {self.kernel} is larger than the padded input {tuple(size)}"
            )
        return window

    def text(self) -> str:
        """The options as in the `repr` of PyTorch's layers."""
        parts = [f"kernel_size={self.kernel}", f"stride={self.stride}"]
        if self.auto.startswith("SAME"):
            parts.append(f"auto_pad={self.auto}")
        elif any(map(any, self.pads)):
            parts.append(f"padding={self.pads}")
        if set(self.dilation) != {1}:
            parts.append(f"dilation={self.dilation}")
        return ", ".join([*parts, *(["ceil_mode=True"] if self.ceil else [])])


def images(windows: Windows, node: Node, x: Tensor) -> Tensor:
    if x.ndim != windows.dims + 2:
        raise ShapeError(f"{node.kind}: takes {windows.dims + 2} axes, got {tuple(x.shape)}")
    return x if windows.dims == 2 else x.unsqueeze(2)


def back(windows: Windows, y: Tensor) -> Tensor:
    return y if windows.dims == 2 else y.squeeze(2)
