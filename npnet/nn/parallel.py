"""Several devices, of which there is one: what is written for several runs as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.group import Group, current_group, ordered_sum
from npnet.base.trees import mapped
from npnet.nn.module import Module
from npnet.tape import Function, queue_callback, result
from npnet.tensor import Tensor

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """The module on the one device there is: it passes everything through.

    Its state's names begin with `module.`, as in PyTorch.

    Args:
        module: what runs; it stays to be had as `.module`.
        device_ids, output_device, dim: among which devices PyTorch would divide a batch, and along
            which axis: they change nothing here.

    Example:
        >>> model = nn.DataParallel(nn.Linear(3, 2))
        >>> list(model.state_dict())
        ['module.weight', 'module.bias']
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.device_ids: list[Any] = []
        self.dim, self.output_device = dim, output_device
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """The module in a group of processes, see `npnet.distributed`.

    All ranks begin with the parameters and buffers of rank 0. In a loop, each rank gives a batch of
    its own, and at the end of `backward` the gradients are the means over the ranks, added up in
    their order: all ranks stay the same, and their bits depend on how many there are. Under
    `npnet.compile`, each rank gives the whole batch and computes a part of it, and the bits are
    those of one process.

    Its state's names begin with `module.`, as in PyTorch.

    Args:
        module: what is trained; it stays to be had as `.module`.
        device_ids, output_device, dim: PyTorch's, which change nothing here.
        broadcast_buffers: whether each forward pass in training begins with rank 0's buffers, such
            as batch norm's running statistics, of which each rank sees its own batches.
        bucket_cap_mb, find_unused_parameters, check_reduction, gradient_as_bucket_view,
            static_graph: how PyTorch goes about it, and nothing here: gradients travel when all are
            there, and parameters that no rank used have none.

    Attributes:
        group: the processes.

    Raises:
        RuntimeError: `npnet.distributed.init()` was not called.
        NotImplementedError: another group is asked for.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
    ) -> None:
        super().__init__()
        group = current_group()
        if group is None:
            raise RuntimeError(
                "DistributedDataParallel: this process is in no group; call "
                "npnet.distributed.init() first"
            )
        if process_group is not None and process_group is not group:
            raise NotImplementedError(
                "DistributedDataParallel: ranks are in one group; leave process_group out"
            )
        self.group, self.module, self.broadcast_buffers = group, module, broadcast_buffers
        self.require_backward_grad_sync = True
        for tensor in (*module.parameters(), *module.buffers()):
            _take(group, tensor)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        if self.group.size == 1 or not self.training:
            return self.module(*inputs, **kwargs)
        if self.broadcast_buffers:
            for buffer in self.module.buffers():
                _take(self.group, buffer)
        output = self.module(*inputs, **kwargs)
        return mapped(output, self._averaged) if self.require_backward_grad_sync else output

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """What a forward pass inside gives keeps its gradients in its rank; they add up there,
        until those of a forward pass outside are averaged, and they with them.
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def _averaged(self, value: Any) -> Any:
        """What is on the tape, so that the walk back from it ends with the means."""
        is_on_tape = isinstance(value, Tensor) and value.requires_grad
        return _Averaged(self._average)(value) if is_on_tape else value

    def _average(self) -> None:
        """Make each gradient the mean over the ranks; one that no rank has stays None."""
        wanted = [p for p in self.module.parameters() if p.requires_grad]
        for dtype in dict.fromkeys(p.dtype for p in wanted):  # in one order in all ranks
            params = [p for p in wanted if p.dtype == dtype]
            _average(params, self.group.size)


def _average(params: Sequence[Tensor], ranks: int) -> None:
    """The means of gradients of one dtype, which go to other ranks in one array."""
    has = [float(p.grad is not None) for p in params]
    parts = [
        (np.zeros(p.shape, p.dtype) if p.grad is None else p.grad.array).reshape(-1) for p in params
    ]
    total = ordered_sum(np.concatenate([np.array(has, params[0].dtype), *parts]))
    start = len(params)
    for p, count in zip(params, total[: len(params)], strict=True):
        mean = total[start : start + p.numel()].reshape(p.shape) / ranks
        start += p.numel()
        if p.grad is not None:
            p.grad.array[...] = mean
        elif count:
            p.grad = result(mean)


class _Averaged(Function):
    """y = x; its gradient is the first that a walk back comes to, which ends with a callback."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, gy: Array) -> tuple[Array]:
        queue_callback(self.callback)
        return (gy,)


def _take(group: Group, tensor: Tensor) -> None:
    """Let a tensor hold what it holds in rank 0."""
    if group.size > 1:
        tensor.array[...] = group.broadcast(tensor.array)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """The module's result on the one device there is. Arguments as of `DataParallel`.

    Example:
        >>> nn.parallel.data_parallel(nn.Flatten(), npnet.zeros(8, 2, 3)).shape
        (8, 6)
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*args, **(module_kwargs or {}))
