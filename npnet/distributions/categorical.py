"""One of several classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import limits
from npnet.base.checks import ShapeError
from npnet.ops.activation import log_softmax, softmax
from npnet.ops.choices import clamp
from npnet.ops.functions import log
from npnet.ops.shape import broadcast_shapes, expand
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor

__all__ = ["Categorical"]

_ROUNDING = 1e-3  # how far below 0 a probability is still one that was rounded

Shape = tuple[int, ...]


class Categorical:
    """One of K classes: P(class = k) = probs[..., k].

    Exactly one of probs and logits is given, (..., K), and each row is one distribution; numbers
    that are no Tensor are made one. `log_prob` and `entropy` are differentiable with respect to
    it. `sample` draws from the generator that `manual_seed` seeds.

    Args:
        probs: relative probabilities, finite and >= 0, in each row not all 0; they are divided
            by their sum.
        logits: relative log probabilities; -inf, but not in a whole row, is a class that never
            comes.
        validate_args: whether to check these and the argument of `log_prob`; default True.

    Attributes:
        probs, logits: normalised, (..., K); sum(probs) = 1 and logits = log(probs).
        batch_shape: the shape without K.
        event_shape: (), as a sample is one number.
        param_shape: the whole shape.

    Raises:
        ValueError: both or none is given, or their values are wrong.
        ShapeError: no axis, or no classes.

    Example:
        >>> classes = npnet.distributions.Categorical(logits=npnet.zeros(2, 4))
        >>> classes.probs[0], classes.sample().shape
        (tensor([0.2500, 0.2500, 0.2500, 0.2500]), (2,))
        >>> classes.log_prob(npnet.tensor([0, 3])).exp()
        tensor([0.2500, 0.2500])
    """

    has_enumerate_support = True
    event_shape: Shape = ()

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if (probs is None) == (logits is None):
            got = "none" if probs is None else "both"
            raise ValueError(f"Categorical: exactly one of probs and logits is needed, got {got}")
        self._name = "logits" if probs is None else "probs"
        self._validate = validate_args is not False
        x = as_tensor(logits if probs is None else probs)
        if x.ndim == 0 or x.shape[-1] == 0:
            raise ShapeError(
                f"Categorical: {self._name} must have a last axis with at least one class, "
                f"got shape {x.shape}"
            )
        if self._validate:
            check = _check_probs if self._name == "probs" else _check_logits
            check(x.array)
        # Setting the attribute keeps the property of this name from being computed.
        self._param = x / x.sum(-1, keepdim=True) if logits is None else log_softmax(x, -1)
        self.__dict__[self._name] = self._param

    @cached_property
    def probs(self) -> Tensor:
        """Probabilities (..., K)."""
        return softmax(self._param, -1)

    @cached_property
    def logits(self) -> Tensor:
        """Log probabilities (..., K).

        Of probs, which are first limited to [eps, 1 - eps], so that the logarithm and its
        derivative are finite.
        """
        eps = float(limits(self._param.dtype).eps)
        return log(clamp(self._param, eps, 1 - eps))

    @property
    def param_shape(self) -> Shape:
        """(..., K)."""
        return self._param.shape

    @property
    def batch_shape(self) -> Shape:
        """The shape of the batch of distributions, (...)."""
        return self._param.shape[:-1]

    @property
    def mode(self) -> Tensor:
        """The most probable class, the first of equal ones: int64 (...)."""
        return self.probs.argmax(-1)

    @property
    def mean(self) -> Tensor:
        """NaN (...): classes are no numbers."""
        return result(np.full(self.batch_shape, np.nan, self._param.dtype))

    @property
    def variance(self) -> Tensor:
        """NaN (...): classes are no numbers."""
        return self.mean

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw classes, with replacement.  Shape: int64 (*sample_shape, ...).

        By inversion: with u even in [0, 1), the first k with probs[0] + ... + probs[k] > u.
        """
        cdf = np.cumsum(self.probs.array.reshape(-1, self.param_shape[-1]), -1, dtype=np.float64)
        cdf /= cdf[:, -1:]
        draws = default_generator.numpy.random((*sample_shape, *self.batch_shape))
        classes = _invert(cdf, draws.reshape(math.prod(sample_shape), len(cdf)))
        return result(classes.reshape(draws.shape))

    def log_prob(self, value: Any) -> Tensor:
        """log P(class = value), of whole numbers from 0 to K - 1.

        Shape: value is broadcast with (...), and so is the result.

        Raises:
            ValueError: a value that is no class.
            ShapeError: shapes that do not broadcast.
        """
        v = as_tensor(value)
        if self._validate:
            _check_value(v.array, self.param_shape[-1])
        batch = broadcast_shapes("log_prob", v.shape, self.batch_shape)
        logits = expand(self.logits, (*batch, self.param_shape[-1]))
        return logits.gather(-1, expand(v.long(), batch).unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum over k of probs[k] * logits[k], in nats.  Shape: (...)."""
        lowest = float(limits(self.logits.dtype).min)  # 0 * -inf would be NaN
        return -(clamp(self.logits, min=lowest) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All classes, int64: (K, ...), or (K, 1, ...) with expand=False."""
        classes = np.arange(self.param_shape[-1])
        classes = classes.reshape(-1, *(1 for _ in self.batch_shape))
        if expand:
            classes = np.broadcast_to(classes, (len(classes), *self.batch_shape)).copy()
        return result(classes)

    def expand(self, batch_shape: Sequence[int]) -> Categorical:
        """The same distributions, repeated to a batch of this shape."""
        shape = (*batch_shape, self.param_shape[-1])
        new = Categorical.__new__(Categorical)
        new._name, new._validate = self._name, self._validate
        new._param = new.__dict__[self._name] = expand(self._param, shape)
        return new

    def __repr__(self) -> str:
        return f"Categorical({self._name}: {self.param_shape})"


def _invert(cdf: Array, u: Array) -> Array:
    """The first k with cdf[b, k] > u[s, b], by bisection: cdf (B, K), u (S, B) -> (S, B)."""
    low = np.zeros(u.shape, np.int64)
    high = np.full(u.shape, cdf.shape[1] - 1)
    rows = np.arange(len(cdf))
    while (low < high).any():
        middle = (low + high) // 2
        above = cdf[rows, middle] > u
        low, high = np.where(above, low, middle + 1), np.where(above, middle, high)
    return low


def _check_probs(x: Array) -> None:
    if not (np.isfinite(x).all() and (x >= 0).all()):
        wrong = x[~(np.isfinite(x) & (x >= 0))][0]
        hint = "; for log probabilities pass logits=" if wrong < 0 else ""
        if np.isfinite(x).all() and x.min() >= -_ROUNDING:
            hint = "; if rounding took them below 0, write probs.clamp(min=0)"
        raise ValueError(f"Categorical: probs must be finite and >= 0, got {wrong:g}{hint}")
    if not (x.sum(-1) > 0).all():
        raise ValueError("Categorical: probs must not all be 0 along the last axis")


def _check_logits(x: Array) -> None:
    if np.isnan(x).any() or (x == np.inf).any():
        wrong = x[np.isnan(x) | (x == np.inf)][0]
        raise ValueError(f"Categorical: logits must be < inf, got {wrong:g}")
    if (x.max(-1) == -np.inf).any():
        raise ValueError("Categorical: logits must not all be -inf along the last axis")


def _check_value(value: Array, count: int) -> None:
    wrong = value[(value < 0) | (value > count - 1) | (value % 1 != 0)]
    if wrong.size:
        raise ValueError(
            f"log_prob: value must be whole numbers from 0 to {count - 1}, got {wrong.flat[0]:g}"
        )
