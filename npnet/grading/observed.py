"""Mistakes that are seen without a catalogue: what is written to, kept, added up, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from npnet.grading.compare import Diagnosis, tried
from npnet.grading.facts import Facts, dtypes
from npnet.grading.kinds.base import Case

__all__ = ["observed", "where_wrong"]


def observed(facts: Facts) -> list[Diagnosis]:
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
    message = dtypes([t for t in facts.tagged("float32") if t.outcomes])
    if message:
        found.append(
            Diagnosis(
                "dtype-not-kept",
                message,
                "make arrays of x's dtype: np.zeros_like(x), np.zeros(shape, x.dtype)",
                ("y",),
            )
        )
    return found


def _second_call(facts: Facts) -> list[Diagnosis]:
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
                    "gradients of a second call take the place of the first's: none is added up",
                    "self.grad_weight += ..., from zeros; zero_grad() or the optimizer clears them",
                    explained,
                )
            ]
        if explained:
            return [
                Diagnosis(
                    "gradients-added-up",
                    "gradients of a second call are added to the first's",
                    "self.grad_weight = ..., as each call is to give new gradients here",
                    explained,
                )
            ]
    return []


def where_wrong(facts: Facts) -> list[Diagnosis]:
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
    (
        "only-one-batch-size",
        "where the batch is 1",
        lambda c: np.ndim(_x(c)) > 0 and len(_x(c)) == 1,
    ),
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
    (
        "sure-mistakes",
        "where the target has the probability 0: log of 0",
        lambda c: "sure" in c.tags,
    ),
    ("evaluation-wrong", "in evaluation", lambda c: "eval" in c.tags),
    ("overflow", "where values are very large", lambda c: "extreme" in c.tags),
)
