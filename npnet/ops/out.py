"""`out=`: the result of a function written into tensors that are there already."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.grad_mode import state
from npnet.ops.dtypes import can_cast
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["takes_out", "write_out"]


def write_out(op: str, out: Tensor, y: Tensor) -> Tensor:
    """Let `out` hold the values of y, in its own dtype; it takes y's size, with a warning.

    Raises:
        RuntimeError: `out` requires a gradient, or is of a lower kind than y.
        TypeError: `out` is no tensor.
    """
    if not isinstance(out, Variable):
        raise TypeError(f"{op}: out must be a tensor, got {type(out).__name__}")
    if not can_cast(y.dtype, out.dtype):
        raise RuntimeError(f"{op}: a result of {y.dtype} can't be kept in out of {out.dtype}")
    if state.enabled and (out.requires_grad or y.requires_grad):
        raise RuntimeError(
            f"{op}: out= is not recorded, but an argument requires a gradient; leave it out, or "
            "do it under no_grad()"
        )
    if out.shape != y.shape:
        if out.numel():
            warnings.warn(
                f"{op}: out was resized from {tuple(out.shape)} to {tuple(y.shape)}, since it had "
                "values; out.resize_(0) first says that it may be",
                stacklevel=3,
            )
        out.resize_(y.shape)
    np.copyto(out.array, y.array, casting="unsafe")
    out._version.writes += 1
    return out


def takes_out(op: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a keyword `out`: a tensor, or one for each result."""
    name = op.__name__

    @functools.wraps(op)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        y = op(*args, **kwargs)
        if out is None:
            return y
        if isinstance(y, tuple):
            kept = [write_out(name, o, part) for o, part in zip(out, y, strict=True)]
            return type(y)(*kept) if hasattr(y, "_fields") else tuple(kept)
        return write_out(name, out, y)

    return function
