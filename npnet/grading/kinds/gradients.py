"""What can be wrong with any gradient, by itself: sign, factor, shape, chain rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.jobs import Call, Job
from npnet.grading.kinds.base import Case, Compute, Mistake, Outputs, Seen

__all__ = ["gradient_mistakes"]


def gradient_mistakes(right: Compute, names: Sequence[str]) -> tuple[Mistake, ...]:
    """What can be wrong with any gradient, by itself: sign, factor, shape, chain rule."""

    def changed(change: Callable[[Array, int], Array]) -> Compute:
        def compute(case: Case, seen: Seen) -> list[Outputs]:
            outs = right(case, seen)
            return [
                {k: change(out[k], len(x)) for k in names if k in out and np.ndim(x)}
                for out, x in zip(outs, _inputs(case), strict=True)
            ]

        return compute

    def with_ones(case: Case, seen: Seen) -> list[Outputs]:
        outs = right(_with_ones(case), seen)
        return [{k: out[k] for k in names if k in out} for out in outs]

    return (
        Mistake(
            "batch-factor-missing",
            "a gradient is divided by the batch size: the loss has divided by it already",
            "add up over the batch; divide by N once, in the loss",
            changed(lambda g, n: g / n),
        ),
        Mistake(
            "batch-factor-extra",
            "a gradient is multiplied by the batch size",
            "take the factor N out; divide by N once, in the loss",
            changed(lambda g, n: g * n),
        ),
        Mistake(
            "negated",
            "a gradient has the wrong sign",
            "go through the signs of the derivation; the optimizer takes the minus",
            changed(lambda g, n: -g),
        ),
        Mistake(
            "zero-gradient",
            "a gradient is all zeros",
            "compute it; zeros are what it was before backward",
            changed(lambda g, n: np.zeros_like(g)),
        ),
        Mistake(
            "doubled",
            "a gradient is twice what it should be",
            "look for what is added twice, or for the 2 of a square that was halved before",
            changed(lambda g, n: 2 * g),
        ),
        Mistake(
            "halved",
            "a gradient is half of what it should be",
            "look for a factor 1/2 that does not belong there",
            changed(lambda g, n: g / 2),
        ),
        Mistake(
            "transposed-gradient",
            "a gradient is transposed",
            "it has the shape of what it is the gradient of: swap the factors, or transpose",
            changed(lambda g, n: g.T),
        ),
        Mistake(
            "axes-kept",
            "a gradient has axes of length 1 too many or too few, as keepdims=True leaves",
            "it has the shape of what it is the gradient of: reshape it",
            lambda case, seen: _kept_axes(right(case, seen), seen, names),
        ),
        Mistake(
            "upstream-ignored",
            "backward does not multiply by grad_output: it is the derivative for ones",
            "the chain rule: multiply the local derivative by grad_output",
            with_ones,
        ),
    )


def _inputs(case: Case) -> list[Any]:
    return [call.x for call in case.job.calls]


def _with_ones(case: Case) -> Case:
    calls = tuple(
        Call(c.x, None if c.gy is None else np.ones_like(c.gy), c.extra, c.training, c.weights)
        for c in case.job.calls
    )
    job = Job(case.job.kind, case.job.init, case.job.required, calls)
    return Case(case.name, case.tags, case.about, job)


def _kept_axes(outs: list[Outputs], seen: Seen, names: Sequence[str]) -> list[Outputs]:
    """Right gradients in the student's shapes, where these differ by axes of length 1 alone."""
    found: list[Outputs] = []
    for i, out in enumerate(outs):
        there = seen[i] if i < len(seen) else {}
        found.append({})
        for k in (k for k in names if k in out):
            shape = np.shape(there[k]) if k in there else (1, *np.shape(out[k]))
            alike = [n for n in shape if n != 1] == [n for n in np.shape(out[k]) if n != 1]
            found[-1][k] = np.reshape(out[k], shape) if alike else out[k]
    return found
