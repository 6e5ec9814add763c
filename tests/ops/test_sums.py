"""Long sums of float32 against float64: their error hardly grows with their length.

NumPy adds along leading axes one by one: the mean of 10^6 random numbers is off by 1e-4 then, and
float32 ones add up to no more than 2^24.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.nn.utils import clip_grad_norm_
from npnet.ops import _sums
from npnet.ops.indexing import Gather, Pick
from npnet.tensor import Tensor
from tests.campaign import trials

# Relative, of sums of positive numbers: some roundings, each 2^-24, in blocks of 32 to 64 and in
# pairs. As much as PyTorch's sums are off.
CLOSE = 1.5e-6


def numbers(*shape: int) -> Array:
    """Random, from 0.5 to 1.5: all partial sums are rounded, and nothing cancels."""
    return np.random.default_rng(0).random(shape, dtype=np.float32) + np.float32(0.5)


def error(got: Any, want: Any) -> float:
    """The largest error, relative to the largest value."""
    got = got.detach().numpy() if isinstance(got, Tensor) else np.asarray(got)
    return float(np.max(np.abs(got - want)) / (np.max(np.abs(want)) or 1))


# ---- every layout, every axes -------------------------------------------------------------------

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda x: x,
    "fortran": np.asfortranarray,
    "transposed": lambda x: x.transpose(*range(x.ndim)[::-1]),
    "swapped": lambda x: np.swapaxes(x, 0, 1),
    "backwards": lambda x: x[::-1, ..., ::-1],
    "strided": lambda x: x[::2, ..., ::2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "unaligned": lambda x: np.frombuffer(b"x" + x.tobytes(), np.float32, x.size, 1).reshape(
        x.shape
    ),
}
SHAPES = [(20_000, 3), (3, 20_000), (50, 7, 11, 5), (1, 9_000, 1, 3), (70_000, 1)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_axes_of_any_layout(shape: tuple[int, ...], layout: str) -> None:
    x = LAYOUTS[layout](numbers(*shape))
    exact = x.astype(np.float64)
    every = [axes for r in range(x.ndim + 1) for axes in itertools.combinations(range(x.ndim), r)]
    for axes, keepdims in itertools.product(every, (False, True)):
        y, want = _sums.add_up(x, axes, keepdims), exact.sum(axes, keepdims=keepdims)
        assert y.dtype == np.float32
        assert y.shape == want.shape
        assert error(y, want) < CLOSE, axes
        y = _sums.add_products(x, x, axes, keepdims)
        want = np.square(exact).sum(axes, keepdims=keepdims)
        assert y.shape == want.shape
        assert error(y, want) < CLOSE, axes
        if axes:
            found, mean = _sums.centred(x, axes), exact.mean(axes, keepdims=True)
            assert error(found.y - found.off, exact - mean) < CLOSE, axes
            want = np.square(exact - mean).sum(axes, keepdims=True)
            np.testing.assert_allclose(found.squares, want, rtol=5e-6, atol=1e-8)
    for dim in range(x.ndim):
        assert error(_sums.running_sums(x, dim), np.cumsum(exact, dim)) < CLOSE, dim


@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 1)])
def test_of_nothing(axes: tuple[int, ...]) -> None:
    for shape in ((0, 3), (300, 0), (0, 0)):
        x = np.zeros(shape, np.float32)
        np.testing.assert_array_equal(_sums.add_up(x, axes), x.sum(axes))
        assert _sums.add_products(x, x, axes).shape == x.sum(axes).shape
    assert npnet.zeros(0, 3).cumsum(0).shape == (0, 3)


def test_a_sum_is_no_view() -> None:
    x = numbers(300, 1)
    for axes in ((), (1,)):
        assert not np.shares_memory(_sums.add_up(x, axes), x)


def test_other_dtypes() -> None:
    assert npnet.ones(2**17, 2, dtype=np.float16).mean(0).tolist() == [1, 1]
    half = npnet.ones(4096, 2, dtype=np.float16).sum(0)
    assert half.dtype == np.float16
    assert half.tolist() == [4096, 4096]
    whole = npnet.full((3, 300), 2**53, dtype=np.int64).sum(1)
    assert whole.tolist() == [300 * 2**53] * 3
    assert npnet.ones(300, 2, dtype=bool).sum(0).tolist() == [300, 300]
    x = numbers(3000, 2)
    assert error(npnet.tensor(x).sum(0, dtype=np.float64), x.sum(0, dtype=np.float64)) < 1e-15


# ---- long ones ----------------------------------------------------------------------------------

Op = Callable[[Tensor], Tensor]
REDUCTIONS: dict[str, tuple[Op, Callable[[Array], Array]]] = {
    "sum": (lambda x: x.sum(0), lambda m: m[0]),
    "mean": (lambda x: x.mean(0), lambda m: m[0] / m[3]),
    "var": (lambda x: x.var(0), lambda m: (m[1] - m[0] ** 2 / m[3]) / (m[3] - 1)),
    "std": (lambda x: x.std(0), lambda m: np.sqrt((m[1] - m[0] ** 2 / m[3]) / (m[3] - 1))),
    "norm": (lambda x: npnet.norm(x, dim=0), lambda m: np.sqrt(m[1])),
    "logsumexp": (lambda x: x.logsumexp(0), lambda m: np.log(m[2])),
    "cumsum": (lambda x: x.cumsum(0)[-1], lambda m: m[0]),
}


@pytest.mark.campaign
def test_reductions_of_many() -> None:
    """Of 10^8 numbers with `--campaign large`, in chunks where the exact values are computed."""
    rows = trials(2_000_000, 50_000_000)
    x = numbers(rows, 2)
    moments = np.zeros((4, 2))
    for part in np.array_split(x, max(1, rows // 10**6)):
        exact = part.astype(np.float64)
        moments[:3] += exact.sum(0), np.square(exact).sum(0), np.exp(exact).sum(0)
    moments[3] = rows
    for name, (op, exactly) in REDUCTIONS.items():
        with npnet.no_grad():
            assert error(op(npnet.from_numpy(x)), exactly(moments)) < CLOSE, name


@pytest.mark.campaign
def test_ones_are_counted() -> None:
    rows = trials(2**24 + 2**20, 10**8)
    x = np.ones((rows, 1, 1), np.float32)[..., [0, 0]] if rows < 2**25 else np.ones((rows, 1))
    x = np.require(x, np.float32).reshape(rows, -1)
    assert set(npnet.from_numpy(x).sum(0).tolist()) == {np.float32(rows)}
    repeated = npnet.from_numpy(np.broadcast_to(np.ones((1, 3), np.float32), (10**8, 3)))
    assert repeated.sum(0).tolist() == [1e8] * 3
    assert float(repeated.sum()) == 3e8
    assert repeated.mean((0, 1)).tolist() == 1


def test_pixels_of_a_data_set() -> None:
    """As of CIFAR-10's images, (N, 32, 32, 3): the channels are the last axis."""
    x = numbers(2000, 32, 32, 3)
    ours, exact = npnet.from_numpy(x), x.reshape(-1, 3).astype(np.float64)
    assert error(ours.mean((0, 1, 2)), exact.mean(0)) < CLOSE
    assert error(ours.std((0, 1, 2)), exact.std(0, ddof=1)) < CLOSE


