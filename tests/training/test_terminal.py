"""A run in a terminal, by pexpect: its width, its bar, and Ctrl-C."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pexpect
import pytest

PATIENCE = 60  # seconds
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.parametrize("width", [40, 60])
def test_ctrl_c_in_a_narrow_terminal(width: int, stripes: Path, tmp_path: Path) -> None:
    argv = ["-m", "npnet", "train", "--dataset", str(stripes), "--model", "mlp"]
    argv += ["--epochs", "5000", "--checkpoint_dir", "c", "--log_dir", "l"]
    environment = os.environ | {"NPNET_BACKEND": "numpy", "TERM": "xterm"}
    environment.pop("COLUMNS", None)
    child = pexpect.spawn(
        sys.executable,
        argv,
        cwd=str(tmp_path),
        env=environment,
        dimensions=(24, width),
        encoding="utf-8",
        timeout=PATIENCE,
    )
    child.expect("epoch    2/5000")
    said = child.before
    child.sendintr()
    child.expect(pexpect.EOF)
    said += child.before
    child.close()
    assert child.exitstatus == 130
    lines = [ESCAPES.sub("", line).rstrip() for line in said.replace("\r", "\n").split("\n")]
    end = " ".join(" ".join([line for line in lines if line][-4:]).split())
    assert end.endswith("npnet train: stopped; --resume goes on after the last finished epoch")
    assert "error" not in end
    assert max(map(len, lines)) <= width
    words = " ".join(" ".join(lines).split())
    assert "192 training, 48 validation, 60 test images of 1 x 28 x 28" in words  # whole ones
    assert (tmp_path / "c/last.safetensors").exists()


def test_a_pipe_keeps_lines_whole(stripes: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m npnet train --dataset {stripes} --model mlp --epochs 1 | cat"
    environment = os.environ | {"NPNET_BACKEND": "numpy", "COLUMNS": "40"}
    said, code = pexpect.run(
        f"bash -c '{command}'", cwd=str(tmp_path), env=environment, timeout=PATIENCE,
        withexitstatus=True, encoding="utf-8",
    )  # fmt: skip
    assert code == 0
    assert "\x1b" not in said
    assert any(
        line.startswith("epoch 1/1  train loss") and len(line) > 80 for line in said.split("\n")
    )
