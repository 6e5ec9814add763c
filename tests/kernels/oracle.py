"""What the kernels are held against: the NumPy op of the same name, in float64."""

from __future__ import annotations

import numpy as np

import npnet
from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.ops.conv import Conv2d
from npnet.ops.linear import Linear
from npnet.ops.windows import Window
from npnet.tape import Function

# Sums of up to a few thousand products of float32, added up in another order than in float64:
# the error grows with the number of terms' root, 2**-24 * sqrt(4000), and is relative to the
# largest result; Winograd's transforms cost another factor, see winograd.py.
FLOAT32 = 1e-5


def conv2d(x: Array, weight: Array, bias: Array, gy: Array, window: Window) -> tuple[Array, ...]:
    """y, gx, gweight, gbias by the NumPy op."""
    return _in_double(Conv2d(window, 1), x, weight, bias, gy)


def linear(x: Array, weight: Array, bias: Array, gy: Array) -> tuple[Array, ...]:
    """y, gx, gweight, gbias by the NumPy op."""
    return _in_double(Linear(), x, weight, bias, gy)


def apply(op: Function, *inputs: Array, gy: Array) -> tuple[Array, ...]:
    """What the op gives, and the gradient of each input, as users get them: by the tape.

    It computes where NumPy doesn't warn. By itself, forward or backward would, on infinity: with
    the BLAS of one CPU, and not with another's.
    """
    leaves = [npnet.tensor(a, requires_grad=True) for a in inputs]
    y = op(*leaves)
    y.backward(npnet.as_tensor(gy))
    gradients = [leaf.grad for leaf in leaves]
    return (y.detach().numpy(), *[g.numpy() for g in gradients if g is not None])


def _in_double(op: Function, *arrays: Array) -> tuple[Array, ...]:
    *inputs, gy = (a.astype(np.float64) for a in arrays)
    return apply(op, *inputs, gy=gy)


def spoiled(x: Array) -> Array:
    """x in lanes, with NaN where there is no image: nothing may come from there."""
    y = lanes.to_lanes(x)
    images = np.arange(y.shape[0] * 16).reshape(-1, 16) >= len(x)
    np.moveaxis(y, -1, 1)[images] = np.nan
    return y


def check(got: tuple[Array, ...], want: tuple[Array, ...], tolerance: float = FLOAT32) -> None:
    """All close, relative to the largest finite value; NaN and infinity in the same places."""
    names = ("y", "gx", "gweight", "gbias")[: len(want)]
    for name, a, b in zip(names, got, want, strict=True):
        assert a.dtype == np.float32
        assert a.shape == b.shape, name
        finite = np.abs(b[np.isfinite(b)])
        scale = float(finite.max()) if finite.size else 0.0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale + 1e-30, err_msg=name)
