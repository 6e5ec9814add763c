"""Windows that reach out of the image in `ceil_mode`, also where one is larger than the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import npnet

# Sums of at most 49 values, as PyTorch's in another order.
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


@st.composite
def pools(draw: st.DrawFn) -> tuple[str, tuple[int, int], dict[str, Any]]:
    """A pool, the size of images, and its options."""
    kernel, stride = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    options: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "ceil_mode": True}
    options["padding"] = draw(st.integers(0, kernel // 2))
    name = draw(st.sampled_from(["max_pool2d", "avg_pool2d"]))
    if name == "avg_pool2d":
        options["count_include_pad"] = draw(st.booleans())
    return name, (draw(st.integers(1, 9)), draw(st.integers(1, 9))), options


def outcome(lib: Any, name: str, x: Any, options: dict[str, Any]) -> Any:
    try:
        return getattr(lib.nn.functional, name)(x, **options)
    except (RuntimeError, ValueError):
        return None


@pytest.mark.usefixtures("backend")
@given(pools(), st.sampled_from([np.float32, np.float64]), st.integers(0, 9))
def test_as_torch(pool: tuple[str, tuple[int, int], dict[str, Any]], dtype: Any, seed: int) -> None:
    name, size, options = pool
    array = np.random.default_rng(seed).normal(size=(3, 2, *size)).astype(dtype)
    ours = npnet.tensor(array, requires_grad=True)
    theirs = torch.tensor(array, requires_grad=True)
    # times one, since a pool alone takes what is in lanes already to the kernels
    lanes = npnet.nn.functional.conv2d(
        ours, npnet.from_numpy(np.eye(2, dtype=dtype).reshape(2, 2, 1, 1))
    )
    y, want = outcome(npnet, name, lanes, options), outcome(torch, name, theirs, options)
    assert (y is None) == (want is None), (tuple(size), options)
    if y is None:
        return
    gy = np.random.default_rng(seed + 1).normal(size=y.shape).astype(dtype)
    y.backward(npnet.from_numpy(gy))
    want.backward(torch.from_numpy(gy))
    np.testing.assert_allclose(y.detach().numpy(), want.detach().numpy(), **FLOAT32)
    assert ours.grad is not None
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), **FLOAT32)
