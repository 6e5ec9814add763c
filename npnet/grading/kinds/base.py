"""What a kind of layer is to the grader: cases to try, what is right, and known mistakes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.grading.jobs import Call, Job
from npnet.tensor import Tensor, as_tensor

__all__ = [
    "Case",
    "Compute",
    "Kind",
    "Mistake",
    "Outputs",
    "Sample",
    "Seen",
    "by_tape",
    "draw",
    "each",
    "gradient_mistakes",
    "made",
]

Outputs: TypeAlias = dict[str, Any]
"""Arrays by npnet's names: y, gx, weight (its gradient), bias, running_mean, running_var."""
Seen: TypeAlias = Sequence[Mapping[str, Any]]
"""What a student's layer gave, of each call of a case."""

STEP = 1e-5  # of finite differences: in float64 they are then right to about 1e-10 of the scale


@dataclass(frozen=True)
class Case:
    """One job, and what it is there to find out.

    Attributes:
        tags: the checks that it is part of, see `npnet.grading.checks`.
        about: in words, as in "a stride of 2".
        needs: arguments that the layer must take, or the case can't be tried.
        directions: of "derivative": for each pair of calls after the first, the quantity that
            they move, and where to.
    """

    name: str
    tags: frozenset[str]
    about: str
    job: Job
    needs: tuple[str, ...] = ()
    directions: tuple[tuple[str, Array], ...] = ()

    @property
    def dtype(self) -> str:
        """Of the input, by name."""
        call = self.job.calls[0]
        x = call.x if call.x is not None else next(iter(call.weights.values()))
        return x.dtype.name


@dataclass(frozen=True)
class Sample:
    """One call, for computing what a layer gives: float64 throughout.

    Attributes:
        seen: what the student's layer gave; of what is drawn at random alone this is asked.
        before: what it gave by the call before; of running statistics alone this is asked.
    """

    init: Mapping[str, Any]
    weights: Mapping[str, Array]
    x: Array
    gy: Array | None
    extra: Mapping[str, Any]
    training: bool
    seen: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)


Compute: TypeAlias = Callable[[Case, Seen], list[Outputs]]


