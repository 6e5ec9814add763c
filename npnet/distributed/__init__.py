"""Several processes that train one network, on one machine or many, by MPI.

    mpiexec -n 4 python -m mpi4py program.py

    import npnet
    from npnet import distributed, nn, optim

    distributed.init()
    model = distributed.DistributedModel(Net())  # the weights of rank 0 in all
    optimizer = distributed.DistributedOptimizer(optim.SGD(model.parameters(), lr=0.1))
    step = npnet.compile(model, nn.CrossEntropyLoss(), optimizer)
    for x, y in loader:  # whole batches, the same in all ranks
        loss = step(x, y)  # each computes a part; the bits are those of one process

Names of `torch.distributed` are here where MPI does the same.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from npnet.base.group import current_group
from npnet.distributed.collectives import (
    ReduceOp,
    all_gather,
    all_gather_object,
    all_reduce,
    barrier,
    broadcast,
    broadcast_object_list,
)
from npnet.distributed.group import MPIGroup, group, init, shutdown
from npnet.distributed.optimizer import DistributedOptimizer
from npnet.nn.parallel import DistributedDataParallel as DistributedModel
from npnet.utils.data.distributed import DistributedSampler

__all__ = [
    "DistributedModel",
    "DistributedOptimizer",
    "DistributedSampler",
    "MPIGroup",
    "ReduceOp",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "barrier",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "get_rank",
    "get_world_size",
    "group",
    "init",
    "init_process_group",
    "is_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "shutdown",
]

destroy_process_group = shutdown


def is_available() -> bool:
    """Whether mpi4py is installed.

    Example:
        >>> isinstance(npnet.distributed.is_available(), bool)
        True
    """
    return importlib.util.find_spec("mpi4py") is not None


is_mpi_available = is_available


def is_gloo_available() -> bool:
    """False: processes talk by MPI alone.

    Example:
        >>> npnet.distributed.is_gloo_available()
        False
    """
    return False


is_nccl_available = is_torchelastic_launched = is_gloo_available


def is_initialized() -> bool:
    """Whether this process is in a group.

    Example:
        >>> npnet.distributed.is_initialized()
        False
    """
    return current_group() is not None


def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
    """`init`, under PyTorch's name.

    Raises:
        RuntimeError: another backend than MPI is asked for, or see `init`.
    """
    if backend not in (None, "mpi"):
        raise RuntimeError(
            f"distributed: the backend must be 'mpi', got {backend!r}; ask "
            "distributed.is_available() first, and start the program by mpiexec -n 2 python -m "
            "mpi4py"
        )
    init()


def get_rank() -> int:
    """Of this process, from 0."""
    return group().rank


def get_world_size() -> int:
    """How many processes there are."""
    return group().size


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'npnet.distributed' has no attribute '{name}': processes talk by MPI; ask "
        "distributed.is_available() first, and use mpi4py for what is not here"
    )