# ---- gradients that are sums --------------------------------------------------------------------


def gradient(forward: Callable[[Tensor], Tensor], shape: tuple[int, ...], gy: Array) -> Array:
    """By a leaf of `shape`, of what arrives as gy."""
    leaf = npnet.ones(*shape, requires_grad=True)
    forward(leaf).backward(npnet.from_numpy(gy))
    assert leaf.grad is not None
    return leaf.grad.numpy()


ROWS = 1_000_000


def test_of_what_was_broadcast() -> None:
    gy = numbers(ROWS, 2)
    x = npnet.from_numpy(np.broadcast_to(np.float32(1), gy.shape))
    for forward in (
        lambda b: x + b,
        lambda b: b.expand(ROWS, 2),
        lambda b: F.linear(npnet.zeros(ROWS, 1), npnet.zeros(2, 1), b),
    ):
        assert error(gradient(forward, (2,), gy), gy.sum(0, dtype=np.float64)) < CLOSE


def test_of_a_linear_layer() -> None:
    gy, x = numbers(ROWS, 2), numbers(ROWS, 3)
    want = sum(
        gy[k : k + 10_000].T.astype(np.float64) @ x[k : k + 10_000] for k in range(0, ROWS, 10_000)
    )
    got = gradient(lambda w: F.linear(npnet.from_numpy(x), w), (2, 3), gy)
    assert error(got, want) < 5e-6  # of what BLAS adds, 2^15 products at a time
    product = npnet.from_numpy(gy).t() @ npnet.from_numpy(x)
    assert error(product, want) < 5e-6


