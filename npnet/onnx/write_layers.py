"""How layers are written: convolutions, linear layers, pools, norms, tables, recurrent layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npnet.onnx.writing import Shapes, Writer, says
from npnet.ops.adaptive_max_pool import AdaptiveMaxPool2d
from npnet.ops.conv import Conv2d
from npnet.ops.conv_transpose import ConvTranspose2d
from npnet.ops.embedding import Embedding
from npnet.ops.folding import Fold, Unfold
from npnet.ops.linear import Linear, MatMul
from npnet.ops.norm import BatchNorm, GroupNorm, LayerNorm
from npnet.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, bins
from npnet.ops.recurrent import GRU, LSTM, RNN
from npnet.ops.sample_norm import LocalResponse, RMSNorm
from npnet.ops.shape import Reshape
from npnet.ops.windows import Window
from npnet.tracing import Ref, Step

# The gates in ONNX's order, by their numbers in PyTorch's.
_GATES: dict[type, list[int]] = {LSTM: [0, 3, 1, 2], GRU: [1, 0, 2], RNN: [0]}


# ---- convolutions and products -------------------------------------------------------------------


def _begins_and_ends(window: Window, axes: slice = slice(None)) -> list[int]:
    pairs = list(window.padding)[axes]
    return [a for a, _ in pairs] + [b for _, b in pairs]


def _signal_weight(writer: Writer, step: Step) -> Ref | None:
    """The weight (O, C, K) of a convolution of signals, which the tape has as images of one row."""
    where, i = step.inputs[1]
    if where != "step" or step.op.window.kernel[0] != 1:
        return None
    made = writer.trace.steps[i]
    if made.kind is not Reshape or len(writer.shapes_of(made.inputs[0])[0]) != 3:
        return None
    image = writer.shapes_of(step.inputs[0])[0]
    return made.inputs[0] if image[2] == 1 and made.arrays[0].shape[2] == 1 else None


def _without_row(shapes: Shapes) -> list[tuple[int, ...]]:
    return [(*shape[:2], *shape[3:]) for shape in shapes]


def _convolve(writer: Writer, step: Step, kind: str, **more: Any) -> str:
    window, weight = step.op.window, _signal_weight(writer, step)
    x, *rest = writer.inputs(step)
    axes = slice(None) if weight is None else slice(1, None)
    attributes = {
        "kernel_shape": window.kernel[axes],
        "strides": window.stride[axes],
        "dilations": window.dilation[axes],
        "pads": _begins_and_ends(window, axes),
        "group": step.op.groups,
        **{name: value[axes] for name, value in more.items()},
    }
    if weight is None:
        return writer.node(kind, [x, *rest], **attributes)
    x = writer.reshape(x, _without_row(writer.shapes_of(step.inputs[0])))
    shapes = [a.shape for a in step.arrays]
    y = writer.node(kind, [x, writer.name(weight), *rest[1:]], _without_row(shapes), **attributes)
    return writer.reshape(y, shapes)


@says(Conv2d)
def _conv(writer: Writer, step: Step) -> str:
    return _convolve(writer, step, "Conv")


@says(ConvTranspose2d)
def _conv_transpose(writer: Writer, step: Step) -> str:
    window = step.op.window
    added = []
    for shape, op in zip(writer.shapes_of(step.inputs[0]), step.ops, strict=True):
        size: tuple[int, int] = op.size
        added.append(
            tuple(
                out - ((n - 1) * s + e - a - b)
                for out, n, s, e, (a, b) in zip(
                    size, shape[2:], window.stride, window.extent, window.padding, strict=True
                )
            )
        )
    more = writer.fixed(step, added, "output_padding")
    return _convolve(writer, step, "ConvTranspose", output_padding=more)


@says(Linear)
def _linear(writer: Writer, step: Step) -> str:
    x, weight, *bias = writer.inputs(step)
    if len(writer.shapes_of(step.inputs[0])[0]) == 2:
        return writer.node("Gemm", [x, weight, *bias], transB=1)
    y = writer.node("MatMul", [x, writer.node("Transpose", [weight], perm=[1, 0])])
    return writer.node("Add", [y, *bias]) if bias else y


@says(MatMul)
def _matmul(writer: Writer, step: Step) -> str:
    return writer.node("MatMul", writer.inputs(step))


@says(Embedding)
def _embedding(writer: Writer, step: Step) -> str:
    weight, *rows = writer.inputs(step)
    if not rows:
        known = writer.same([op.rows for op in step.ops], "an embedding's input")
        rows = [writer.constant(known)]
    return writer.node("Gather", [weight, rows[0]], axis=0)


@says(Unfold)
def _unfold(writer: Writer, step: Step) -> str:
    """A convolution whose filters pick one place of the window each."""
    shapes = [a.shape for a in step.arrays]
    channels = writer.shapes_of(step.inputs[0])[0][1]
    counts = [
        op.window.output_size(shape[2:])
        for op, shape in zip(step.ops, writer.shapes_of(step.inputs[0]), strict=True)
    ]
    images = [(n, rows, *size) for (n, rows, _), size in zip(shapes, counts, strict=True)]
    y = _picked(writer, step, "Conv", writer.inputs(step)[0], channels, images)
    return writer.reshape(y, shapes)


@says(Fold)
def _fold(writer: Writer, step: Step) -> str:
    """The same convolution transposed."""
    counts = [op.window.output_size(op.size[2:]) for op in step.ops]
    given = writer.shapes_of(step.inputs[0])
    images = [(n, rows, *size) for (n, rows, _), size in zip(given, counts, strict=True)]
    x = writer.reshape(writer.inputs(step)[0], images)
    shapes = [a.shape for a in step.arrays]
    window = step.op.window
    added = [
        tuple(
            out - ((n - 1) * s + e - sum(pad))
            for out, n, s, e, pad in zip(
                shape[2:], image[2:], window.stride, window.extent, window.padding, strict=True
            )
        )
        for shape, image in zip(shapes, images, strict=True)
    ]
    more = writer.fixed(step, added, "output_padding")
    return _picked(
        writer, step, "ConvTranspose", x, shapes[0][1], shapes, output_padding=list(more)
    )


def _picked(
    writer: Writer, step: Step, kind: str, x: str, channels: int, shapes: Shapes, **more: Any
) -> str:
    window: Window = step.op.window
    count = math.prod(window.kernel)
    places = np.eye(count, dtype=step.arrays[0].dtype).reshape(count, 1, *window.kernel)
    return writer.node(
        kind,
        [x, writer.constant(np.tile(places, (channels, 1, 1, 1)))],
        shapes,
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation,
        pads=_begins_and_ends(window),
        group=channels,
        **more,
    )


# ---- pools ---------------------------------------------------------------------------------------


def _padding(writer: Writer, step: Step) -> list[int]:
    """The padding with which windows that fit in make what ceil_mode makes."""
    window: Window = step.op.window
    if not window.ceil_mode:
        return _begins_and_ends(window)
    pads = []
    for shape, y in zip(writer.shapes_of(step.inputs[0]), step.arrays, strict=True):
        ends = [
            max((out - 1) * s + e - n - before, 0)
            for out, s, e, n, (before, _) in zip(
                y.shape[2:], window.stride, window.extent, shape[2:], window.padding, strict=True
            )
        ]
        pads.append([a for a, _ in window.padding] + ends)
    return list(writer.fixed(step, pads, "padding by ceil_mode"))


@says(MaxPool2d)
def _max_pool(writer: Writer, step: Step) -> str:
    window = step.op.window
    return writer.node(
        "MaxPool",
        writer.inputs(step),
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation if window.dilation != (1, 1) else None,
        pads=_padding(writer, step),
    )


@says(AvgPool2d)
def _avg_pool(writer: Writer, step: Step) -> str:
    (x,), window, op = writer.inputs(step), step.op.window, step.op
    pads, counts = _padding(writer, step), op.count_include_pad
    padded = _begins_and_ends(window)
    if window.ceil_mode and pads != padded and (counts or op.divisor is not None):
        top, left, bottom, right = padded  # counted, unlike what ceil_mode adds
        if any(padded):
            frame = [0, 0, top, left, 0, 0, bottom, right]
            x = writer.node("Pad", [x, writer.constant(frame, np.int64)])
        pads = [0, 0, *(max(n - p, 0) for n, p in zip(pads[2:], padded[2:], strict=True))]
        counts = op.divisor is not None  # by one divisor, each window counts as whole
    y = writer.node(
        "AveragePool",
        [x],
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=pads,
        count_include_pad=int(counts or op.divisor is not None),
    )
    if op.divisor is None:
        return y
    factor = math.prod(window.kernel) / op.divisor
    return writer.node("Mul", [y, writer.constant(factor, step.arrays[0].dtype)])


def _even_window(writer: Writer, step: Step) -> tuple[int, int] | None:
    """The window of an adaptive pool whose bins are equal and touch."""
    shapes = [shape[2:] for shape in writer.shapes_of(step.inputs[0])]
    h, w = writer.fixed(step, shapes, "window")
    (rows, columns) = step.op.size
    return None if h % rows or w % columns else (h // rows, w // columns)


@says(AdaptiveAvgPool2d)
def _adaptive_avg_pool(writer: Writer, step: Step) -> str:
    (x,) = writer.inputs(step)
    if step.op.size == (1, 1):
        return writer.node("GlobalAveragePool", [x])
    window = _even_window(writer, step)
    if window is not None:
        return writer.node("AveragePool", [x], kernel_shape=window, strides=window)
    shape, dtype = writer.shapes_of(step.inputs[0])[0], step.arrays[0].dtype
    rows, columns = (_bin_table(shape[2 + a], step.op.size[a]).astype(dtype) for a in (0, 1))
    y = writer.node("MatMul", [writer.constant(rows), x])
    return writer.node("MatMul", [y, writer.constant(columns.T)])


def _bin_table(size: int, count: int) -> Any:
    """(count, size): with it bins of different sizes are a matrix product."""
    table = np.zeros((count, size))
    for i, place in enumerate(bins(size, count)):
        table[i, place] = 1 / (place.stop - place.start)
    return table


@says(AdaptiveMaxPool2d)
def _adaptive_max_pool(writer: Writer, step: Step) -> str:
    if step.op.size == (1, 1):
        return writer.node("GlobalMaxPool", writer.inputs(step))
    window = _even_window(writer, step)
    if window is None:
        raise writer.unsaid(step, "ONNX has no maximum over bins of different sizes")
    return writer.node("MaxPool", writer.inputs(step), kernel_shape=window, strides=window)


# ---- norms ---------------------------------------------------------------------------------------


@says(BatchNorm)
def _batch_norm(writer: Writer, step: Step) -> str:
    x, weight, bias = writer.inputs(step)
    given = step.op.given
    if given is not None:
        mean, var = (
            writer.known(statistic, name)
            for statistic, name in zip(given, ("running_mean", "running_var"), strict=True)
        )
        return writer.node(
            "BatchNormalization", [x, weight, bias, mean, var], epsilon=float(step.op.eps)
        )
    ndim, dtype = step.arrays[0].ndim, step.arrays[0].dtype  # by the batch's own statistics
    axes = writer.constant([0, *range(2, ndim)], np.int64)
    sized = [(-1, *[1] * (ndim - 2))] * writer.runs
    off = writer.node("Sub", [x, writer.node("ReduceMean", [x, axes], keepdims=1)])
    var = writer.node("ReduceMean", [writer.node("Mul", [off, off]), axes], keepdims=1)
    spread = writer.node("Sqrt", [writer.node("Add", [var, writer.constant(step.op.eps, dtype)])])
    y = writer.node("Div", [off, spread])
    y = writer.node("Mul", [y, writer.reshape(weight, sized)])
    return writer.node("Add", [y, writer.reshape(bias, sized)])


@says(GroupNorm)
def _group_norm(writer: Writer, step: Step) -> str:
    x, *affine = writer.inputs(step)
    shapes = writer.shapes_of(step.inputs[0])
    groups, eps, dtype = step.op.groups, float(step.op.eps), step.arrays[0].dtype
    if groups == shapes[0][1] and len(shapes[0]) > 2:  # that of each channel by itself
        weight = affine[0] if affine else writer.constant(np.ones(groups, dtype))
        bias = affine[1] if len(affine) > 1 else writer.constant(np.zeros(groups, dtype))
        return writer.node("InstanceNormalization", [x, weight, bias], epsilon=eps)
    grouped = [(s[0], groups, math.prod(s[1:]) // groups) for s in shapes]
    one, zero = writer.constant(np.ones(groups, dtype)), writer.constant(np.zeros(groups, dtype))
    y = writer.node(
        "InstanceNormalization", [writer.reshape(x, grouped), one, zero], grouped, epsilon=eps
    )
    y = writer.reshape(y, shapes)
    for kind, value in zip(("Mul", "Add"), affine, strict=False):
        sized = [(shapes[0][1], *[1] * (len(shapes[0]) - 2))] * writer.runs
        y = writer.node(kind, [y, writer.reshape(value, sized)])
    return y


@says(LayerNorm)
def _layer_norm(writer: Writer, step: Step) -> str:
    x, *affine = writer.inputs(step)
    size = writer.shapes_of(step.inputs[0])[0][-step.op.count :]
    if not affine:
        affine = [writer.constant(np.ones(size, step.arrays[0].dtype))]
    eps = float(step.op.eps)
    return writer.node("LayerNormalization", [x, *affine], axis=-step.op.count, epsilon=eps)


@says(RMSNorm)
def _rms_norm(writer: Writer, step: Step) -> str:
    x, weight = writer.inputs(step)
    axes = writer.constant(list(range(-step.op.count, 0)), np.int64)
    squares = writer.node("ReduceMean", [writer.node("Mul", [x, x]), axes], keepdims=1)
    eps = writer.constant(step.op.eps, step.arrays[0].dtype)
    root = writer.node("Sqrt", [writer.node("Add", [squares, eps])])
    return writer.node("Mul", [writer.node("Div", [x, root]), weight])


@says(LocalResponse)
def _local_response(writer: Writer, step: Step) -> str:
    op = step.op
    if op.size % 2 == 0:
        raise writer.unsaid(
            step, f"ONNX centres an even size of {op.size} elsewhere; use an odd one"
        )
    return writer.node(
        "LRN",
        writer.inputs(step),
        size=op.size,
        alpha=float(op.alpha),
        beta=float(op.beta),
        bias=float(op.k),
    )


# ---- recurrent layers ----------------------------------------------------------------------------


def _by_gates(writer: Writer, step: Step, weight: str) -> str:
    """The rows of a weight with the gates in ONNX's order."""
    rows = writer.shapes[weight][0][0]
    order = _GATES[_recurrent(step)]
    if len(order) == 1:
        return weight
    places = np.arange(rows).reshape(len(order), -1)[order].reshape(-1)
    return writer.node("Gather", [weight, writer.constant(places, np.int64)], axis=0)