@dataclass(frozen=True)
class Mistake:
    """A known mistake, as what a layer with it gives.

    Attributes:
        name: one word for programs, as col2im-assigns.
        says: what the layer seems to do.
        fix: what to do about it.
        compute: the outputs of a layer with it, of each call; those that it leaves out are right.
    """

    name: str
    says: str
    fix: str
    compute: Compute


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        words: what the name of a class of this kind has in it, as `spellings.plain` writes it.
        required: arguments of the constructor that every layer of the kind needs, in order.
        optional: those that it may take.
        weights: by npnet's names.
        right: what a right layer gives.
    """

    name: str
    words: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    weights: tuple[str, ...]
    cases: tuple[Case, ...]
    right: Compute
    mistakes: tuple[Mistake, ...]


def each(compute: Callable[[Sample], Outputs]) -> Compute:
    """Of a function of one call, that of all calls of a case."""

    def of_calls(case: Case, seen: Seen) -> list[Outputs]:
        outs: list[Outputs] = []
        weights: dict[str, Array] = {}
        for i, call in enumerate(case.job.calls):
            weights.update({k: np.asarray(v, np.float64) for k, v in call.weights.items()})
            assert call.x is not None
            sample = Sample(
                case.job.init,
                dict(weights),
                np.asarray(call.x, np.float64),
                None if call.gy is None else np.asarray(call.gy, np.float64),
                call.extra,
                call.training,
                seen[i] if i < len(seen) else {},
                seen[i - 1] if 0 < i <= len(seen) else {},
            )
            outs.append(compute(sample))
        return outs

    return of_calls


def by_tape(forward: Callable[..., Tensor]) -> Callable[[Sample], Outputs]:
    """npnet's own outputs and gradients, of `forward(sample, x, *weights)` on Tensors.

    They are float64, which NumPy computes, whatever the backend.
    """

    def compute(s: Sample) -> Outputs:
        tensors = [as_tensor(a.copy()).requires_grad_() for a in (s.x, *s.weights.values())]
        y = forward(s, *tensors)
        out: Outputs = {"y": y.detach().numpy()}
        if s.gy is not None:
            y.backward(as_tensor(s.gy.reshape(y.shape)))
            for name, t in zip(("gx", *s.weights), tensors, strict=True):
                out[name] = np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        return out

    return compute


# ---- cases ---------------------------------------------------------------------------------------


def draw(rng: np.random.Generator, *shape: int) -> Array:
    """Values apart from each other and from 0, at which differences of maxima are not taken."""
    size = math.prod(shape)
    steps = rng.permutation(size) - (size - 1) / 2 + 0.25
    return (steps * (3.0 / max(size, 8))).reshape(shape)


def made(
    kind: str,
    required: tuple[str, ...],
    output: Callable[[Mapping[str, Any], tuple[int, ...]], tuple[int, ...]],
    shapes: Callable[[Mapping[str, Any]], Mapping[str, tuple[int, ...]]],
    rows: Sequence[tuple[str, str, str, Mapping[str, Any], tuple[int, ...]]],
    defaults: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda init: {},
) -> tuple[Case, ...]:
    """Cases of a table (name, tags, about, init, shape of x).

    Of tags: strided and float32 are laid and typed so, again has a second call on other values,
    derivative calls beside them.

    Args:
        output: the shape of y for init and the shape of x.
        shapes: of the weights for init.
        defaults: what the constructor is given besides, if it takes it: its own may be others.
    """
    cases = []
    for number, (name, tags, about, init, size) in enumerate(rows):
        rng = np.random.default_rng(number + 1)
        dtype = np.float32 if "float32" in tags.split() else np.float64
        make = functools.partial(_call, rng, dtype, output, init, shapes(init))
        calls, directions = [make(size)], ()
        if "again" in tags.split():
            calls.append(make((size[0] + 1, *size[1:])))
            calls[1] = Call(calls[1].x, calls[1].gy, weights=calls[0].weights)
        if "derivative" in tags.split():
            calls, directions = _moved(rng, calls[0])
        strided = "strided" in tags.split()
        needs = tuple(k for k in init if k not in required)
        job = Job(kind, {**defaults(init), **init}, required, tuple(calls), strided)
        cases.append(Case(name, frozenset(tags.split()), about, job, needs, directions))
    return tuple(cases)


def _call(
    rng: np.random.Generator,
    dtype: Any,
    output: Callable[..., tuple[int, ...]],
    init: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    size: tuple[int, ...],
) -> Call:
    x, weights = draw(rng, *size), {k: draw(rng, *shape) for k, shape in shapes.items()}
    gy = draw(rng, *output(init, size))
    typed = {k: v.astype(dtype) for k, v in weights.items()}
    return Call(x.astype(dtype), gy.astype(dtype), weights=typed)


def _moved(rng: np.random.Generator, call: Call) -> tuple[list[Call], Any]:
    """The call, and two on either side of it for each input and weight."""
    assert call.x is not None
    calls, directions = [call], []
    for name, value in {"gx": call.x, **call.weights}.items():
        v = rng.standard_normal(value.shape)
        directions.append((name, v))
        for sign in (1, -1):
            moved = value + sign * STEP * v
            if name == "gx":
                calls.append(Call(moved, None, call.extra, call.training, call.weights))
            else:
                weights = {**call.weights, name: moved}
                calls.append(Call(call.x, None, call.extra, call.training, weights))
    return calls, tuple(directions)


# ---- mistakes of all kinds -----------------------------------------------------------------------


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

    def kept_axes(case: Case, seen: Seen) -> list[Outputs]:
        outs = right(case, seen)
        for i, out in enumerate(outs):
            for k in names:
                if k not in out:
                    continue
                shape = np.shape(seen[i][k]) if i < len(seen) and k in seen[i] else None
                here = (1, *np.shape(out[k])) if shape is None else shape
                if [n for n in here if n != 1] == [n for n in np.shape(out[k]) if n != 1]:
                    out[k] = np.reshape(out[k], here)
        return [{k: out[k] for k in names if k in out} for out in outs]

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
            kept_axes,
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
