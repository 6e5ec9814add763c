"""Gradient descent with momentum and weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet import optim
from npnet.base.arrays import Array
from npnet.grading.kinds.base import Case
from npnet.grading.kinds.optimizers import Row, Rule, State, mistakes_of, optimizer_kind

__all__ = ["SGD", "sgd"]


def _sgd(case: Case) -> Any:
    keys = ("momentum", "weight_decay", "nesterov")
    given = {k: case.job.init[k] for k in keys if k in case.job.init}
    return lambda parameters, lr: optim.SGD(parameters, lr=lr, **given)


def sgd(
    lr_inside: bool = False,
    dampened: bool = False,
    plain: bool = False,
    nesterov: bool | None = None,
    decay: str = "coupled",
    sign: float = 1.0,
    kept: bool = True,
    falls: bool = True,
) -> Rule:
    """Gradient descent with momentum and weight decay, right by default."""

    def rule(p: Array, g: Array, state: State, init: Mapping[str, Any], lr: float) -> Array:
        mu, wd = 0.0 if plain else init.get("momentum", 0.0), init.get("weight_decay", 0.0)
        if decay == "coupled":
            g = g + wd * p
        elif decay == "negative":
            g = g - wd * p
        shrunk = p * (1 - {"decoupled": lr * wd, "without lr": wd}.get(decay, 0.0))
        gain = lr if lr_inside else 1 - mu if dampened else 1.0
        v = (mu if falls else 1.0) * state.get("v", np.zeros_like(p)) * (mu != 0) + gain * g
        state["v"] = v if kept else np.zeros_like(p)
        looks = init.get("nesterov", False) if nesterov is None else nesterov
        step = g + mu * v if looks and mu else v
        return shrunk - sign * (step if lr_inside else lr * step)

    return rule


_SGD_ROWS: tuple[Row, ...] = (
    ("plain", "plain", "lr 0.1", {}, (0.1,)),
    ("momentum", "momentum", "momentum 0.9", {"momentum": 0.9}, (0.1,)),
    ("schedule", "schedule", "lr falls during the run", {"momentum": 0.9}, (0.1, 0.01)),
    ("decay", "weight_decay", "weight decay 0.1", {"weight_decay": 0.1}, (0.1,)),
    (
        "both",
        "weight_decay",
        "weight decay and momentum",
        {"weight_decay": 0.1, "momentum": 0.9},
        (0.1,),
    ),
    ("nesterov", "nesterov", "Nesterov's momentum", {"momentum": 0.9, "nesterov": True}, (0.1,)),
    ("float32", "float32", "float32", {}, (0.1,)),
)
_SGD_MISTAKES = mistakes_of(
    (
        ("ascent", "it goes up the gradient", "p - lr * g", sgd(sign=-1)),
        (
            "lr-inside-velocity",
            "lr is inside the velocity: a schedule acts late",
            "PyTorch's rule: v = momentum * v + g; p = p - lr * v",
            sgd(lr_inside=True),
        ),
        (
            "dampened",
            "the gradient comes into the velocity with the factor 1 - momentum",
            "PyTorch's rule: v = momentum * v + g",
            sgd(dampened=True),
        ),
        ("momentum-missing", "momentum has no effect", "v = momentum * v + g", sgd(plain=True)),
        (
            "velocity-forgotten",
            "the velocity is begun anew by each update",
            "keep it in the optimizer",
            sgd(kept=False),
        ),
        (
            "velocity-never-falls",
            "the velocity adds up gradients without falling",
            "v = momentum * v + g",
            sgd(falls=False),
        ),
        (
            "decay-missing",
            "weight decay has no effect",
            "g = g + weight_decay * p",
            sgd(decay="none"),
        ),
        (
            "decay-decoupled",
            "weight decay acts on the parameter, and not through the velocity",
            "g = g + weight_decay * p, before the velocity (the other is AdamW's)",
            sgd(decay="decoupled"),
        ),
        (
            "decay-without-lr",
            "weight decay acts on the parameter without the learning rate",
            "g = g + weight_decay * p, before the velocity",
            sgd(decay="without lr"),
        ),
        (
            "decay-sign",
            "weight decay lets weights grow",
            "g + weight_decay * p",
            sgd(decay="negative"),
        ),
        (
            "nesterov-missing",
            "nesterov has no effect",
            "step = g + momentum * v",
            sgd(nesterov=False),
        ),
        ("nesterov-always", "momentum is always Nesterov's", "p = p - lr * v", sgd(nesterov=True)),
    )
)

SGD = optimizer_kind(
    "sgd", ("sgd", "momentum", "gradientdescent"), ("momentum", "weight_decay", "nesterov"),
    _SGD_ROWS, _sgd, _SGD_MISTAKES, sgd(),
)  # fmt: skip