def _recurrent(step: Step) -> type:
    return next(kind for kind in _GATES if issubclass(step.kind, kind))


def _state(writer: Writer, step: Step, i: int) -> str:
    """The first h or c as (1, N, H); none where it is 0."""
    arrays = writer.trace.arrays(step.inputs[i])
    if step.inputs[i][0] == "leaf" and not any(a.any() for a in arrays):
        return ""
    return writer.reshape(writer.name(step.inputs[i]), [(1, *a.shape) for a in arrays])


@says(LSTM, GRU, RNN)
def _recurrent_layer(writer: Writer, step: Step) -> str:
    op, kind = step.op, _recurrent(step)
    if op.counts is not None:
        raise writer.unsaid(step, "sequences that are packed can't be said; give them padded")
    if len(step.inputs) > 7:
        raise writer.unsaid(step, "ONNX has no proj_size")
    x, weights = writer.name(step.inputs[0]), [writer.name(ref) for ref in step.inputs[3:7]]
    for name, ref in zip(weights, step.inputs[3:7], strict=True):
        writer.shapes[name] = writer.shapes_of(ref)
    w_ih, w_hh, b_ih, b_hh = (_by_gates(writer, step, weight) for weight in weights)
    first = writer.constant([0], np.int64)
    w, r = (writer.node("Unsqueeze", [weight, first]) for weight in (w_ih, w_hh))
    b = writer.node("Unsqueeze", [writer.node("Concat", [b_ih, b_hh], axis=0), first])
    states = [_state(writer, step, 1)] + ([_state(writer, step, 2)] if kind is LSTM else [])
    hidden = writer.shapes_of(step.inputs[4])[0][1]
    attributes: dict[str, Any] = {
        "hidden_size": hidden,
        "direction": "reverse" if op.reverse else "forward",
    }
    if kind is GRU:
        attributes["linear_before_reset"] = 1
    if kind is RNN:
        attributes["activations"] = ["Relu" if op.relu else "Tanh"]
    names = ["Y", "Y_h", "Y_c"][: 2 + (kind is LSTM)]
    steps, batch = zip(*[a.shape[:2] for a in writer.trace.arrays(step.inputs[0])], strict=True)
    given = [x, w, r, b, "", *states]
    while not given[-1]:
        given.pop()
    y = writer.node(kind.__name__, given, outputs=names, **attributes)
    stem = y.removesuffix("_Y")
    ys = {name: f"{stem}_{name}" for name in names}
    lasts = [(1, n, hidden) for n in batch]
    for name in names[1:]:
        writer.shapes[ys[name]] = list(lasts)
    writer.shapes[ys["Y"]] = [(t, 1, n, hidden) for t, n in zip(steps, batch, strict=True)]
    parts = [writer.reshape(ys["Y"], [(t, n, hidden) for t, n in zip(steps, batch, strict=True)])]
    parts += [ys[name] for name in names[1:]]
    whole = writer.node("Concat", parts, axis=0)
    writer.parts[whole] = parts
    return whole
