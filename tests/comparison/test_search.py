"""The search by its command: the same trials twice, pruned, stopped, killed, shared, reported."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from npnet import cli
from npnet.base import extras
from npnet.cli.compare import main, parse
from npnet.comparison.space import Space
from npnet.comparison.spec import Spec
from npnet.comparison.study import Record, Study
from npnet.runs.errors import ConfigError
from tests.comparison.conftest import FakeRuns
from tests.comparison.test_report import Page
from tests.comparison.test_whole import COMPARE

pytest.importorskip("optuna")

DRAWN = ["--learning_rate", "1e-4..1e2", "--batch_size", "16..64", "--model", "lenet4", "lenet5"]
EPOCHS = ["--epochs", "3"]
PATIENCE = 120.0  # seconds, on a machine that does much else


def searched(folder: Path, *argv: str, total: int, storage: str | None = None) -> list[Record]:
    """The trials in a storage, by number."""
    grid, _ = parse([*DRAWN, *EPOCHS, *argv, "--search", str(total)])
    records = Study(Space.of(grid), storage, folder).records(total)
    return sorted(records, key=lambda record: record.number)


def arguments(output: Path, total: int, *argv: str) -> list[str]:
    flags = ["--search", str(total), "--threads", "1", "--output", str(output)]
    return [*DRAWN, *EPOCHS, *flags, *argv]


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls.txt"
    return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the runs more often."""
    monkeypatch.setattr("npnet.comparison.search.POLL", 0.01)


