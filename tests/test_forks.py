"""Processes that fork after kernels ran: never killed, never waiting for ever, the same bits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from npnet.kernels import _pool
from tests import campaign, fork_ways

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def fork(layer: str, *ways: str) -> None:
    command = [sys.executable, "-m", "tests.fork_ways", campaign.size(), *ways]
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.campaign
def test_children_compute_what_their_parent_computes() -> None:
    fork("omp", *fork_ways.WAYS)


@pytest.mark.campaign
def test_children_of_another_pool() -> None:
    fork("workqueue", "pool", "more_threads", "grandchild", "while_busy")


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_a_fork_before_the_first_kernel(layer: str) -> None:
    fork(layer, "before", "pool")


ALONE = """
import os
import npnet
from npnet.kernels import _jit, _pool
npnet.set_num_threads(2)
if FIRST:
    npnet.nn.Conv2d(3, 8, 3)(npnet.ones(20, 3, 6, 6))
if os.fork() == 0:
    npnet.nn.Conv2d(3, 8, 3)(npnet.ones(20, 3, 6, 6))
    npnet.set_num_threads(4)
    print(npnet.get_num_threads(), _pool.get_num_threads(), flush=True)
    os._exit(0)
assert os.wait()[1] == 0
print(npnet.get_num_threads(), _pool.get_num_threads())
"""


@pytest.mark.parametrize(("first", "threads"), [(True, 1), (False, 4)])
def test_a_child_is_alone_only_where_its_parent_had_threads(first: bool, threads: int) -> None:
    environment = {**os.environ, "NUMBA_NUM_THREADS": "4"}
    command = [sys.executable, "-c", f"FIRST = {first}\n{ALONE}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"4 {threads}\n2 2\n"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says whether a process was forked")
def test_a_process_knows_that_it_was_forked() -> None:
    assert not _pool._is_forked()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _pool._is_forked() else 1)
    assert os.waitpid(pid, 0)[1] == 0
