"""The checks of a layer: which cases they ask, and when they are passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npnet.grading.compare import (
    Diagnosis,
    Trial,
    Value,
    diagnose,
    largest_difference,
    tried,
)
from npnet.grading.kinds.base import STEP, Case, Kind
from npnet.grading.kinds.dropout import MASK_FACTS
from npnet.grading.results import FAILED, PASSED, SKIPPED, Check

__all__ = ["TITLES", "check_names", "graded"]

# Check -> what it asks. Those of the first group are of the plain case.
TITLES = {
    "forward": "the output is right",
    "gradient_x": "the gradient of x is right",
    "gradient_weight": "the gradient of the weight is right",
    "gradient_bias": "the gradient of the bias is right",
    "gradient_weights": "the gradients of all weights are right",
    "derivative": "backward is the derivative of forward, by finite differences",
    "sizes": "other sizes: odd, unequal, 1",
    "stride": "strides: overlapping windows, gaps, rows left over",
    "padding": "padding",
    "batch_of_one": "a batch of 1",
    "strided": "an input that does not lie one value after the other in memory",
    "float32": "float32 stays float32, and is right",
    "again": "a second call, of another batch",
    "accumulates": "gradients of a second call are added up, as in PyTorch",
    "overwrites": "gradients of a second call take the place of the first's",
    "unchanged": "inputs, weights and grad_output are not written to",
    "ties": "equal values in a window: the first gets the gradient",
    "extreme": "very large, very small and equal values",
    "upstream": "grad_output is heeded",
    "eps": "eps is heeded",
    "running": "running statistics follow the batch's",
    "eval": "evaluation",
    "mask": "the mask: its share of zeros is p, and it is drawn for each value and call",
    "momentum": "momentum",
    "nesterov": "Nesterov's momentum",
    "weight_decay": "weight decay",
    "schedule": "a learning rate that changes",
    "betas": "other betas",
}
_OF_PLAIN = ("forward", "gradient_x", "gradient_weight", "gradient_bias", "gradient_weights")
FLOATING = 1e-4  # of the scale of a directional derivative; differences themselves leave 1e-9
_RUNNING = frozenset({"running_mean", "running_var"})


def check_names(kind: Kind, adds_up: bool) -> list[str]:
    """The checks of a kind, in the order in which they are told."""
    tags = {tag for case in kind.cases for tag in case.tags}
    names = ["forward"]
    has_gradients = any(call.gy is not None for case in kind.cases for call in case.job.calls)
    if has_gradients:
        names.append("gradient_x")
    if len(kind.weights) > 2:
        names.append("gradient_weights")
    elif has_gradients:
        names += [f"gradient_{name}" for name in kind.weights]
    names += [name for name in TITLES if name in tags and name not in names]
    if kind.weights:
        names.append("accumulates" if adds_up else "overwrites")
    return [*names, "unchanged"]


@dataclass(frozen=True)
class _Facts:
    """What the checks ask of.

    Attributes:
        values: of all trials.
        good: names of values that are right in the plain case, which other cases must not break.
    """

    kind: Kind
    trials: Sequence[Trial]
    values: Sequence[Value]
    good: frozenset[str]
    adds_up: bool

    def tagged(self, tag: str) -> list[Trial]:
        return [t for t in self.trials if tag in t.case.tags]

    def wrong(self, tag: str, names: Iterable[str] | None = None) -> list[Value]:
        wanted = None if names is None else set(names)
        return [
            v
            for v in self.values
            if tag in v.case.tags and not v.is_right and (wanted is None or v.name in wanted)
        ]


def graded(
    kind: Kind, trials: Sequence[Trial], adds_up: bool
) -> tuple[list[Check], list[Diagnosis]]:
    """The checks of a layer, without points, and the known mistakes that it seems to have."""
    values = [v for t in trials if t.outcomes for v in tried(kind, t, adds_up)]
    plain = [v for v in values if "plain" in v.case.tags]
    bad = {v.name for v in plain if not v.is_right}
    good = frozenset({v.name for v in plain} - bad)
    facts = _Facts(kind, trials, values, good, adds_up)
    checks = [_checked(name, facts) for name in check_names(kind, adds_up)]
    found = [*diagnose(kind, trials, adds_up), *_observed(facts)]
    return checks, found or _where(facts)


# ---- one check -----------------------------------------------------------------------------------


def _checked(name: str, facts: _Facts) -> Check:
    state, message = _judged(name, facts)
    return Check(name, TITLES[name], state, message)


def _judged(name: str, facts: _Facts) -> tuple[str, str]:
    if name in _OF_PLAIN:
        return _plain(name, facts)
    if name == "unchanged":
        return _unchanged(facts)
    tag = "again" if name in ("accumulates", "overwrites") else name
    trials = facts.tagged(tag)
    if trials and all(t.skipped for t in trials):
        return SKIPPED, trials[0].skipped
    error = next((t for t in trials if t.error), None)
    if error is not None:
        return FAILED, f"{error.case.about}: {error.error}"
    if not _output_names(facts) & facts.good:
        return FAILED, "the output is not right to begin with"
    if name == "derivative":
        return _derivative(trials[0], facts)
    if name == "mask":
        wrong = [v for v in facts.values if v.name in MASK_FACTS and not v.is_right]
        return (FAILED, _told(wrong[0])) if wrong else (PASSED, "")
    if name in ("accumulates", "overwrites"):
        return _second(name, trials[0], facts)
    return _tagged(name, trials, facts)


def _output_names(facts: _Facts) -> set[str]:
    return {"y"} if facts.trials and facts.trials[0].case.job.calls[0].x is not None else {"a", "b"}


def _plain(name: str, facts: _Facts) -> tuple[str, str]:
    trials = facts.tagged("plain")
    for trial in trials:
        if trial.error or trial.skipped:
            return FAILED, trial.error or trial.skipped
    outputs = _output_names(facts)
    names = {
        "forward": outputs,
        "gradient_x": {"gx"},
        "gradient_weights": set(facts.kind.weights),
    }.get(name, {name.removeprefix("gradient_")})
    there = {v.name for v in facts.values if "plain" in v.case.tags}
    if not names & there:
        return FAILED, f"there is no {', '.join(sorted(names))}"
    wrong = facts.wrong("plain", names)
    if wrong:
        return FAILED, _told(wrong[0])
    return PASSED, ""


def _tagged(name: str, trials: Sequence[Trial], facts: _Facts) -> tuple[str, str]:
    """What is right in the plain case must be right in these, too."""
    names = {v.name for v in facts.values if name in v.case.tags}
    asked = names & facts.good if name != "running" else names & _RUNNING
    asked |= names - {v.name for v in facts.values if "plain" in v.case.tags}
    if name == "again":  # of which accumulates asks
        asked -= set(facts.kind.weights)
    if name == "running" and not asked:
        return SKIPPED, "the layer keeps no running_mean and running_var"
    wrong = facts.wrong(name, asked - _RUNNING if name != "running" else asked)
    if wrong:
        return FAILED, _told(wrong[0])
    if not names:
        return SKIPPED, "there is nothing to compare"
    if name == "float32":
        return _dtypes(trials)
    return PASSED, ""


def _dtypes(trials: Sequence[Trial]) -> tuple[str, str]:
    for trial in trials:
        for outcome in trial.outcomes:
            for name in ("y", "gx", "a"):
                given = outcome.get(name)
                if given is not None and given.ndim and given.dtype != np.float32:
                    return FAILED, f"{trial.case.about}: {name} of float32 is {given.dtype}"
    return PASSED, ""


def _unchanged(facts: _Facts) -> tuple[str, str]:
    done = [t for t in facts.trials if t.outcomes]
    if not done or not _output_names(facts) & facts.good:
        return FAILED, "the output is not right to begin with"
    for trial in done:
        for outcome in trial.outcomes:
            if outcome["wrote"]:
                return FAILED, f"{trial.case.about}: {', '.join(outcome['wrote'])} was written to"
    return PASSED, ""


def _second(name: str, trial: Trial, facts: _Facts) -> tuple[str, str]:
    weights = set(facts.kind.weights)
    outcome = trial.outcomes[-1]
    if not weights & outcome.keys():
        return FAILED, "there are no gradients of weights"
    if outcome.get("returned"):
        return PASSED, "backward returns them, and leaves adding up to the caller"
    if not weights & facts.good:
        return FAILED, "the gradients of the weights are not right to begin with"
    wrong = facts.wrong("again", weights & facts.good)
    return (FAILED, _told(wrong[0])) if wrong else (PASSED, "")


def _derivative(trial: Trial, facts: _Facts) -> tuple[str, str]:
    """vdot(gy, y+ - y-) / (2 step) against vdot(gradient, v), for each direction v."""
    first, *moved = trial.outcomes
    gy = trial.case.job.calls[0].gy
    compared = 0
    for i, (name, v) in enumerate(trial.case.directions):
        gradient = first.get(name)
        plus, minus = (np.asarray(moved[2 * i + k]["y"], np.float64) for k in (0, 1))
        if gradient is None or gradient.shape != v.shape or plus.shape != np.shape(gy):
            continue
        differences = float(np.vdot(gy, plus - minus)) / (2 * STEP)
        analytical = float(np.vdot(gradient, v))
        scale = max(1.0, abs(differences))
        compared += 1
        if not abs(differences - analytical) <= FLOATING * scale:
            return FAILED, (
                f"along a random direction of {_called(name)}, finite differences give "
                f"{differences:.6g}, backward {analytical:.6g}"
            )
    if not compared:
        return FAILED, "there is no gradient to compare"
    return PASSED, ""


# ---- words ---------------------------------------------------------------------------------------


def _called(name: str) -> str:
    return {"gx": "x", "y": "the output", "a": "the first parameter", "b": "the second parameter"}.get(
        name, f"the {name}"
    )


def _told(value: Value) -> str:
    """What is wrong with a value."""
    is_gradient = value.name == "gx" or "weight" in value.name or "bias" in value.name
    what = f"the gradient of {_called(value.name)}" if is_gradient else _called(value.name)
    where = value.case.about + (f", call {value.call + 1}" if value.call else "")
    given, right = np.asarray(value.given), np.asarray(value.right)
    if given.shape != right.shape:
        return f"{where}: {what} has the shape {given.shape}, and must have {right.shape}"
    at, is_, must = largest_difference(given, right)
    place = f" at {list(at)}" if at else ""
    return f"{where}: {what} is {is_:.6g}{place}, and must be {must:.6g}"


# ---- what is seen directly -----------------------------------------------------------------------


def _observed(facts: _Facts) -> list[Diagnosis]:
    """Mistakes that are seen, and need no comparison."""
    found = []
    wrote = sorted({w for t in facts.trials for o in t.outcomes for w in o["wrote"]})
    if wrote:
        found.append(
            Diagnosis(
                "input-written-to",
                f"{' and '.join(wrote)} is written to: it belongs to the caller",
                "work on a copy, or make a new array: x = x.copy(), np.where, x * mask",
                tuple(wrote),
            )
        )
    found += _second_call(facts)
    state, message = _dtypes([t for t in facts.tagged("float32") if t.outcomes])
    if state == FAILED:
        found.append(
            Diagnosis(
                "dtype-not-kept",
                message,
                "make arrays of x's dtype: np.zeros_like(x), np.zeros(shape, x.dtype)",
                ("y",),
            )
        )
    return found


def _second_call(facts: _Facts) -> list[Diagnosis]:
    """Whether gradients of a second call are added up, or not, against the rule."""
    flipped = replace(facts, adds_up=not facts.adds_up)
    for trial in facts.tagged("again"):
        if not trial.outcomes or trial.outcomes[-1].get("returned"):
            continue
        names = set(facts.kind.weights) & facts.good
        now = {v.name for v in facts.wrong("again", names)}
        other = {
            v.name
            for v in tried(facts.kind, trial, flipped.adds_up)
            if v.name in now and not v.is_right
        }
        explained = tuple(sorted(now - other))
        if explained and facts.adds_up:
            return [
                Diagnosis(
                    "gradients-not-added-up",
                    "gradients of a second call take the place of the first's: they are not added up",
                    "self.grad_weight += ..., from zeros; zero_grad() or the optimizer clears them",
                    explained,
                )
            ]
        if explained:
            return [
                Diagnosis(
                    "gradients-added-up",
                    "gradients of a second call are added to the first's",
                    "self.grad_weight = ..., as this assignment asks for new gradients by each call",
                    explained,
                )
            ]
    return []


def _where(facts: _Facts) -> list[Diagnosis]:
    """Where no known mistake fits: exactly where it goes wrong, if that has a name."""
    bad = {v.case.name for v in facts.values if not v.is_right}
    bad |= {t.case.name for t in facts.trials if t.error}
    done = [t.case for t in facts.trials if not t.skipped]
    if not bad or len(bad) == len(done):
        return []
    for name, says, holds in _PLACES:
        if {case.name for case in done if holds(case)} == bad:
            fix = "look at what the layer takes for granted there"
            return [Diagnosis(name, f"it goes wrong exactly {says}", fix, ())]
    return []


def _x(case: Case) -> Any:
    return case.job.calls[0].x


def _of(case: Case, name: str, default: float) -> Any:
    value: Any = case.job.init.get(name, default)
    return value


def _unequal(case: Case) -> bool:
    return bool(np.ndim(_x(case)) == 4 and _x(case).shape[2] != _x(case).shape[3])


_PLACES: tuple[tuple[str, str, Any], ...] = (
    ("only-square-images", "where images are not square", _unequal),
    ("only-one-batch-size", "where the batch is 1", lambda c: np.ndim(_x(c)) > 0 and len(_x(c)) == 1),
    ("stride-wrong", "where the stride is not 1", lambda c: _of(c, "stride", 1) != 1),
    (
        "stride-wrong",
        "where the stride is not the kernel's size",
        lambda c: _of(c, "stride", 0) not in (0, _of(c, "kernel_size", 0)),
    ),
    ("padding-wrong", "where there is padding", lambda c: _of(c, "padding", 0) > 0),
    ("layout-assumed", "where the input is strided", lambda c: c.job.strided),
    ("dtype-assumed", "where the input is float32", lambda c: c.dtype == "float32"),
    ("state-kept", "in a second call", lambda c: "again" in c.tags),
    ("extreme-values", "for very large or very small values", lambda c: "extreme" in c.tags),
    ("evaluation-wrong", "in evaluation", lambda c: "eval" in c.tags),
    ("overflow", "where values are very large", lambda c: "extreme" in c.tags),
)
