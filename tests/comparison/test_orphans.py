"""Runs end with their comparison, however it ends, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

EPOCHS = "200000"  # more than end in a test
PATIENCE = 60.0  # seconds, on a machine that does much else


def start(folder: Path) -> subprocess.Popen[str]:
    """A comparison of two fits."""
    flags = ["--epochs", EPOCHS, "--seeds", "2", "--threads", "2", "--output", str(folder)]
    command = [sys.executable, "-m", "npnet", "compare", "fit-function", *flags]
    environment = os.environ | {"NPNET_BACKEND": "numpy"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def runs_of(folder: Path) -> list[int]:
    """The processes that make runs in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if b"npnet.fit_function" in words and str(folder).encode() in b" ".join(words):
            found.append(int(process.name))
    return found


def wait(condition: Callable[[], bool]) -> None:
    latest = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("number", "early"),
    [(signal.SIGHUP, False), (signal.SIGKILL, True), (signal.SIGKILL, False)],
)
def test_no_run_outlives_its_comparison(tmp_path: Path, number: int, early: bool) -> None:
    """SIGINT and SIGTERM are tried in test_command_line; early is while a run imports npnet."""
    with start(tmp_path) as process:
        try:
            end(process, tmp_path, number, early)
        finally:
            process.kill()


def end(process: subprocess.Popen[str], tmp_path: Path, number: int, early: bool) -> None:
    begun = [tmp_path / f"runs/seed_{seed}/config.json" for seed in (0, 1)]
    wait(lambda: len(runs_of(tmp_path)) == 2 if early else all(path.exists() for path in begun))
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    wait(lambda: not runs_of(tmp_path))
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert "stopped; the same command goes on" in said
    assert "Traceback" not in said
