"""How convolutions and pools are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from npnet import nn
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.onnx.reading import Layer, Node, filled, prefix_of, reads
from npnet.onnx.windows import Windows, back, counted, images
from npnet.ops.conv import Conv2d as ConvOp
from npnet.ops.conv_transpose import ConvTranspose2d as ConvTransposeOp
from npnet.ops.pool import AvgPool2d as AvgPoolOp
from npnet.ops.pool import MaxPool2d as MaxPoolOp
from npnet.tensor import Tensor

# ---- convolutions --------------------------------------------------------------------------------


def _bias_of(channels: int, dims: int) -> Callable[[Array], Array | None]:
    """A constant (1, C, 1, 1) as the bias of a convolution; None where it is something else."""

    def column(value: Array) -> Array | None:
        shape = (1,) * (dims + 2 - value.ndim) + value.shape
        if shape not in ((1, channels, *[1] * dims), (channels, *[1] * dims)):
            return None
        return value.reshape(channels)

    return column


def _check_kernel(node: Node, kernel: Sequence[int], weight: Array | None) -> None:
    """Before a layer is made, for which memory is taken."""
    if weight is not None and tuple(kernel) != weight.shape[2:]:
        raise ValueError(f"{node}: kernel_shape {kernel} with a weight {weight.shape}")


@reads("Conv")
def _conv(node: Node) -> Layer:
    weight, groups = node.const(1), node.get("group", 1)
    kernel = node.get("kernel_shape") or (None if weight is None else weight.shape[2:])
    if kernel is None:
        raise node.unread("neither kernel_shape nor a constant weight says how large it is")
    _check_kernel(node, kernel, weight)
    windows = Windows(node, kernel)
    plain = weight is not None and not (node.has(2) and node.const(2) is None)
    if not plain or windows.even is None:
        return _conv_op(node, windows, groups)
    assert weight is not None
    kind: Any = nn.Conv2d if windows.dims == 2 else nn.Conv1d
    options = {"stride": windows.stride, "padding": windows.even, "dilation": windows.dilation}
    module = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        windows.kernel,
        groups=groups,
        bias=False,
        **options,
    )
    layer = Layer(filled(node, module, node.parameter(1), 2), [0], prefix_of(node.name_of(1)))
    if not node.has(2):
        node.reader.unbiased[node.outputs[0]] = layer, _bias_of(weight.shape[0], windows.dims)
    return layer


class Convolution(nn.Module):
    """A convolution whose padding differs from side to side, or follows from the image's size."""

    bias: Any

    def __init__(self, node: Node, windows: Windows, groups: int) -> None:
        super().__init__()
        self.windows, self.groups, self.node = windows, groups, str(node.kind)
        self.weight = node.parameter(1)
        self.register_parameter("bias", node.parameter(2) if node.has(2) else None)

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(self.windows, self.groups, x, self.weight, self.bias)

    def extra_repr(self) -> str:
        o, c = self.weight.shape[:2]
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return (
            f"{c * self.groups}, {o}, {self.windows.text()}{groups}, bias={self.bias is not None}"
        )


