"""Dropout, whose mask is drawn by the student's layer: it is read off what that gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.kinds.base import (
    Case,
    Kind,
    Mistake,
    Outputs,
    Sample,
    Seen,
    each,
    made,
)

__all__ = ["DROPOUT", "MASK_FACTS", "with_facts"]

MASK_FACTS = frozenset({"share of zeros", "rows alike", "same mask again"})

# Of zeros among the 6400 values of the case that counts them: five standard deviations.
DEVIATIONS = 5.0
_ROWS: tuple[Any, ...] = (
    ("plain", "plain", "p 0.3", {"p": 0.3}, (20, 30)),
    ("share", "mask", "the share of zeros, p 0.2", {"p": 0.2}, (80, 80)),
    ("images", "sizes", "images, p 0.5", {"p": 0.5}, (4, 3, 5, 6)),
    ("none", "sizes", "p 0", {"p": 0.0}, (4, 5)),
    ("eval", "eval", "evaluation, p 0.3", {"p": 0.3}, (20, 30)),
    ("strided", "strided", "a strided input", {"p": 0.3}, (6, 8)),
    ("float32", "float32", "float32", {"p": 0.3}, (6, 8)),
    ("again", "again", "a second call draws another mask", {"p": 0.3}, (20, 30)),
)


def _cases() -> tuple[Case, ...]:
    cases = []
    for case in made("dropout", ("p",), lambda init, size: size, lambda init: {}, _ROWS):
        calls = case.job.calls
        if case.name == "eval":
            calls = (replace(calls[0], training=False),)
        if case.name == "again":
            calls = (calls[0], replace(calls[0]))
        cases.append(replace(case, job=replace(case.job, calls=calls)))
    return tuple(cases)


def _mask(s: Sample) -> Array:
    """1 where the student's layer let a value through."""
    y = s.seen.get("y")
    if y is None or y.shape != s.x.shape:
        return np.ones_like(s.x)
    return (y != 0) * 1.0


def _right(s: Sample) -> Outputs:
    """The output by the mask that was drawn; and facts of the mask, which must be as stated."""
    return _scaled(s, 1 / (1 - s.init["p"]), 1 / (1 - s.init["p"]))


def _scaled(s: Sample, up: float, back: float, eval_up: float = 1.0) -> Outputs:
    mask, is_on = _mask(s), s.training and s.init["p"] > 0
    out: Outputs = {"y": s.x * mask * up if is_on else s.x * (eval_up if not s.training else 1)}
    if s.gy is not None:
        out["gx"] = s.gy * mask * back if is_on else s.gy * (eval_up if not s.training else 1)
    if s.training and s.init["p"] > 0 and "y" in s.seen:
        out["share of zeros"] = _share(s)
        if len(s.x) > 1 and s.x.size >= 100:
            out["rows alike"] = np.array(False)
            out["same mask again"] = np.array(False)
    return out


def _share(s: Sample) -> Array:
    """What the share of zeros must be: as it is, if within chance of p; else p."""
    zeros, p = 1 - _mask(s).mean(), s.init["p"]
    room = DEVIATIONS * np.sqrt(p * (1 - p) / s.x.size)
    return np.array(zeros if abs(zeros - p) <= room else p)


def facts(s: Sample) -> Outputs:
    """What the student's mask is, beside what it must be."""
    mask = _mask(s)
    if not s.init["p"]:
        return {}
    out: Outputs = {"share of zeros": np.array(1 - mask.mean())}
    if len(s.x) > 1 and s.x.size >= 100:
        out["rows alike"] = np.array(bool((mask == mask[:1]).all() and mask.min() == 0))
        before = s.before.get("y")
        same = before is not None and before.shape == mask.shape
        out["same mask again"] = np.array(bool(same and ((before != 0) == (mask != 0)).all()))
    return out


def with_facts(case: Case, seen: Seen) -> list[dict[str, Any]]:
    """What a student's layer gave, and what is read off its masks."""
    found = each(facts)(case, seen)
    return [
        {**given, **more} if "y" in given and call.training else dict(given)
        for given, more, call in zip(seen, found, case.job.calls, strict=False)
    ]


def _mistake(name: str, says: str, fix: str, compute: Callable[[Sample], Outputs]) -> Mistake:
    return Mistake(name, says, fix, each(compute))


