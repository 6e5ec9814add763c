"""`npnet warmup`: everything compiled ahead, once, and told in a line where it can't be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npnet import cli, models
from npnet.cli import warmup
from npnet.runs.optimizers import OPTIMIZERS
from npnet.training.config import CRITERIA

ONE_KERNEL = """
import sys
import numpy as np
import npnet
from npnet import cli
from npnet.cli import warmup

npnet.set_num_threads(1)  # else a second process helps, with all that is compiled usually

def task():
    from npnet.kernels import lanes
    lanes.to_lanes(np.ones((3, 2), np.float32))

warmup.tasks = lambda: {"lanes": task}
raise SystemExit(cli.main(["warmup"]))
"""

FULL_DISK = ONE_KERNEL.replace(
    "import lanes\n",
    "import _jit, lanes\n    _jit._warn_uncached('No space left on device')\n",
)


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    environment = os.environ | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_compiles_once(tmp_path: Path) -> None:
    first = run(ONE_KERNEL, NUMBA_CACHE_DIR=str(tmp_path))
    assert first.returncode == 0, first.stderr
    told, progress = first.stderr.splitlines()
    assert told.startswith("compiling kernels that are new to this machine; they are kept")
    assert progress == "0 of 1 done, now lanes"
    (folder,) = tmp_path.iterdir()
    assert first.stdout.startswith("3 kernels compiled in ")
    assert f"; {folder} has 3, 0." in first.stdout
    assert first.stdout.count("\n") == 1
    again = run(ONE_KERNEL, NUMBA_CACHE_DIR=str(tmp_path))
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"nothing to do: all kernels are in {folder}\n"


def test_other_tasks_are_done_too(tmp_path: Path) -> None:
    run(ONE_KERNEL, NUMBA_CACHE_DIR=str(tmp_path))
    renamed = run(ONE_KERNEL.replace('"lanes"', '"others"'), NUMBA_CACHE_DIR=str(tmp_path))
    assert renamed.stdout.startswith("0 kernels compiled in ")


def test_nowhere_to_keep_them_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = run(ONE_KERNEL, NUMBA_CACHE_DIR=str(file))  # also for root
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "npnet warmup: error: kernels can't be kept: " in done.stderr
    assert "NUMBA_CACHE_DIR" in done.stderr


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    done = run(FULL_DISK, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("can't be kept: No space left on device")
    assert not list(tmp_path.rglob(warmup.DONE))


def test_without_kernels_there_is_nothing_to_compile() -> None:
    done = run(ONE_KERNEL, NPNET_BACKEND="numpy")
    assert done.returncode == 2
    assert "the numpy backend has no kernels; unset NPNET_BACKEND" in done.stderr


def test_everything_is_among_the_tasks() -> None:
    names = " ".join(warmup.tasks())
    for name in (*models.MODELS, *OPTIMIZERS, *CRITERIA):
        assert name in names
    for layer in ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "BatchNorm2d", "Dropout"):
        assert layer in names


@pytest.mark.slow
def test_a_task_of_each_kind_runs() -> None:
    tasks = warmup.tasks()
    for name in ("lenet_fc, 1 channels", "adam", "mse", "direct convolution"):
        tasks[name]()
    for name, task in tasks.items():
        if name.startswith(("Max", "Avg", "Adaptive", "Batch", "ReLU", "Drop")):
            task()


def test_help_and_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "warmup" in capsys.readouterr().out
    assert cli.main(["warmup", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: npnet warmup")
    assert cli.main(["warmup", "now"]) == 2
    assert "Unrecognized options: now" in capsys.readouterr().err
