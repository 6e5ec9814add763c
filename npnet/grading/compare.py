"""What a student's layer gave beside what is right, value by value, and what that looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import Case, Kind, Mistake, Outputs
from npnet.grading.kinds.dropout import with_facts

__all__ = ["REMARKS", "Diagnosis", "Trial", "Value", "diagnose", "equal", "tried"]

# Of the largest value, for each dtype: sums of some hundred terms in another order leave 1e-13 and
# 1e-5, eps and roots in batch norm a little more; a mistake leaves 1e-3 and more in these cases.
TOLERANCES = {"float64": 1e-7, "float32": 2e-4}
REMARKS = frozenset({"sure"})  # checks that cost nothing: many courses' layers have it so
NOT_COMPARED = frozenset({"wrote", "returned", "set_lr", "kept"})


@dataclass(frozen=True)
class Value:
    """One value of one call: what it is, and must be.

    Attributes:
        name: y, gx, weight, bias, running_mean, ...
        previous: of gradients that add up, what was there before the call; else None.
    """

    case: Case
    call: int
    name: str
    given: Any
    right: Any
    previous: Any = None

    @property
    def tolerance(self) -> float:
        """Of the case's dtype."""
        return TOLERANCES[self.case.dtype]

    @property
    def is_right(self) -> bool:
        """Whether it is as it must be."""
        return equal(self.given, self.right, self.tolerance)


@dataclass(frozen=True)
class Trial:
    """A case with what became of it.

    Attributes:
        outcomes: of each call, what the student's layer gave.
        error: why there are none: what was raised, where.
        skipped: why it was not tried; "" if it was.
    """

    case: Case
    outcomes: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    skipped: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """A known mistake that explains wrong values.

    Attributes:
        values: the names of what it explains, as gx.
    """

    name: str
    says: str
    fix: str
    values: tuple[str, ...]


