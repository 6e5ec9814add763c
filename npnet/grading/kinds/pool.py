"""What both pools have in common: cases, and gradients put back by shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.jobs import Call
from npnet.grading.kinds.base import (
    Case,
    Kind,
    Mistake,
    Outputs,
    Sample,
    by_tape,
    each,
    made,
)
from npnet.grading.kinds.gradients import gradient_mistakes
from npnet.grading.kinds.windows import assigned, columns, output_size, scattered, window_of

__all__ = [
    "ADD_UP",
    "ASSIGNS",
    "STRIDE",
    "assigns",
    "back",
    "maxima",
    "mean_share",
    "mistake",
    "other",
    "pool_kind",
    "whole",
    "windows_of",
    "winners",
]

_REQUIRED = ("kernel_size",)


def _init(k: int, **more: int) -> dict[str, Any]:
    return {"kernel_size": k, **more}


_ROWS = (
    ("plain", "plain", "x (2, 3, 6, 6), windows of 2", _init(2), (2, 3, 6, 6)),
    ("unequal", "sizes", "images of 4 x 8", _init(2), (2, 2, 4, 8)),
    ("rest", "sizes", "odd sizes: a row and a column are left over", _init(2), (2, 2, 5, 7)),
    ("three", "sizes", "windows of 3", _init(3), (2, 2, 6, 9)),
    ("overlap", "stride", "stride 2, windows of 3", _init(3, stride=2), (2, 2, 7, 9)),
    ("dense", "stride", "stride 1, windows of 2", _init(2, stride=1), (2, 2, 4, 5)),
    ("gaps", "stride", "stride 3, windows of 2", _init(2, stride=3), (2, 2, 8, 6)),
    ("square", "stride", "stride 2, square images", _init(3, stride=2), (2, 2, 7, 7)),
    ("padding", "padding", "padding 1", _init(3, stride=2, padding=1), (2, 2, 5, 7)),
    ("one", "batch_of_one", "a batch of 1", _init(2), (1, 3, 4, 4)),
    ("strided", "strided", "a strided input", _init(2), (2, 3, 4, 4)),
    ("float32", "float32", "float32", _init(2), (2, 3, 4, 4)),
    ("again", "again", "a second call", _init(2), (2, 3, 4, 4)),
    ("derivative", "derivative", "finite differences", _init(2), (2, 3, 4, 4)),
)
_TIES = ("ties", "ties", "equal values in a window", _init(2), (2, 2, 4, 6))


def _defaults(init: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"stride": init["kernel_size"], "padding": 0}


def _cases(kind: str) -> tuple[Case, ...]:
    shapes: Mapping[str, tuple[int, ...]] = {}
    if kind == "avg_pool2d":
        return made(kind, _REQUIRED, output_size, lambda init: shapes, _ROWS, _defaults)
    cases = made(kind, _REQUIRED, output_size, lambda init: shapes, (*_ROWS, _TIES), _defaults)
    below, ties = [], cases[-1]
    for case in cases[:-1]:  # padding with 0 is seen where all values are below 0
        if "padding" in case.tags:
            calls = tuple(replace(c, x=c.x - 9) for c in case.job.calls if c.x is not None)
            case = replace(case, job=replace(case.job, calls=calls))
        below.append(case)
    call = ties.job.calls[0]
    assert call.x is not None
    equal = Call(np.round(call.x), call.gy)
    return (*below, replace(ties, job=replace(ties.job, calls=(equal,))))


def windows_of(s: Sample, value: float = -np.inf) -> Array:
    return columns(s.x, window_of(s.init), value)


def winners(windows: Array, last: bool = False) -> Array:
    """1 at the first, or last, maximum of each window, 0 elsewhere."""
    flat = windows.reshape(*windows.shape[:4], -1)
    at = flat.shape[-1] - 1 - flat[..., ::-1].argmax(-1) if last else flat.argmax(-1)
    return np.eye(flat.shape[-1])[at].reshape(windows.shape)


def back(share: Callable[[Array], Array], **scatter: Any) -> Callable[[Sample], Outputs]:
    """gx, where `share` says of each window which of its places gets what part of gy."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None:
            return {}
        parts = share(windows_of(s)) * s.gy[..., None, None]
        return {"gx": scattered(parts, window_of(s.init), s.x.shape, **scatter)}

    return compute


def other(
    compute: Callable[[Array], Array], share: Callable[[Array], Array]
) -> Callable[[Sample], Outputs]:
    """Another output of windows whose padding is 0, with its own gradient."""

    def both(s: Sample) -> Outputs:
        windows = windows_of(s, 0)
        y = compute(windows)
        if s.gy is None:
            return {"y": y}
        parts = share(windows) * s.gy[..., None, None]
        return {"y": y, "gx": scattered(parts, window_of(s.init), s.x.shape)}

    return both


def mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


def maxima(windows: Array) -> Array:
    return (windows == windows.max((4, 5), keepdims=True)) * 1.0


def whole(windows: Array) -> Array:
    return np.ones(windows.shape)


def mean_share(windows: Array) -> Array:
    return whole(windows) / (windows.shape[4] * windows.shape[5])


def assigns(share: Callable[[Array], Array]) -> Callable[[Sample], Outputs]:
    """gx written with = for +=, in whatever order."""

    def compute(s: Sample) -> Outputs:
        if s.gy is None:
            return {}
        parts = share(windows_of(s)) * s.gy[..., None, None]
        return {"gx": assigned([parts], window_of(s.init), s)}

    return compute


ASSIGNS = (
    "the gradient of x is written with = where += belongs, or by += at indices of which several "
    "are the same: right only where windows do not overlap"
)
ADD_UP = "a pixel lies in several windows: add up what each brings, +="
STRIDE = "the window of y[i, j] begins at x[i * stride, j * stride]"


def _options(init: Mapping[str, Any]) -> tuple[Any, ...]:
    return init["kernel_size"], init.get("stride"), init.get("padding", 0)


def pool_kind(
    name: str, words: tuple[str, ...], op: Callable[..., Any], own: tuple[Mistake, ...]
) -> Kind:
    right = each(by_tape(lambda s, x: op(x, *_options(s.init))))
    mistakes = (*own, *gradient_mistakes(right, ("gx",)))
    return Kind(
        name, words, _REQUIRED, ("stride", "padding"), (), _cases(name), right, mistakes
    )  # fmt: skip
