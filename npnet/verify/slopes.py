"""Gradients against finite differences, along random directions and in float64.

    vdot(gy, f(x + h v) - f(x - h v)) / 2h  =  vdot(gx, v)

for a random gradient gy of the outputs and a random direction v, one tensor at a time, so that what
is wrong is named; in a network of very many, some at a time, and those that are wrong once more one
by one. A network bends where a ReLU opens or another pixel becomes the largest; between
two sides of a bend there is no slope to compare with. Whether one lies between them is read off
the differences alone, never off the gradient that is put to the test: where the function is smooth,
half the step gives the same slope; else the step is made smaller, and in the end another direction
is drawn. How often that was is said.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.grad_mode import no_grad
from npnet.random import drawing_apart
from npnet.tape import result
from npnet.verify.claims import Claim, Worst
from npnet.verify.subjects import Case, Given, computed, flat, output_gradients, prepared

__all__ = ["BOUND", "finite_differences"]

SAMPLES = 3  # of a batch; batch norm in training needs two or more
# A central difference is off by h^2 f''' / 6. From the largest to the smallest: the smaller, the
# rarer a bend in between, and the more of the rounding of f is seen.
STEPS = (1e-5, 1e-6, 1e-7)
# Of the sum of |gx v|. A factor, a sign or a term that is missing changes a gradient by far more;
# differences that are smooth agree to 1e-8.
BOUND = 1e-6
# Of an output: a hundred roundings of float64 from layer to layer, which a difference divides by h.
ROUNDING = 100 * float(np.finfo(np.float64).eps)
MOST = 20  # directions through a module that has more tensors
TRIES = 4  # directions, until one has no bend on it
WHY = (
    "of the sum of |gradient * direction|: differences agree to 1e-8 where the function is smooth, "
    "and a wrong factor, sign or term is off by far more"
)


def finite_differences(cases: Sequence[Case], seed: int, subject: str) -> Claim:
    """The claim that every gradient is the slope."""
    worst, smaller, bent = Worst(), 0, 0
    undecided: list[str] = []
    for case in cases:
        probe = _Probe(case, seed)
        if not probe.is_repeatable():
            worst.add(float("inf"), f"{case.name}: the same input does not give the same output")
            continue
        for names in probe.groups():
            found = probe.compared(names)
            smaller, bent = smaller + found.smaller, bent + found.bent
            if found.error is None:
                undecided.append(f"{', '.join(names)} of {case.name}")
            else:
                name = names[0] if found.error <= BOUND else probe.worst_of(names)
                worst.add(found.error, f"{name} of {case.name}", cases=len(names))
    said = [f"worst: {worst.where}"] if worst.where else []
    if smaller:
        said.append(f"{smaller} at a smaller step, as there was a bend between the two sides")
    if bent:
        said.append(f"{bent} directions skipped, with a bend at every step")
    if undecided:
        said.append(f"no direction without a bend for {', '.join(undecided[:3])}")
    return Claim(
        "finite differences",
        subject,
        "every gradient along a random direction",
        "central differences in float64",
        worst.cases,
        worst.error,
        BOUND,
        WHY,
        holds=worst.error <= BOUND and not undecided if worst.cases or undecided else None,
        note="; ".join(said) or "nothing here has a gradient",
    )


class _Found(NamedTuple):
    error: float | None  # None: no direction could be judged
    smaller: int = 0
    bent: int = 0


class _Probe:
    """One module in float64, its gradients, and its outputs as a tensor is moved."""

    def __init__(self, case: Case, seed: int) -> None:
        self.seed, self.key = seed, zlib.crc32(case.name.encode())
        self.given = list(case.draw(np.random.default_rng((seed, self.key)), SAMPLES))
        self.model = prepared(case, np.float64)
        self.buffers = [(b, b.array.copy()) for b in self.model.buffers()]
        found = computed(self.model, self.given, np.float64, seed)
        self._restore()
        self.outputs, self.gradients = list(found.outputs.values()), found.gradients
        self.gys = output_gradients(self.outputs, seed)
        self.size = sum(
            float(np.abs(gy * y).sum())
            for gy, y in zip(self.gys, self.outputs, strict=True)
            if gy is not None
        )
        wanted = {f"input {i}": g.array for i, g in enumerate(self.given) if _moves(g)}
        self.moved = wanted | {
            name: p.array for name, p in self.model.named_parameters() if p.requires_grad
        }
        self.names = [name for name, a in self.moved.items() if a.size]

    def is_repeatable(self) -> bool:
        """Whether the same input gives the same bits."""
        again = self._forward()
        return all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            for a, b in zip(self.outputs, again, strict=True)
        )

    def groups(self) -> list[list[str]]:
        """The tensors that are moved together: each alone where they are not too many."""
        together = -(-len(self.names) // MOST)
        return [self.names[i : i + together] for i in range(0, len(self.names), together)]

    def worst_of(self, names: list[str]) -> str:
        """The tensor whose gradient is wrong, of those that were moved together."""
        errors = {name: self.compared([name]).error or 0.0 for name in names}
        return max(errors, key=lambda name: errors[name])

    def compared(self, names: list[str]) -> _Found:
        """The error of some tensors' gradients along the first direction that has a slope."""
        rng = np.random.default_rng((self.seed, self.key, zlib.crc32(names[0].encode())))
        for tried in range(TRIES):
            vs = {name: np.asarray(rng.standard_normal(self.moved[name].shape)) for name in names}
            terms = [self.gradients[name] * v for name, v in vs.items() if name in self.gradients]
            gradient = sum(float(t.sum()) for t in terms)
            size = sum(float(np.abs(t).sum()) for t in terms)
            for i, step in enumerate(STEPS):
                scale = max(size + ROUNDING * self.size / (step * BOUND), 1e-300)
                whole, half = (self._slope(vs, h) for h in (step, step / 2))
                if abs(whole - half) <= BOUND / 2 * max(scale, abs(half)):
                    return _Found(abs(half - gradient) / scale, int(i > 0), tried)
        return _Found(None, 0, TRIES)

    def _slope(self, vs: dict[str, Array], step: float) -> float:
        before = {name: self.moved[name].copy() for name in vs}
        sides = []
        for h in (step, -step):
            for name, v in vs.items():
                self.moved[name][...] = before[name] + h * v
            sides.append(self._forward())
        for name, values in before.items():
            self.moved[name][...] = values
        pairs = zip(self.gys, *sides, strict=True)
        return sum(float(np.sum(gy * (a - b))) for gy, a, b in pairs if gy is not None) / (2 * step)

    def _forward(self) -> list[Array]:
        with no_grad(), drawing_apart(self.seed):
            ys = flat(self.model(*[result(g.array.copy()) for g in self.given]))
        self._restore()
        return [y.array.copy() for y in ys]

    def _restore(self) -> None:
        """Put running statistics back, which a forward pass in training moves."""
        for tensor, before in self.buffers:
            tensor.array[...] = before


def _moves(given: Given) -> bool:
    return given.wants and given.array.dtype.kind == "f"
