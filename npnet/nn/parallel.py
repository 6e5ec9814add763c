"""Several devices, of which there is one: what is written for several runs as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from npnet.base.group import current_group
from npnet.nn.module import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """The module on the one device there is: it passes everything through.

    Its state's names begin with `module.`, as in PyTorch.

    Args:
        module: what runs; it stays to be had as `.module`.
        device_ids, output_device, dim: among which devices PyTorch would divide a batch, and along
            which axis: they change nothing here.
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

    Its state's names begin with `module.`, as in PyTorch. All ranks begin with the parameters and
    buffers of rank 0.

    Args:
        module: what is trained; it stays to be had as `.module`.

    Attributes:
        group: the processes.

    Raises:
        RuntimeError: `npnet.distributed.init()` was not called.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        group = current_group()
        if group is None:
            raise RuntimeError(
                "DistributedDataParallel: this process is in no group; call "
                "npnet.distributed.init() first"
            )
        self.group, self.module = group, module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: Any = None,
) -> Any:
    """The module's result on the one device there is. Arguments as of `DataParallel`."""
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*args, **(module_kwargs or {}))
