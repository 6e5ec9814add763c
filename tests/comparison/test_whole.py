"""Real runs, small ones: killed, gone on with, reported, and the same as if never stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from npnet.training.config import Config
from tests.training.test_trainer import assert_same_weights, weights_of

COMPARE = [sys.executable, "-m", "npnet", "compare"]


def arguments(small: Config, output: Path) -> list[str]:
    """LeNet-4 and LeNet-5 on stripes in npnet, and one that diverges."""
    return [
        "--dataset", small.dataset, "--batch_size", "32", "--epochs", "4", "--model", "lenet4",
        "lenet5", "--learning_rate", "0.05", "1e30", "--criterion", "mse",
        "--threads", "2", "--output", str(output),
    ]  # fmt: skip


@pytest.mark.slow
def test_killed_comparison_goes_on(small: Config, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = [*COMPARE, *arguments(small, output)]
    last = output / "runs/lenet4-learning_rate_0.05/last.safetensors"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not last.exists():
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()  # its runs are orphans now, and go on
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "2 of 4 runs failed" in done.stderr
    html = (output / "report.html").read_text()
    assert "2 of 4 runs are done, 2 configurations: the best on the validation split is" in html
    assert html.count("diverged: the loss is not finite") == 2
    for run in ("lenet4-learning_rate_0.05", "lenet5-learning_rate_0.05"):
        assert list((output / "runs" / run).glob("events.out.tfevents.*"))

    whole = tmp_path / "whole"
    never_stopped = [*COMPARE, *arguments(small, whole), "--learning_rate", "0.05"]
    subprocess.run(never_stopped, check=True, capture_output=True)
    for model in ("lenet4", "lenet5"):
        stopped = output / f"runs/{model}-learning_rate_0.05"
        assert_same_weights(weights_of(str(whole / "runs" / model)), weights_of(str(stopped)))


@pytest.mark.slow
def test_both_libraries_agree(small: Config, tmp_path: Path) -> None:
    command = [
        *COMPARE, "--library", "npnet", "pytorch", "--dataset", small.dataset, "--epochs", "1",
        "--batch_size", "32", "--output", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    losses = [
        float((tmp_path / f"runs/{library}/metrics.csv").read_text().splitlines()[1].split(",")[2])
        for library in ("npnet", "pytorch")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert "torch 2" in (tmp_path / "report.md").read_text()
