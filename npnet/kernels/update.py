"""Optimizers' updates: one walk over a parameter, its gradient and its state, changed in place.

The arithmetic is that of `npnet.optim`, operation by operation in float32, so the bits are the same
but for denormals, which are zero here: momentum that decays would end in them and stay.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.kernels import simd
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.simd import LANES, add
from npnet.kernels.simd_math import (
    divide,
    load_part,
    multiply,
    square_root,
    store_part,
    subtract,
    where_wins,
)

__all__ = ["adam", "sgd"]

Array: TypeAlias = npt.NDArray[np.float32]

SPAN = 65536  # floats that a thread takes at a time; waking another for fewer takes longer


def sgd(
    p: Array,
    g: Array,
    v: Array | None,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> None:
    """g <- g + weight_decay * p;  v <- momentum * v + (1 - dampening) * g;  p <- p - lr * v.

    With nesterov, p <- p - lr * (g + momentum * v). Without momentum, v is None. Before the first
    step v is zero, and dampening should be, so that v becomes g.

    Shape: p, g, v alike, C-contiguous; p and v are changed.
    """
    flat, kept = p.reshape(-1), 1.0 - dampening
    velocity, has_v = (flat, False) if v is None else (v.reshape(-1), True)
    numbers = float(lr), float(momentum), kept, float(weight_decay)
    _sgd(flat, g.reshape(-1), velocity, *numbers, has_v, bool(nesterov))


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """m <- beta1 * m + (1 - beta1) * g;  v <- beta2 * v + (1 - beta2) * g^2;

    p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) at step t, from 1. First
    g <- g + weight_decay * p, or, decoupled (AdamW), p <- p - lr * weight_decay * p. With `largest`
    (amsgrad), the largest v so far takes its place in the last line.

    Shape: p, g, m, v, largest alike, C-contiguous; all but g are changed.
    """
    flat, (beta1, beta2) = p.reshape(-1), betas
    seen, amsgrad = (flat, False) if largest is None else (largest.reshape(-1), True)
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    numbers = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2, rate, root, float(eps)
    _adam(flat, g.reshape(-1), m.reshape(-1), v.reshape(-1), seen, *numbers, amsgrad)


@kernel
def _sgd(p, g, v, lr, momentum, kept, decay, has_v, nesterov):
    lr, momentum, kept = np.float32(lr), np.float32(momentum), np.float32(kept)
    arguments = (p, g, v, lr, momentum, kept, np.float32(decay), has_v, nesterov)
    parallel_for(sgd_span, (p.size + SPAN - 1) // SPAN, arguments)


@kernel
def sgd_span(p, g, v, lr, momentum, kept, decay, has_v, nesterov, k):
    """Span `k` of parameters p, gradients g and velocities v, all of one axis."""
    rates, momenta = simd.splat(lr), simd.splat(momentum)
    shares, decays = simd.splat(kept), simd.splat(decay)
    end = min((k + 1) * SPAN, p.size)
    for i in range(k * SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        if has_v:
            velocity = multiply(momenta, load_part(v, i, end - i))
            velocity = add(velocity, multiply(shares, step))
            store_part(v, i, end - i, velocity)
            step = add(step, multiply(momenta, velocity)) if nesterov else velocity
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


@kernel
def _adam(p, g, m, v, largest, shrink, decay, new1, old2, new2, rate, root, eps, amsgrad):
    shrink, decay, new1 = np.float32(shrink), np.float32(decay), np.float32(new1)
    old2, new2, rate = np.float32(old2), np.float32(new2), np.float32(rate)
    numbers = (shrink, decay, new1, old2, new2, rate, np.float32(root), np.float32(eps))
    arguments = (p, g, m, v, largest, numbers, amsgrad)
    parallel_for(adam_span, (p.size + SPAN - 1) // SPAN, arguments)


@kernel
def adam_span(p, g, m, v, largest, numbers, amsgrad, k):
    """Span `k` of parameters p, gradients g and running averages m, v, all of one axis."""
    shrink, decay, new1, old2, new2, rate, root, eps = numbers
    shrinks, decays, news1 = simd.splat(shrink), simd.splat(decay), simd.splat(new1)
    olds2, news2, rates = simd.splat(old2), simd.splat(new2), simd.splat(rate)
    roots, floor = simd.splat(root), simd.splat(eps)
    end = min((k + 1) * SPAN, p.size)
    for i in range(k * SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if shrink != 1:
            value = multiply(value, shrinks)
        if decay != 0:
            step = add(step, multiply(decays, value))
        mean, square = load_part(m, i, end - i), multiply(olds2, load_part(v, i, end - i))
        mean = add(mean, multiply(news1, subtract(step, mean)))
        square = add(square, multiply(news2, multiply(step, step)))
        store_part(m, i, end - i, mean)
        store_part(v, i, end - i, square)
        if amsgrad:
            most = load_part(largest, i, end - i)
            square = where_wins(square, most, square, most)
            store_part(largest, i, end - i, square)
        below = add(divide(square_root(square), roots), floor)
        store_part(p, i, end - i, subtract(value, multiply(rates, divide(mean, below))))
