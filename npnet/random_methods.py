"""Draws that fill a tensor in place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.bfloat16 import limits
from npnet.random import Generator, numpy_generator
from npnet.tape import result

if TYPE_CHECKING:
    from npnet.ops.dtypes import Operand
    from npnet.tensor import Tensor

__all__ = ["RandomMethods"]


class RandomMethods:
    """Each fills the tensor with draws of the generator that is given, or of the default one."""

    __slots__ = ()

    def _draw(self: Any, op: str, generator: Generator | None, make: Any) -> Tensor:
        """What `make` draws in the tensor's shape, in its dtype."""
        self._check_write(False, op)  # before numbers are drawn
        with np.errstate(all="ignore"):  # what is too large for the dtype is infinite
            values = np.asarray(make(numpy_generator(generator), self.shape)).astype(self.dtype)
        filled: Tensor = self._assign(..., result(values), op)
        return filled

    def uniform_(self, a: float = 0, b: float = 1, *, generator: Generator | None = None) -> Tensor:
        """Draw every value evenly from [a, b).

        Example:
            >>> x = npnet.empty(100).uniform_(2, 3)
            >>> bool(x.min() >= 2), bool(x.max() < 3)
            (True, True)
        """
        if a > b:
            raise RuntimeError(f"uniform_: a must be <= b, got {a} and {b}")
        return self._draw("uniform_", generator, lambda draw, size: draw.uniform(a, b, size))

    def normal_(
        self, mean: float = 0, std: float = 1, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value from the normal distribution.

        Example:
            >>> npnet.empty(2, 3).normal_().shape, npnet.empty(2).normal_(mean=3, std=0)
            ((2, 3), tensor([3., 3.]))
        """
        if std < 0:
            raise RuntimeError(f"normal_: std must be >= 0, got {std}")
        return self._draw("normal_", generator, lambda draw, size: draw.normal(mean, std, size))

    def log_normal_(
        self, mean: float = 1, std: float = 2, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value from the distribution whose logarithm is normal.

        Example:
            >>> bool(npnet.empty(100).log_normal_().min() > 0)
            True
        """
        if std <= 0:
            raise RuntimeError(f"log_normal_: std must be > 0, got {std}")
        return self._draw("log_normal_", generator, lambda d, size: d.lognormal(mean, std, size))

    def exponential_(self, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
        """Draw every value from the density lambd * exp(-lambd * x).

        Example:
            >>> bool(npnet.empty(100).exponential_().min() >= 0)
            True
        """
        if lambd <= 0:
            raise RuntimeError(f"exponential_: lambd must be > 0, got {lambd}")
        return self._draw("exponential_", generator, lambda d, size: d.exponential(1 / lambd, size))

    def cauchy_(
        self, median: float = 0, sigma: float = 1, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value from Cauchy's distribution.

        Example:
            >>> npnet.empty(2, 3).cauchy_().shape
            (2, 3)
        """
        if sigma <= 0:
            raise RuntimeError(f"cauchy_: sigma must be > 0, got {sigma}")
        return self._draw(
            "cauchy_", generator, lambda d, size: median + sigma * d.standard_cauchy(size)
        )

    def geometric_(self, p: float, *, generator: Generator | None = None) -> Tensor:
        """Draw how many trials of probability p the first success takes.

        Example:
            >>> bool(npnet.empty(100).geometric_(0.5).min() >= 1)
            True
        """
        if not 0 < p < 1:
            raise RuntimeError(f"geometric_: p must lie in (0, 1), got {p}")
        return self._draw("geometric_", generator, lambda draw, size: draw.geometric(p, size))

    def bernoulli_(self, p: Operand = 0.5, *, generator: Generator | None = None) -> Tensor:
        """Draw 1 with the probability p, else 0.

        Args:
            p: a number, or a tensor that is broadcast.

        Example:
            >>> npnet.empty(3).bernoulli_(npnet.tensor([0.0, 1.0, 1.0]))
            tensor([0., 1., 1.])
        """
        odds = np.asarray(getattr(p, "array", p))
        if not ((odds >= 0) & (odds <= 1)).all():
            raise RuntimeError("bernoulli_: probabilities must lie in [0, 1]")
        return self._draw("bernoulli_", generator, lambda draw, size: draw.random(size) < odds)

    def random_(
        self: Any, from_: int = 0, to: int | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value evenly from the whole numbers in [from, to).

        `random_(to)` starts at 0; `random_()` ends with the largest number of the dtype, in floats
        with the largest up to which all whole numbers are there.

        Example:
            >>> npnet.empty(3).random_(5, 6)
            tensor([5., 5., 5.])
        """
        if to is None and from_:
            from_, to = 0, from_
        if to is None:
            whole = self.dtype.kind in "iu"
            to = np.iinfo(self.dtype).max if whole else round(2 / limits(self.dtype).eps)
        if from_ >= to:
            raise RuntimeError(f"random_: from must be < to, got {from_} and {to}")
        high = min(math.floor(to), 2**63 - 1)
        drawn: Tensor = self._draw(
            "random_", generator, lambda draw, size: draw.integers(from_, high, size)
        )
        return drawn
