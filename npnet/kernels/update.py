"""Optimizers' updates: one walk over a parameter, its gradient and its state, changed in place.

The arithmetic is that of `npnet.optim`, operation by operation in float32, so the bits are the same
but for denormals, which are zero here: momentum that decays would end in them and stay. A zero may
have the other sign.
"""

from __future__ import annotations

import math

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import simd
from npnet.kernels._arguments import Rule, check_apart
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

__all__ = ["adam", "lerp", "nadam", "rmsprop", "sgd"]


SPAN = 16384  # floats that a thread takes at a time; waking another for fewer takes longer

_SGD = Rule("sgd", p="...", g="...", v="... | None")
_ADAM = Rule("adam", p="...", g="...", m="...", v="...", largest="... | None")
_NADAM = Rule("nadam", p="...", g="...", m="...", v="...")
_RMSPROP = Rule("rmsprop", p="...", g="...", s="...", v="... | None", a="... | None")
_LERP = Rule("lerp", a="...", p="...")


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

    Raises:
        ShapeError, ValueError, TypeError: one of the arrays is not like p, or two that are
            changed share memory; nothing is changed. So it is with all functions here.
    """
    _SGD(p, g, v)
    check_apart("sgd", p=p, v=v)
    flat, kept = p.ravel(), 1.0 - dampening
    velocity, has_v = (flat, False) if v is None else (v.ravel(), True)
    numbers = float(lr), float(momentum), kept, float(weight_decay)
    _sgd(flat, g.ravel(), velocity, *numbers, has_v, bool(nesterov))


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
    _ADAM(p, g, m, v, largest)
    check_apart("adam", p=p, m=m, v=v, largest=largest)
    flat, (beta1, beta2) = p.ravel(), betas
    seen, amsgrad = (flat, False) if largest is None else (largest.ravel(), True)
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    numbers = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2, rate, root, float(eps)
    _adam(flat, g.ravel(), m.ravel(), v.ravel(), seen, *numbers, amsgrad)


def nadam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    shares: tuple[float, float],
) -> None:
    """m and v as in `adam`;  d = shares[0] * g + shares[1] * m;

    p <- p - lr * d / (sqrt(v / (1 - beta2^t)) + eps) at step t, from 1.

    Shape: p, g, m, v alike, C-contiguous; all but g are changed.
    """
    _NADAM(p, g, m, v)
    check_apart("nadam", p=p, m=m, v=v)
    beta1, beta2 = betas
    shrink = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    averages = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2
    numbers = *averages, float(lr), 1.0 - beta2**step, float(eps), *shares
    _nadam(p.ravel(), g.ravel(), m.ravel(), v.ravel(), *numbers)


def rmsprop(
    p: Array,
    g: Array,
    s: Array,
    v: Array | None,
    a: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """g <- g + weight_decay * p;  s <- alpha * s + (1 - alpha) * g^2;

    d = g / (sqrt(s) + eps);  v <- momentum * v + d;  p <- p - lr * v. Without v, d takes its place.
    With a <- alpha * a + (1 - alpha) * g, the root is that of s - a^2.

    Shape: p, g, s, v, a alike, C-contiguous; all but g are changed.
    """
    _RMSPROP(p, g, s, v, a)
    check_apart("rmsprop", p=p, s=s, v=v, a=a)
    flat = p.ravel()
    velocity, has_v = (flat, False) if v is None else (v.ravel(), True)
    average, has_a = (flat, False) if a is None else (a.ravel(), True)
    numbers = float(lr), float(alpha), 1.0 - alpha, float(eps), float(weight_decay), float(momentum)
    _rmsprop(flat, g.ravel(), s.ravel(), velocity, average, *numbers, has_v, has_a)


def lerp(a: Array, p: Array, weight: float) -> None:
    """a <- a + weight * (p - a).

    Shape: a and p alike, C-contiguous; a is changed.
    """
    _LERP(a, p)
    _lerp(a.ravel(), p.ravel(), float(weight))


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


@kernel
def _nadam(p, g, m, v, shrink, decay, new1, old2, new2, lr, unbiased, eps, of_g, of_m):
    shrink, decay, new1 = np.float32(shrink), np.float32(decay), np.float32(new1)
    old2, new2, lr = np.float32(old2), np.float32(new2), np.float32(lr)
    unbiased, eps = np.float32(unbiased), np.float32(eps)
    shares = np.float32(of_g), np.float32(of_m)
    numbers = (shrink, decay, new1, old2, new2, lr, unbiased, eps, *shares)
    parallel_for(nadam_span, (p.size + SPAN - 1) // SPAN, (p, g, m, v, numbers))


@kernel
def nadam_span(p, g, m, v, numbers, k):
    """Span `k` of parameters p, gradients g and running averages m, v, all of one axis."""
    shrink, decay, new1, old2, new2, lr, unbiased, eps, of_g, of_m = numbers
    shrinks, decays, news1 = simd.splat(shrink), simd.splat(decay), simd.splat(new1)
    olds2, news2, rates = simd.splat(old2), simd.splat(new2), simd.splat(lr)
    divisors, floor = simd.splat(unbiased), simd.splat(eps)
    shares_g, shares_m = simd.splat(of_g), simd.splat(of_m)
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
        ahead = add(multiply(shares_g, step), multiply(shares_m, mean))
        below = add(square_root(divide(square, divisors)), floor)
        store_part(p, i, end - i, subtract(value, multiply(rates, divide(ahead, below))))


@kernel
def _rmsprop(p, g, s, v, a, lr, old, new, eps, decay, momentum, has_v, has_a):
    lr, old, new, eps = np.float32(lr), np.float32(old), np.float32(new), np.float32(eps)
    numbers = (lr, old, new, eps, np.float32(decay), np.float32(momentum))
    arguments = (p, g, s, v, a, numbers, has_v, has_a)
    parallel_for(rmsprop_span, (p.size + SPAN - 1) // SPAN, arguments)


@kernel
def rmsprop_span(p, g, s, v, a, numbers, has_v, has_a, k):
    """Span `k` of parameters p, gradients g, averages s and a, velocities v, all of one axis."""
    lr, old, new, eps, decay, momentum = numbers
    rates, olds, news, floor = simd.splat(lr), simd.splat(old), simd.splat(new), simd.splat(eps)
    decays, momenta = simd.splat(decay), simd.splat(momentum)
    end = min((k + 1) * SPAN, p.size)
    for i in range(k * SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        square = multiply(olds, load_part(s, i, end - i))
        square = add(square, multiply(news, multiply(step, step)))
        store_part(s, i, end - i, square)
        if has_a:
            mean = load_part(a, i, end - i)
            mean = add(mean, multiply(news, subtract(step, mean)))
            store_part(a, i, end - i, mean)
            square = subtract(square, multiply(mean, mean))
        step = divide(step, add(square_root(square), floor))
        if has_v:
            step = add(multiply(momenta, load_part(v, i, end - i)), step)
            store_part(v, i, end - i, step)
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


@kernel
def _lerp(a, p, weight):
    arguments = (a, p, np.float32(weight))
    parallel_for(lerp_span, (a.size + SPAN - 1) // SPAN, arguments)


@kernel
def lerp_span(a, p, weight, k):
    """Span `k` of averages a and values p, both of one axis."""
    weights, end = simd.splat(weight), min((k + 1) * SPAN, a.size)
    for i in range(k * SPAN, end, LANES):
        average, value = load_part(a, i, end - i), load_part(p, i, end - i)
        store_part(a, i, end - i, add(average, multiply(weights, subtract(value, average))))
