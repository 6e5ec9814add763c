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
