"""What a case is, and the makers of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

from npnet.base.arrays import Array

__all__ = [
    "Case",
    "Table",
    "apart",
    "arrays_of",
    "constant",
    "integers",
    "mask",
    "positive",
    "probabilities",
    "ties",
    "unit",
]

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Maker:
    """How one input is drawn.

    Attributes:
        draw: gives a float64 array, or integers or bools, from a generator.
        differentiable: whether the input wants a gradient; integers and bools never do.
    """

    draw: Callable[[np.random.Generator], Array]
    differentiable: bool = True


@dataclass(frozen=True)
class Case:
    """One call that both libraries understand.

    Attributes:
        inputs: a maker for each tensor; a shape stands for normally distributed numbers.
        call: `call(ns, *tensors)`, where ns has the names of `torch.nn.functional` and of `torch`
            (or npnet's); it returns a tensor or a tuple of tensors.
        smooth: False where the inputs lie on a kink or a jump, so that differences do not tell
            the gradient.
    """

    inputs: list[Maker | Shape]
    call: Callable[..., Any]
    smooth: bool = True


Table: TypeAlias = dict[str, Case]


def makers(case: Case) -> list[Maker]:
    """A maker for each input of a case."""
    return [m if isinstance(m, Maker) else normal(*m) for m in case.inputs]


def arrays_of(name: str, case: Case, dtype: npt.DTypeLike = np.float64) -> list[Array]:
    """The inputs of a case, the same at every call; floats in `dtype`."""
    rng = np.random.default_rng(crc32(name.encode()))
    drawn = [maker.draw(rng) for maker in makers(case)]
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in drawn]


def wants_gradient(case: Case) -> list[bool]:
    """For each input whether it wants a gradient."""
    return [maker.differentiable for maker in makers(case)]


def normal(*shape: int) -> Maker:
    """Normally distributed numbers."""
    return Maker(lambda rng: np.asarray(rng.standard_normal(shape)))


def positive(*shape: int) -> Maker:
    """Numbers from 0.5 to 2."""
    return Maker(lambda rng: np.asarray(rng.uniform(0.5, 2, shape)))


def unit(*shape: int) -> Maker:
    """Numbers from 0.05 to 0.95."""
    return Maker(lambda rng: np.asarray(rng.uniform(0.05, 0.95, shape)))


def apart(*shape: int) -> Maker:
    """Different numbers in a random order, none 0: steps of 0.1 around 0.

    Where an op chooses the largest, or bends at 0, small differences do not change its choice.
    """

    def draw(rng: np.random.Generator) -> Array:
        count = int(np.prod(shape))
        return np.asarray((rng.permutation(count) - count // 2 + 0.5) * 0.1).reshape(shape)

    return Maker(draw)


def ties(*shape: int) -> Maker:
    """The numbers -1, 0, 1: many equal."""
    return Maker(lambda rng: np.asarray(rng.integers(-1, 2, shape), np.float64))


def probabilities(*shape: int) -> Maker:
    """Positive numbers whose sum along axis 1 (0 where there is one axis) is 1."""

    def draw(rng: np.random.Generator) -> Array:
        p = rng.uniform(0.1, 1, shape)
        return np.asarray(p / p.sum(min(1, len(shape) - 1), keepdims=True))

    return Maker(draw)


def constant(maker: Maker | Shape) -> Maker:
    """The same numbers, which want no gradient."""
    whole = maker if isinstance(maker, Maker) else normal(*maker)
    return Maker(whole.draw, differentiable=False)


def integers(low: int, high: int, *shape: int) -> Maker:
    """int64 from low to high - 1."""
    return Maker(lambda rng: np.asarray(rng.integers(low, high, shape)), differentiable=False)


def mask(*shape: int) -> Maker:
    """bool, true for two of three."""
    return Maker(lambda rng: np.asarray(rng.random(shape) < 2 / 3), differentiable=False)
