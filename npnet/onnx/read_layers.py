"""How layers are read: convolutions, linear layers, pools, norms, tables, recurrent layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import npnet.nn.functional as F
from npnet import nn
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.onnx.reading import Layer, Node, prefix_of, reads
from npnet.ops.conv import Conv2d as ConvOp
from npnet.ops.conv_transpose import ConvTranspose2d as ConvTransposeOp
from npnet.ops.pool import AvgPool2d as AvgPoolOp
from npnet.ops.pool import MaxPool2d as MaxPoolOp
from npnet.ops.windows import Pair, Window
from npnet.tape import result
from npnet.tensor import Tensor


# ---- windows -------------------------------------------------------------------------------------


def _counted(node: Node, name: str, count: int, default: Sequence[int]) -> tuple[int, ...]:
    """Numbers of an attribute, so many as there are axes."""
    values = tuple(node.get(name) or default)
    if len(values) != count:
        raise node.unread(f"{name} has {len(values)} numbers for {count} axes")
    return values


class _Windows:
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
        self.stride = _counted(node, "strides", self.dims, ones)
        self.dilation = _counted(node, "dilations", self.dims, ones)
        self.auto = node.get("auto_pad", "NOTSET")
        pads = _counted(node, "pads", 2 * self.dims, [0] * 2 * self.dims)
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

    def on(self, size: Sequence[int]) -> Window:
        """The windows on images of a size; signals are images of one row."""
        pads = self._same(size) if self.auto.startswith("SAME") else self.pads
        row = self.dims == 1
        values = [
            ((1, v[0]) if row else v) for v in (self.kernel, self.stride, self.dilation)
        ]
        around = ((0, 0), pads[0]) if row else pads
        window = Window(values[0], values[1], around, values[2], self.ceil)  # type: ignore[arg-type]
        if min(window.output_size((1, *size) if row else tuple(size))) < 1:
            raise ShapeError(f"the kernel {self.kernel} is larger than the padded input {tuple(size)}")
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


def _images(windows: _Windows, node: Node, x: Tensor) -> Tensor:
    if x.ndim != windows.dims + 2:
        raise ShapeError(f"{node.kind}: takes {windows.dims + 2} axes, got {tuple(x.shape)}")
    return x if windows.dims == 2 else x.unsqueeze(2)


def _back(windows: _Windows, y: Tensor) -> Tensor:
    return y if windows.dims == 2 else y.squeeze(2)


# ---- convolutions --------------------------------------------------------------------------------


def _bias_of(channels: int, dims: int) -> Callable[[Array], Array | None]:
    """A constant (1, C, 1, 1) as the bias of a convolution; None where it is something else."""

    def column(value: Array) -> Array | None:
        shape = (1,) * (dims + 2 - value.ndim) + value.shape
        if shape not in ((1, channels, *[1] * dims), (channels, *[1] * dims)):
            return None
        return value.reshape(channels)

    return column


def _filled(node: Node, layer: Any, weight: Any, bias: int) -> Any:
    layer.weight = weight
    layer.bias = node.parameter(bias) if node.has(bias) else None
    return layer


@reads("Conv")
def _conv(node: Node) -> Layer:
    weight, groups = node.const(1), node.get("group", 1)
    kernel = node.get("kernel_shape") or (None if weight is None else weight.shape[2:])
    if kernel is None:
        raise node.unread("neither kernel_shape nor a constant weight says how large it is")
    windows = _Windows(node, kernel)
    plain = weight is not None and not (node.has(2) and node.const(2) is None)
    if not plain or windows.even is None:
        return _conv_op(node, windows, groups)
    assert weight is not None
    kind = nn.Conv2d if windows.dims == 2 else nn.Conv1d
    options = {"stride": windows.stride, "padding": windows.even, "dilation": windows.dilation}
    module = kind(
        weight.shape[1] * groups, weight.shape[0], windows.kernel, groups=groups, bias=False, **options
    )
    layer = Layer(_filled(node, module, node.parameter(1), 2), [0], prefix_of(node.name_of(1)))
    if not node.has(2):
        node.reader.unbiased[node.outputs[0]] = layer, _bias_of(weight.shape[0], windows.dims)
    return layer


class Convolution(nn.Module):
    """A convolution whose padding differs from side to side, or follows from the image's size."""

    bias: Any

    def __init__(self, node: Node, windows: _Windows, groups: int) -> None:
        super().__init__()
        self.windows, self.groups, self.node = windows, groups, str(node.kind)
        self.weight = node.parameter(1)
        self.register_parameter("bias", node.parameter(2) if node.has(2) else None)

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(self.windows, self.groups, x, self.weight, self.bias)

    def extra_repr(self) -> str:
        o, c = self.weight.shape[:2]
        groups = f", groups={self.groups}" if self.groups > 1 else ""
        return f"{c * self.groups}, {o}, {self.windows.text()}{groups}, bias={self.bias is not None}"