def test_of_a_convolution(backend: str) -> None:
    x, gy = numbers(2000, 2, 20, 20), numbers(2000, 3, 20, 20)
    images = npnet.from_numpy(x)
    weight = npnet.ones(3, 2, 1, 1)
    want = np.zeros((3, 2))
    for a, b in zip(gy.astype(np.float64), x, strict=True):
        want += np.einsum("ohw,chw->oc", a, b)
    got = gradient(lambda b: F.conv2d(images, weight, b), (3,), gy)
    assert error(got, gy.sum((0, 2, 3), dtype=np.float64)) < CLOSE
    got = gradient(lambda w: F.conv2d(images, w), (3, 2, 1, 1), gy)
    assert error(got[..., 0, 0], want) < 5e-6


def test_of_values_that_were_picked_often() -> None:
    """A lookup of few rows: PyTorch adds one by one here, and stops at 2^24."""
    places = np.random.default_rng(0).integers(0, 3, ROWS)
    gy = numbers(ROWS, 1)
    want = np.bincount(places, gy[:, 0])[:, None]
    pick, gather = Pick((places,)), Gather(0, places[:, None])
    for op in (pick, gather):
        op.x_shape = (3, 1)
        assert error(op.backward(gy)[0], want) < CLOSE


def test_of_running_sums() -> None:
    gy = numbers(ROWS, 1)
    got = gradient(lambda x: x.cumsum(0), (ROWS, 1), gy)
    assert error(got, np.cumsum(gy[::-1], 0, dtype=np.float64)[::-1]) < CLOSE


def test_norm_of_gradients() -> None:
    p = [npnet.zeros(n, requires_grad=True) for n in (3, 4096, 4097, 2_000_000)]
    for tensor in p:
        tensor.grad = npnet.from_numpy(numbers(*tensor.shape))
    gradients = np.concatenate([t.grad.numpy() for t in p if t.grad is not None]).astype(np.float64)
    for kind in (1.0, 2.0, 3.0):
        got = clip_grad_norm_(p, 1e30, kind)
        assert error(got, np.linalg.norm(gradients, kind)) < CLOSE


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses(reduction: str) -> None:
    """Of many samples in a layout in which NumPy would add them one by one."""
    x, t = numbers(2, 300_000).T, numbers(2, 300_000).T[::-1]
    classes = np.arange(len(x)) % 2
    y, z = (npnet.from_numpy(a) for a in (x, t))
    exact, other = x.astype(np.float64), t.astype(np.float64)
    logp = exact - np.log(np.exp(exact).sum(1, keepdims=True))
    total = np.mean if reduction == "mean" else np.sum
    losses = -logp[np.arange(len(x)), classes]
    got = F.cross_entropy(y, npnet.from_numpy(classes), reduction=reduction)
    assert error(got, total(losses)) < CLOSE
    got = F.mse_loss(y, z, reduction=reduction)
    assert error(got, total(np.square(exact - other))) < CLOSE
    weight = np.array([0.3, 1.7], np.float32)
    by_class = weight.astype(np.float64)[classes]
    want = total(losses * by_class) / (by_class.mean() if reduction == "mean" else 1)
    got = F.cross_entropy(
        y, npnet.from_numpy(classes), npnet.from_numpy(weight), reduction=reduction
    )
    assert error(got, want) < CLOSE


def test_pooling_of_large_windows(backend: str) -> None:
    x = numbers(1, 2, 1500, 1200)
    want = x.mean((2, 3), dtype=np.float64)
    image = npnet.from_numpy(x)
    image = F.relu(image) if backend == "numba" else image
    for y in (F.adaptive_avg_pool2d(image, 1), image.mean((2, 3))):
        assert error(y.reshape(1, 2), want) < CLOSE
    part = npnet.from_numpy(x[..., :600, :300])
    got = F.avg_pool2d(part, (600, 300))
    assert error(got[..., 0, 0], x[..., :600, :300].mean((2, 3), dtype=np.float64)) < CLOSE


# ---- means that are large beside the deviation --------------------------------------------------

Layer = Callable[[Any], Any]


