"""Kernels for aarch64 under qemu give what they give here: see `aarch64.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kernels import aarch64


@pytest.mark.campaign
@pytest.mark.skipif(bool(aarch64.missing()), reason=f"not installed: {aarch64.missing()}")
def test_kernels_under_qemu(numba: None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernels.aarch64"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *rows, count, _ = done.stdout.splitlines()
    assert "0 wrong" in count
    assert len(rows) > 50
    assert not [row for row in rows if "wrote nothing" in row]
