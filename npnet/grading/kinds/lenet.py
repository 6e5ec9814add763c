"""A whole LeNet of five layers, with ReLU and maxima (lenet), or tanh and means (lenet5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import (
    Case,
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    made,
)
from npnet.grading.kinds.gradients import gradient_mistakes
from npnet.grading.kinds.windows import columns, scattered
from npnet.nn import functional as F
from npnet.ops.activation import relu, tanh
from npnet.ops.shape import flatten
from npnet.ops.windows import Window
from npnet.tensor import Tensor

__all__ = ["LENET", "LENET5", "network"]

SHAPES: dict[str, tuple[int, ...]] = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "conv3.weight": (120, 16, 5, 5),
    "conv3.bias": (120,),
    "fc1.weight": (84, 120),
    "fc1.bias": (84,),
    "fc2.weight": (10, 84),
    "fc2.bias": (10,),
}
_ROWS: tuple[Any, ...] = (
    ("plain", "plain", "images (3, 1, 32, 32)", {}, (3, 1, 32, 32)),
    ("one", "batch_of_one", "a batch of 1", {}, (1, 1, 32, 32)),
    ("strided", "strided", "a strided input", {}, (2, 1, 32, 32)),
    ("float32", "float32", "float32", {}, (2, 1, 32, 32)),
    ("again", "again", "a second call", {}, (1, 1, 32, 32)),
    ("derivative", "derivative", "finite differences", {}, (1, 1, 32, 32)),
)


def _cases(kind: str) -> tuple[Case, ...]:
    found = made(kind, (), lambda init, size: (size[0], 10), lambda init: SHAPES, _ROWS)
    return tuple(_random(case, number) for number, case in enumerate(found))


def _random(case: Case, number: int) -> Case:
    """Weights of such sizes that no layer is saturated; differences along inputs and conv1."""
    rng = np.random.default_rng(50 + number)
    dtype = case.dtype
    weights = {
        name: (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 4)).astype(dtype)
        for name, shape in SHAPES.items()
    }
    kept = [0] if case.directions else range(len(case.job.calls))
    calls = [case.job.calls[i] for i in kept]
    first = calls[0]
    assert first.x is not None
    calls = [replace(c, weights=weights) for c in calls]
    directions = []
    for name in ("gx", "conv1.weight", "fc1.weight") if case.directions else ():
        value = first.x if name == "gx" else weights[name]
        v = rng.standard_normal(value.shape)
        directions.append((name, v))
        for sign in (1e-5, -1e-5):
            moved = value + sign * v
            there = {**weights, **({} if name == "gx" else {name: moved})}
            calls.append(
                replace(first, x=moved if name == "gx" else first.x, gy=None, weights=there)
            )
    job = replace(case.job, calls=tuple(calls))
    return replace(case, job=job, directions=tuple(directions))


def _forward(kind: str) -> Callable[..., Tensor]:
    act: Any = relu if kind == "lenet" else tanh
    pool: Any = F.max_pool2d if kind == "lenet" else F.avg_pool2d

    def forward(s: Sample, x: Tensor, *w: Tensor) -> Tensor:
        x = pool(act(F.conv2d(x, w[0], w[1])), 2)
        x = pool(act(F.conv2d(x, w[2], w[3])), 2)
        x = flatten(act(F.conv2d(x, w[4], w[5])), 1)
        return F.linear(act(F.linear(x, w[6], w[7])), w[8], w[9])

    return forward


# ---- a network with switches ---------------------------------------------------------------------


def _conv(
    x: Array, w: Array, b: Array
) -> tuple[Array, Callable[[Array, bool | str], tuple[Array, ...]]]:
    window = Window((5, 5))
    seen = columns(x, window)
    y = np.einsum("ncijuv,ocuv->noij", seen, w, optimize=True) + b[:, None, None]

    def back(gy: Array, assign: bool | str) -> tuple[Array, ...]:
        parts = np.einsum("noij,ocuv->ncijuv", gy, w, optimize=True)
        gw = np.einsum("noij,ncijuv->ocuv", gy, seen, optimize=True)
        return scattered(parts, window, x.shape, assign), gw, gy.sum((0, 2, 3))

    return y, back


def _pool(x: Array, kind: str) -> tuple[Array, Callable[[Array], Array]]:
    window = Window((2, 2), (2, 2))
    seen = columns(x, window)
    flat = seen.reshape(*seen.shape[:4], 4)
    share = np.eye(4)[flat.argmax(-1)] if kind == "max" else np.full(flat.shape, 0.25)
    y = (flat * share).sum(-1)
    return y, lambda gy: scattered((share * gy[..., None]).reshape(seen.shape), window, x.shape)


def network(
    act: str = "relu",
    pool: str = "max",
    silent: int | None = None,
    unmasked: int | None = None,
    last: str = "",
    assign: bool | str = False,
    flat: str = "",
) -> Callable[[Sample], Outputs]:
    """A LeNet in NumPy.

    Args:
        silent: the layer (0 to 3) that has no activation, forward and backward.
        unmasked: the layer whose activation's derivative is left out of backward.
        last: what is done with the logits: softmax, or the activation.
        assign: col2im by = for +=, see `scattered`.
    """

    def activated(x: Array, layer: int) -> tuple[Array, Array]:
        if silent == layer:
            return x, np.ones_like(x)
        y = np.maximum(x, 0) if act == "relu" else np.tanh(x)
        slope = (x > 0) * 1.0 if act == "relu" else 1 - y * y
        return y, np.ones_like(x) if unmasked == layer else slope

    def compute(s: Sample) -> Outputs:
        w = list(s.weights.values())
        x, backs = s.x, []
        for layer in range(3):
            x, conv = _conv(x, w[2 * layer], w[2 * layer + 1])
            x, slope = activated(x, layer)
            pooled: Callable[[Array], Array] = lambda g: g  # noqa: E731  # conv3 has no pool
            if layer < 2:
                x, pooled = _pool(x, pool)
            backs.append((conv, slope, pooled))
        features = x.reshape(len(x), -1)
        hidden, slope1 = activated(features @ w[6].T + w[7], 3)
        y = hidden @ w[8].T + w[9]
        out, through = _ended(y, last, act)
        if s.gy is None:
            return {"y": out}
        g = through(s.gy)
        grads = [g.T @ hidden, g.sum(0)]
        g = (g @ w[8]) * slope1
        grads = [g.T @ features, g.sum(0), *grads]
        g = (g @ w[6]).reshape(len(x), 120, 1, 1)
        for conv, slope, pooled in reversed(backs):
            g, gw, gb = conv(pooled(g) * slope, assign)
            grads = [gw, gb, *grads]
        return {"y": out, "gx": g, **dict(zip(s.weights, grads, strict=True))}

    return compute


def _ended(y: Array, last: str, act: str) -> tuple[Array, Callable[[Array], Array]]:
    if last == "softmax":
        e = np.exp(y - y.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        return p, lambda g: p * (g - (g * p).sum(1, keepdims=True))
    if last == "act":
        out = np.maximum(y, 0) if act == "relu" else np.tanh(y)
        slope = (y > 0) * 1.0 if act == "relu" else 1 - out * out
        return out, lambda g: g * slope
    return y, lambda g: g


def _mistakes(act: str, pool: str) -> tuple[Mistake, ...]:
    other_act, other_pool = ("tanh", "mean") if act == "relu" else ("relu", "max")
    names = ("conv1", "conv2", "conv3", "fc1")

    def one(name: str, says: str, fix: str, **changes: Any) -> Mistake:
        return Mistake(name, says, fix, each(network(**{"act": act, "pool": pool, **changes})))

    def grads(name: str, says: str, fix: str, **changes: Any) -> Mistake:
        whole = network(**{"act": act, "pool": pool, **changes})
        return Mistake(
            name, says, fix, each(lambda s: {k: v for k, v in whole(s).items() if k != "y"})
        )

    order = f"conv1, {act}, pool, conv2, {act}, pool, conv3, {act}, fc1, {act}, fc2"
    return (
        one(
            "other-activation", f"the activation is {other_act}", f"{act} everywhere", act=other_act
        ),
        one(
            "other-pool", f"pools take the {other_pool}", f"pools take the {pool}", pool=other_pool
        ),
        one(
            "other-activation-and-pool",
            f"it is the other LeNet, with {other_act} and {other_pool}",
            f"{act} and {pool}",
            act=other_act,
            pool=other_pool,
        ),
        one(
            "softmax-in-network",
            "the network ends in softmax, which the loss applies, too: softmax twice",
            "return the logits",
            last="softmax",
        ),
        one(
            "activation-at-the-end",
            "the logits go through the activation",
            "return what fc2 gives, as it is",
            last="act",
        ),
        *(
            one(
                f"activation-missing-{names[i]}",
                f"there is no activation after {names[i]}",
                order,
                silent=i,
            )
            for i in range(4)
        ),
        *(
            grads(
                f"activation-missing-in-backward-{names[i]}",
                f"backward leaves out the activation after {names[i]}",
                "backward goes through every layer of forward, in the other order",
                unmasked=i,
            )
            for i in range(4)
        ),
        *(
            grads(
                "col2im-assigns",
                "the gradients of convolutions' inputs are written with =, not += (col2im)",
                "a pixel lies in several windows: add up what each brings, +=",
                assign=order,
            )
            for order in (True, "offsets")  # which term is left differs
        ),
    )


def _kind(name: str, words: tuple[str, ...], act: str, pool: str) -> Kind:
    right = each(by_tape(_forward(name)))
    names = ("gx", *SHAPES)
    mistakes = (*_mistakes(act, pool), *gradient_mistakes(right, names))
    return Kind(name, words, (), (), tuple(SHAPES), _cases(name), right, mistakes)


LENET = _kind("lenet", ("lenet",), "relu", "max")
LENET5 = _kind("lenet5", ("lenet5",), "tanh", "mean")