def equal(a: Any, b: Any, tolerance: float) -> bool:
    """Whether shapes are the same, and values to rounding; infinite and NaN where the other is."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind == "b" or b.dtype.kind == "b":
        return bool((a == b).all())
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return False
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    scale = max(1.0, float(np.abs(b[finite]).max(initial=0)))
    return bool((np.abs(a[finite] - b[finite]) <= tolerance * scale).all())


# ---- values --------------------------------------------------------------------------------------


def tried(kind: Kind, trial: Trial, adds_up: bool) -> list[Value]:
    """The values of a trial that can be compared.

    Args:
        adds_up: whether gradients that are kept in the layer add up over calls.
    """
    seen = _seen(kind, trial)
    return list(_values(kind, trial.case, seen, kind.right(trial.case, seen), adds_up))


def _seen(kind: Kind, trial: Trial) -> list[Mapping[str, Any]]:
    if kind.name == "dropout":
        return with_facts(trial.case, trial.outcomes)  # type: ignore[return-value]  # dicts
    return list(trial.outcomes)


def _values(
    kind: Kind,
    case: Case,
    seen: Sequence[Mapping[str, Any]],
    right: Sequence[Outputs],
    adds_up: bool,
) -> Iterator[Value]:
    for i, (given, wanted) in enumerate(zip(seen, right, strict=False)):
        for name in wanted:
            if name not in given or name in NOT_COMPARED:
                continue
            previous = None
            kept = name in kind.weights and not given.get("returned") and i > 0
            if kept and adds_up and name in seen[i - 1]:
                previous = seen[i - 1][name]
            yield Value(case, i, name, given[name], _plus(previous, wanted[name]), previous)


def _plus(previous: Any, new: Any) -> Any:
    if previous is None or np.shape(new) not in ((), np.shape(previous)):
        return new
    return np.asarray(previous, np.float64) + new


# ---- known mistakes ------------------------------------------------------------------------------


def diagnose(kind: Kind, trials: Sequence[Trial], adds_up: bool) -> list[Diagnosis]:
    """The known mistakes whose outputs are the student's, wherever there is one.

    A mistake explains a name (y, gx, ...) if all of its values in all trials are what the mistake
    gives. Those that explain most are taken first, until all that can be explained is.
    """
    done = [t for t in trials if t.outcomes and not REMARKS & t.case.tags]
    found = {(v.case.name, v.call, v.name): v for t in done for v in tried(kind, t, adds_up)}
    wrong = {v.name for v in found.values() if not v.is_right}
    explained = []
    for mistake in kind.mistakes:
        names, against = _explained(kind, mistake, done, found)
        if names & wrong:
            explained.append((mistake, names & wrong, against - names))
    return _fewest(explained, wrong)


def _explained(
    kind: Kind,
    mistake: Mistake,
    trials: Sequence[Trial],
    found: Mapping[tuple[str, int, str], Value],
) -> tuple[set[str], set[str]]:
    """The names whose every value is what the mistake gives, and those of which one is not.

    Of the first, a value at least must be another than the right one. The second are those alone
    which the mistake changes: of others, another mistake may be.
    """
    other, against = set(), set()
    for trial in trials:
        try:
            with np.errstate(all="ignore"):
                outs = mistake.compute(trial.case, _seen(kind, trial))
        except (ValueError, IndexError):  # such a layer can't do this case: the student's did
            outs = []
        for i, given in enumerate(_seen(kind, trial)):
            for name in given:
                value = found.get((trial.case.name, i, name))
                if value is None:
                    continue
                if i < len(outs) and name in outs[i]:
                    # Whether gradients are added up is another question, so both are tried.
                    both = outs[i][name], _plus(value.previous, outs[i][name])
                    is_it = any(_looks(value.given, one, value.tolerance) for one in both)
                    if not any(_alike(value.right, one, value.tolerance) for one in both):
                        other.add(name)
                else:
                    is_it = bool(outs) and value.is_right
                if not is_it:
                    against.add(name)
    return other - against, against & other


def _looks(a: Any, b: Any, tolerance: float) -> bool:
    """`_alike`, also where axes of length 1 were kept."""
    if np.shape(a) != np.shape(b) and _long(a) == _long(b) and np.ndim(b):
        a = np.reshape(a, np.shape(b))
    return _alike(a, b, tolerance)


def _long(a: Any) -> list[int]:
    return [n for n in np.shape(a) if n != 1]


def _alike(a: Any, b: Any, tolerance: float) -> bool:
    """`equal`; one number stands for an array of it."""
    if np.ndim(b) == 0 and np.ndim(a):
        b = np.broadcast_to(b, np.shape(a))
    if np.ndim(a) == 0 and np.size(b) == 1:
        b = np.reshape(b, ())
    return equal(a, b, tolerance)


def _fewest(
    explained: list[tuple[Mistake, set[str], set[str]]], wrong: set[str]
) -> list[Diagnosis]:
    """As few mistakes as explain all that can be.

    Of those that explain as much, the one that would make least wrong that is not; of equal ones
    the first of the catalogue.
    """
    left = set(wrong)
    found: dict[str, Diagnosis] = {}
    while explained:
        mistake, names, _ = max(explained, key=lambda it: (len(it[1] & left), -len(it[2])))
        here = names & left
        if not here:
            break
        left -= here
        before = found.get(mistake.name)
        values = tuple(sorted(here | set(before.values if before else ())))
        first = before or Diagnosis(mistake.name, mistake.says, mistake.fix, ())
        found[mistake.name] = replace(first, values=values)
    return list(found.values())


def largest_difference(given: Array, right: Array) -> tuple[tuple[int, ...], float, float]:
    """Where two arrays of one shape differ most, and both values there."""
    with np.errstate(all="ignore"):
        off = np.abs(np.asarray(given, np.float64) - np.asarray(right, np.float64))
    off = np.where(np.isnan(off), np.inf, off)
    where = np.unravel_index(int(off.argmax()), off.shape)
    place = tuple(int(i) for i in where)
    return place, float(given[where]), float(right[where])
