"""Adam."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet import optim
from npnet.base.arrays import Array
from npnet.grading.kinds.base import Case, Mistake
from npnet.grading.kinds.optimizers import (
    Row,
    Rule,
    State,
    mistakes_of,
    optimizer_kind,
    ruled,
)

__all__ = ["ADAM", "adam"]


def _adam(case: Case) -> Any:
    init = case.job.init
    given = {k: init[k] for k in ("eps", "weight_decay") if k in init}
    betas = (init.get("beta1", 0.9), init.get("beta2", 0.999))
    return lambda parameters, lr: optim.Adam(parameters, lr=lr, betas=betas, **given)


def adam(
    correct: tuple[bool, bool] = (True, True),
    first: int = 1,
    eps: str = "outside",
    root: bool = True,
    square: bool | str = True,
    swapped: bool = False,
    sign: float = 1.0,
    gains: tuple[bool, bool] = (True, True),
    decay: str = "coupled",
    counts: bool = True,
) -> Rule:
    """Adam, right by default."""

    def rule(p: Array, g: Array, state: State, init: Mapping[str, Any], lr: float) -> Array:
        b1, b2 = init.get("beta1", 0.9), init.get("beta2", 0.999)
        b1, b2 = (b2, b1) if swapped else (b1, b2)
        small, wd = init.get("eps", 1e-8), init.get("weight_decay", 0.0)
        g = g + wd * p if decay == "coupled" else g
        t = state["t"] = state.get("t", first - 1) + 1 if counts else 1
        zero = np.zeros_like(p)
        m = state["m"] = b1 * state.get("m", zero) + (1 - b1 if gains[0] else 1) * g
        v = state["v"] = b2 * state.get("v", zero) + (1 - b2 if gains[1] else 1) * (
            g * g if square is True else np.abs(g) if square == "abs" else g
        )
        top = m / (1 - b1**t) if correct[0] else m
        low = v / (1 - b2**t) if correct[1] else v
        if eps == "inside":
            below = np.sqrt(low + small)
        elif eps == "none":
            below = np.sqrt(low)
        elif eps == "before":
            below = (np.sqrt(v) + small) / np.sqrt(1 - b2**t)
        else:
            below = (np.sqrt(low) if root else low) + small
        shrunk = p * (1 - lr * wd) if decay == "decoupled" else p
        return shrunk - sign * lr * top / below

    return rule


_BETAS = {"beta1": 0.8, "beta2": 0.95}
_ADAM_ROWS: tuple[Row, ...] = (
    ("plain", "plain", "lr 0.1", {}, (0.1,)),
    ("betas", "betas", "betas 0.8 and 0.95", _BETAS, (0.1,)),
    ("eps", "eps", "eps 0.1", {"eps": 0.1}, (0.1,)),
    ("schedule", "schedule", "lr falls during the run", {}, (0.1, 0.01)),
    ("decay", "weight_decay", "weight decay 0.1", {"weight_decay": 0.1}, (0.1,)),
    ("float32", "float32", "float32", {}, (0.1,)),
)
_CORRECTION = "m / (1 - beta1^t) and v / (1 - beta2^t), t from 1"
_ADAM_MISTAKES = mistakes_of(
    (
        (
            "bias-correction-missing",
            "the bias correction is left out",
            _CORRECTION,
            adam((False, False)),
        ),
        (
            "bias-correction-of-m-missing",
            "the first moment is not corrected",
            _CORRECTION,
            adam((False, True)),
        ),
        (
            "bias-correction-of-v-missing",
            "the second moment is not corrected",
            _CORRECTION,
            adam((True, False)),
        ),
        ("count-from-two", "the count of steps is one ahead", _CORRECTION, adam(first=2)),
        ("count-from-zero", "the count of steps begins at 0", _CORRECTION, adam(first=0)),
        (
            "count-stands",
            "the count of steps does not go on: t is always 1",
            _CORRECTION,
            adam(counts=False),
        ),
        ("eps-inside-root", "eps is added within the root", "sqrt(v) + eps", adam(eps="inside")),
        (
            "eps-missing",
            "eps is left out, or is not the one that was given",
            "sqrt(v) + eps",
            adam(eps="none"),
        ),
        (
            "eps-before-correction",
            "eps is added before the bias correction",
            "correct v first: sqrt(v / (1 - beta2^t)) + eps",
            adam(eps="before"),
        ),
        (
            "root-missing",
            "the second moment's root is left out",
            "m / (sqrt(v) + eps)",
            adam(root=False),
        ),
        *(
            (
                "square-missing",
                "the second moment is not of squares",
                "v of g * g",
                adam(square=how),
            )
            for how in (False, "abs")
        ),
        (
            "betas-exchanged",
            "beta1 and beta2 are exchanged",
            "m with beta1, v with beta2",
            adam(swapped=True),
        ),
        ("ascent", "it goes up the gradient", "p - lr * m / (sqrt(v) + eps)", adam(sign=-1)),
        (
            "gain-of-m-missing",
            "the factor 1 - beta1 is left out",
            "m = beta1 * m + (1 - beta1) * g",
            adam(gains=(False, True)),
        ),
        (
            "gain-of-v-missing",
            "the factor 1 - beta2 is left out",
            "v = beta2 * v + (1 - beta2) * g * g",
            adam(gains=(True, False)),
        ),
        (
            "decay-missing",
            "weight decay has no effect",
            "g = g + weight_decay * p",
            adam(decay="none"),
        ),
        (
            "decay-decoupled",
            "weight decay is AdamW's, apart from the gradient",
            "g = g + weight_decay * p, before the moments",
            adam(decay="decoupled"),
        ),
    )
)


_COUNT = Mistake(
    "count-of-all-parameters",
    "the count of steps goes on with each parameter, and not with each update",
    "t += 1 once, before the loop over parameters",
    ruled(adam(), counted=True),
)
ADAM = optimizer_kind(
    "adam", ("adam",), ("beta1", "beta2", "betas", "eps", "weight_decay"),
    _ADAM_ROWS, _adam, (*_ADAM_MISTAKES, _COUNT), adam(),
)  # fmt: skip
