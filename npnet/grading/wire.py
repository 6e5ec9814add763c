"""What goes between the grader and the process that runs a student's code: lines of JSON.

Arrays are their dtype, shape and bytes. Nothing is unpickled: what comes from the other side is
data alone, whatever the student's code wrote there.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

import numpy as np

__all__ = ["LARGEST", "WireError", "pack", "unpack"]

LARGEST = 1 << 26  # bytes of one line; the arrays of a check are a few kB
_MARK = "__array__"
_ALLOWED = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64"),
    }
)


class WireError(ValueError):
    """A line that is no message."""


def pack(message: Any) -> bytes:
    """One line. TypeError of what is neither an array, JSON nor a dict or list of those."""
    return json.dumps(message, default=_packed).encode() + b"\n"


def _packed(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.name in _ALLOWED:
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {_MARK: data, "dtype": value.dtype.name, "shape": list(value.shape)}
    raise TypeError(f"a {type(value).__name__} can't be sent")


def unpack(line: bytes) -> Any:
    """The message of a line, with its arrays. WireError of anything else."""
    try:
        return json.loads(line, object_hook=_unpacked)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise WireError(f"no message: {error}") from None


def _unpacked(found: dict[str, Any]) -> Any:
    if _MARK not in found:
        return found
    name, shape = found["dtype"], tuple(int(n) for n in found["shape"])
    if name not in _ALLOWED or len(shape) > 16 or any(n < 0 for n in shape):
        raise WireError(f"no array: {name} {shape}")
    array = np.frombuffer(base64.b64decode(found[_MARK], validate=True), name)
    if array.size != math.prod(shape):
        raise WireError(f"no array: {array.size} values for {shape}")
    return array.reshape(shape).copy()
