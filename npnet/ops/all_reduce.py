"""The sum over the processes of a group, see `npnet.distributed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npnet.base.arrays import Array
from npnet.base.group import ordered_sum
from npnet.tape import Function, Variable

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["all_reduce"]


class AllReduce(Function):
    """y = sum over ranks of x;  gx = sum over ranks of gy, as each x is in each rank's y."""

    def forward(self, x: Array) -> Array:
        return ordered_sum(x.copy())

    def backward(self, gy: Array) -> tuple[Array]:
        return (ordered_sum(gy.copy()),)


def all_reduce(x: Variable) -> Tensor:
    """The sum of a tensor over all ranks, added up in their order; all ranks must call it.

    Backward adds up their gradients alike. In a process that is in no group it is the tensor.

    Shape: any, the same in all ranks.
    """
    return AllReduce()(x)
