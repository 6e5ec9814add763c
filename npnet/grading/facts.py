"""What the checks of a layer ask of: its values in all cases, and words for what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from npnet.grading.compare import Trial, Value, largest_difference
from npnet.grading.kinds.base import Kind

__all__ = ["Facts", "called", "dtypes", "output_names", "told"]


@dataclass(frozen=True)
class Facts:
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


def output_names(facts: Facts) -> set[str]:
    return {"y"} if facts.trials and facts.trials[0].case.job.calls[0].x is not None else {"a", "b"}


def dtypes(trials: Sequence[Trial]) -> str:
    """What is said of a layer that makes float64 of float32; "" of one that does not."""
    for trial in trials:
        for outcome in trial.outcomes:
            for name in ("y", "gx", "a"):
                given = outcome.get(name)
                if given is not None and given.ndim and given.dtype != np.float32:
                    return f"{trial.case.about}: {name} of float32 is {given.dtype}"
    return ""


# ---- words ---------------------------------------------------------------------------------------


def called(name: str) -> str:
    return {
        "gx": "x",
        "y": "the output",
        "a": "the first parameter",
        "b": "the second parameter",
    }.get(name, f"the {name}")


def told(value: Value) -> str:
    """What is wrong with a value."""
    is_gradient = value.name == "gx" or "weight" in value.name or "bias" in value.name
    what = f"the gradient of {called(value.name)}" if is_gradient else called(value.name)
    where = value.case.about + (f", call {value.call + 1}" if value.call else "")
    given, right = np.asarray(value.given), np.asarray(value.right)
    if given.shape != right.shape:
        return f"{where}: {what} has the shape {given.shape}, and must have {right.shape}"
    at, is_, must = largest_difference(given, right)
    place = f" at {list(at)}" if at else ""
    return f"{where}: {what} is {is_:.6g}{place}, and must be {must:.6g}"
