"""NaN and infinity come through ops and gradients as in PyTorch, without a warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet.base.arrays import Array
from npnet.tensor import Tensor
from tests.cases import npnet_names, torch_names

# Beside NaN and infinity stand a few ordinary numbers, computed in float64 in a few steps.
RTOL = ATOL = 1e-12

NAN, INF = np.nan, np.inf
EDGES = np.array([[NAN, INF, -INF, 0.0, 1.0], [-1.0, 2.0, 1e308, -1e308, 3.0]])
# As many as any CPU's vectors hold: of the rest of an array, which it does one by one, PyTorch says
# another gradient at NaN for some activations, and which numbers these are hangs on the CPU.
VECTORS = np.tile(EDGES, (1, 8))
ROWS = np.array(
    [
        [1.0, NAN, 2.0, 3.0],
        [1.0, INF, 2.0, 3.0],
        [1.0, -INF, 2.0, 3.0],
        [-INF, -INF, -INF, -INF],
        [INF, INF, 0.0, 1.0],
        [1e300, -1e300, 0.0, 1.0],
    ]
)
FACTORS = np.array([[NAN, INF, 0.0, 1.0], [-1.0, 2.0, 0.0, 3.0]])
CLASSES = np.array([0, 1, 2, 3, 0, 1])
SPREAD = np.array([[0.1, 0.2, 0.3, 0.4]] * 6)
ONE_HOT = np.eye(4)[CLASSES]


def image(*values: tuple[int, int, float]) -> Array:
    """A 6x6 image of 0 to 35 over 10 with some pixels (row, column, value) replaced."""
    pixels = (np.arange(36.0) / 10).reshape(1, 1, 6, 6)
    for row, column, value in values:
        pixels[0, 0, row, column] = value
    return pixels


LOWEST = np.full((1, 1, 4, 4), -INF)
DOTS = image((1, 1, NAN), (1, 2, NAN), (4, 4, INF), (5, 5, -INF), (0, 5, INF))
KERNEL = np.array([[[[0.0, 1.0, 2.0], [3.0, 0.0, 4.0], [5.0, 6.0, 0.0]]]])

CASES: dict[str, tuple[list[Array], Callable[..., Any]]] = {
    "add": ([EDGES, EDGES[::-1]], lambda ns, x, y: x + y),
    "sub": ([EDGES, EDGES], lambda ns, x, y: x - y),
    "mul": ([EDGES, EDGES[:, ::-1]], lambda ns, x, y: x * y),
    "div": ([EDGES, EDGES[:, ::-1]], lambda ns, x, y: x / y),
    "div-by-0": ([EDGES, np.zeros((2, 5))], lambda ns, x, y: x / y),
    "floor-divide": ([EDGES], lambda ns, x: ns.floor_divide(x.detach(), 2.0) + x),
    "remainder": ([EDGES[:, ::-1], EDGES], lambda ns, x, y: ns.remainder(x, y)),
    "pow-2": ([EDGES], lambda ns, x: x**2),
    "pow-half": ([EDGES[:, [0, 1, 3, 4]]], lambda ns, x: x**0.5),
    "pow-minus-1": ([EDGES], lambda ns, x: x**-1),
    "pow-0": ([EDGES], lambda ns, x: x**0),
    "pow-tensor": ([np.abs(EDGES), EDGES[::-1]], lambda ns, x, p: x**p),
    "exp": ([EDGES], lambda ns, x: ns.exp(x)),
    "log": ([EDGES], lambda ns, x: ns.log(x)),
    "sqrt": ([EDGES], lambda ns, x: ns.sqrt(x)),
    "sin": ([EDGES[:, :4]], lambda ns, x: ns.sin(x / 1e308)),
    "cos": ([EDGES[:, :4]], lambda ns, x: ns.cos(x / 1e308)),
    "abs": ([EDGES], lambda ns, x: ns.abs(x)),
    "clamp": ([EDGES], lambda ns, x: ns.clamp(x, -1, 1)),
    "clamp-min": ([EDGES], lambda ns, x: ns.clamp(x, min=0.0)),
    "maximum": ([EDGES, EDGES[:, ::-1]], lambda ns, x, y: ns.maximum(x, y)),
    "minimum": ([EDGES, EDGES[::-1]], lambda ns, x, y: ns.minimum(x, y)),
    "where": ([EDGES, EDGES[::-1]], lambda ns, x, y: ns.where(x > 0, x, y)),
    "compare": ([EDGES, EDGES[::-1]], lambda ns, x, y: (x < y, x >= y, x == x, x != x)),
    "isnan": ([EDGES], lambda ns, x: (ns.isnan(x), ns.isfinite(x))),
    "sum": ([EDGES], lambda ns, x: x.sum(0)),
    "sum-overflow": ([np.full(3, 1e308)], lambda ns, x: x.sum()),
    "mean": ([EDGES[:, :3]], lambda ns, x: x.mean(1)),
    "mean-of-nothing": ([np.zeros((0, 2))], lambda ns, x: x.mean(0)),
    "var": ([EDGES[:, :3]], lambda ns, x: x.var(1)),
    "var-of-one": ([EDGES[:1]], lambda ns, x: x.detach().var(0)),
    "max": ([EDGES[1:]], lambda ns, x: x.max()),
    "max-nan": ([np.array([1.0, NAN, 2.0, NAN])], lambda ns, x: x.max()),
    "min-inf": ([EDGES[:, 1:]], lambda ns, x: x.min()),
    "max-dim": ([EDGES], lambda ns, x: tuple(x.max(1))),
    "min-dim": ([ROWS], lambda ns, x: tuple(x.min(0))),
    "argmax": ([np.array([1.0, NAN, 2.0, NAN])], lambda ns, x: (x.argmax(), x.argmin())),
    "matmul": ([ROWS[:5], FACTORS.T], lambda ns, x, y: x @ y),
    "linear": ([ROWS[:5], FACTORS, FACTORS[1, :2]], lambda ns, x, w, b: ns.linear(x, w, b)),
    "relu": ([EDGES], lambda ns, x: ns.relu(x)),
    "leaky_relu": ([EDGES], lambda ns, x: ns.leaky_relu(x, 0.1)),
    "elu": ([VECTORS], lambda ns, x: ns.elu(x, 0.7)),
    "silu": ([EDGES], lambda ns, x: ns.silu(x)),
    "hardswish": ([VECTORS], lambda ns, x: ns.hardswish(x)),
    "relu6": ([VECTORS], lambda ns, x: ns.relu6(x)),
    "hardtanh": ([VECTORS], lambda ns, x: ns.hardtanh(x, -2.0, 0.5)),
    "threshold": ([EDGES], lambda ns, x: ns.threshold(x, 0.5, 7.0)),
    "hardshrink": ([VECTORS], lambda ns, x: ns.hardshrink(x)),
    "softshrink": ([VECTORS], lambda ns, x: ns.softshrink(x)),
    "prelu": ([EDGES, np.array([0.5])], lambda ns, x, w: ns.prelu(x, w)),
    "celu": ([VECTORS], lambda ns, x: ns.celu(x, 0.5)),
    "selu": ([VECTORS], lambda ns, x: ns.selu(x)),
    "softplus": ([EDGES], lambda ns, x: ns.softplus(x, 2.0)),
    "logsigmoid": ([EDGES], lambda ns, x: ns.logsigmoid(x)),
    "l1_loss": ([EDGES, EDGES[::-1]], lambda ns, x, t: ns.l1_loss(x, t, reduction="none")),
    "smooth_l1_loss": (
        [EDGES, EDGES[::-1]],
        lambda ns, x, t: ns.smooth_l1_loss(x, t, reduction="none"),
    ),
    "tanh": ([EDGES], lambda ns, x: ns.tanh(x)),
    "sigmoid": ([EDGES], lambda ns, x: ns.sigmoid(x)),
    "gelu": ([EDGES[:, [0, 3, 4]]], lambda ns, x: ns.gelu(x)),
    "gelu-tanh": ([EDGES[:, [0, 3, 4]]], lambda ns, x: ns.gelu(x, approximate="tanh")),
    "softmax": ([ROWS], lambda ns, x: ns.softmax(x, 1)),
    "log_softmax": ([ROWS], lambda ns, x: ns.log_softmax(x, 1)),
    "pad": ([DOTS], lambda ns, x: ns.pad(x, (1, 2, 0, 1), value=INF)),
    "conv2d": ([DOTS, KERNEL], lambda ns, x, w: ns.conv2d(x, w, padding=1)),
    "conv2d-1x1": ([DOTS, KERNEL[:, :, 1:2, 1:2]], lambda ns, x, w: ns.conv2d(x, w)),
    "max_pool2d": ([DOTS], lambda ns, x: ns.max_pool2d(x, 2, return_indices=True)),
    "max_pool2d-nan-last": ([DOTS], lambda ns, x: ns.max_pool2d(x, 3, 1, return_indices=True)),
    "max_pool2d-lowest": (
        [LOWEST],
        lambda ns, x: ns.max_pool2d(x, 2, 2, 1, return_indices=True),
    ),
    "max_pool2d-lowest-dilation": (
        [LOWEST],
        lambda ns, x: ns.max_pool2d(x, 2, 1, 1, 2, ceil_mode=True, return_indices=True),
    ),
    "avg_pool2d": ([DOTS], lambda ns, x: ns.avg_pool2d(x, 3, 2, 1)),
    "adaptive_avg_pool2d": ([DOTS], lambda ns, x: ns.adaptive_avg_pool2d(x, (4, 2))),
    "batch_norm": (
        [np.stack([ROWS[:, 0], ROWS[:, 1]], 1)[[0, 1, 2, 5]]],
        lambda ns, x: ns.batch_norm(x, None, None, training=True),
    ),
    "group_norm": ([ROWS[:5]], lambda ns, x: ns.group_norm(x, 2)),
    "layer_norm": ([ROWS[:5]], lambda ns, x: ns.layer_norm(x, (4,))),
    "cross_entropy": ([ROWS, CLASSES], lambda ns, x, y: ns.cross_entropy(x, y, reduction="none")),
    "cross_entropy-smoothed": (
        [ROWS, CLASSES],
        lambda ns, x, y: ns.cross_entropy(x, y, reduction="none", label_smoothing=0.1),
    ),
    "cross_entropy-ignored": (
        [ROWS[[0, 5]], CLASSES[[0, 5]]],
        lambda ns, x, y: ns.cross_entropy(x, y, ignore_index=0),
    ),
    "cross_entropy-all-ignored": (
        [ROWS[5:], CLASSES[5:]],
        lambda ns, x, y: ns.cross_entropy(x, y, ignore_index=1),
    ),
    "cross_entropy-nothing": ([np.zeros((0, 4)), CLASSES[:0]], lambda ns, *a: ns.cross_entropy(*a)),
    "cross_entropy-nothing-p": (
        [np.zeros((0, 4)), np.zeros((0, 4))],
        lambda ns, *a: ns.cross_entropy(*a),
    ),
    "cross_entropy-p": ([ROWS, SPREAD], lambda ns, *a: ns.cross_entropy(*a, reduction="none")),
    "cross_entropy-p-one-hot": (
        [ROWS, ONE_HOT],
        lambda ns, *a: ns.cross_entropy(*a, reduction="none"),
    ),
    "nll_loss": ([ROWS, CLASSES], lambda ns, x, y: ns.nll_loss(x, y, reduction="none")),
    "nll_loss-weight-0": (
        [ROWS, CLASSES],
        lambda ns, x, y: ns.nll_loss(x, y, ns.zeros(4, dtype=ns.float64), reduction="none"),
    ),
    "nll_loss-nothing": ([np.zeros((0, 4)), CLASSES[:0]], lambda ns, *a: ns.nll_loss(*a)),
    "mse_loss": ([EDGES, EDGES[::-1]], lambda ns, x, t: ns.mse_loss(x, t, reduction="none")),
    "mse_loss-nothing": ([np.zeros((0, 2))] * 2, lambda ns, x, t: ns.mse_loss(x, t)),
    "binary_cross_entropy": (
        [np.array([0.0, 0.0, 1.0, 1.0, 0.5]), np.array([0.0, 1.0, 0.0, 1.0, 0.3])],
        lambda ns, x, t: ns.binary_cross_entropy(x, t, reduction="none"),
    ),
    "binary_cross_entropy_with_logits": (
        [EDGES[0], np.array([1.0, 0.0, 1.0, 1.0, NAN])],
        lambda ns, x, t: ns.binary_cross_entropy_with_logits(x, t, reduction="none"),
    ),
    "binary_cross_entropy_with_logits-large": (
        [np.array([1e300, -1e300, 800.0, -800.0]), np.array([1.0, 0.0, 0.0, 1.0])],
        lambda ns, x, t: ns.binary_cross_entropy_with_logits(x, t, reduction="none"),
    ),
    "to-int": ([EDGES[:, 3:]], lambda ns, x: (x * 1e-308).long()),
}


def results(ns: Any, inputs: list[Any], call: Callable[..., Any], wrap: Any) -> list[Any]:
    """Outputs, and gradients of the inputs for output gradients 1, 2, 3, ..."""
    ys = call(ns, *inputs)
    outputs = []
    for y in ys if isinstance(ys, tuple) else (ys,):
        if y.requires_grad:
            count = int(np.prod(tuple(y.shape)))
            y.backward(wrap(np.arange(1.0, count + 1).reshape(tuple(y.shape))))
        outputs.append(y.detach().numpy())
    return outputs + [None if x.grad is None else x.grad.numpy() for x in inputs]


@pytest.mark.filterwarnings("ignore:var\\(\\):UserWarning")  # PyTorch warns of one value
@pytest.mark.parametrize("name", CASES)
def test_comes_through_as_in_torch(name: str) -> None:
    arrays, call = CASES[name]
    floats = [a.dtype.kind == "f" for a in arrays]
    ours = [npnet.tensor(a.copy(), requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    theirs = [torch.tensor(a.copy()).requires_grad_(f) for a, f in zip(arrays, floats, strict=True)]
    a = results(npnet_names(), ours, call, Tensor)
    b = results(torch_names(), theirs, call, torch.tensor)
    for i, (x, expected) in enumerate(zip(a, b, strict=True)):
        assert (x is None) == (expected is None), f"result {i}"
        if expected is not None and expected.dtype.kind == "f":
            assert_allclose(x, expected, rtol=RTOL, atol=ATOL, err_msg=f"result {i}")
        elif expected is not None:
            assert_array_equal(x, expected, err_msg=f"result {i}")
