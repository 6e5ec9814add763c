"""Sums in lanes over large batches, images and rows, against float64.

Numbers are positive, so that nothing cancels and each error has its effect: one float32 that adds
up a million of them is off by 1e-4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.lanes import weight_gradient
from npnet.lanes.plan import Buffer, Extent, Loop
from npnet.ops.conv import Conv2d
from npnet.ops.elementwise_loss import MeanSquaredError
from npnet.ops.linear import Linear
from npnet.ops.loss import CrossEntropy
from npnet.ops.norm import BatchNorm
from npnet.ops.pool import AdaptiveAvgPool2d
from npnet.ops.windows import Window
from tests.campaign import trials
from tests.lanes import by_lanes

# Sums of some hundred to a thousand numbers in float32, added in pairs, in float64 or in short
# runs: as of PyTorch's sums.
CLOSE = 3e-6
# Winograd's transforms multiply numbers by up to 7 before they cancel; see winograd_tiles.py.
WINOGRAD = 5e-6


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).random(shape, dtype=np.float32) + np.float32(0.5)


def error(got: Any, want: Array) -> float:
    return float(np.max(np.abs(got - want)) / np.max(np.abs(want)))


def gradients(x: Array, gy: Array, size: int, padding: int) -> tuple[Array, Array]:
    """By the weight and the bias, in float64, image by image."""
    gw = np.zeros((gy.shape[1], x.shape[1], size, size))
    around = [(0, 0), (padding, padding), (padding, padding)]
    for image, g in zip(x, gy, strict=True):
        image, g = np.pad(image.astype(np.float64), around), g.astype(np.float64)
        for u in range(size):
            for v in range(size):
                part = image[:, u : u + g.shape[1], v : v + g.shape[2]]
                gw[:, :, u, v] += np.tensordot(g, part, ((1, 2), (1, 2)))
    return gw, gy.sum((0, 2, 3), dtype=np.float64)


def weight_gradients(x: Array, gy: Array, window: Window, fast: bool) -> Any:
    """By the weight and the bias, in lanes."""
    weight = np.zeros((gy.shape[1], x.shape[1], *window.kernel), np.float32)
    bias = np.zeros(gy.shape[1], np.float32)
    op, _ = by_lanes.apply(Conv2d(window, 1), x, weight, bias, fast=fast)
    op.needs_input_grad = (False, True, True)
    return by_lanes.differentiate(op, gy)


LAYERS = {  # channels, outputs, kernel, padding, image, fast; and how close
    "by lanes": (3, 5, 3, 1, 28, False, CLOSE),
    "by channels": (32, 8, 3, 1, 16, False, CLOSE),
    "by channels, 1x1": (16, 8, 1, 0, 28, False, CLOSE),
    "winograd": (16, 16, 3, 1, 16, True, WINOGRAD),
    "dense": (4, 6, 3, 1, 2, False, CLOSE),
}


@pytest.mark.campaign
@pytest.mark.parametrize("layer", LAYERS)
def test_conv2d_by_weight_of_a_large_batch(layer: str) -> None:
    channels, outputs, size, padding, pixels, fast, close = LAYERS[layer]
    n = trials(1000, 10_000)
    x, gy = numbers(n, channels, pixels, pixels), numbers(n, outputs, pixels, pixels)
    window = Window((size, size), padding=((padding, padding),) * 2)
    gw, gb = weight_gradients(x, gy, window, fast)
    want, bias = gradients(x, gy, size, padding)
    assert error(gw, want) < close
    assert error(gb, bias) < CLOSE


def test_conv2d_by_weight_of_a_large_image() -> None:
    for channels in (1, 32):
        x, gy = numbers(1, channels, 600, 400), numbers(1, 2, 600, 400)
        window = Window((1, 1))
        gw, gb = weight_gradients(x, gy, window, False)
        want, bias = gradients(x, gy, 1, 0)
        assert error(gw, want) < CLOSE
        assert error(gb, bias) < CLOSE
        assert (
            error(weight_gradient.backward_bias(Buffer(lanes.to_lanes(gy)), Loop(1)), bias) < CLOSE
        )


@pytest.mark.campaign
def test_linear_layers() -> None:
    n = trials(100_000, 2_000_000)
    x, gy = numbers(n, 3), numbers(n, 2)
    _, _, gw, gb = by_lanes.run(Linear(), x, numbers(2, 3), numbers(2), gy=gy)
    want = sum(
        a.T.astype(np.float64) @ b
        for a, b in zip(np.array_split(gy, 100), np.array_split(x, 100), strict=True)
    )
    assert error(gw, want) < CLOSE
    assert error(gb, gy.sum(0, dtype=np.float64)) < CLOSE
    x, weight = numbers(17, 300_000), numbers(3, 300_000)
    y, *_ = by_lanes.run(Linear(), x, weight, gy=numbers(17, 3))
    assert error(y, x.astype(np.float64) @ weight.T.astype(np.float64)) < CLOSE


@pytest.mark.parametrize("mean", [0, 1e4])
def test_batch_norm_of_large_planes(mean: float) -> None:
    x, gy = numbers(2, 2, 900, 700) + np.float32(mean), numbers(2, 2, 900, 700)
    one, zero = np.ones(2, np.float32), np.zeros(2, np.float32)
    function = BatchNorm(1e-5, None)
    _, _, gweight, gbias = by_lanes.run(function, x, one, zero, gy=gy)
    exact, axes = x.astype(np.float64), (0, 2, 3)
    assert error(function.mean, exact.mean(axes)) < 1e-7
    assert error(function.var, exact.var(axes)) < CLOSE
    centred = exact - function.mean[:, None, None].astype(np.float64)
    want = (gy * centred).sum(axes) / np.sqrt(exact.var(axes) + 1e-5)
    scale = np.abs(gy * centred).sum(axes).max()  # the products have either sign
    assert np.abs(gweight - want).max() < CLOSE * scale
    assert error(gbias, gy.sum(axes, dtype=np.float64)) < CLOSE


def test_mse_loss_and_cross_entropy_of_many_features_and_classes() -> None:
    x, t = numbers(3, 400_000), numbers(3, 400_000)[::-1]
    _, value = by_lanes.apply(MeanSquaredError(), x, np.ascontiguousarray(t))
    assert error(value, np.square(x.astype(np.float64) - t).mean()) < CLOSE
    exact, classes = x.astype(np.float64), np.array([5, 300_000, 0])
    logp = exact - np.log(np.exp(exact).sum(1, keepdims=True))
    value, gx = by_lanes.run(CrossEntropy(classes, 0.1), x, gy=np.ones((), np.float32))
    want = -(0.9 * logp[np.arange(3), classes] + 0.1 * logp.mean(1)).mean()
    assert error(value, want) < CLOSE
    assert error(gx[:, 7], np.exp(logp[:, 7]) / 3 - 0.1 / 4e5 / 3) < 2e-5


def test_adaptive_avg_pool2d_of_large_windows() -> None:
    x = numbers(1, 1, 1100, 900)
    for size in ((1, 1), (2, 3)):
        y, _ = by_lanes.run(AdaptiveAvgPool2d(size), x, gy=numbers(1, 1, *size))
        rows, columns = 1100 // size[0], 900 // size[1]
        parts = x[0, 0].reshape(size[0], rows, size[1], columns)
        want = parts.mean((1, 3), dtype=np.float64)
        assert error(y[0, 0], want) < CLOSE


def test_chunks_follow_from_the_batch() -> None:
    counts = [Extent(16 * blocks).chunks for blocks in (0, 1, 8, 256, 512, 640, 6250)]
    assert counts == [1, 1, 8, 8, 8, 10, 97]
