"""When kernels do an op: every choice between NumPy and kernels is made here.

- Lanes begin with a convolution or a linear layer of float32, of three images or more: it is
  worth the way there. What follows stays in lanes as long as its op has kernels.
- An elementwise op, pooling or a norm alone is not worth the way: it is by kernels where its images
  are in lanes already; of the sum of two batches, say, where one of them is.
- Whether kernels know the op's options says the class that does it, see `LaneFunction.takes`.

Numba is imported when the first op is by kernels, and never where they are not in force.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

import numpy as np

from npnet.backend import uses_kernels
from npnet.ops.conv import Conv2d
from npnet.ops.conv_transpose import ConvTranspose2d
from npnet.ops.linear import Linear
from npnet.tape import Function, Layout, Variable

if TYPE_CHECKING:
    from npnet.lanes.function import LaneFunction

__all__ = ["LEAST", "choose", "in_lanes", "is_few", "suits_lanes", "table"]

FLOAT32 = np.dtype(np.float32)
LEAST = 3  # images; of fewer, with all other lanes idle, BLAS computes the products faster
BEGINNINGS = (Conv2d, ConvTranspose2d, Linear)
FAMILIES = (
    "activation", "arithmetic", "conv", "dropout", "linear", "loss", "norm", "pool", "prelu",
    "shape",
)  # fmt: skip


def choose(function: Function, inputs: tuple[Variable, ...]) -> Function | None:
    """What does the op by kernels; None where NumPy shall."""
    for x in inputs:
        if isinstance(x._values, Layout):
            break
    else:
        if not (type(function) in BEGINNINGS and _may_begin(inputs[0])):
            return None
    kind = table().get(type(function))
    if kind is None:
        return None
    if not _are_there(function, kind, inputs) or not kind.takes(function, *inputs):
        return None
    return kind(function)


def in_lanes(x: Variable) -> bool:
    """Whether the values are in lanes."""
    return isinstance(x.values, Layout)


def suits_lanes(x: Variable) -> bool:
    """Whether images or features are in lanes or can be brought there."""
    if isinstance(x.values, Layout):
        return True
    return x.dtype == FLOAT32 and x.ndim in (2, 4) and 0 not in x.shape and uses_kernels()


def is_few(x: Variable) -> bool:
    """Whether there are too few images for lanes to begin with them."""
    return x.shape[0] < LEAST


def _may_begin(x: Variable) -> bool:
    """Whether it is worth the way to bring images or features into lanes."""
    return not is_few(x) and suits_lanes(x)


def _are_there(function: Function, kind: type[LaneFunction], inputs: tuple[Variable, ...]) -> bool:
    """Whether the images are in lanes, or shall come there."""
    images = inputs[: kind.images]
    if not kind.any_axes and any(x.ndim not in (2, 4) for x in images):
        return False
    if type(function) in BEGINNINGS:
        return in_lanes(images[0]) or _may_begin(images[0])
    if kind.joins:
        return any(map(in_lanes, images)) and all(map(suits_lanes, images))
    return all(map(in_lanes, images))


@functools.cache
def table() -> dict[type[Function], type[LaneFunction]]:
    """Which class does which op; all families are there then."""
    for family in FAMILIES:
        importlib.import_module(f"npnet.lanes.{family}")
    from npnet.lanes.function import BY_LANES

    return BY_LANES
