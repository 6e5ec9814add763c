"""The script for SLURM, run by bash as sbatch would: the same runs, however often it is stopped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from npnet.cli.compare import main
from npnet.training.config import Config
from tests.comparison.conftest import FakeRuns
from tests.training.test_trainer import assert_same_weights, weights_of


def script(argv: list[str], path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Write what the command prints to a file; returns it."""
    assert main([*argv, "--slurm"]) == 0
    path.write_text(capsys.readouterr().out)
    return path.read_text()


def run_task(path: Path, number: int) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(number)}
    return subprocess.run(["bash", path], env=environment, capture_output=True, text=True)


def test_tasks_are_the_runs_that_are_left(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, path = tmp_path / "an out", tmp_path / "runs.sh"
    argv = ["--seeds", "3", "--epochs", "2", "--output", str(output)]
    assert main([*argv[2:], "--seed", "1"]) == 0
    capsys.readouterr()
    text = script([*argv, "--threads", "4", "--jobs", "2"], path, capsys)
    assert "#SBATCH --array=0-1%2\n#SBATCH --cpus-per-task=2\n#SBATCH --requeue\n" in text
    unfinished = output / "runs/seed_2/log.txt"
    unfinished.touch()  # of a run that was stopped in its first epoch
    for number in (0, 1):
        assert run_task(path, number).returncode == 0
    assert not unfinished.exists()
    assert "done already" in run_task(path, 1).stdout  # requeued
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    assert [line.split()[1:] for line in calls[1:]] == [["new", "2"]] * 2
    assert main(argv) == 0
    assert "3 of them done already" in capsys.readouterr().out
    assert script(argv, path, capsys).startswith("# all 3 runs are done; the report is made by\n")


@pytest.mark.parametrize("lock", [".lock", ".task"])
def test_what_another_task_is_at_work_on_is_left_alone(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str], lock: str
) -> None:
    path = tmp_path / "runs.sh"
    script(["--seeds", "2", "--output", str(tmp_path / "out")], path, capsys)
    folder = tmp_path / "out/runs/seed_0"
    (folder / "log.txt").write_text("epoch 1")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with FileLock(folder / lock):
        done = run_task(path, 0)
    assert done.returncode == 0
    assert "another task is at work on it" in done.stdout
    left = {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in (".lock", ".task")}
    assert left == {k: v for k, v in before.items() if k != ".lock"}
    assert run_task(path, 0).returncode == 0
    assert not (folder / "log.txt").exists()


def test_memory_is_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--seeds", "2", "--output", str(tmp_path / "out"), "--slurm"]
    assert main([*argv, "--memory", "1.5G"]) == 0
    assert "\n#SBATCH --mem=1536M\n" in capsys.readouterr().out
    assert main(argv) == 0
    assert "--mem=" not in capsys.readouterr().out


def test_wrong_use(fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--seeds", "2", "--epochs", "2", "--output", str(tmp_path / "out")]
    assert main([*argv, "--slurm", "--cluster", "local"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
    path = tmp_path / "runs.sh"
    script(argv, path, capsys)
    assert (
        "this is a script for sbatch"
        in subprocess.run(["bash", path], capture_output=True, text=True).stderr
    )
    assert run_task(path, 7).returncode == 2


@pytest.mark.slow
def test_requeued_run_is_the_one_of_compare(
    small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("NPNET_BACKEND", "numpy")
    flags = ["--dataset", small.dataset, "--batch_size", "32", "--epochs", "3", "--threads", "1"]
    whole, output, path = tmp_path / "whole", tmp_path / "out", tmp_path / "runs.sh"
    assert main([*flags, "--output", str(whole)]) == 0
    argv = [*flags, "--output", str(output)]
    capsys.readouterr()
    script(argv, path, capsys)
    (run,) = (output / "runs").iterdir()
    stopped = tmp_path / "stopped.sh"
    stopped.write_text(path.read_text().replace('exec "$@"', 'exec timeout --signal=KILL 3 "$@"'))
    run_task(stopped, 0)  # killed on its way, wherever that is
    assert run_task(path, 0).returncode == 0
    assert_same_weights(weights_of(str(whole / "runs" / run.name)), weights_of(str(run)))
    assert main(argv) == 0
    assert "1 of them done already" in capsys.readouterr().out
