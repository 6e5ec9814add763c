"""What ranks tell each other, under the names of `torch.distributed`."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.group import ordered_sum
from npnet.distributed.group import group
from npnet.tensor import Tensor

__all__ = [
    "ReduceOp",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "barrier",
    "broadcast",
    "broadcast_object_list",
]


class ReduceOp(enum.Enum):
    """How `all_reduce` puts the ranks' numbers together, one after the other in their order.

    Example:
        >>> [op.name for op in npnet.distributed.ReduceOp]
        ['SUM', 'AVG', 'PRODUCT', 'MIN', 'MAX']
    """

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"


_TOGETHER: dict[ReduceOp, Callable[[list[Array]], Array]] = {
    ReduceOp.PRODUCT: np.multiply.reduce,
    ReduceOp.MIN: np.minimum.reduce,
    ReduceOp.MAX: np.maximum.reduce,
}


def barrier(group: Any = None) -> None:
    """Wait for all ranks.

    Raises:
        RuntimeError: this process is in no group.
    """
    _everybody("barrier", group).barrier()


def broadcast(tensor: Tensor, src: int = 0, group: Any = None, async_op: bool = False) -> None:
    """Let a tensor hold, in place, what it holds in rank `src`.

    Raises:
        RuntimeError: this process is in no group.
        ValueError: there is no rank `src`.
    """
    tensor.array[...] = _of_rank("broadcast", tensor.array, src, group, async_op)


def broadcast_object_list(object_list: list[Any], src: int = 0, group: Any = None) -> None:
    """Let a list hold, in place, the objects that it holds in rank `src`, by pickles.

    Raises:
        RuntimeError, ValueError: as of `broadcast`.
    """
    object_list[:] = _of_rank("broadcast_object_list", object_list, src, group)


def all_reduce(
    tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> None:
    """Make a tensor, in place, the sum (mean, product, ...) over all ranks, in their order.

    Raises:
        RuntimeError: this process is in no group.
        TypeError: `op` is no ReduceOp; or it is AVG, and the tensor is not of floats.
    """
    ranks = _everybody("all_reduce", group, async_op)
    if not isinstance(op, ReduceOp):
        raise TypeError(f"all_reduce: op must be a ReduceOp, such as ReduceOp.SUM, got {op!r}")
    if op is ReduceOp.AVG and not tensor.is_floating_point():
        raise TypeError(f"all_reduce: ReduceOp.AVG is for floats, got {tensor.dtype}")
    if op in _TOGETHER:
        tensor.array[...] = _TOGETHER[op](ranks.gather(tensor.array))
        return
    total = ordered_sum(tensor.array.copy())
    tensor.array[...] = total / ranks.size if op is ReduceOp.AVG else total


def all_gather(
    tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False
) -> None:
    """Let each of the tensors hold, in place, what the rank of its number gives.

    Raises:
        RuntimeError: this process is in no group.
        ValueError: there are more tensors, or fewer, than ranks.
    """
    ranks = _everybody("all_gather", group, async_op)
    _check_count("all_gather", tensor_list, ranks.size)
    for into, array in zip(tensor_list, ranks.gather(tensor.array), strict=True):
        into.array[...] = array


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """The same with any objects, by pickles.

    Raises:
        RuntimeError, ValueError: as of `all_gather`.
    """
    ranks = _everybody("all_gather_object", group)
    _check_count("all_gather_object", object_list, ranks.size)
    object_list[:] = ranks.gather(obj)


def _everybody(what: str, asked: Any, async_op: bool = False) -> Any:
    """The group of this process, of which others can't be asked."""
    if asked is not None and asked is not group():
        raise NotImplementedError(f"{what}: ranks are in one group; leave group out")
    if async_op:
        raise NotImplementedError(f"{what}: it ends before it returns; leave async_op out")
    return group()


def _of_rank(what: str, value: Any, src: int, asked: Any, async_op: bool = False) -> Any:
    ranks = _everybody(what, asked, async_op)
    if not 0 <= src < ranks.size:
        raise ValueError(f"{what}: src must be a rank, 0 to {ranks.size - 1}, got {src}")
    return ranks.broadcast(value, src)


def _check_count(what: str, values: list[Any], ranks: int) -> None:
    if len(values) != ranks:
        raise ValueError(f"{what}: takes a place for each of {ranks} ranks, got {len(values)}")
