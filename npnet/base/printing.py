"""How a tensor prints: as PyTorch's does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS

__all__ = ["set_printoptions", "tensor_repr"]


_PREFIX = "tensor("
_DEFAULT_DTYPES = (np.dtype("float32"), np.dtype("int64"), np.dtype("bool"))


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors print from now on; what is None stays as it is.

    Args:
        precision: digits after the point.
        threshold: a tensor of more values is printed with ... in its middle.
        edgeitems: how many values then stand before and after it.
        linewidth: at which column lines break.
        profile: "default", "short" or "full" sets all, before the others.
        sci_mode: True or False fixes whether floats print as 1.0e+00; None lets the values decide.

    Example:
        >>> npnet.set_printoptions(precision=2)
        >>> npnet.tensor([npnet.pi])
        tensor([3.14])
        >>> npnet.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {', '.join(_PROFILES)}")
        _options.__dict__.update(_PROFILES[profile].__dict__)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems}
    for name, value in (*given.items(), ("linewidth", linewidth)):
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


class _Format:
    """One way to write all values of an array, so that they stand in columns."""

    def __init__(self, values: Array) -> None:
        self.spec, self.point, self.width = "", "", 1
        if values.dtype.kind not in FLOATS:
            self.width = max((len(str(v)) for v in values.ravel().tolist()), default=1)
            return
        shown = values.astype(np.float64)
        shown = np.abs(shown[np.isfinite(shown) & (shown != 0)])
        whole = bool((shown == np.ceil(shown)).all())
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 1.0)
        scientific = high / low > 1000 or high > 1e8 or (not whole and low < 1e-4)
        if _options.sci_mode is not None:
            scientific = _options.sci_mode
        if scientific:
            self.spec = f".{_options.precision}e"
        elif whole:
            self.spec, self.point = ".0f", "."
        else:
            self.spec = f".{_options.precision}f"
        finite = values[np.isfinite(values) & (values != 0)]
        self.width = max((len(self._text(v)) for v in finite.tolist()), default=1)

    def _text(self, value: float) -> str:
        if not self.spec:
            return str(value)
        return format(value, self.spec) + (self.point if math.isfinite(value) else "")

    def __call__(self, value: float) -> str:
        return self._text(value).rjust(self.width)


def _is_long(array: Array) -> bool:
    return array.size > _options.threshold


def _edges(array: Array) -> Array:
    """The values that are shown of a long array."""
    n = _options.edgeitems
    for axis, size in enumerate(array.shape):
        if size > 2 * n:
            shown = [*range(n), *range(size - n, size)]
            array = array.take(shown, axis)
    return array


def _body(array: Array, indent: int, shorten: bool, write: _Format) -> str:
    """The values in brackets; lines that follow the first start at column `indent`."""
    if array.ndim == 0:
        return write(array.item())
    n = _options.edgeitems
    cut = shorten and len(array) > 2 * n
    shown = [*array[:n], *array[-n:]] if cut and n else [] if cut else list(array)
    if array.ndim == 1:
        parts = [write(v.item()) for v in shown]
        gap, per_line = " ...", max(1, (_options.linewidth - indent) // (write.width + 2))
    else:
        parts = [_body(part, indent + 1, shorten, write) for part in shown]
        gap, per_line = "...", 1
    if cut:
        parts.insert(n, gap)
    lines = [", ".join(parts[i : i + per_line]) for i in range(0, len(parts), per_line)]
    between = "," + "\n" * max(array.ndim - 1, 1) + " " * (indent + 1)
    return "[" + between.join(lines) + "]"


def tensor_repr(array: Array, grad_fn: object | None, requires_grad: bool) -> str:
    """`tensor([1., 2.])`, with what is not usual about it after the values."""
    notes = []
    if not array.size:
        text = _PREFIX + "[]"
        if array.ndim != 1:
            notes.append(f"size={array.shape}")
        if array.dtype != np.float32:
            notes.append(f"dtype=npnet.{array.dtype}")
    else:
        shorten = _is_long(array)
        write = _Format(_edges(array) if shorten else array)
        text = _PREFIX + _body(array, len(_PREFIX), shorten, write)
        if array.dtype not in _DEFAULT_DTYPES:
            notes.append(f"dtype=npnet.{array.dtype}")
    if grad_fn is not None:
        notes.append(f"grad_fn={grad_fn!r}")
    elif requires_grad:
        notes.append("requires_grad=True")
    return _with_notes(text, notes)


def _with_notes(text: str, notes: list[str]) -> str:
    """The notes after the values, each on the line if it fits there, as PyTorch counts."""
    column = len(text) - text.rfind("\n") + 1
    for note in notes:
        if column + len(note) + 2 > _options.linewidth:
            text += ",\n" + " " * len(_PREFIX) + note
            column = len(_PREFIX) + len(note)
        else:
            text += ", " + note
            column += len(note) + 2
    return text + ")"
