"""When kernels do an op: every choice between NumPy and kernels is made here.

- Lanes begin with a convolution or a large linear layer of float32, of three images or more: it is
  worth the way there. What follows stays in lanes as long as its op has kernels.
- The cells of an LSTM of float32 are by kernels, on arrays as they are.
- An elementwise op, pooling or a norm alone is not worth the way: it is by kernels where its images
  are in lanes already; of the sum of two batches, say, where one of them is.
- Whether kernels know the op's options says the class that does it, see `LaneFunction.takes`.

Numba is imported when the first op is by kernels, and never where they are not in force.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import TYPE_CHECKING

import numpy as np

from npnet.backend import uses_kernels
from npnet.base.grad_mode import state
from npnet.ops.linear import Linear
from npnet.ops.recurrent import LSTM
from npnet.tape import Function, Layout, Variable

if TYPE_CHECKING:
    from npnet.lanes.function import LaneFunction

__all__ = ["LEAST", "choose", "in_lanes", "is_few", "suits_lanes", "table"]

FLOAT32 = np.dtype(np.float32)
SMALL = 2**22  # products of a linear layer, which BLAS is done with before lanes are filled
LEAST = 3  # images; of fewer, with all other lanes idle, BLAS computes the products faster
FAMILIES = (
    "activation", "arithmetic", "conv", "dropout", "linear", "loss", "norm", "pool", "prelu",
    "recurrent",
    "shape",
)  # fmt: skip


def choose(function: Function, inputs: tuple[Variable, ...]) -> Function | None:
    """What does the op by kernels; None where NumPy shall."""
    for x in inputs:
        if isinstance(x._values, Layout):
            break
    else:
        if not (function.begins and uses_kernels()):
            return None
        if type(function) is not LSTM and not _may_begin(inputs[0]):
            return None
        if type(function) is Linear and not state.traced and _is_small(*inputs[:2]):
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


def _is_small(x: Variable, weight: Variable) -> bool:
    """Whether a linear layer, and what follows on its few results, is done sooner by NumPy.

    What is traced is for a program, in which a small layer costs no more than its products.
    """
    return math.prod(x._values.shape) * weight._values.shape[0] <= SMALL


def _are_there(function: Function, kind: type[LaneFunction], inputs: tuple[Variable, ...]) -> bool:
    """Whether the images are in lanes, or shall come there."""
    if kind.images == 0:
        return all(x.dtype == FLOAT32 for x in inputs)
    images = inputs[: kind.images]
    if not kind.any_axes and any(x.ndim not in (2, 4) for x in images):
        return False
    if function.begins:
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
