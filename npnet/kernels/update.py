"""Optimizers' updates: one walk over a parameter, its gradient and its state, changed in place.

The arithmetic is that of `npnet.optim`, operation by operation in float32, so the bits are the same
but for denormals, which are zero here: momentum that decays would end in them and stay. A zero may
have the other sign.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.kernels import simd
from npnet.kernels._arguments import Rule, check_apart
from npnet.kernels._jit import inlined
from npnet.kernels._task import Facts, task
from npnet.kernels.simd import LANES, add
from npnet.kernels.simd_math import (
    divide,
    load_part,
    multiply,
    square_root,
    store_part,
    subtract,
    where_positive,
    where_wins,
)

__all__ = [
    "adadelta",
    "adadelta_span",
    "adagrad",
    "adagrad_span",
    "adam",
    "adam_span",
    "adamax",
    "adamax_span",
    "lerp",
    "lerp_span",
    "nadam",
    "nadam_span",
    "radam",
    "radam_span",
    "rmsprop",
    "rmsprop_span",
    "sgd",
    "sgd_span",
]

UPDATE_SPAN = 16384  # floats of an item: waking another thread for fewer takes longer

_SGD = Rule("sgd", p="...", g="...", v="... | None")
_ADAM = Rule("adam", p="...", g="...", m="...", v="...", largest="... | None")
_NADAM = Rule("nadam", p="...", g="...", m="...", v="...")
_RMSPROP = Rule("rmsprop", p="...", g="...", s="...", v="... | None", a="... | None")
_ADADELTA = Rule("adadelta", p="...", g="...", s="...", a="...")
_ADAGRAD = Rule("adagrad", p="...", g="...", s="...")
_ADAMAX = Rule("adamax", p="...", g="...", m="...", u="...")
_RADAM = Rule("radam", p="...", g="...", m="...", v="...")
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
    flat, numbers = p.ravel(), (float(lr), float(momentum), 1.0 - dampening, float(weight_decay))
    velocity, has_v = (flat, False) if v is None else (v.ravel(), True)
    sgd_span.do(
        -(-p.size // UPDATE_SPAN), flat, g.ravel(), velocity, *numbers, has_v, bool(nesterov)
    )


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
    shrink = 1.0 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    numbers = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2, rate, root, float(eps)
    arrays = flat, g.ravel(), m.ravel(), v.ravel(), seen
    adam_span.do(-(-p.size // UPDATE_SPAN), *arrays, *numbers, amsgrad)


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
    shrink = 1.0 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    averages = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2
    numbers = *averages, float(lr), 1.0 - beta2**step, float(eps), *shares
    nadam_span.do(-(-p.size // UPDATE_SPAN), p.ravel(), g.ravel(), m.ravel(), v.ravel(), *numbers)


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
    arrays = flat, g.ravel(), s.ravel(), velocity, average
    rmsprop_span.do(-(-p.size // UPDATE_SPAN), *arrays, *numbers, has_v, has_a)


def adadelta(
    p: Array,
    g: Array,
    s: Array,
    a: Array,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
) -> None:
    """g <- g + weight_decay * p;  s <- rho * s + (1 - rho) * g^2;

    d = sqrt(a + eps) / sqrt(s + eps) * g;  a <- rho * a + (1 - rho) * d^2;  p <- p - lr * d.

    Shape: p, g, s, a alike, C-contiguous; all but g are changed.
    """
    _ADADELTA(p, g, s, a)
    check_apart("adadelta", p=p, s=s, a=a)
    numbers = float(lr), float(rho), 1.0 - rho, float(eps), float(weight_decay)
    arrays = p.ravel(), g.ravel(), s.ravel(), a.ravel()
    adadelta_span.do(-(-p.size // UPDATE_SPAN), *arrays, *numbers)


def adagrad(p: Array, g: Array, s: Array, rate: float, eps: float, weight_decay: float) -> None:
    """g <- g + weight_decay * p;  s <- s + g^2;  p <- p - rate * g / (sqrt(s) + eps).

    Shape: p, g, s alike, C-contiguous; all but g are changed.
    """
    _ADAGRAD(p, g, s)
    check_apart("adagrad", p=p, s=s)
    numbers = float(rate), float(eps), float(weight_decay)
    adagrad_span.do(-(-p.size // UPDATE_SPAN), p.ravel(), g.ravel(), s.ravel(), *numbers)


def adamax(
    p: Array,
    g: Array,
    m: Array,
    u: Array,
    rate: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> None:
    """g <- g + weight_decay * p;  m <- beta1 * m + (1 - beta1) * g;

    u <- max(beta2 * u, |g| + eps);  p <- p - rate * m / u.

    Shape: p, g, m, u alike, C-contiguous; all but g are changed.
    """
    _ADAMAX(p, g, m, u)
    check_apart("adamax", p=p, m=m, u=u)
    numbers = float(rate), 1.0 - betas[0], float(betas[1]), float(eps), float(weight_decay)
    arrays = p.ravel(), g.ravel(), m.ravel(), u.ravel()
    adamax_span.do(-(-p.size // UPDATE_SPAN), *arrays, *numbers)


def radam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    rate: float,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
    adaptive: bool,
) -> None:
    """m and v as in `adam`;  p <- p - rate * m / (sqrt(v) + eps), or p - rate * m if not adaptive.

    lr is that of the decoupled weight decay.

    Shape: p, g, m, v alike, C-contiguous; all but g are changed.
    """
    _RADAM(p, g, m, v)
    check_apart("radam", p=p, m=m, v=v)
    beta1, beta2 = betas
    shrink = 1.0 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else float(weight_decay)
    averages = shrink, decay, 1.0 - beta1, float(beta2), 1.0 - beta2
    arrays = p.ravel(), g.ravel(), m.ravel(), v.ravel()
    radam_span.do(
        -(-p.size // UPDATE_SPAN), *arrays, *averages, float(rate), float(eps), bool(adaptive)
    )


def lerp(a: Array, p: Array, weight: float) -> None:
    """a <- a + weight * (p - a).

    Shape: a and p alike, C-contiguous; a is changed.
    """
    _LERP(a, p)
    lerp_span.do(-(-a.size // UPDATE_SPAN), a.ravel(), p.ravel(), float(weight))


def _spans(f: Facts) -> int:
    return int(-(-f.L // UPDATE_SPAN))


class Momentum(NamedTuple):
    """The numbers of `sgd`; kept is 1 - dampening."""

    lr: Annotated[float, "number"]
    momentum: Annotated[float, "number"]
    kept: Annotated[float, "number"]
    decay: Annotated[float, "number"]
    has_v: Annotated[bool, "flag"]
    nesterov: Annotated[bool, "flag"]


@task(p="L", g="L", v="L", plan=Momentum, items=_spans, empty="L")
def sgd_span(p, g, v, plan, k):
    """Span `k` of parameters p, gradients g and velocities v, all of one axis."""
    decay = np.float32(plan.decay)
    rates, momenta = simd.splat(np.float32(plan.lr)), simd.splat(np.float32(plan.momentum))
    shares, decays = simd.splat(np.float32(plan.kept)), simd.splat(decay)
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        if plan.has_v:
            velocity = multiply(momenta, load_part(v, i, end - i))
            velocity = add(velocity, multiply(shares, step))
            store_part(v, i, end - i, velocity)
            step = add(step, multiply(momenta, velocity)) if plan.nesterov else velocity
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


@inlined
def averaged(p, g, m, v, plan, i, count):
    """What `adam` and `nadam` begin with, of `count` floats from `i`: p and g, perhaps decayed,
    and the new running averages m and v, which it stores."""
    shrink, decay = np.float32(plan.shrink), np.float32(plan.decay)
    new1, new2 = simd.splat(np.float32(plan.new1)), simd.splat(np.float32(plan.new2))
    value, step = load_part(p, i, count), load_part(g, i, count)
    if shrink != 1:
        value = multiply(value, simd.splat(shrink))
    if decay != 0:
        step = add(step, multiply(simd.splat(decay), value))
    mean = load_part(m, i, count)
    square = multiply(simd.splat(np.float32(plan.old2)), load_part(v, i, count))
    mean = add(mean, multiply(new1, subtract(step, mean)))
    square = add(square, multiply(new2, multiply(step, step)))
    store_part(m, i, count, mean)
    store_part(v, i, count, square)
    return value, step, mean, square


class Averages(NamedTuple):
    """The numbers of `adam`: the factor of p, and what the running averages are made of."""

    shrink: Annotated[float, "number"]
    decay: Annotated[float, "number"]
    new1: Annotated[float, "number"]
    old2: Annotated[float, "number"]
    new2: Annotated[float, "number"]
    rate: Annotated[float, "number"]
    root: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    amsgrad: Annotated[bool, "flag"]


@task(p="L", g="L", m="L", v="L", largest="L", plan=Averages, items=_spans, empty="L")
def adam_span(p, g, m, v, largest, plan, k):
    """Span `k` of parameters p, gradients g and running averages m, v, all of one axis."""
    rates, floor = simd.splat(np.float32(plan.rate)), simd.splat(np.float32(plan.eps))
    roots = simd.splat(np.float32(plan.root))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, _, mean, square = averaged(p, g, m, v, plan, i, end - i)
        if plan.amsgrad:
            most = load_part(largest, i, end - i)
            square = where_wins(square, most, square, most)
            store_part(largest, i, end - i, square)
        below = add(divide(square_root(square), roots), floor)
        store_part(p, i, end - i, subtract(value, multiply(rates, divide(mean, below))))


class Ahead(NamedTuple):
    """The numbers of `nadam`: as `Averages`, and the shares of the gradient and of its average."""

    shrink: Annotated[float, "number"]
    decay: Annotated[float, "number"]
    new1: Annotated[float, "number"]
    old2: Annotated[float, "number"]
    new2: Annotated[float, "number"]
    lr: Annotated[float, "number"]
    unbiased: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    of_g: Annotated[float, "number"]
    of_m: Annotated[float, "number"]


@task(p="L", g="L", m="L", v="L", plan=Ahead, items=_spans, empty="L")
def nadam_span(p, g, m, v, plan, k):
    """Span `k` of parameters p, gradients g and running averages m, v, all of one axis."""
    rates, floor = simd.splat(np.float32(plan.lr)), simd.splat(np.float32(plan.eps))
    divisors = simd.splat(np.float32(plan.unbiased))
    shares_g, shares_m = simd.splat(np.float32(plan.of_g)), simd.splat(np.float32(plan.of_m))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step, mean, square = averaged(p, g, m, v, plan, i, end - i)
        ahead = add(multiply(shares_g, step), multiply(shares_m, mean))
        below = add(square_root(divide(square, divisors)), floor)
        store_part(p, i, end - i, subtract(value, multiply(rates, divide(ahead, below))))


class Squares(NamedTuple):
    """The numbers of `rmsprop`: the shares of old and new in the averages, and the others."""

    lr: Annotated[float, "number"]
    old: Annotated[float, "number"]
    new: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    decay: Annotated[float, "number"]
    momentum: Annotated[float, "number"]
    has_v: Annotated[bool, "flag"]
    has_a: Annotated[bool, "flag"]


@task(p="L", g="L", s="L", v="L", a="L", plan=Squares, items=_spans, empty="L")
def rmsprop_span(p, g, s, v, a, plan, k):
    """Span `k` of parameters p, gradients g, averages s and a, velocities v, all of one axis."""
    decay = np.float32(plan.decay)
    rates, decays = simd.splat(np.float32(plan.lr)), simd.splat(decay)
    olds, news = simd.splat(np.float32(plan.old)), simd.splat(np.float32(plan.new))
    floor, momenta = simd.splat(np.float32(plan.eps)), simd.splat(np.float32(plan.momentum))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        square = multiply(olds, load_part(s, i, end - i))
        square = add(square, multiply(news, multiply(step, step)))
        store_part(s, i, end - i, square)
        if plan.has_a:
            mean = load_part(a, i, end - i)
            mean = add(mean, multiply(news, subtract(step, mean)))
            store_part(a, i, end - i, mean)
            square = subtract(square, multiply(mean, mean))
        step = divide(step, add(square_root(square), floor))
        if plan.has_v:
            step = add(multiply(momenta, load_part(v, i, end - i)), step)
            store_part(v, i, end - i, step)
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


class Ratio(NamedTuple):
    """The numbers of `adadelta`: the shares of old and new in the averages, and the others."""

    lr: Annotated[float, "number"]
    old: Annotated[float, "number"]
    new: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    decay: Annotated[float, "number"]


@task(p="L", g="L", s="L", a="L", plan=Ratio, items=_spans, empty="L")
def adadelta_span(p, g, s, a, plan, k):
    """Span `k` of parameters p, gradients g and averages s and a, all of one axis."""
    decay = np.float32(plan.decay)
    rates, decays = simd.splat(np.float32(plan.lr)), simd.splat(decay)
    olds, news = simd.splat(np.float32(plan.old)), simd.splat(np.float32(plan.new))
    floor = simd.splat(np.float32(plan.eps))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        square = multiply(olds, load_part(s, i, end - i))
        square = add(square, multiply(news, multiply(step, step)))
        store_part(s, i, end - i, square)
        moved = load_part(a, i, end - i)
        ratio = divide(square_root(add(moved, floor)), square_root(add(square, floor)))
        step = multiply(ratio, step)
        moved = add(multiply(olds, moved), multiply(news, multiply(step, step)))
        store_part(a, i, end - i, moved)
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


class Total(NamedTuple):
    """The numbers of `adagrad`."""

    rate: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    decay: Annotated[float, "number"]


@task(p="L", g="L", s="L", plan=Total, items=_spans, empty="L")
def adagrad_span(p, g, s, plan, k):
    """Span `k` of parameters p, gradients g and sums of squares s, all of one axis."""
    decay = np.float32(plan.decay)
    rates, decays = simd.splat(np.float32(plan.rate)), simd.splat(decay)
    floor = simd.splat(np.float32(plan.eps))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        square = add(load_part(s, i, end - i), multiply(step, step))
        store_part(s, i, end - i, square)
        step = divide(step, add(square_root(square), floor))
        store_part(p, i, end - i, subtract(value, multiply(rates, step)))


class Largest(NamedTuple):
    """The numbers of `adamax`: the share of new in m, that of old in u, and the others."""

    rate: Annotated[float, "number"]
    new1: Annotated[float, "number"]
    old2: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    decay: Annotated[float, "number"]


@task(p="L", g="L", m="L", u="L", plan=Largest, items=_spans, empty="L")
def adamax_span(p, g, m, u, plan, k):
    """Span `k` of parameters p, gradients g, averages m and largest gradients u, of one axis."""
    decay = np.float32(plan.decay)
    rates, decays = simd.splat(np.float32(plan.rate)), simd.splat(decay)
    new1, old2 = simd.splat(np.float32(plan.new1)), simd.splat(np.float32(plan.old2))
    floor, zero = simd.splat(np.float32(plan.eps)), simd.splat(np.float32(0))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, step = load_part(p, i, end - i), load_part(g, i, end - i)
        if decay != 0:
            step = add(step, multiply(decays, value))
        mean = load_part(m, i, end - i)
        mean = add(mean, multiply(new1, subtract(step, mean)))
        store_part(m, i, end - i, mean)
        size = add(where_positive(step, step, subtract(zero, step)), floor)
        most = multiply(old2, load_part(u, i, end - i))
        most = where_wins(size, most, size, most)
        store_part(u, i, end - i, most)
        store_part(p, i, end - i, subtract(value, multiply(rates, divide(mean, most))))


class Rectified(NamedTuple):
    """The numbers of `radam`: as `Averages`, and whether the root divides."""

    shrink: Annotated[float, "number"]
    decay: Annotated[float, "number"]
    new1: Annotated[float, "number"]
    old2: Annotated[float, "number"]
    new2: Annotated[float, "number"]
    rate: Annotated[float, "number"]
    eps: Annotated[float, "number"]
    adaptive: Annotated[bool, "flag"]


@task(p="L", g="L", m="L", v="L", plan=Rectified, items=_spans, empty="L")
def radam_span(p, g, m, v, plan, k):
    """Span `k` of parameters p, gradients g and running averages m, v, all of one axis."""
    rates, floor = simd.splat(np.float32(plan.rate)), simd.splat(np.float32(plan.eps))
    end = min((k + 1) * UPDATE_SPAN, p.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        value, _, mean, square = averaged(p, g, m, v, plan, i, end - i)
        if plan.adaptive:
            mean = divide(mean, add(square_root(square), floor))
        store_part(p, i, end - i, subtract(value, multiply(rates, mean)))


@task(a="L", p="L", weight="number", items=_spans, empty="L")
def lerp_span(a, p, weight, k):
    """Span `k` of averages a and values p, both of one axis."""
    weights, end = simd.splat(np.float32(weight)), min((k + 1) * UPDATE_SPAN, a.size)
    for i in range(k * UPDATE_SPAN, end, LANES):
        average, value = load_part(a, i, end - i), load_part(p, i, end - i)
        store_part(a, i, end - i, add(average, multiply(weights, subtract(value, average))))
