"""Random draws whose probabilities are tensors; off the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.ops.broadcasting import check_tensors
from npnet.random import Generator, numpy_generator
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["bernoulli", "binomial", "multinomial", "poisson"]


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that stands in `input`, else 0, in its dtype.

    Shape: (...) -> the same.

    Raises:
        RuntimeError: a probability does not lie in [0, 1].

    Example:
        >>> npnet.bernoulli(npnet.tensor([0.0, 1.0, 1.0]))
        tensor([0., 1., 1.])
    """
    p = input.array
    if p.dtype.kind not in FLOATS:
        raise RuntimeError(f"bernoulli: input must be floating point, got {p.dtype}")
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError("bernoulli: probabilities must lie in [0, 1]")
    return result((numpy_generator(generator).random(p.shape) < p).astype(p.dtype))


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws of Poisson's distribution with the rates that stand in `input`, in its dtype.

    Example:
        >>> npnet.poisson(npnet.tensor([0.0, 0.0])), npnet.poisson(npnet.ones(2, 3)).shape
        (tensor([0., 0.]), (2, 3))
    """
    check_tensors("poisson", input)
    rates = input.array
    if rates.dtype.kind not in FLOATS or (rates < 0).any():
        raise RuntimeError("poisson: rates must be floating point and >= 0")
    return result(np.asarray(numpy_generator(generator).poisson(rates)).astype(rates.dtype))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of `count` trials of probability `prob` succeed, in the dtype of count.

    Example:
        >>> npnet.binomial(npnet.tensor([10.0, 5.0]), npnet.tensor([1.0, 0.0]))
        tensor([10.,  0.])
    """
    check_tensors("binomial", count)
    if count.dtype.kind not in FLOATS or prob.dtype != count.dtype:
        raise RuntimeError(f"binomial: takes floats of one dtype, got {count.dtype}, {prob.dtype}")
    n, p = count.array.astype(np.int64), prob.array
    if (n < 0).any() or not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError("binomial: count must be >= 0 and prob lie in [0, 1]")
    return result(np.asarray(numpy_generator(generator).binomial(n, p)).astype(count.dtype))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Positions drawn with the odds that stand in a vector, or in each row of a matrix.

    Shape: (k,) or (m, k) -> (num_samples,) or (m, num_samples), int64.

    Raises:
        RuntimeError: odds are negative or all 0, or there are too few to draw from without
            replacement.

    Example:
        >>> npnet.multinomial(npnet.tensor([0.0, 1.0, 0.0]), 1)
        tensor([1])
        >>> npnet.multinomial(npnet.tensor([1.0, 1.0, 2.0]), 5, replacement=True).shape
        (5,)
    """
    if not input.is_floating_point() or num_samples <= 0:
        raise RuntimeError(
            f"multinomial: takes floats, and num_samples > 0; got {input.dtype} and {num_samples}"
        )
    weights = input.array.astype(np.float64)
    if weights.ndim not in (1, 2):
        raise ShapeError(f"multinomial: input must have 1 or 2 axes, got {input.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum(-1).all()):
        raise RuntimeError("multinomial: each row must hold finite numbers >= 0 and one > 0")
    if not replacement and ((weights > 0).sum(-1) < num_samples).any():
        raise RuntimeError(
            f"multinomial: {num_samples} samples without replacement need as many positions of "
            "probability > 0"
        )
    draw = numpy_generator(generator)
    rows = [
        draw.choice(row.size, num_samples, replacement, row / row.sum())
        for row in np.atleast_2d(weights)
    ]
    return result(np.asarray(rows, np.int64).reshape(*input.shape[:-1], num_samples))
