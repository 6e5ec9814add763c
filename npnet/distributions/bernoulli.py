"""Yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from npnet.base.bfloat16 import limits
from npnet.distributions.distribution import Distribution, check_values, checked_parameters
from npnet.ops.activation import sigmoid
from npnet.ops.choices import clamp
from npnet.ops.elementwise_loss import binary_cross_entropy_with_logits
from npnet.ops.functions import log
from npnet.ops.shape import broadcast_shapes, expand
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor

__all__ = ["Bernoulli"]


class Bernoulli(Distribution):
    """1 with the probability probs, else 0.

    Args:
        probs: probabilities, or
        logits: log(probs / (1 - probs)).
        validate_args: whether to check them and the argument of `log_prob`; default True.

    Raises:
        ValueError: both or none is given, or values are out of range.

    Example:
        >>> coin = npnet.distributions.Bernoulli(probs=0.25)
        >>> coin.mean, coin.sample((5,)).shape, coin.log_prob(npnet.tensor(1.0)).exp()
        (tensor(0.2500), (5,), tensor(0.2500))
    """

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if (probs is None) == (logits is None):
            got = "none" if probs is None else "both"
            raise ValueError(f"Bernoulli: exactly one of probs and logits is needed, got {got}")
        self._validate = validate_args is not False
        self._name = "logits" if probs is None else "probs"
        given = {self._name: logits if probs is None else probs}
        (self._param,) = checked_parameters("Bernoulli", self._validate, **given)
        if self._validate and probs is not None:
            x = self._param.array
            check_values("Bernoulli", "probs must lie in [0, 1]", (x >= 0) & (x <= 1), x)
        self.__dict__[self._name] = self._param
        self.batch_shape = self._param.shape

    @cached_property
    def probs(self) -> Tensor:
        """P(1)."""
        return sigmoid(self._param)

    @cached_property
    def logits(self) -> Tensor:
        """log(p / (1 - p)) of probs, which are first limited to [eps, 1 - eps]."""
        eps = float(limits(self._param.dtype).eps)
        p = clamp(self._param, eps, 1 - eps)
        return log(p) - log(1 - p)

    @property
    def mean(self) -> Tensor:
        """probs."""
        return self.probs

    @property
    def variance(self) -> Tensor:
        """probs * (1 - probs)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw zeros and ones, in the dtype of the parameter."""
        u = default_generator.numpy.random(self._sample_shape(sample_shape))
        return result(np.asarray(u < self.probs.array, self._param.dtype))

    def log_prob(self, value: Any) -> Tensor:
        """x * log(probs) + (1 - x) * log(1 - probs)."""
        x = as_tensor(value).to(self._param.dtype)
        if self._validate:
            check_values(
                "Bernoulli", "values must be 0 or 1", (x.array == 0) | (x.array == 1), x.array
            )
        shape = broadcast_shapes("log_prob", x.shape, self.batch_shape)
        pair = expand(self.logits, shape), expand(x, shape)
        return -binary_cross_entropy_with_logits(*pair, reduction="none")

    def entropy(self) -> Tensor:
        """-p * log(p) - (1 - p) * log(1 - p), in nats."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def __repr__(self) -> str:
        shown = self._param.detach().item() if self._param.numel() == 1 else self.batch_shape
        return f"Bernoulli({self._name}: {shown})"
