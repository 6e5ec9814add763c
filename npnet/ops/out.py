"""`out=`: the result of a function written into tensors that are there already."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.checks import refused
from npnet.base.grad_mode import state
from npnet.ops.dtypes import can_cast
from npnet.tape import Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["takes_out", "takes_tensors", "write_out"]


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


# These move values and compute nothing: PyTorch wants `out` in the very dtype of the result.
_EXACT = frozenset(
    {
        "aminmax",
        "bernoulli",
        "cummax",
        "cummin",
        "gather",
        "index_select",
        "kthvalue",
        "masked_select",
        "median",
        "mode",
        "multinomial",
        "nanmedian",
        "sort",
        "take_along_dim",
        "topk",
    }
)


def _check_out(op: str, out: Any, y: Tensor, inputs: list[Any]) -> None:
    """Raise RuntimeError where writing into `out` would change what is still to be read."""
    if not isinstance(out, Variable):
        return  # write_out says so
    if op in _EXACT and out.dtype != y.dtype:
        raise RuntimeError(f"{op}: out must be {y.dtype}, got {out.dtype}")
    if any(n > 1 and not s for n, s in zip(out.shape, out.array.strides, strict=True)):
        raise RuntimeError(f"{op}: several values of out share one place; clone() it first")
    for x in inputs:
        if not isinstance(x, Variable) or not np.may_share_memory(x.array, out.array):
            continue
        same = x.shape == out.shape and x.array.strides == out.array.strides
        same = same and x.array.__array_interface__["data"] == out.array.__array_interface__["data"]
        if op in _EXACT or y.shape != out.shape or not same:
            raise RuntimeError(f"{op}: out lies on the memory of an input, or on a part of it")


def _say_refused(op: str, args: tuple[Any, ...], error: Exception) -> None:
    said = refused(op, args, error)
    if said is not None:
        raise said from error


def takes_tensors(op: Callable[..., Any]) -> Callable[..., Any]:
    """A method as a function, which says so if what it is given is no tensor."""
    name = op.__name__

    @functools.wraps(op)
    def function(*args: Any, **kwargs: Any) -> Any:
        try:
            return op(*args, **kwargs)
        except (AttributeError, TypeError, RuntimeError) as error:
            _say_refused(name, args, error)
            raise

    return function


def takes_out(op: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a keyword `out`: a tensor, or one for each result."""
    name = op.__name__

    @functools.wraps(op)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        try:
            y = op(*args, **kwargs)
        except (AttributeError, TypeError, RuntimeError) as error:
            _say_refused(name, args, error)
            raise
        if out is None:
            return y
        inputs = [x for a in args for x in (a if isinstance(a, (list, tuple)) else (a,))]
        pairs = zip(out, y, strict=True) if isinstance(y, tuple) else [(out, y)]
        for o, part in pairs:
            _check_out(name, o, part, inputs)
        if isinstance(y, tuple):
            kept = [write_out(name, o, part) for o, part in zip(out, y, strict=True)]
            return type(y)(*kept) if hasattr(y, "_fields") else tuple(kept)
        return write_out(name, out, y)

    return function
