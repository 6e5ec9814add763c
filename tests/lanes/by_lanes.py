"""Ops in lanes as the loop applies them, on lanes with NaN where there is no image."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.lanes import choice
from npnet.lanes.function import LaneFunction
from npnet.lanes.layout import Lanes
from npnet.tape import Function, Layout, Values, result
from npnet.tensor import Tensor
from tests.kernels.oracle import spoiled

__all__ = ["BY_LANES", "apply", "differentiate", "in_lanes", "op_name", "run"]

BY_LANES = choice.table()  # of all families


def in_lanes(x: Array) -> Lanes:
    """Images or features (N, ...) in lanes."""
    return Lanes(spoiled(x), len(x))


def apply(function: Function, *inputs: Array, **options: Any) -> tuple[Any, Values]:
    """What does the op by kernels, and what it gives of images and weights.

    Args:
        options: attributes of it, such as `fast` of convolutions.
    """
    op: LaneFunction = BY_LANES[type(function)](function)
    for name, value in options.items():
        setattr(op, name, value)
    op.needs_input_grad = (True,) * len(inputs)
    images = len(inputs) if op.images is None else op.images
    values = [result(in_lanes(a)) for a in inputs[:images]]
    with np.errstate(all="ignore"):  # as where the tape applies it
        y = op.apply((*values, *map(Tensor, inputs[images:])))
    return op, y.values


def differentiate(op: LaneFunction, gy: Array) -> tuple[Values, ...]:
    """The gradients of the inputs, as the tape takes them."""
    with np.errstate(all="ignore"):
        gradients = op.differentiate(in_lanes(gy) if gy.ndim else gy)
    return tuple([g for g in gradients if g is not None])


def run(function: Function, *inputs: Array, gy: Array, **options: Any) -> tuple[Array, ...]:
    """y, and the gradient of each input: images as (N, ...)."""
    op, y = apply(function, *inputs, **options)
    values = y, *differentiate(op, gy)
    return tuple([v.to_array() if isinstance(v, Layout) else v for v in values])


def op_name(function: type[Function]) -> str:
    """The name of the public function: max_pool2d of MaxPool2d, leaky_relu of LeakyReLU."""
    return re.sub("(?<=[a-z])(?=[A-Z][a-z])", "_", function.__name__).lower()