def _convolve(windows: Windows, groups: int, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    if x.ndim != windows.dims + 2 or x.shape[1] != w.shape[1] * groups:
        raise ShapeError(f"Conv: weight {tuple(w.shape)} does not take an input {tuple(x.shape)}")
    window = windows.on(x.shape[2:])
    image, weight = (x, w) if windows.dims == 2 else (x.unsqueeze(2), w.unsqueeze(2))
    y = ConvOp(window, groups)(*((image, weight) if b is None else (image, weight, b)))
    return back(windows, y)


def _conv_op(node: Node, windows: Windows, groups: int) -> Layer:
    weight = node.const(1)
    if weight is not None and not (node.has(2) and node.const(2) is None):
        layer = Layer(Convolution(node, windows, groups), [0], prefix_of(node.name_of(1)))
        if not node.has(2):
            node.reader.unbiased[node.outputs[0]] = layer, _bias_of(weight.shape[0], windows.dims)
        return layer

    def compute(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return _convolve(windows, groups, x, w, b)

    return node.op(compute, windows.text())


@reads("ConvTranspose")
def _conv_transpose(node: Node) -> Layer:
    weight, groups = node.const(1), node.get("group", 1)
    if weight is None:
        raise node.unread("its weight is computed from the input")
    kernel = node.get("kernel_shape") or weight.shape[2:]
    _check_kernel(node, kernel, weight)
    windows = Windows(node, kernel)
    added = counted(node, "output_padding", windows.dims, [0] * windows.dims)
    shape = node.get("output_shape")
    simple = windows.even is not None and shape is None and windows.auto in ("NOTSET", "VALID")
    if simple and all(
        a < max(s, d) for a, s, d in zip(added, windows.stride, windows.dilation, strict=True)
    ):
        kind: Any = nn.ConvTranspose2d if windows.dims == 2 else nn.ConvTranspose1d
        module = kind(
            weight.shape[0],
            weight.shape[1] * groups,
            windows.kernel,
            windows.stride,
            windows.even,
            added,
            groups,
            False,
            windows.dilation,
        )
        name = prefix_of(node.name_of(1))
        return Layer(filled(node, module, node.parameter(1), 2), [0], name)

    def compute(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        sizes, pads = _transposed(windows, x.shape[2:], added, shape)
        window = windows.placed(pads)
        size: Any = (1, *sizes)[-2:]
        image, kernel = images(windows, node, x), w if windows.dims == 2 else w.unsqueeze(2)
        apply = ConvTransposeOp(window, groups, size)
        return back(windows, apply(*((image, kernel) if b is None else (image, kernel, b))))

    return node.op(compute, windows.text())


def _transposed(
    windows: Windows, size: Sequence[int], added: Sequence[int], shape: Sequence[int] | None
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """How large the result is, and what is cut off. Source: the operator's text, opset 11."""
    sizes: list[int] = []
    pads: list[tuple[int, int]] = []
    wanted = None if shape is None else shape[-windows.dims :]
    for i, (n, s, e) in enumerate(zip(size, windows.stride, windows.extent, strict=True)):
        full = s * (n - 1) + added[i] + e
        if wanted is None and not windows.auto.startswith("SAME"):
            pad = windows.pads[i]
            sizes.append(full - sum(pad))
        else:
            sizes.append(n * s if wanted is None else wanted[i])
            total = max(full - sizes[-1], 0)
            half = total // 2
            pad = (half, total - half) if windows.auto == "SAME_UPPER" else (total - half, half)
        pads.append((pad[0], max(pad[1] - added[i], 0)))
    return tuple(sizes), pads


# ---- pools ---------------------------------------------------------------------------------------


@reads("MaxPool")
def _max_pool(node: Node) -> Layer:
    windows = Windows(node, node.get("kernel_shape") or ())
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.unread("places of maxima are not given")
    even = windows.even
    if even is not None and all(p <= k // 2 for p, k in zip(even, windows.kernel, strict=True)):
        kind = nn.MaxPool2d if windows.dims == 2 else nn.MaxPool1d
        return Layer(
            kind(
                _one(windows.kernel),
                _one(windows.stride),
                _one(even),
                _one(windows.dilation),
                ceil_mode=windows.ceil,
            ),
            [0],
        )

    def compute(x: Tensor) -> Tensor:
        return back(windows, MaxPoolOp(windows.on(x.shape[2:]))(images(windows, node, x)))

    return node.op(compute, windows.text())


def _one(values: tuple[int, ...]) -> Any:
    """One number for equal ones, as people write it."""
    return values[0] if len({*values}) == 1 else values


@reads("AveragePool")
def _avg_pool(node: Node) -> Layer:
    windows = Windows(node, node.get("kernel_shape") or ())
    counted = bool(node.get("count_include_pad", 0))
    if set(windows.dilation) != {1}:
        raise node.unread("means of dilated windows")
    even = windows.even
    if even is not None and all(p <= k // 2 for p, k in zip(even, windows.kernel, strict=True)):
        kind = nn.AvgPool2d if windows.dims == 2 else nn.AvgPool1d
        whole = counted or not any(even)  # without padding it is all one
        return Layer(
            kind(_one(windows.kernel), _one(windows.stride), _one(even), windows.ceil, whole), [0]
        )

    def compute(x: Tensor) -> Tensor:
        image = images(windows, node, x)
        return back(windows, AvgPoolOp(windows.on(x.shape[2:]), counted, None)(image))

    return node.op(compute, f"{windows.text()}, count_include_pad={counted}")


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(node: Node) -> Layer:
    if node.rank() == 4:
        kind = nn.AdaptiveAvgPool2d if node.kind == "GlobalAveragePool" else nn.AdaptiveMaxPool2d
        return Layer(kind(1), [0])

    def compute(x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        return (
            x.mean(axes, keepdim=True) if node.kind == "GlobalAveragePool" else x.amax(axes, True)
        )

    return node.op(compute)
