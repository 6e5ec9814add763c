"""SGD's update of many small parameters by one call.

Of a small network, Python takes longer to call a kernel for each parameter than the kernels do. A
table says where parameters, gradients and velocities lie, cut into spans that threads share.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from operator import is_

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from npnet.base.arrays import Array
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import parallel_for
from npnet.kernels.update import Momentum, sgd_span

__all__ = ["JointSGD", "are_apart"]

SPAN = 4096  # floats of an item
FLOATS = types.Array(types.float32, 1, "C")
FLOAT_BYTES = 4


class JointSGD:
    """`update.sgd` of parameters, as long as these, their gradients and velocities are the same.

    Args:
        arrays: p, g, v of each parameter, in one row: row-major float32, alike. They are not kept
            alive.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._places = [weakref.ref(a) for a in arrays]
        addresses = [a.ctypes.data for a in arrays]
        rows = [
            (*(p + FLOAT_BYTES * first for p in addresses[i : i + 3]), min(SPAN, a.size - first))
            for i, a in enumerate(arrays)
            if i % 3 == 0
            for first in range(0, a.size, SPAN)
        ]
        self._table = np.array(rows, np.int64).reshape(-1, 4)

    def takes(self, arrays: Sequence[Array]) -> bool:
        """Whether these are the very arrays that it was made for."""
        return len(arrays) == len(self._places) and all(
            map(is_, arrays, [place() for place in self._places])
        )

    def run(self, lr: float, momentum: float, kept: float, decay: float, nesterov: bool) -> None:
        """Make the update, with 1 - dampening `kept` of a gradient; the caller holds the arrays."""
        rates = float(lr), float(momentum), float(kept), float(decay)
        _update(self._table, *rates, True, bool(nesterov))


def are_apart(arrays: Sequence[Array]) -> bool:
    """Whether no two of these row-major arrays share memory."""
    spans = sorted((a.ctypes.data, a.ctypes.data + a.nbytes) for a in arrays)
    return all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


@kernel
def _update(table, lr, momentum, kept, decay, has_v, nesterov):
    plan = Momentum(lr, momentum, kept, decay, has_v, nesterov)
    parallel_for(_update_span, table.shape[0], (table, plan))


@kernel
def _update_span(table, plan, k):
    p, g, v, count = table[k]
    sgd_span(_floats(p, count), _floats(g, count), _floats(v, count), plan, 0)


@intrinsic
def _floats(typing, address, count):
    """The row of `count` floats at an address."""

    def code(context, builder, sig, args):
        array = context.make_array(FLOATS)(context, builder)
        data = builder.inttoptr(args[0], ir.FloatType().as_pointer())
        stride = context.get_constant(types.intp, FLOAT_BYTES)
        populate_array(array, data, [args[1]], [stride], stride, None)
        return array._getvalue()

    return FLOATS(types.int64, types.int64), code