def _keep(s: Sample) -> float:
    return float(1 - s.init["p"])


def _gradient(factor: Callable[[Sample], Any]) -> Callable[[Sample], Outputs]:
    return lambda s: {"gx": s.gy * factor(s)} if s.gy is not None and s.training else {}


def _fact(name: str) -> Callable[[Sample], Outputs]:
    return lambda s: {name: np.array(True)} if s.training else {}


def _keeps(s: Sample) -> Outputs:
    """p is taken for the probability of keeping."""
    if not s.training or not s.init["p"]:
        return {}
    mask, p, zeros = _mask(s), s.init["p"], 1 - _mask(s).mean()
    room = DEVIATIONS * np.sqrt(p * (1 - p) / s.x.size)
    share = zeros if abs(zeros - (1 - p)) <= room else 1 - p
    out: Outputs = {"share of zeros": np.array(share), "y": s.x * mask / p}
    return out if s.gy is None else {**out, "gx": s.gy * mask / p}


def _still_on(s: Sample) -> Outputs:
    if s.training:
        return {}
    return {
        "y": s.x * _mask(s) / _keep(s),
        **({} if s.gy is None else {"gx": s.gy * _mask(s) / _keep(s)}),
    }


_INVERTED = "divide by 1 - p in training, so that evaluation needs nothing (inverted dropout)"
_SAME = "keep the mask of forward, and multiply grad_output by the same mask and factor"
_MISTAKES = (
    _mistake(
        "classic",
        "values are not scaled in training, but in evaluation: the dropout of the paper, not the "
        "inverted one",
        _INVERTED,
        lambda s: _scaled(s, 1, 1, _keep(s)),
    ),
    _mistake(
        "not-scaled",
        "what is kept is not scaled by 1 / (1 - p)",
        _INVERTED,
        lambda s: _scaled(s, 1, 1) if s.training else {},
    ),
    _mistake(
        "scaled-by-p",
        "what is kept is divided by p, and not by 1 - p",
        _INVERTED,
        lambda s: (
            _scaled(s, 1 / s.init["p"], 1 / s.init["p"]) if s.init["p"] and s.training else {}
        ),
    ),
    _mistake(
        "scaled-down",
        "what is kept is multiplied by 1 - p, where it must be divided",
        _INVERTED,
        lambda s: _scaled(s, _keep(s), _keep(s)) if s.training else {},
    ),
    _mistake(
        "p-is-kept",
        "p is taken for the probability of keeping a value",
        "p is the probability of dropping it, as in PyTorch: mask = random >= p",
        _keeps,
    ),
    _mistake("gx-not-scaled", "backward does not divide by 1 - p", _SAME, _gradient(_mask)),
    _mistake(
        "gx-not-masked", "backward does not use the mask at all", _SAME, _gradient(lambda s: 1.0)
    ),
    _mistake(
        "gx-not-masked",
        "backward scales, but does not use the mask",
        _SAME,
        _gradient(lambda s: 1 / _keep(s)),
    ),
    _mistake(
        "gx-scaled-twice",
        "backward divides by 1 - p twice",
        _SAME,
        _gradient(lambda s: _mask(s) / _keep(s) ** 2),
    ),
    _mistake(
        "on-in-eval",
        "values are dropped in evaluation, too",
        "in evaluation, y = x",
        _still_on,
    ),
    _mistake(
        "mask-of-a-row",
        "all samples of the batch share one mask",
        "draw the mask with the shape of x",
        _fact("rows alike"),
    ),
    _mistake(
        "same-mask",
        "every call draws the same mask",
        "draw it in forward, and seed no generator there",
        _fact("same mask again"),
    ),
    _mistake(
        "gx-another-mask",
        "backward draws another mask than forward",
        _SAME,
        lambda s: _redrawn(s),
    ),
)


def _redrawn(s: Sample) -> Outputs:
    """gx by whatever mask it has itself, if that is of dropout, and not that of y."""
    gx, keep = s.seen.get("gx"), _keep(s)
    if s.gy is None or gx is None or not s.training or gx.shape != s.gy.shape:
        return {}
    own = s.gy * (gx != 0) / keep
    return {"gx": own}


DROPOUT = Kind(
    "dropout", ("dropout",), ("p",), (), (), _cases(), each(_right), _MISTAKES
)  # fmt: skip
