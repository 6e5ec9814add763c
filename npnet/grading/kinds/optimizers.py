"""Optimizers: parameters after each of several updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from npnet import optim
from npnet.base.arrays import Array
from npnet.grading.jobs import Call, Job
from npnet.grading.kinds.base import Case, Kind, Mistake, Outputs, Seen, draw
from npnet.nn.parameter import Parameter

__all__ = ["ADAM", "SGD"]

UPDATES = 5
_SHAPES = {"a": (3, 4), "b": (3, 4)}  # alike, so that one state for both is possible
# What the constructor is given besides, if it takes it: its own defaults may be others.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
}
State = dict[str, Any]
Rule = Callable[[Array, Array, State, Mapping[str, Any], float], Array]
"""Of parameter, gradient, its state, the arguments and lr: the new parameter."""


def _case(kind: str, number: int, row: tuple[str, str, str, dict[str, Any], tuple[float, ...]]) -> Case:
    name, tags, about, init, rates = row
    rng = np.random.default_rng(number)
    dtype = np.float32 if "float32" in tags else np.float64
    weights = {k: draw(rng, *shape).astype(dtype) for k, shape in _SHAPES.items()}
    calls = []
    for i in range(UPDATES):
        extra: dict[str, Any] = {
            f"grad_{k}": draw(rng, *shape).astype(dtype) for k, shape in _SHAPES.items()
        }
        if len(rates) > 1:
            extra["lr"] = rates[min(i // 2, 1)]
        calls.append(Call(None, None, extra, weights=weights if i == 0 else {}))
    given = {"lr": rates[0], **_DEFAULTS[kind], **init}
    needs = tuple(k for k in init if not k.startswith("beta")) + (("lr",) if len(rates) > 1 else ())
    return Case(name, frozenset(tags.split()), about, Job(kind, given, ("lr",), tuple(calls)), needs)


def _sgd(case: Case) -> Any:
    keys = ("momentum", "weight_decay", "nesterov")
    given = {k: case.job.init[k] for k in keys if k in case.job.init}
    return lambda parameters, lr: optim.SGD(parameters, lr=lr, **given)


def _adam(case: Case) -> Any:
    init = case.job.init
    given = {k: init[k] for k in ("eps", "weight_decay") if k in init}
    betas = (init.get("beta1", 0.9), init.get("beta2", 0.999))
    return lambda parameters, lr: optim.Adam(parameters, lr=lr, betas=betas, **given)


def _right(make: Callable[[Case], Any]) -> Callable[[Case, Seen], list[Outputs]]:
    """npnet's own optimizer, in float64."""

    def compute(case: Case, seen: Seen) -> list[Outputs]:
        start = case.job.calls[0].weights
        ours = {k: Parameter(np.asarray(v, np.float64).copy()) for k, v in start.items()}
        optimizer, outs = make(case)(list(ours.values()), case.job.init["lr"]), []
        for call in case.job.calls:
            for k, p in ours.items():
                p.grad = p.detach().clone()
                p.grad.array[...] = call.extra[f"grad_{k}"]
            for group in optimizer.param_groups:
                group["lr"] = call.extra.get("lr", group["lr"])
            optimizer.step()
            outs.append({k: p.detach().numpy().copy() for k, p in ours.items()})
        return outs

    return compute


def _ruled(rule: Rule, shared: bool = False) -> Callable[[Case, Seen], list[Outputs]]:
    """What parameters become by a rule; shared: both have one state."""

    def compute(case: Case, seen: Seen) -> list[Outputs]:
        init, lr, outs = dict(case.job.init), case.job.init["lr"], []
        values = {k: np.asarray(v, np.float64) for k, v in case.job.calls[0].weights.items()}
        states: dict[str, State] = {k: {} for k in values}
        common: State = {}
        with np.errstate(all="ignore"):
            for call in case.job.calls:
                lr = call.extra.get("lr", lr)
                for k in values:
                    g = np.asarray(call.extra[f"grad_{k}"], np.float64)
                    state = common if shared else states[k]
                    values[k] = rule(values[k], g, state, init, lr)
                outs.append(dict(values))
        return outs

    return compute


def _mistakes(rows: Iterable[tuple[str, str, str, Rule]]) -> tuple[Mistake, ...]:
    return tuple(Mistake(name, says, fix, _ruled(rule)) for name, says, fix, rule in rows)


# ---- SGD -----------------------------------------------------------------------------------------


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
        shrunk = p * (1 - lr * wd) if decay == "decoupled" else p
        gain = lr if lr_inside else 1 - mu if dampened else 1.0
        v = (mu if falls else 1.0) * state.get("v", np.zeros_like(p)) * (mu != 0) + gain * g
        state["v"] = v if kept else np.zeros_like(p)
        looks = init.get("nesterov", False) if nesterov is None else nesterov
        step = g + mu * v if looks and mu else v
        return shrunk - sign * (step if lr_inside else lr * step)

    return rule


