"""Several processes that train one network, on one machine or many."""

from __future__ import annotations

from npnet.distributed.group import MPIGroup, group, init, shutdown
from npnet.nn.parallel import DistributedDataParallel as DistributedModel

__all__ = ["DistributedModel", "MPIGroup", "group", "init", "shutdown"]
