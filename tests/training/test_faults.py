"""Runs under faults: whatever happens, what was saved is kept, and a resume ends in equal files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign import trials

# Kind -> how many cases of it by default and with `--campaign large`; 0 is every operation.
CASES = {
    "killed": (4, 0),
    "killed-after": (2, 0),
    "broken": (4, 0),
    "full": (3, 0),
    "interrupted": (2, 0),
    "timed-kill": (2, 100),
    "timed-ctrl-c": (2, 100),
    "twins": (1, 20),
}


@pytest.mark.campaign
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("kind", CASES)
def test_resumed_run_is_the_undisturbed_one(tmp_path: Path, kind: str) -> None:
    cases = trials(*CASES[kind])
    command = [sys.executable, "-m", "tests.training.faults", str(tmp_path), kind, str(cases), "0"]
    environment = os.environ | {"NPNET_BACKEND": "numpy", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    print(done.stdout)  # the figures, with -s
    assert done.returncode == 0, done.stdout + done.stderr
