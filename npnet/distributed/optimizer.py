"""An optimizer that begins alike in all ranks."""

from __future__ import annotations

from typing import TypeVar

from npnet.distributed.group import group
from npnet.optim import Optimizer

__all__ = ["DistributedOptimizer"]

_O = TypeVar("_O", bound=Optimizer)


def DistributedOptimizer(optimizer: _O) -> _O:
    """The optimizer itself, with the state and the settings that it has in rank 0.

    Gradients are the same in all ranks when `backward` of a DistributedModel, or a compiled step,
    has ended; from the same weights and the same state, each rank's optimizer does the same.

    Raises:
        RuntimeError: `npnet.distributed.init()` was not called.
    """
    found = group()
    if found.size > 1:
        optimizer.load_state_dict(found.broadcast(optimizer.state_dict()))
    return optimizer
