"""npnet.multiprocessing: Python's, and `spawn` with its errors."""

from __future__ import annotations

import os
import pickle
import signal
import time

import pytest

import npnet
from npnet import multiprocessing as mp


def add(rank: int, x: npnet.Tensor) -> None:
    x[rank] += rank + 1


def fail(rank: int) -> None:
    if rank == 0:
        time.sleep(600)
    raise LookupError("of the child")


def leave(rank: int, by: int | None) -> None:
    if by is None:
        os._exit(3)
    os.kill(os.getpid(), by)


def test_spawn_runs_a_function_for_each_number() -> None:
    x = npnet.zeros(2).share_memory_()
    assert mp.spawn(add, (x,), nprocs=2) is None
    assert x.tolist() == [1, 2]
    children = mp.spawn(add, args=(x,), nprocs=1, join=False)
    assert children is not None
    assert children.pids() == [p.pid for p in children.processes]
    while not children.join(timeout=1):
        pass
    assert children.join()
    assert x.tolist() == [2, 2]


def test_what_a_child_raises_is_told_and_the_others_are_ended() -> None:
    began = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException, match=r"(?s)fail.*of the child") as caught:
        mp.start_processes(fail, nprocs=2, start_method="fork")
    assert caught.value.error_index == 1
    assert time.monotonic() - began < 300
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("by", "says"), [(None, "exit code 3"), (signal.SIGKILL, "SIGKILL")])
def test_how_a_child_ended_is_told(by: int | None, says: str) -> None:
    with pytest.raises(mp.ProcessExitedException, match=says) as caught:
        mp.start_processes(leave, (by,), start_method="fork")
    other = pickle.loads(pickle.dumps(caught.value))
    assert other.exit_code == caught.value.exit_code == (3 if by is None else -by)


def test_sharing_strategies() -> None:
    before = mp.get_sharing_strategy()
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy(before)
    with pytest.raises(AssertionError, match="file_descriptor"):
        mp.set_sharing_strategy("files")
