"""What every op says when its input is wrong: the op, the rule, what arrived, the likely fix."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "ShapeError",
    "as_tensor_by",
    "check_axes",
    "check_count",
    "check_number",
    "check_pair",
    "check_real",
    "check_writable",
    "is_finite",
    "kind_of",
    "nearest",
    "not_tensors",
    "refused",
    "unknown_name",
]


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

    Nor does an integer that no float can hold.

    Args:
        least, above: `least <= value`, `above < value`.
        most, below: `value <= most`, `value < below`.
    """
    holds = (
        (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    finite = is_finite(value)
    if holds and finite:
        return
    bounds = {">=": least, ">": above, "<=": most, "<": below}
    rules = [f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None]
    if holds:
        rules.append("finite")
    got = f"{value:g}" if finite or isinstance(value, float) else "more than any float"
    raise ValueError(f"{op}: {name} must be {' and '.join(rules)}, got {got}")


def check_count(op: str, name: str, value: Any, least: int = 1) -> int:
    """An integer, as `int`, of at least so much."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{op}: {name} must be an int, got {value!r}") from None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be an int, got {value!r}")
    if count < least:
        raise ValueError(f"{op}: {name} must be >= {least}, got {count}")
    return count


def check_pair(op: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """A pair of integers of at least so much."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{op}: {name} must be a pair of ints, got {value!r}")
    first, second = value
    if type(first) is int and type(second) is int and first >= least and second >= least:
        return value  # the usual case, which should cost nothing
    return check_count(op, name, first, least), check_count(op, name, second, least)


def check_real(op: str, name: str, value: Any) -> None:
    """Raise TypeError unless it is a number, of Python's or NumPy's."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{op}: {name} must be a number, got {type(value).__name__}")


def check_bound(op: str, name: str, value: float) -> None:
    """Raise ValueError unless a bound is >= 0; infinity bounds nothing. NaN is no bound."""
    if not value >= 0:
        raise ValueError(f"{op}: {name} must be >= 0, got {value:g}")


def check_writable(op: str, what: str, array: npt.NDArray[np.generic]) -> None:
    """Raise RuntimeError unless an array can be written: where several are, before the first is."""
    if not array.flags.writeable:
        raise RuntimeError(
            f"{op}: {what} of shape {array.shape} can't be written: its memory is read-only, or "
            "several values share one place; clone() it first. Nothing was changed"
        )


def kind_of(value: Any) -> str:
    """What somebody gave, in words: `ndarray`, `list`, `a PyTorch tensor` or `a PyTorch Linear`."""
    kind = type(value)
    if not any(base.__module__.partition(".")[0] == "torch" for base in kind.__mro__):
        return kind.__name__
    return "a PyTorch tensor" if hasattr(value, "numpy") else f"a PyTorch {kind.__name__}"


def not_tensors(op: str, value: Any) -> TypeError:
    """The error for what is no tensor where an op takes tensors."""
    return TypeError(f"{op}: inputs must be tensors, got {kind_of(value)}; {as_tensor_by(value)}")


def refused(op: str, args: Sequence[Any], error: Exception) -> TypeError | None:
    """Of an op that failed: the error that says so, if its first argument is no tensor.

    To be asked where it failed, so that it costs nothing where all is well. None where the failure
    is another's, or said well already.
    """
    if not args:
        return None
    x = args[0]
    if str(error).startswith(f"{op}: ") and f"got {kind_of(x)}" in str(error):
        return None
    if isinstance(x, (list, tuple)):  # of tensors, or of what else
        x = next((a for a in x if _is_array(a)), x)
    if _is_array(x):
        return not_tensors(op, x)
    about_it = isinstance(error, AttributeError) or (
        isinstance(error, TypeError) and " tensor" in str(error)
    )
    return not_tensors(op, x) if about_it and type(x) in _PLAIN else None


_PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or kind_of(value) == "a PyTorch tensor"


def no_operand(op: str, value: Any) -> TypeError:
    """The error for what is neither tensor nor number where an op takes both."""
    return TypeError(
        f"{op}: operands must be tensors or numbers, got {kind_of(value)}; {as_tensor_by(value)}"
    )


def as_tensor_by(value: Any) -> str:
    """How a tensor is made of what is none, by the name that the program has for npnet."""
    if kind_of(value) == "a PyTorch tensor":
        return "npnet.from_numpy(x.detach().numpy()) makes one"
    theirs, ours = (getattr(sys.modules.get(m), "__file__", None) for m in ("torch", "npnet"))
    return f"{'npnet' if theirs is None or theirs != ours else 'torch'}.as_tensor makes one"


def is_finite(value: float) -> bool:
    """Whether a float or an integer is a finite float; math.isfinite raises at large integers."""
    return abs(value) <= sys.float_info.max


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is like it."""
    import difflib  # only here: npnet starts faster without

    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return close[0] if close else None


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not one of `known`, with the nearest that is."""
    names = list(known)
    near = nearest(name, names)
    hint = f"; did you mean '{near}'?" if near else ""
    return f"{what} must be one of {', '.join(names)}; got '{name}'{hint}"
