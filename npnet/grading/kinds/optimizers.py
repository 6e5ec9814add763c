"""What optimizers have in common: parameters after each of several updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.jobs import Call, Job
from npnet.grading.kinds.base import Case, Kind, Mistake, Outputs, Seen, draw
from npnet.nn.parameter import Parameter

__all__ = ["Row", "Rule", "State", "mistakes_of", "optimizer_kind", "ruled"]

UPDATES = 5
_SHAPES = {"a": (3, 4), "b": (3, 4)}  # alike, so that one state for both is possible
# What the constructor is given besides, if it takes it: its own defaults may be others.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
}
State = dict[str, Any]
Row = tuple[str, str, str, dict[str, Any], tuple[float, ...]]
"""Of a case: name, tags, in words, arguments, learning rates."""
Rule = Callable[[Array, Array, State, Mapping[str, Any], float], Array]
"""Of parameter, gradient, its state, the arguments and lr: the new parameter."""


def _case(kind: str, number: int, row: Row) -> Case:
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
    return Case(
        name, frozenset(tags.split()), about, Job(kind, given, ("lr",), tuple(calls)), needs
    )


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


def ruled(
    rule: Rule, shared: bool = False, counted: bool = False
) -> Callable[[Case, Seen], list[Outputs]]:
    """What parameters become by a rule; shared: both have one state, counted: one count t."""

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
                    if counted:
                        state["t"] = common.get("t", 0)
                    values[k] = rule(values[k], g, state, init, lr)
                    common["t"] = state.get("t", 0)
                outs.append(dict(values))
        return outs

    return compute


def mistakes_of(rows: Iterable[tuple[str, str, str, Rule]]) -> tuple[Mistake, ...]:
    return tuple(Mistake(name, says, fix, ruled(rule)) for name, says, fix, rule in rows)


def _shared(rule: Rule) -> Mistake:
    return Mistake(
        "state-shared",
        "all parameters share one state",
        "keep a velocity, or moments, for each parameter",
        ruled(rule, shared=True),
    )


def optimizer_kind(
    name: str, words: tuple[str, ...], options: tuple[str, ...], rows: Any, make: Any,
    mistakes: tuple[Mistake, ...], own: Rule,
) -> Kind:  # fmt: skip
    cases = tuple(_case(name, i + 1, row) for i, row in enumerate(rows))
    return Kind(name, words, ("lr",), options, (), cases, _right(make), (*mistakes, _shared(own)))
