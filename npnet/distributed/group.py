"""The ranks that mpiexec has started, as a group that trains together."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from npnet.base import extras
from npnet.base.arrays import Array
from npnet.base.group import Ends, Group, current_group, set_group
from npnet.random import default_generator

__all__ = ["MPIGroup", "group", "init", "shutdown"]


class MPIGroup(Group):
    """All ranks of an MPI communicator.

    Args:
        comm: the communicator; default a copy of MPI's world, so that messages of the user's own
            are not taken for npnet's.
        sums: whether MPI may add up gradients in an order of its own.
    """

    def __init__(self, comm: Any = None, sums: bool = False) -> None:
        from mpi4py import MPI

        self._mpi, self.sums = MPI, sums
        self.comm = MPI.COMM_WORLD.Dup() if comm is None else comm
        self.rank: int = self.comm.Get_rank()
        self.size: int = self.comm.Get_size()
        self.sent = 0  # bytes that this rank has given, to each other rank

    def begin_gather(self, array: Array, ends: Ends) -> Any:
        row = array.nbytes // max(1, len(array))
        starts = (0, *ends[:-1])
        counts = [(end - start) * row for start, end in zip(starts, ends, strict=True)]
        self.sent += counts[self.rank]
        places = [start * row for start in starts]
        filled = [array, counts, places, self._mpi.BYTE]
        return self.comm.Iallgatherv(self._mpi.IN_PLACE, filled)

    def begin_sum(self, array: Array) -> Any:
        self.sent += array.nbytes
        return self.comm.Iallreduce(self._mpi.IN_PLACE, array)

    def wait(self, begun: Sequence[Any]) -> None:
        self._mpi.Request.Waitall(list(begun))

    def gather(self, value: Any) -> list[Any]:
        found: list[Any] = self.comm.allgather(value)
        return found

    def broadcast(self, value: Any, root: int = 0) -> Any:
        return self.comm.bcast(value, root)

    def barrier(self) -> None:
        self.comm.Barrier()


def init(*, allreduce: bool = False) -> MPIGroup:
    """Take this process into the group of all that mpiexec has started; alone, a group of one.

    All draw from where the generator of rank 0 stands. Called again, it gives the group that there
    is.

    Args:
        allreduce: let MPI add up gradients in its own order: fewer bytes, other bits for another
            number of ranks.

    Raises:
        MissingExtraError: mpi4py is not installed.
        RuntimeError: it finds no MPI; or this is one of several ranks, and was not started as
            `python -m mpi4py`: then an error in one would leave the others waiting for ever.
    """
    known = current_group()
    if isinstance(known, MPIGroup):
        return known
    extras.require("mpi4py", "mpi", "npnet.distributed")
    try:
        importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            "distributed: mpi4py finds no MPI: pip install mpich, or load the one of your cluster "
            f"({error})"
        ) from error
    made = MPIGroup(sums=allreduce)
    if made.size > 1 and not _aborts_all():
        raise RuntimeError(
            "distributed: start every rank as python -m mpi4py, which ends all of them when one "
            f"fails: mpiexec -n {made.size} python -m mpi4py {_command()}"
        )
    default_generator.set_state(made.broadcast(default_generator.get_state()))
    set_group(made)
    return made


def group() -> Group:
    """The group of this process.

    Raises:
        RuntimeError: `init` was not called.
    """
    found = current_group()
    if found is None:
        raise RuntimeError("distributed: call npnet.distributed.init() first")
    return found


def shutdown() -> None:
    """Leave the group; MPI itself ends with the process."""
    set_group(None)


def _aborts_all() -> bool:
    """Whether `python -m mpi4py` runs this program."""
    return "mpi4py.run" in sys.modules or "mpi4py.__main__" in sys.modules


def _command() -> str:
    """The program's name and arguments, as far as Python knows them."""
    return " ".join(sys.argv) or "program.py"
