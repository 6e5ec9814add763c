"""What every op says when its input is wrong: the op, the rule, what arrived, the likely fix."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence

__all__ = ["ShapeError", "check_axes", "check_number", "nearest", "unknown_name"]


class ShapeError(RuntimeError, ValueError):
    """An array has the wrong number of axes or a wrong size along one.

    PyTorch raises RuntimeError for most of these and ValueError for some; code written against
    either catches this.
    """


def check_axes(op: str, name: str, shape: Sequence[int], axes: Sequence[str]) -> None:
    """Raise ShapeError unless `shape` has one entry for each of `axes`, e.g. ("N", "C")."""
    if len(shape) != len(axes):
        count = "1 axis" if len(axes) == 1 else f"{len(axes)} axes"
        raise ShapeError(
            f"{op}: {name} must have {count} ({', '.join(axes)}), "
            f"got {len(shape)}: {name}.shape = {tuple(shape)}"
        )


def check_number(
    op: str,
    name: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Raise ValueError unless the number lies in the range; NaN and infinity never do.

    Args:
        least, above: `least <= value`, `above < value`.
        most, below: `value <= most`, `value < below`.
    """
    rules = []
    if least is not None:
        rules.append((f">= {least:g}", value >= least))
    if above is not None:
        rules.append((f"> {above:g}", value > above))
    if most is not None:
        rules.append((f"<= {most:g}", value <= most))
    if below is not None:
        rules.append((f"< {below:g}", value < below))
    rules = rules or [("finite", True)]
    if not math.isfinite(value) or not all(holds for _, holds in rules):
        rule = " and ".join(text for text, _ in rules)
        raise ValueError(f"{op}: {name} must be {rule}, got {value:g}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is like it."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not one of `known`, with the nearest that is."""
    names = list(known)
    near = nearest(name, names)
    hint = f"; did you mean '{near}'?" if near else ""
    return f"{what} must be one of {', '.join(names)}; got '{name}'{hint}"
