"""The checks of a layer: which cases they ask, and when they are passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.grading.compare import REMARKS, Diagnosis, Trial, diagnose, tried
from npnet.grading.facts import Facts, called, dtypes, output_names, told
from npnet.grading.kinds.base import STEP, Kind
from npnet.grading.kinds.dropout import MASK_FACTS
from npnet.grading.observed import observed, where_wrong
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
    "float32": "inputs and weights of float32",
    "again": "a second call, of another batch",
    "accumulates": "gradients of a second call are added up, as in PyTorch",
    "overwrites": "gradients of a second call take the place of the first's",
    "unchanged": "inputs, weights and grad_output are not written to",
    "ties": "equal values in a window: the first gets the gradient",
    "extreme": "very large, very small and equal values",
    "sure": "a probability of 0: the loss is large, and finite",
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


def graded(
    kind: Kind, trials: Sequence[Trial], adds_up: bool
) -> tuple[list[Check], list[Diagnosis]]:
    """The checks of a layer, without points, and the known mistakes that it seems to have."""
    values = [v for t in trials if t.outcomes for v in tried(kind, t, adds_up)]
    plain = [v for v in values if "plain" in v.case.tags]
    bad = {v.name for v in plain if not v.is_right}
    good = frozenset({v.name for v in plain} - bad)
    facts = Facts(kind, trials, values, good, adds_up)
    checks = [_checked(name, facts) for name in check_names(kind, adds_up)]
    found = [*diagnose(kind, trials, adds_up), *observed(facts)]
    return checks, found or where_wrong(facts)


# ---- one check -----------------------------------------------------------------------------------


def _checked(name: str, facts: Facts) -> Check:
    state, message = _judged(name, facts)
    return Check(name, TITLES[name], state, message)


def _judged(name: str, facts: Facts) -> tuple[str, str]:
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
    if not output_names(facts) & facts.good:
        return FAILED, "the output is not right to begin with"
    if name == "derivative":
        return _derivative(trials[0], facts)
    if name == "mask":
        wrong = [v for v in facts.values if v.name in MASK_FACTS and not v.is_right]
        return (FAILED, told(wrong[0])) if wrong else (PASSED, "")
    if name in ("accumulates", "overwrites"):
        return _second(name, trials[0], facts)
    return _tagged(name, trials, facts)


def _plain(name: str, facts: Facts) -> tuple[str, str]:
    trials = facts.tagged("plain")
    for trial in trials:
        if trial.error or trial.skipped:
            return FAILED, trial.error or trial.skipped
    outputs = output_names(facts)
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
        return FAILED, told(wrong[0])
    return PASSED, ""


def _tagged(name: str, trials: Sequence[Trial], facts: Facts) -> tuple[str, str]:
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
        return PASSED if name in REMARKS else FAILED, told(wrong[0])
    if not names:
        return SKIPPED, "there is nothing to compare"
    if name == "float32":
        return PASSED, dtypes(trials)
    return PASSED, ""


def _unchanged(facts: Facts) -> tuple[str, str]:
    done = [t for t in facts.trials if t.outcomes]
    if not done or not output_names(facts) & facts.good:
        return FAILED, "the output is not right to begin with"
    for trial in done:
        for outcome in trial.outcomes:
            if outcome["wrote"]:
                return FAILED, f"{trial.case.about}: {', '.join(outcome['wrote'])} was written to"
    return PASSED, ""


def _second(name: str, trial: Trial, facts: Facts) -> tuple[str, str]:
    weights = set(facts.kind.weights)
    outcome = trial.outcomes[-1]
    if not weights & outcome.keys():
        return FAILED, "there are no gradients of weights"
    if outcome.get("returned"):
        return PASSED, "backward returns them, and leaves adding up to the caller"
    if not weights & facts.good:
        return FAILED, "the gradients of the weights are not right to begin with"
    wrong = facts.wrong("again", weights & facts.good)
    return (FAILED, told(wrong[0])) if wrong else (PASSED, "")


def _derivative(trial: Trial, facts: Facts) -> tuple[str, str]:
    """vdot(gy, y+ - y-) / (2 step) against vdot(gradient, v), for each direction v."""
    first, *moved = trial.outcomes
    gy: Any = trial.case.job.calls[0].gy
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
                f"along a random direction of {called(name)}, finite differences give "
                f"{differences:.6g}, backward {analytical:.6g}"
            )
    if not compared:
        return FAILED, "there is no gradient to compare"
    return PASSED, ""