_SGD_ROWS: tuple[tuple[str, str, str, dict[str, Any], tuple[float, ...]], ...] = (
    ("plain", "plain", "lr 0.1", {}, (0.1,)),
    ("momentum", "momentum", "momentum 0.9", {"momentum": 0.9}, (0.1,)),
    ("schedule", "schedule", "lr falls during the run", {"momentum": 0.9}, (0.1, 0.01)),
    ("decay", "weight_decay", "weight decay 0.1", {"weight_decay": 0.1}, (0.1,)),
    ("both", "weight_decay", "weight decay and momentum", {"weight_decay": 0.1, "momentum": 0.9}, (0.1,)),
    ("nesterov", "nesterov", "Nesterov's momentum", {"momentum": 0.9, "nesterov": True}, (0.1,)),
    ("float32", "float32", "float32", {}, (0.1,)),
)
_SGD_MISTAKES = _mistakes(
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
        ("decay-missing", "weight decay has no effect", "g = g + weight_decay * p", sgd(decay="none")),
        (
            "decay-decoupled",
            "weight decay acts on the parameter, and not through the velocity",
            "g = g + weight_decay * p, before the velocity (the other is AdamW's)",
            sgd(decay="decoupled"),
        ),
        ("decay-sign", "weight decay lets weights grow", "g + weight_decay * p", sgd(decay="negative")),
        ("nesterov-missing", "nesterov has no effect", "step = g + momentum * v", sgd(nesterov=False)),
        ("nesterov-always", "momentum is always Nesterov's", "p = p - lr * v", sgd(nesterov=True)),
    )
)

# ---- Adam ----------------------------------------------------------------------------------------


def adam(
    correct: tuple[bool, bool] = (True, True),
    first: int = 1,
    eps: str = "outside",
    root: bool = True,
    square: bool = True,
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
            g * g if square else np.abs(g)
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
_ADAM_ROWS: tuple[tuple[str, str, str, dict[str, Any], tuple[float, ...]], ...] = (
    ("plain", "plain", "lr 0.1", {}, (0.1,)),
    ("betas", "betas", "betas 0.8 and 0.95", _BETAS, (0.1,)),
    ("eps", "eps", "eps 0.1", {"eps": 0.1}, (0.1,)),
    ("schedule", "schedule", "lr falls during the run", {}, (0.1, 0.01)),
    ("decay", "weight_decay", "weight decay 0.1", {"weight_decay": 0.1}, (0.1,)),
    ("float32", "float32", "float32", {}, (0.1,)),
)
_CORRECTION = "m / (1 - beta1^t) and v / (1 - beta2^t), t from 1"
_ADAM_MISTAKES = _mistakes(
    (
        ("bias-correction-missing", "the bias correction is left out", _CORRECTION, adam((False, False))),
        ("bias-correction-of-m-missing", "the first moment is not corrected", _CORRECTION, adam((False, True))),
        ("bias-correction-of-v-missing", "the second moment is not corrected", _CORRECTION, adam((True, False))),
        ("count-from-two", "the count of steps is one ahead", _CORRECTION, adam(first=2)),
        ("count-from-zero", "the count of steps begins at 0", _CORRECTION, adam(first=0)),
        ("count-stands", "the count of steps does not go on: t is always 1", _CORRECTION, adam(counts=False)),
        ("eps-inside-root", "eps is added within the root", "sqrt(v) + eps", adam(eps="inside")),
        ("eps-missing", "eps is left out, or is not the one that was given", "sqrt(v) + eps", adam(eps="none")),
        (
            "eps-before-correction",
            "eps is added before the bias correction",
            "correct v first: sqrt(v / (1 - beta2^t)) + eps",
            adam(eps="before"),
        ),
        ("root-missing", "the second moment's root is left out", "m / (sqrt(v) + eps)", adam(root=False)),
        ("square-missing", "the second moment is not of squares", "v of g * g", adam(square=False)),
        ("betas-exchanged", "beta1 and beta2 are exchanged", "m with beta1, v with beta2", adam(swapped=True)),
        ("ascent", "it goes up the gradient", "p - lr * m / (sqrt(v) + eps)", adam(sign=-1)),
        ("gain-of-m-missing", "the factor 1 - beta1 is left out", "m = beta1 * m + (1 - beta1) * g", adam(gains=(False, True))),
        ("gain-of-v-missing", "the factor 1 - beta2 is left out", "v = beta2 * v + (1 - beta2) * g * g", adam(gains=(True, False))),
        ("decay-missing", "weight decay has no effect", "g = g + weight_decay * p", adam(decay="none")),
        (
            "decay-decoupled",
            "weight decay is AdamW's, apart from the gradient",
            "g = g + weight_decay * p, before the moments",
            adam(decay="decoupled"),
        ),
    )
)


def _shared(rule: Rule) -> Mistake:
    return Mistake(
        "state-shared",
        "all parameters share one state",
        "keep a velocity, or moments, for each parameter",
        _ruled(rule, shared=True),
    )


def _kind(
    name: str, words: tuple[str, ...], options: tuple[str, ...], rows: Any, make: Any,
    mistakes: tuple[Mistake, ...], own: Rule,
) -> Kind:  # fmt: skip
    cases = tuple(_case(name, i + 1, row) for i, row in enumerate(rows))
    return Kind(name, words, ("lr",), options, (), cases, _right(make), (*mistakes, _shared(own)))


SGD = _kind(
    "sgd", ("sgd", "momentum", "gradientdescent"), ("momentum", "weight_decay", "nesterov"),
    _SGD_ROWS, _sgd, _SGD_MISTAKES, sgd(),
)  # fmt: skip
ADAM = _kind(
    "adam", ("adam",), ("beta1", "beta2", "betas", "eps", "weight_decay"),
    _ADAM_ROWS, _adam, _ADAM_MISTAKES, adam(),
)  # fmt: skip
