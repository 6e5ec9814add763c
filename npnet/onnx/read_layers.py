"""How linear layers, norms, tables and recurrent layers are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import npnet.nn.functional as F
from npnet import nn
from npnet.base.arrays import Array
from npnet.onnx.reading import Layer, Node, filled, prefix_of, reads
from npnet.tape import result
from npnet.tensor import Tensor

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
    fits = not node.has(2) or (
        bias is not None and beta == 1 and _row_of(out or 0)(bias) is not None
    )
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


# ---- norms ---------------------------------------------------------------------------------------


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of inputs with any number of axes, where the file does not say how many."""

    axes: Any = tuple(("N", "C", *"LHW"[:n]) for n in range(4))


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
    _leave_statistics(node)
    return Layer(module, [0], prefix_of(node.name_of(1)))


def _leave_statistics(node: Node) -> None:
    """Further results, the statistics of a batch or of samples, go nowhere in a network."""
    if any(node.reader.uses(name) for name in node.outputs[1:] if name):
        raise node.unread("its statistics are used as a result")
    del node.outputs[1:]


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
    _leave_statistics(node)
    weight, bias = node.const(1), node.const(2) if node.has(2) else None
    size = None if weight is None else weight.shape
    whole = size is not None and axis == -len(size) and (not node.has(2) or bias is not None)
    if whole and size is not None:
        module = nn.LayerNorm(size, float(f"{eps:.7g}"), bias=node.has(2))
        return Layer(filled(node, module, node.parameter(1), 2), [0], prefix_of(node.name_of(1)))

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
    return node.op(lambda x: F.normalize(x, p, axis, 0.0), f"p={p}, axis={axis}")


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

    def __init__(self, layer: Any, reverse: bool) -> None:
        super().__init__()
        self.layer, self.reverse = layer, reverse

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        hx = None if not states else states[0] if len(states) == 1 else states
        y, last = self.layer(x.flip(0) if self.reverse else x, hx)
        t, n, _ = y.shape
        y = y.reshape(t, n, self.layer._directions, -1).permute(0, 2, 1, 3)
        y = y.flip(0) if self.reverse else y
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
    if node.has(4) or node.has(7):
        raise node.unread("sequence_lens or peepholes")
    if kind == "GRU" and not node.get("linear_before_reset"):
        raise node.unread("linear_before_reset=0; npnet's GRU is PyTorch's")
    if kind == "LSTM" and len(states) == 1:
        raise node.unread("of the first h and c only one is given")
    options: dict[str, Any] = {"bias": b is not None, "bidirectional": direction == "bidirectional"}
    if relu:
        options["nonlinearity"] = "relu"
    gates = len(_ORDERS[kind]) * r.shape[2]
    if r.ndim != 3 or w.ndim != 3 or r.shape[2] != hidden or gates != r.shape[1] != w.shape[1]:
        raise ValueError(f"{node}: hidden_size {hidden} with weights {w.shape} and {r.shape}")
    layer = getattr(nn, kind)(w.shape[2], hidden, **options)
    for d in range(len(w)):
        rows = np.arange(w.shape[1]).reshape(len(_ORDERS[kind]), -1)[_ORDERS[kind]].reshape(-1)
        end = "_l0" + ("_reverse" if d else "")
        values = {"weight_ih": w[d][rows], "weight_hh": r[d][rows]}
        if b is not None:
            values |= {"bias_ih": b[d][: w.shape[1]][rows], "bias_hh": b[d][w.shape[1] :][rows]}
        for name, value in values.items():
            setattr(layer, name + end, nn.Parameter(result(np.ascontiguousarray(value))))
    return Layer(Recurrent(layer, direction == "reverse"), [0, *states], prefix_of(node.name_of(1)))


@reads("Gather")
def _gather(node: Node) -> Layer:
    axis, table, rows = node.get("axis", 0), node.const(0), node.const(1)
    if (
        table is not None
        and rows is None
        and axis == 0
        and table.ndim == 2
        and table.dtype.kind == "f"
    ):
        module = nn.Embedding(*table.shape)
        module.weight = node.parameter(0)
        return Layer(module, [1], prefix_of(node.name_of(0)))

    def compute(x: Tensor, index: Tensor) -> Tensor:
        at = axis % x.ndim
        places = np.where(index.array < 0, index.array + x.shape[at], index.array)
        if places.size and not 0 <= places.min() <= places.max() < x.shape[at]:
            raise IndexError(
                f"Gather: an index is out of range for axis {axis} of {tuple(x.shape)}"
            )
        if not places.ndim:
            return x.select(at, int(places))
        if math.prod(places.shape) == 0:
            return result(np.empty((*x.shape[:at], *places.shape, *x.shape[at + 1 :]), x.dtype))
        y = x.index_select(at, result(places.reshape(-1)))
        return y.reshape(*x.shape[:at], *places.shape, *x.shape[at + 1 :])

    return node.op(compute, f"axis={axis}")