def in_lanes_first(layer: Any, x: Tensor) -> Tensor:
    """By the kernels: after a convolution that changes nothing."""
    eye = np.eye(x.shape[1], dtype=np.float32)[:, :, None, None]
    return layer(F.conv2d(x, npnet.from_numpy(eye)))


SHAPES_OF_BATCHES = {"images": (64, 3, 12, 12), "features": (300, 5), "signals": (20, 4, 30)}


@pytest.mark.parametrize("way", ["first", "kernels", "images", "features", "signals"])
@pytest.mark.parametrize("mean", [0, 1e3, 1e4, 1e5])
def test_batch_norm_of_a_large_mean(mean: float, way: str) -> None:
    """Forward, backward and running statistics: no worse than four times what PyTorch's are."""
    shape = SHAPES_OF_BATCHES.get(way, SHAPES_OF_BATCHES["images"])
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(shape) + mean).astype(np.float32)
    gy = rng.standard_normal(shape).astype(np.float32)
    kind = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"

    def run(module: Any, make: Callable[..., Any], dtype: str) -> list[Array]:
        layer = getattr(module.nn, kind)(shape[1])
        layer = layer.double() if dtype == "float64" else layer
        leaf = make(x.astype(dtype)).requires_grad_()
        kernels = way == "kernels" and module is npnet
        y = in_lanes_first(layer, leaf) if kernels else layer(leaf)
        y.backward(make(gy.astype(dtype)))
        values = [y.detach(), leaf.grad, layer.weight.grad, layer.bias.grad]
        return [np.asarray(v.numpy()) for v in (*values, layer.running_mean, layer.running_var)]

    npnet.set_backend("numba" if way == "kernels" else "numpy" if way != "first" else "auto")
    ours = run(npnet, npnet.from_numpy, "float32")
    theirs = run(torch, torch.from_numpy, "float32")
    exact = run(torch, torch.from_numpy, "float64")
    for name, a, b, c in zip(
        ("y", "gx", "gweight", "gbias", "mean", "var"), ours, theirs, exact, strict=True
    ):
        assert error(a, c) <= 4 * error(b, c) + CLOSE, name


@pytest.mark.parametrize("mean", [1e3, 1e5])
def test_batch_norm_in_inference(mean: float) -> None:
    x = (np.random.default_rng(0).standard_normal((8, 3, 6, 6)) + mean).astype(np.float32)
    layer = nn.BatchNorm2d(3).eval()
    layer.running_mean.array[...] = mean
    want = (x.astype(np.float64) - mean) / np.sqrt(1 + 1e-5)
    for y in (layer(npnet.from_numpy(x)), in_lanes_first(layer, npnet.from_numpy(x))):
        assert error(y, want) < CLOSE


@pytest.mark.parametrize("mean", [0, 1e3, 1e5])
def test_spread_about_a_large_mean(mean: float) -> None:
    x = (np.random.default_rng(0).standard_normal((200_000, 2)) + mean).astype(np.float32)
    exact, ours = x.astype(np.float64), npnet.from_numpy(x)
    assert error(ours.var(0), exact.var(0, ddof=1)) < CLOSE
    assert error(ours.std(), exact.std(ddof=1)) < CLOSE
    rows = x.reshape(400, -1)
    y = F.layer_norm(npnet.from_numpy(rows), (rows.shape[1],))
    want = rows - rows.mean(1, keepdims=True, dtype=np.float64)
    want /= np.sqrt(np.square(want).mean(1, keepdims=True) + 1e-5)
    assert error(y, want) < CLOSE


def test_a_first_batch_unlike_the_others() -> None:
    """The shift is taken from the first values; where it is none of the mean's, it is not used."""
    x = numbers(40_000, 4)
    x[:30_000] += 1e4
    x[0] = 1e6
    found, exact = _sums.centred(x, (0,)), x.astype(np.float64)
    assert error(found.squares, np.square(exact - exact.mean(0)).sum(0, keepdims=True)) < CLOSE
    assert error(found.start + found.off, exact.mean(0, keepdims=True)) < 1e-7


def test_equal_values_have_no_variance() -> None:
    for value in (0.1, 1e5, 3e-5):
        x = npnet.full((100_000, 3), value)
        assert float(x.var(0).max()) <= (value * 1e-7) ** 2
        assert not npnet.isnan(x.std(0)).any()