@pytest.mark.usefixtures("quick")
def test_the_same_trials_twice_some_of_them_pruned(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(best=0.01)
    assert main(arguments(tmp_path / "a", 10)) == 0
    shown = capsys.readouterr().out
    first = searched(tmp_path / "a", total=10)
    states = [record.state for record in first]
    assert states[:5] == ["complete"] * 5
    assert "pruned" in states[5:]
    assert len(calls(tmp_path)) == 10
    pruned = next(record for record in first if record.state == "pruned")
    assert (pruned.epoch, pruned.reason) == (1, "")
    assert f"trial_{pruned.number:03d}: pruned after epoch 1 of 3\n" in shown
    best = max(record.score or 0 for record in first if record.state == "complete")
    assert f"and a validation accuracy of {best:.2f} %" in shown

    for n in (4, 10):  # in two parts
        assert main(arguments(tmp_path / "b", n)) == 0
    again = searched(tmp_path / "b", total=10)
    assert [(r.values, r.state, r.score) for r in again] == [
        (r.values, r.state, r.score) for r in first
    ]


@pytest.mark.usefixtures("quick")
def test_a_second_call_adds_only_what_is_missing(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(arguments(out, 2)) == 0
    html = (out / "report.html").read_bytes()
    assert main(arguments(out, 2)) == 0
    assert "search of 2 trials, 2 of them done already" in capsys.readouterr().out
    assert calls(tmp_path) == ["trial_000 new 1", "trial_001 new 1"]
    assert (out / "report.html").read_bytes() == html
    assert main(arguments(out, 3)) == 0
    assert len(calls(tmp_path)) == 3
    assert main(arguments(out, 1, "--batch_size", "128..256")) == 0  # another search
    assert (out / "runs/trial_000-2/result.json").exists()
    assert len(searched(out, total=9)) == 3


@pytest.mark.usefixtures("quick")
def test_failed_trials_are_counted_and_named(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    fake(fail=0.5)
    argv = [
        "--learning_rate", "0.5", "0.1", *EPOCHS, "--search", "6", "--threads", "2",
        "--output", str(out),
    ]  # fmt: skip
    assert main(argv) == 0
    assert re.search(r"6 trials \(\d complete, \d failed\)", capsys.readouterr().out)
    for kind in ("html", "md"):
        assert "failed: diverged" in (out / f"report.{kind}").read_text()
    assert main([*argv, "--learning_rate", "0.5", "--batch_size", "8..16"]) == 1
    assert "no trial is complete, 6 of 6 failed; the last one: div" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_values_that_can_not_go_together_fail_alone(
    fake: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large spaces the ends alone are tried before."""
    real = Space.spec

    def odd_ones_fail(space: Space, values: Mapping[str, Any]) -> Spec:
        if values["batch_size"] % 2:
            raise ConfigError("batch_size: must be even")
        return real(space, values)

    monkeypatch.setattr(Space, "spec", odd_ones_fail)
    assert main(arguments(tmp_path / "out", 4)) == 0
    records = searched(tmp_path / "out", total=4)
    states = {(record.state, record.reason) for record in records}
    assert states == {("complete", ""), ("failed", "batch_size: must be even")}


@pytest.mark.usefixtures("quick")
def test_fits_are_searched_by_their_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPNET_BACKEND", "numpy")  # starts faster
    out = tmp_path / "out"
    argv = [
        "fit-function", "--learning_rate", "1e-3..1e-1", "--epochs", "5", "--search", "2",
        "--threads", "2", "--output", str(out),
    ]  # fmt: skip
    assert main(argv) == 0
    assert "and a test error of" in (out / "report.md").read_text()


@pytest.mark.usefixtures("quick")
def test_report(fake: FakeRuns, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fake(best=0.01)
    argv = arguments(out, 14, "--storage", f"sqlite:///{tmp_path / 'trials.db'}")
    assert main(argv) == 0
    page = Page((out / "report.html").read_text())
    table = [row for row in page.rows if row and row[0] in map(str, range(14))]
    assert len(table) == 14
    scores = [float(row[-1]) for row in table if row[-2] == "complete"]
    assert scores == sorted(scores, reverse=True)
    assert any(row[-2] == "pruned after epoch 1" for row in table)
    md = (out / "report.md").read_text()
    assert "- learning_rate 0.0001 to 100, logarithmic\n" in md
    for name in re.findall(r"\]\((figures/.*?)\)", md):
        assert (out / name).stat().st_size > 0
    assert (out / "figures/trials.svg").exists()
    assert len(list((out / "figures").glob("confusion-*"))) <= 8
    assert not [reference for reference in page.references if not reference.startswith("data:")]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--search", "3", "--model", "lenet4"], "--search has nothing to draw"),
        (["--search", "3", "--learning_rate", "1..0.1"], "goes from the smaller"),
        (["--search", "3", "--learning_rate", "0..1:log"], "logarithmic only from above 0"),
        (["--search", "3", "--learning_rate", "low..1"], "has two numbers"),
        (["--search", "0", *DRAWN], "search must be >= 1"),
        (["--search", "3", *DRAWN, "--seeds", "2"], "with one seed"),
        (["--search", "3", *DRAWN, "--val_ratio", "0"], "val_ratio: a search chooses by"),
        (["--storage", "x.journal", "--model", "lenet4", "lenet5"], "add --search 50"),
        (DRAWN, "is a range, from which a search draws; add --search 50"),
        (["--search", "3", *DRAWN, "--storage", "nosuch://x"], "can't open nosuch://x"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    argv: list[str], message: str, fake: FakeRuns, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert cli.main(["compare", *argv, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_optuna_is_told_first(
    fake: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "optuna", None)
    installed = extras._is_installed
    monkeypatch.setattr(extras, "_is_installed", lambda m: m != "optuna" and installed(m))
    assert main(arguments(tmp_path / "out", 2)) == 2
    error = capsys.readouterr().err
    assert error.endswith("npnet compare --search needs optuna: pip install 'npnet[optuna]'\n")
    assert not (tmp_path / "out").exists()


def test_dry_run_says_what_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments(tmp_path / "out", 2), "--dry_run"]) == 0
    assert capsys.readouterr().out == (
        "model          one of lenet4, lenet5\n"
        "batch_size     whole numbers 16 to 64, linear\n"
        "learning_rate  0.0001 to 100, logarithmic\n"
    )
    assert not (tmp_path / "out").exists()


# ---- processes ---------------------------------------------------------------------------------

PROGRAM = """
import sys
from npnet.cli import compare
from npnet.comparison import spec
program, options, *argv = sys.argv[1:]
spec.COMMANDS["train"] = spec.Command(spec.Config, {"npnet": (program, options)})
raise SystemExit(compare.main(argv))
"""


def start(tmp_path: Path, argv: list[str]) -> subprocess.Popen[str]:
    """A search with runs that are made up, as `fake` says."""
    fake_run = str(Path(__file__).with_name("fake_run.py"))
    command = [sys.executable, "-c", PROGRAM, fake_run, str(tmp_path / "fake.json"), *argv]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


def wait(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    latest = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < latest
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_that_was_stopped_goes_on(
    fake: FakeRuns, tmp_path: Path, number: signal.Signals
) -> None:
    """Its trials in the middle are taken up again, with the values and the epochs that they had."""
    out = tmp_path / "out"
    argv = arguments(out, 4, "--threads", "2", "--jobs", "2", "--epochs", "8")
    fake(seconds=0.15, best=0.01)
    begun = [out / f"runs/trial_{n:03d}/last.safetensors" for n in (2, 3)]
    with start(tmp_path, argv) as process:
        wait(lambda: all(path.exists() and path.read_text() for path in begun), process)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
    left = searched(out, "--epochs", "8", total=4)
    assert [record.state for record in left] == ["complete"] * 2 + ["running"] * 2
    time.sleep(0.5)  # what was left alone has ended
    fake(best=0.01)
    assert main(argv) == 0
    done = searched(out, "--epochs", "8", total=9)
    assert [(r.number, r.values) for r in done] == [(r.number, r.values) for r in left]
    assert [record.state for record in done] == ["complete"] * 4
    assert [line.split()[:2] for line in calls(tmp_path)] == [
        ["trial_000", "new"], ["trial_001", "new"], ["trial_002", "new"],
        ["trial_002", "resumed"], ["trial_003", "new"], ["trial_003", "resumed"],
    ]  # fmt: skip


@pytest.mark.parametrize("storage", ["shared.journal", "sqlite:///trials.db"])
def test_two_processes_on_one_storage_together_make_all(
    fake: FakeRuns, tmp_path: Path, storage: str
) -> None:
    where = (
        storage.replace("///", f"///{tmp_path}/") if "://" in storage else str(tmp_path / storage)
    )
    fake(best=0.01)
    folders = [tmp_path / "a", tmp_path / "b"]
    flags = ["--storage", where, "--threads", "2"]
    processes = [start(tmp_path, arguments(folder, 8, *flags)) for folder in folders]
    for process in processes:
        out, error = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, out + error
    records = searched(folders[0], total=99, storage=where)
    assert len(records) == 8
    assert {record.state for record in records} <= {"complete", "pruned"}
    made = [len(list((folder / "runs").iterdir())) for folder in folders]
    assert sum(made) == 8
    assert len(calls(tmp_path)) == 8
    assert main(arguments(folders[0], 8, *flags)) == 0  # the last to look reports all
    assert "8 trials (" in (folders[0] / "report.md").read_text()
    for _ in range(2):  # all of them are elsewhere
        assert main(arguments(tmp_path / "c", 8, *flags)) == 0
    assert "| 7 |" in (tmp_path / "c/report.md").read_text()


@pytest.mark.slow
def test_real_runs_are_the_same_twice(tmp_path: Path) -> None:
    argv = ["--dataset", "digits", "--epochs", "1", "--learning_rate", "1e-4..1"]
    environment = os.environ | {"NPNET_BACKEND": "numpy"}  # starts faster
    found = []
    for name in "ab":
        flags = ["--search", "2", "--jobs", "1", "--output", str(tmp_path / name)]
        command = [*COMPARE, *argv, *flags]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        grid, _ = parse([*argv, "--search", "2"])
        records = Study(Space.of(grid), None, tmp_path / name).records(2)
        found.append([(r.number, r.values, r.state, r.score) for r in records])
        for record in records:
            path = tmp_path / name / f"runs/trial_{record.number:03d}/result.json"
            assert json.loads(path.read_text())["val"]["accuracy"] == record.score
    assert found[0] == found[1]
