"""Convolutions of programs with the norms around them, against the NumPy ops in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import npnet
from npnet.kernels import lanes, norm_parts
from npnet.kernels._jit import get_num_threads, set_num_threads
from npnet.kernels.norm import Backward
from npnet.kernels.program import Phase, Program
from npnet.lanes import winograd_norm
from npnet.lanes.convolve import tile_rows
from npnet.lanes.fusion import planes
from npnet.lanes.plan import Buffer, Extent
from npnet.lanes.staged import Staged
from npnet.lanes.winograd_norm import Norm
from npnet.ops.activation import ReLU
from npnet.ops.conv import Conv2d
from npnet.ops.norm import BatchNorm
from npnet.ops.windows import Window
from tests.kernels import oracle

EPS = 0.1
# The transforms' coefficients reach 8 and cancel: up to ten times a direct convolution's error,
# twice in a gradient that goes through a norm.
WINOGRAD = 2e-4
WINDOW = Window((3, 3), (1, 1), ((1, 1), (1, 1)))
Arrays = list[oracle.Array]


def draw(n: int, channels: int, outputs: int, size: tuple[int, int], seed: int = 0) -> Arrays:
    """x, residual, weight, bias, the norms' weights and biases, and g.

    What a ReLU takes is far from 0, above or below.
    """
    rng = np.random.default_rng(seed)
    x = 0.1 * rng.standard_normal((n, channels, *size))
    signs = rng.choice([-1.0, 1.0], (n, channels, *size))
    weight = rng.standard_normal((outputs, channels, 3, 3)) / np.sqrt(9 * channels)
    norms = [rng.uniform(0.5, 1.5, count) for count in (channels, channels, outputs, outputs)]
    g = rng.standard_normal((n, outputs, *size))
    bias = rng.standard_normal(outputs)
    return [a.astype(np.float32) for a in (x, x + 8 * signs, weight, bias, *norms, g)]


def filled(x: oracle.Array) -> oracle.Array:
    """x in lanes, with large numbers where there is no image: nothing may come from there.

    They are finite, as all is that programs make of zeros.
    """
    more = np.full((-len(x) % 16, *x.shape[1:]), 1e3, np.float32)
    return lanes.to_lanes(np.concatenate([x, more]))


def constants(y: Buffer, parts: Any, weight: Any, bias: Any, out: Staged) -> tuple[Any, Any, Any]:
    if parts is None:
        parts = np.zeros((len(y.array), y.shape[0], 4))
        out.add(norm_parts.statistics_plane, planes(y.array), out.extent.n, parts, of=y)
    mean, var, found = (np.zeros(s, np.float32) for s in (len(weight), len(weight), (4, len(bias))))
    eps = np.float32(EPS)
    out.alone(norm_parts.constants_channel, parts, True, weight, bias, eps, mean, var, found)
    return found, mean, var


def run(arrays: Arrays, before: bool, adds: bool, keeps: bool, behind: bool) -> dict[str, Any]:
    """One convolution, forward and backward, as a program."""
    n, channels, outputs = len(arrays[0]), arrays[0].shape[1], len(arrays[3])
    x, r, g = (Buffer(filled(a)) for a in (arrays[0], arrays[1], arrays[8]))
    weight, bias, scale, shift, scale_behind, shift_behind = arrays[2:8]
    out = Staged(Extent(n, get_num_threads()))
    first = None
    if before:
        slopes = np.zeros((2, channels), np.float32)
        found, *_ = constants(x, None, scale, shift, out)
        first = Norm(x, found, slopes, r if adds else None, True)
    kept = out.empty(x.shape) if keeps else None
    y = out.empty((outputs, *x.size))
    parts, spoiled = winograd_norm.forward(
        None if before else x, first, kept, weight, bias, y, True, out, tile_rows(weight.shape)
    )
    found, mean, var = constants(y, parts, scale_behind, shift_behind, out)
    last = Norm(y, found, np.zeros((2, outputs), np.float32), None, False)
    totals = np.zeros((2, outputs), np.float32)
    count = n * x.size[0] * x.size[1]
    if behind:
        sums = np.zeros((len(g.array), outputs, 2))
        plan = Backward(n, False, False, True)
        given_planes = (planes(b.array) for b in (g, y, y))
        to = planes(g.array)
        out.add(norm_parts.sums_plane, *given_planes, plan, found, to, sums, of=g)
        out.alone(norm_parts.slopes_channel, sums, True, count, found, last.slopes, totals)
    gx = out.empty(x.shape)
    values = kept if keeps else None if before else x
    gweight, gbias, sums, flags = winograd_norm.backward(
        g, last if behind else None, values, first, before, r if adds else None, weight, gx, out
    )
    totals_before = np.zeros((2, channels), np.float32)
    if before:
        out.alone(
            norm_parts.slopes_channel, sums, True, count, first.constants, first.slopes,
            totals_before,
        )  # fmt: skip
    out.close()
    Program([p for p in (Phase(out.first), *out.phases) if p.calls]).run()
    assert not any(map(np.any, (spoiled, *flags)))
    z = lanes.from_lanes(kept.array, n) if keeps else None
    return {
        "y": lanes.from_lanes(y.array, n), "z": z, "mean": mean, "var": var,
        "gr": lanes.from_lanes(gx.array, n), "gweight": gweight, "gbias": gbias,
        "scales": totals_before if before else None, "behind": totals if behind else None,
    }  # fmt: skip


def in_numpy(arrays: Arrays, before: bool, adds: bool, keeps: bool, behind: bool) -> dict[str, Any]:
    """The same by ops in float64. The residual's gradient is added once more, as a shortcut's."""
    x, r, *weights, g = (npnet.tensor(a.astype(np.float64)) for a in arrays)
    x.requires_grad = True
    for w in weights:
        w.requires_grad = True
    _, _, scale, shift, _, _ = weights
    taken = x
    if before:
        taken = BatchNorm(EPS, None)(x, scale, shift)
        inner = taken = taken + r if adds else taken
        inner.retain_grad()
        taken = ReLU()(taken)
        if adds:
            (taken * r).sum().backward()
            extra = inner.grad.numpy().copy()
            for t in (x, inner, *weights):
                t.grad = None
            return _once_more(arrays, extra, keeps, behind)
    else:
        inner = x
    return _results(inner, taken, weights, g, keeps, before, behind)


def _once_more(arrays: Arrays, extra: Any, keeps: bool, behind: bool) -> dict[str, Any]:
    x, r, *weights, g = (npnet.tensor(a.astype(np.float64)) for a in arrays)
    for w in (x, *weights):
        w.requires_grad = True
    inner = BatchNorm(EPS, None)(x, *weights[2:4]) + r
    inner.retain_grad()
    taken = ReLU()(inner)
    return _results(inner, taken, weights, g, keeps, True, behind, taken * r)


def _results(
    inner: Any, taken: Any, weights: Any, g: Any, keeps: bool, before: bool, behind: bool,
    more: Any = None,
) -> dict[str, Any]:  # fmt: skip
    weight, bias, scale, shift, *last = weights
    y = Conv2d(WINDOW, 1)(taken, weight, bias)
    given_ = BatchNorm(EPS, None)(y, *last) if behind else y
    loss = (given_ * g).sum()
    (loss if more is None else loss + more.sum()).backward()
    pixels = y.detach().numpy()
    return {
        "y": pixels, "z": taken.detach().numpy() if keeps else None,
        "mean": pixels.mean((0, 2, 3)), "var": pixels.var((0, 2, 3)),
        "gr": inner.grad.numpy(), "gweight": weight.grad.numpy(), "gbias": bias.grad.numpy(),
        "scales": np.stack([shift.grad.numpy(), scale.grad.numpy()]) if before else None,
        "behind": np.stack([last[1].grad.numpy(), last[0].grad.numpy()]) if behind else None,
    }  # fmt: skip


def check(arrays: Arrays, *flags: bool) -> None:
    got, want = run(arrays, *flags), in_numpy(arrays, *flags)
    for name, b in want.items():
        if b is None:
            continue
        scale = max(
            np.abs(b).max(), np.sqrt(len(arrays[0]) * b.size) / 10 if name == "gbias" else 1
        )
        np.testing.assert_allclose(got[name], b, rtol=0, atol=WINOGRAD * scale, err_msg=name)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    n=st.sampled_from([3, 15, 16, 17, 33]),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 40),
    size=st.tuples(st.integers(3, 19), st.integers(3, 19)),
    flags=st.sampled_from(
        [(True, False, False), (True, True, True), (True, False, True), (False, False, False)]
    ),
    behind=st.booleans(),
)
def test_random_sizes(
    n: int,
    channels: int,
    outputs: int,
    size: tuple[int, int],
    flags: tuple[bool, bool, bool],
    behind: bool,
) -> None:
    check(draw(n, channels, outputs, size), *flags, behind)


@pytest.mark.parametrize(("channels", "size"), [(16, 32), (32, 16), (64, 8)])
def test_layers_of_networks(channels: int, size: int) -> None:
    check(draw(40, channels, channels, (size, size)), True, True, True, True)


@pytest.mark.parametrize("channels", [16, 24])  # by tiles of two rows, and of four
def test_same_bits_for_any_number_of_threads(channels: int) -> None:
    arrays, results = draw(50, channels, 32, (13, 10)), []
    for threads in (1, 2):
        set_num_threads(threads)
        results.append(run(arrays, True, True, True, True))
    for name, one in results[0].items():
        np.testing.assert_array_equal(one, results[1][name], err_msg=name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 2, 8])
def test_what_is_not_finite_is_told(where: int, value: float) -> None:
    arrays = draw(17, 24, 24, (6, 6))
    arrays[where].flat[7] = value
    with pytest.raises(AssertionError):
        run(arrays, True, False, False, True)
