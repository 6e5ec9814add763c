"""Taking parts out of images in lanes and putting them in, against NumPy's slices."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from npnet.kernels import lanes, strided
from npnet.kernels._jit import set_num_threads
from npnet.kernels.strided import Strides
from tests.kernels import oracle


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Sizes of three axes, and a slice of each that is not empty."""
    sizes = tuple(draw(st.integers(1, 7)) for _ in range(3))
    chosen = []
    for size in sizes:
        start = draw(st.integers(0, size - 1))
        step = draw(st.sampled_from([1, 2, 3, -1, -2]))
        stop = draw(st.integers(start + 1, size)) if step > 0 else None
        chosen.append(slice(start, stop, step))
    return sizes, tuple(chosen)


def gather(x: oracle.Array, strides: Strides, sizes: tuple[int, ...]) -> oracle.Array:
    y = lanes.empty((len(x), *sizes, 16))
    strided.gather_plane(x, strides, y)
    return y


def scatter(
    x: oracle.Array, strides: Strides, sizes: tuple[int, ...], value: float = 0.0
) -> oracle.Array:
    y = lanes.empty((len(x), *sizes, 16))
    strided.scatter_plane(x, strides, np.float32(value), True, y)
    return y


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.sampled_from([1, 15, 16, 17, 127]), parts())
def test_as_numpys_slices(n: int, drawn: tuple[tuple[int, ...], tuple[slice, ...]]) -> None:
    sizes, part = drawn
    ranges = [range(*s.indices(n)) for s, n in zip(part, sizes, strict=True)]
    strides = Strides(*[r.start for r in ranges], *[r.step for r in ranges])
    x = np.random.default_rng(n).standard_normal((n, *sizes)).astype(np.float32)
    index = (slice(None), *part)
    taken = gather(oracle.spoiled(x), strides, tuple(map(len, ranges)))
    np.testing.assert_array_equal(lanes.from_lanes(taken, n), x[index])
    back = scatter(taken, strides, sizes, 7.0)
    expected = np.full_like(x, 7)
    expected[index] = x[index]
    np.testing.assert_array_equal(lanes.from_lanes(back, n), expected)
    back.fill(7)
    strided.scatter_plane(taken, strides, np.float32(0), False, back)
    np.testing.assert_array_equal(lanes.from_lanes(back, n), expected)


def test_what_is_not_finite_comes_through() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1], np.float32).reshape(1, 1, 2, 2)
    taken = gather(lanes.to_lanes(x), Strides(0, 1, 0), (1, 1, 2))
    np.testing.assert_array_equal(lanes.from_lanes(taken, 1), x[:, :, 1:])
    put = scatter(lanes.to_lanes(x), Strides(0, 1, 0), (1, 3, 2), np.nan)
    np.testing.assert_array_equal(lanes.from_lanes(put, 1)[:, :, 1:], x)
    assert np.isnan(lanes.from_lanes(put, 1)[:, :, 0]).all()


def test_same_bits_for_any_number_of_threads() -> None:
    x = lanes.to_lanes(np.random.default_rng(0).standard_normal((40, 5, 6, 7)).astype(np.float32))
    results = []
    for threads in (1, 2, 4):
        set_num_threads(threads)
        taken = gather(x, Strides(1, 0, 0, 2, 2, 3), (2, 3, 3))
        put = scatter(taken, Strides(0, 1, 0, 1, 2, 1), (3, 6, 4))
        results.append((taken.tobytes(), put))
    for taken, put in results[1:]:
        assert taken == results[0][0]
        np.testing.assert_array_equal(put, results[0][1])
