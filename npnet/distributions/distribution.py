"""Distributions of numbers, one for each place of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.grad_mode import no_grad
from npnet.ops.functions import exp
from npnet.ops.shape import broadcast_shapes, expand
from npnet.tensor import Tensor, as_tensor

__all__ = ["Distribution", "Shape", "checked_parameters"]

Shape = tuple[int, ...]


class Distribution:
    """Base of distributions. Each place of a batch is a distribution of its own; a sample is one
    number.

    Attributes:
        batch_shape: of the parameters, broadcast.
        event_shape: (), as a sample is one number.

    Example:
        >>> normal = npnet.distributions.Normal(npnet.zeros(3), 1.0)
        >>> isinstance(normal, npnet.distributions.Distribution), normal.batch_shape
        (True, (3,))
    """

    batch_shape: Shape = ()
    event_shape: Shape = ()
    has_rsample = False
    _validate = True

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw numbers, off the tape.  Shape: (*sample_shape, *batch_shape)."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draw numbers as a function of the parameters, which get gradients."""
        raise NotImplementedError(f"{type(self).__name__}: has no rsample; use sample")

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the density, or probability, of a value."""
        raise NotImplementedError(f"{type(self).__name__} defines no log_prob")

    def prob(self, value: Any) -> Tensor:
        """The density, or probability, of a value."""
        return exp(self.log_prob(value))

    def _sample_shape(self, sample_shape: Sequence[int]) -> Shape:
        return (*sample_shape, *self.batch_shape)


def checked_parameters(op: str, validate: bool, **parameters: Any) -> list[Tensor]:
    """Parameters as tensors of one shape and dtype.

    Raises:
        ShapeError: they do not broadcast.
        ValueError: one holds NaN, if they are to be validated.
    """
    tensors = [as_tensor(x) for x in parameters.values()]
    floats = [x.dtype for x in tensors if x.is_floating_point()]
    dtype = np.result_type(*floats) if floats else np.dtype(np.float32)
    shape: Shape = ()
    for x in tensors:
        shape = broadcast_shapes(op, shape, x.shape)
    for name, x in zip(parameters, tensors, strict=True):
        if validate and np.isnan(x.array).any():
            raise ValueError(f"{op}: {name} must not be NaN")
    return [expand(x.to(dtype), shape) for x in tensors]


def check_values(op: str, rule: str, holds: Array, value: Array) -> None:
    """ValueError unless all values are such as the rule says."""
    if not np.all(holds):
        wrong = value[~holds].flat[0] if value.shape == holds.shape else value
        raise ValueError(f"{op}: {rule}, got {wrong}")


def shown(x: Tensor) -> Any:
    """A parameter in the `repr`: the number, or the shape of several."""
    return x.detach().item() if x.numel() == 1 else x.shape