def _convolve(windows: _Windows, groups: int, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    if x.ndim != windows.dims + 2 or x.shape[1] != w.shape[1] * groups:
        raise ShapeError(f"Conv: weight {tuple(w.shape)} does not take an input {tuple(x.shape)}")
    window = windows.on(x.shape[2:])
    image, weight = (x, w) if windows.dims == 2 else (x.unsqueeze(2), w.unsqueeze(2))
    y = ConvOp(window, groups)(*((image, weight) if b is None else (image, weight, b)))
    return _back(windows, y)


def _conv_op(node: Node, windows: _Windows, groups: int) -> Layer:
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
    windows = _Windows(node, node.get("kernel_shape") or weight.shape[2:])
    added = _counted(node, "output_padding", windows.dims, [0] * windows.dims)
    shape = node.get("output_shape")
    simple = windows.even is not None and shape is None and windows.auto in ("NOTSET", "VALID")
    if simple and all(a < max(s, d) for a, s, d in zip(added, windows.stride, windows.dilation, strict=True)):
        kind = nn.ConvTranspose2d if windows.dims == 2 else nn.ConvTranspose1d
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
        return Layer(_filled(node, module, node.parameter(1), 2), [0], name)

    def compute(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        sizes, pads = _transposed(windows, x.shape[2:], added, shape)
        row = windows.dims == 1
        numbers = [((1, v[0]) if row else v) for v in (windows.kernel, windows.stride, windows.dilation)]
        window = Window(numbers[0], numbers[1], ((0, 0), pads[0]) if row else tuple(pads), numbers[2])  # type: ignore[arg-type]
        size = (1, sizes[0]) if row else tuple(sizes)
        image, kernel = _images(windows, node, x), w.unsqueeze(2) if row else w
        y = ConvTransposeOp(window, groups, size)(*((image, kernel) if b is None else (image, kernel, b)))  # type: ignore[arg-type]
        return _back(windows, y)

    return node.op(compute, windows.text())


def _transposed(
    windows: _Windows, size: Sequence[int], added: Sequence[int], shape: Sequence[int] | None
) -> tuple[list[int], list[Pair]]:
    """How large the result is, and what is cut off. Source: the operator's text, opset 11."""
    sizes, pads = [], []
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
    return sizes, pads


# ---- products ------------------------------------------------------------------------------------


def _row_of(features: int) -> Callable[[Array], Array | None]:
    """A constant (F,) or (1, F) as the bias of a linear layer."""
    return lambda value: (
        value.reshape(features)
        if value.size == features and value.shape[-1:] == (features,)
        else None
    )


def _linear(node: Node, weight: Any, bias: Any, name: str | None) -> Layer:
    module = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    module.weight, module.bias = weight, bias
    layer = Layer(module, [0], name)
    if bias is None:
        node.reader.unbiased[node.outputs[0]] = layer, _row_of(weight.shape[0])
    return layer


@reads("Gemm")
def _gemm(node: Node) -> Layer:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    turned, across = node.get("transA", 0), node.get("transB", 0)
    weight, bias = node.const(1), node.const(2) if node.has(2) else None
    out = None if weight is None else weight.shape[0 if across else 1]
    fits = not node.has(2) or (bias is not None and beta == 1 and _row_of(out or 0)(bias) is not None)
    if weight is not None and weight.ndim == 2 and alpha == 1 and not turned and fits:
        parameter = node.parameter(1, lambda a: a if across else a.T)
        row = node.parameter(2, lambda a: a.reshape(-1)) if node.has(2) else None
        return _linear(node, parameter, row, prefix_of(node.name_of(1)))

    def compute(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        y = (a.t() if turned else a) @ (b.t() if across else b)
        y = y if alpha == 1 else y * alpha
        return y if c is None or beta == 0 else y + (c if beta == 1 else c * beta)

    return node.op(compute, f"alpha={alpha:g}, beta={beta:g}, transA={turned}, transB={across}")


@reads("MatMul")
def _matmul(node: Node) -> Layer:
    weight = node.const(1)
    if weight is not None and weight.ndim == 2 and weight.dtype.kind == "f":
        return _linear(node, node.parameter(1, lambda a: a.T), None, prefix_of(node.name_of(1)))
    return node.op(lambda a, b: a @ b)


# ---- pools ---------------------------------------------------------------------------------------


@reads("MaxPool")
def _max_pool(node: Node) -> Layer:
    windows = _Windows(node, node.get("kernel_shape") or ())
    if len(node.outputs) > 1 and node.outputs[1]:
        raise node.unread("places of maxima are not given")
    even = windows.even
    if even is not None and all(p <= k // 2 for p, k in zip(even, windows.kernel, strict=True)):
        kind = nn.MaxPool2d if windows.dims == 2 else nn.MaxPool1d
        return Layer(
            kind(_one(windows.kernel), _one(windows.stride), _one(even), _one(windows.dilation), ceil_mode=windows.ceil),
            [0],
        )

    def compute(x: Tensor) -> Tensor:
        return _back(windows, MaxPoolOp(windows.on(x.shape[2:]))(_images(windows, node, x)))

    return node.op(compute, windows.text())


def _one(values: tuple[int, ...]) -> Any:
    """One number for equal ones, as people write it."""
    return values[0] if len({*values}) == 1 else values


@reads("AveragePool")
def _avg_pool(node: Node) -> Layer:
    windows = _Windows(node, node.get("kernel_shape") or ())
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
        image = _images(windows, node, x)
        return _back(windows, AvgPoolOp(windows.on(x.shape[2:]), counted, None)(image))

    return node.op(compute, f"{windows.text()}, count_include_pad={counted}")


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(node: Node) -> Layer:
    if node.rank() == 4:
        kind = nn.AdaptiveAvgPool2d if node.kind == "GlobalAveragePool" else nn.AdaptiveMaxPool2d
        return Layer(kind(1), [0])

    def compute(x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        return x.mean(axes, keepdim=True) if node.kind == "GlobalAveragePool" else x.amax(axes, True)

    return node.op(compute)


# ---- norms ---------------------------------------------------------------------------------------


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of inputs with any number of axes, where the file does not say how many."""

    axes = tuple(("N", "C", *"LHW"[:n]) for n in range(4))


_BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


@reads("BatchNormalization")
def _batch_norm(node: Node) -> Layer:
    eps, statistics = float(np.float32(node.get("epsilon", 1e-5))), (node.const(3), node.const(4))
    if any(node.const(i) is None for i in range(1, 5)):
        raise node.unread("its weights or statistics are computed from the input")
    if node.opset < 9 and node.get("spatial", 1) == 0:
        raise node.unread("spatial=0, statistics for each pixel")
    kind = _BATCH_NORMS.get(node.rank() or 0, BatchNorm)
    momentum = round(1 - node.get("momentum", 0.9), 7)
    module = kind(len(statistics[0]), float(f"{eps:.7g}"), momentum)  # type: ignore[arg-type]
    module.weight, module.bias = node.parameter(1), node.parameter(2)
    for name, value in zip(("running_mean", "running_var"), statistics, strict=True):
        setattr(module, name, result(np.array(value)))
    return Layer(_several(module, node), [0], prefix_of(node.name_of(1)))


def _several(module: nn.Module, node: Node) -> Any:
    """The module alone: the statistics, further results in training, go nowhere in a graph."""
    if any(node.reader.uses(name) for name in node.outputs[1:] if name):
        raise node.unread("its statistics are used as a result")
    del node.outputs[1:]
    return module


@reads("InstanceNormalization")
def _instance_norm(node: Node) -> Layer:
    eps = node.get("epsilon", 1e-5)

    def compute(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.instance_norm(x, weight=weight, bias=bias, eps=eps)

    return node.op(compute, f"eps={eps:g}")


@reads("GroupNormalization")
def _group_norm(node: Node) -> Layer:
    eps, groups = node.get("epsilon", 1e-5), node.get("num_groups")

    def compute(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if weight.shape[0] != x.shape[1]:  # one for each group, before opset 21
            times = x.shape[1] // groups
            weight, bias = weight.repeat_interleave(times), bias.repeat_interleave(times)
        return F.group_norm(x, groups, weight, bias, eps)

    return node.op(compute, f"{groups}, eps={eps:g}")


@reads("LayerNormalization")
def _layer_norm(node: Node) -> Layer:
    axis, eps = node.get("axis", -1), float(np.float32(node.get("epsilon", 1e-5)))
    del node.outputs[1:]
    weight, bias = node.const(1), node.const(2) if node.has(2) else None
    size = None if weight is None else weight.shape
    whole = size is not None and axis == -len(size) and (not node.has(2) or bias is not None)
    if whole and size is not None:
        module = nn.LayerNorm(size, float(f"{eps:.7g}"), bias=node.has(2))
        return Layer(_filled(node, module, node.parameter(1), 2), [0], prefix_of(node.name_of(1)))

    def compute(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        y = F.layer_norm(x, x.shape[axis % x.ndim :], eps=eps) * w
        return y if b is None else y + b

    return node.op(compute, f"axis={axis}, eps={eps:g}")


@reads("LRN")
def _local_response(node: Node) -> Layer:
    size = node.get("size")
    if size % 2:
        module = nn.LocalResponseNorm(
            size, node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
        )
        return Layer(module, [0])
    raise node.unread(f"an even size of {size} channels")


@reads("LpNormalization")
def _lp_norm(node: Node) -> Layer:
    p, axis = node.get("p", 2), node.get("axis", -1)
    return node.op(lambda x: x / x.norm(p, axis, keepdim=True), f"p={p}, axis={axis}")


@reads("Dropout")
def _dropout(node: Node) -> Layer:
    ratio = node.get("ratio", 0.5)
    if node.has(1):
        known = node.const(1)
        if known is None:
            raise node.unread("its ratio is computed from the input")
        ratio = float(known)
    if any(node.reader.uses(name) for name in node.outputs[1:] if name):
        raise node.unread("its mask is used as a result")
    del node.outputs[1:]
    return Layer(nn.Dropout(float(f"{ratio:.7g}")), [0])


# ---- recurrent layers ----------------------------------------------------------------------------

_ORDERS = {"LSTM": [0, 2, 3, 1], "GRU": [1, 0, 2], "RNN": [0]}  # PyTorch's gates in ONNX's


class Recurrent(nn.Module):
    """A recurrent layer with ONNX's results: (T, directions, N, H), the last h, the last c."""

    def __init__(self, layer: Any, layout: int) -> None:
        super().__init__()
        self.layer, self.layout = layer, layout

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        hx = None if not states else states[0] if len(states) == 1 else states
        y, last = self.layer(x, hx)
        t, n, _ = y.shape
        y = y.reshape(t, n, self.layer._directions, -1).permute(0, 2, 1, 3)
        return (y, *last) if isinstance(last, tuple) else (y, last)


@reads("LSTM", "GRU", "RNN")
def _recurrent(node: Node) -> Layer:
    kind, hidden = node.kind, node.get("hidden_size")
    direction = node.get("direction", "forward")
    w, r, b = node.const(1), node.const(2), node.const(3) if node.has(3) else None
    if w is None or r is None or (node.has(3) and b is None):
        raise node.unread("its weights are computed from the input")
    states = [i for i in (5, 6) if node.has(i)]
    plain = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[kind]
    names = node.get("activations") or plain * len(w)
    relu = kind == "RNN" and set(names) == {"Relu"}
    if names != plain * len(w) and not relu:
        raise node.unread(f"activations {names}")
    if node.get("clip") is not None or node.get("input_forget") or node.get("layout"):
        raise node.unread("clip, input_forget or layout")
    if node.has(4) or node.has(7) or direction == "reverse":
        raise node.unread("sequence_lens, peepholes, or the reverse direction alone")
    if kind == "GRU" and not node.get("linear_before_reset"):
        raise node.unread("linear_before_reset=0; npnet's GRU is PyTorch's")
    if kind == "LSTM" and len(states) == 1:
        raise node.unread("of the first h and c only one is given")
    options: dict[str, Any] = {"bias": b is not None, "bidirectional": direction == "bidirectional"}
    if relu:
        options["nonlinearity"] = "relu"
    layer = getattr(nn, kind)(w.shape[2], hidden, **options)
    for d in range(len(w)):
        rows = np.arange(w.shape[1]).reshape(len(_ORDERS[kind]), -1)[_ORDERS[kind]].reshape(-1)
        end = "_l0" + ("_reverse" if d else "")
        values = {"weight_ih": w[d][rows], "weight_hh": r[d][rows]}
        if b is not None:
            values |= {"bias_ih": b[d][: w.shape[1]][rows], "bias_hh": b[d][w.shape[1] :][rows]}
        for name, value in values.items():
            setattr(layer, name + end, nn.Parameter(result(np.ascontiguousarray(value))))
    return Layer(Recurrent(layer, 0), [0, *states], prefix_of(node.name_of(1)))


@reads("Gather")
def _gather(node: Node) -> Layer:
    axis, table, rows = node.get("axis", 0), node.const(0), node.const(1)
    if table is not None and rows is None and axis == 0 and table.ndim == 2 and table.dtype.kind == "f":
        module = nn.Embedding(*table.shape)
        module.weight = node.parameter(0)
        return Layer(module, [1], prefix_of(node.name_of(0)))

    def compute(x: Tensor, index: Tensor) -> Tensor:
        at = axis % x.ndim
        places = np.where(index.array < 0, index.array + x.shape[at], index.array)
        if places.size and not 0 <= places.min() <= places.max() < x.shape[at]:
            raise IndexError(f"Gather: an index is out of range for axis {axis} of {tuple(x.shape)}")
        if not places.ndim:
            return x.select(at, int(places))
        if math.prod(places.shape) == 0:
            return result(np.empty((*x.shape[:at], *places.shape, *x.shape[at + 1 :]), x.dtype))
        y = x.index_select(at, result(places.reshape(-1)))
        return y.reshape(*x.shape[:at], *places.shape, *x.shape[at + 1 :])

    return node.op(compute, f"axis={axis}")
