"""A run of several ranks: which start alike, and of which the first writes and speaks.

All ranks go through the same run on the same data. Of a training step each computes its part, of
a split each evaluates some of the batches; what all must know is gathered, and every rank goes on
with the same numbers. Alone, a process does all this for itself.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import npnet
from npnet.backend import uses_kernels
from npnet.base.group import Group, several
from npnet.base.parts import parts_of, shards_of
from npnet.base.threads import available_cores
from npnet.runs.errors import ConfigError
from npnet.training.checkpoint import OF_THE_PLACE
from npnet.training.config import Config

__all__ = [
    "begin_together",
    "check_data_alike",
    "default_threads",
    "is_alone",
    "is_first",
    "of_first",
    "own_part",
    "places",
    "sent_bytes",
    "together",
]

_T = TypeVar("_T")


def is_alone() -> bool:
    """Whether no other process trains the network too."""
    return several() is None


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    group = several()
    return group is None or group.rank == 0


def of_first(work: Callable[[], _T]) -> _T:
    """What the first rank's work gives, in all ranks; the others do not do it."""
    group = several()
    if group is None:
        return work()
    value: _T = group.broadcast(work() if group.rank == 0 else None)
    return value


def together(values: list[_T]) -> list[_T]:
    """The values of all ranks, one rank's after the other's."""
    group = several()
    if group is None:
        return values
    return [value for found in group.gather(values) for value in found]


def own_part(count: int) -> tuple[int, int]:
    """The run of `count` pieces of work that is this rank's."""
    group = several()
    if group is None:
        return 0, count
    return group.rank * count // group.size, (group.rank + 1) * count // group.size


def places() -> str:
    """Where each rank is, by the numbers of processes that mpiexec names when one is killed."""
    here = together([f"{socket.gethostname()}:{os.getpid()}"])
    return f"{len(here)} ranks, in processes {', '.join(here)}"


def sent_bytes() -> int:
    """What this rank has given to each other one, of the parts of batches."""
    group = several()
    return 0 if group is None else group.sent


def default_threads(most: int) -> int:
    """Threads of this rank where none are asked for: ranks of one machine share its cores."""
    group = several()
    if group is None:
        return most
    hosts = group.gather((socket.gethostname(), available_cores()))
    here = [cores for host, cores in hosts if host == socket.gethostname()]
    return max(1, min(most, available_cores() // len(here)))


def begin_together(config: Config) -> None:
    """Let gradients be added up as the settings say.

    Raises:
        ConfigError: versions, processors or settings differ from the first rank's, or a batch has
            fewer parts than there are ranks.
    """
    group = several()
    if group is None:
        return
    _check_alike(group, _traits(config))
    group.sums = config.allreduce
    by_shards = config.batch_norm == "shard"
    parts = (shards_of if by_shards else parts_of)(config.batch_size)
    if parts < group.size:
        alike = "of one size, " if by_shards else ""
        raise ConfigError(
            f"batch_size: of {config.batch_size} images no more than {parts} parts can be made, "
            f"{alike}of sixteen images or more each, for {group.size} ranks; raise --batch_size, "
            f"or start no more ranks than {parts}"
        )


def check_data_alike(identity: str) -> None:
    """Refuse ranks whose data differ from the first one's.

    Args:
        identity: of this rank's data, a checksum.

    Raises:
        ConfigError: so it is; names the ranks.
    """
    group = several()
    if group is not None:
        _check_alike(group, {"their data": (identity, "give all the same files")})


def _check_alike(group: Group, traits: dict[str, tuple[Any, str]]) -> None:
    for what, (value, fix) in traits.items():
        found = group.gather((socket.gethostname(), value))
        (_, first), *_ = found
        other = next((v for _, v in found if v != first), first)
        has = [
            f"rank {rank} ({host}) has {_shown(v, first if rank else other)}"
            for rank, (host, v) in enumerate(found)
            if rank == 0 or v != first
        ]
        if len(has) > 1:
            raise ConfigError(f"distributed: ranks differ in {what}: {', '.join(has)}; {fix}")


def _traits(config: Config) -> dict[str, tuple[Any, str]]:
    """What must be the same in all ranks, by its name, and what to do if it is not."""
    same = "bits would depend on who computes what"
    settings = {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if name == "resume" or name not in OF_THE_PLACE
    }
    return {
        "their version of npnet": (npnet.__version__, "install the same in all"),
        "their version of NumPy": (np.__version__, f"install the same in all: {same}"),
        "their kernels": (_kernels(), f"use machines with the same processor: {same}"),
        "their settings": (settings, "start all with the same flags"),
    }


def _kernels() -> str:
    """What computes, and for which processor it was compiled."""
    if not uses_kernels():
        return f"NumPy alone on {platform.machine()}"
    import numba

    from npnet.kernels._jit import cpu

    return f"numba {numba.__version__}, compiled for {cpu()[0]}"


def _shown(value: Any, other: Any) -> str:
    """A value; of settings those that differ."""
    if not isinstance(value, dict) or not isinstance(other, dict):
        return str(value)
    differ = {k: v for k, v in value.items() if other.get(k) != v}
    return ", ".join(f"{k} {v!r}" for k, v in differ.items()) or "the others' settings"
