"""A command that mpiexec has started several times: one of its ranks speaks, all end together."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from npnet.runs.commands import USAGE_ERROR, run_command

__all__ = ["run_ranks"]

# What the mpiexec of MPICH and Intel, of Open MPI, and SLURM's PMI say to each process.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")

# How long an error of another rank waits for the first rank to say it: most are everybody's.
_PATIENCE = 5.0


def run_ranks(work: Callable[[str], None], prog: str, stopped: str) -> int:
    """`run_command`, on one process or as a rank of several.

    What goes wrong in one rank ends all of them: they run as `python -m mpi4py`, which sees to it.
    An error that all have is said once.

    Args:
        work: is given the program's name, with the rank where it is not the first.
    """
    if _number(_SIZES, 1) == 1:
        return run_command(lambda: work(prog), prog, stopped)
    rank = _number(_RANKS, 0)
    name = prog if rank == 0 else f"{prog} (rank {rank} on {socket.gethostname()})"

    def joined() -> None:
        _join(is_first=rank == 0)
        try:
            work(name)
        except BaseException:
            if rank:
                time.sleep(_PATIENCE)  # until then, the first rank has ended this one
            raise

    return run_command(joined, name, stopped)


def _join(is_first: bool) -> None:
    """Take part in the group.

    Raises:
        ConfigError: that can't be, which one rank says for all.
    """
    from npnet import distributed
    from npnet.base.extras import MissingExtraError
    from npnet.runs.errors import ConfigError

    try:
        distributed.init()
    except (RuntimeError, MissingExtraError) as error:
        if not is_first:
            raise SystemExit(USAGE_ERROR) from None
        raise ConfigError(str(error)) from None


def _number(names: tuple[str, ...], default: int) -> int:
    """What the first of these variables says that is there."""
    for name in names:
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    return default
