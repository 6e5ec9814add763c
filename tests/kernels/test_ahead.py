"""The second process that compiles: it halves the wait, and is no reason to fail or to stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from npnet.kernels import _ahead
from npnet.kernels._ahead import Session
from tests.kernels.test_jit import COMPILING, finish, start

STEP = """
import os, sys
import numpy as np
import npnet
from npnet import models
from npnet.kernels import _ahead
npnet.set_backend("numba")
npnet.set_num_threads(2)
npnet.manual_seed(0)
_ahead.threads.available_cores = lambda: 2
model = models.create("lenet_fc")
optimizer = npnet.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

def step():
    logits = model(npnet.ones(20, 1, 32, 32))
    npnet.nn.functional.cross_entropy(logits, npnet.tensor(np.arange(20) % 10)).backward()
    optimizer.step()
"""
SECONDS = 30  # until a process that shall end must have


def alive(pid: int) -> bool:
    """Whether the process does anything: one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_of_two_compiles(tmp_path: Path) -> None:
    one, other = Session(tmp_path), Session(tmp_path)
    assert one.claim("a")
    assert not other.claim("a")
    assert one.claim("a")  # it is its own
    assert other.claim("b")
    assert one.progress() is None
    other.plan(["a", "b"])
    other.keep("b")
    one.wait("b")
    assert one.progress() == (1, 2)


def test_waits_until_it_is_kept(tmp_path: Path) -> None:
    one, other = Session(tmp_path), Session(tmp_path)
    assert other.claim("a")
    threading.Timer(0.2, other.keep, ["a"]).start()
    one.wait("a")
    assert one.progress() is None
    assert list(tmp_path.glob("*.kept"))


def test_a_helper_that_is_gone_is_not_waited_for(tmp_path: Path) -> None:
    helper = subprocess.Popen([sys.executable, "-c", ""])
    helper.wait()
    Session(tmp_path).claim("a")
    start = time.monotonic()
    Session(tmp_path, helper).wait("a")
    assert time.monotonic() - start < 5


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    session = Session(tmp_path / "none")
    assert session.claim("a")
    session.plan(["a"])
    session.keep("a")
    assert session.progress() is None


def test_a_forked_process_is_on_its_own(tmp_path: Path) -> None:
    session, other = Session(tmp_path), Session(tmp_path)
    assert other.claim("a")
    session.owner = -1  # as it is to a child
    assert session.claim("a")
    session.keep("a")
    assert not list(tmp_path.glob("*.kept"))


@pytest.mark.slow
def test_a_cold_step_leaves_all_kernels_and_nothing_else(tmp_path: Path) -> None:
    helped = f"{STEP}step()\nassert _ahead.session().helper is not None\n"
    assert finish(start(tmp_path, helped)).count(COMPILING) == 1
    assert not list(tmp_path.rglob(f"{_ahead.PREFIX}*"))
    alone = f"{STEP}step()\nassert _ahead.session() is None\n"
    assert finish(start(tmp_path, alone)) == ""


@pytest.mark.slow
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    code = f"{STEP}step()\nprint(_ahead.session().helper.pid, flush=True)\ninput()"
    code = code.replace("step()\nprint", "_ahead.Session.claim = lambda *_: True\nstep()\nprint")
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    helper = int(process.stdout.readline())
    process.kill()
    process.communicate()
    end = time.monotonic() + SECONDS
    while alive(helper):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.parametrize("after", [0.0, 1.5])
def test_a_killed_helper_is_done_without(tmp_path: Path, after: float) -> None:
    kill = f"""
import threading, signal
began = _ahead._start
def start(*given):
    session = began(*given)
    threading.Timer({after}, session.helper.kill).start()
    return session
_ahead._start = start
step()
"""
    finish(start(tmp_path, STEP + kill))
    assert finish(start(tmp_path, f"{STEP}step()")) == ""


@pytest.mark.slow
def test_a_helper_that_cannot_be_started_is_done_without(tmp_path: Path) -> None:
    finish(start(tmp_path, f"{STEP}_ahead.PROGRAM = 'npnet.nothing'\nstep()"))
    nowhere = "sys.executable = '/nowhere/python'"
    told = finish(
        start(tmp_path / "other", f"{STEP}{nowhere}\nstep()\nassert not _ahead.session()")
    )
    assert told.count(COMPILING) == 1


@pytest.mark.parametrize(
    "alone",
    [
        "npnet.set_num_threads(1)",
        "_ahead.threads.available_cores = lambda: 1",
        "sys.executable = '/usr/bin/something'",
        "sys.executable = None",
        "sys.frozen = True",
    ],
)
def test_none_is_started_where_it_is_of_no_use(tmp_path: Path, alone: str) -> None:
    code = f"{STEP}{alone}\nassert not _ahead._can_help()"
    finish(start(tmp_path, code))


@pytest.mark.slow
def test_two_cold_processes_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path, f"{STEP}step()") for _ in range(2)]
    for process in both:
        finish(process)
    assert finish(start(tmp_path, f"{STEP}step()")) == ""
