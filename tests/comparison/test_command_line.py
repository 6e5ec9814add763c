"""The command: flags, exit codes, stopping and going on, with runs that were made up."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from npnet import cli
from npnet.cli.compare import main, parse
from npnet.runs.errors import ConfigError
from tests.comparison.conftest import FakeRuns

QUICK = ["--model", "lenet4", "lenet5", "--epochs", "2"]


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls.txt"
    return sorted(path.read_text().splitlines()) if path.exists() else []


@pytest.fixture
def out(tmp_path: Path) -> list[str]:
    return ["--output", str(tmp_path / "out")]


def test_flags_become_axes() -> None:
    grid, options = parse([*QUICK, "--nesterov", "--batch-size", "8", "16", "--seeds", "2"])
    assert dict(grid.axes) == {
        "model": ["lenet4", "lenet5"], "epochs": [2], "nesterov": [True],
        "batch_size": [8, 16], "seed": [0, 1],
    }  # fmt: skip
    assert re.fullmatch("comparisons/comparison-model-batch_size-[0-9a-f]{8}", str(options.output))
    assert options.smoothing == 0.6


def test_switches_can_be_lists_too() -> None:
    assert parse(["--nesterov", "true", "false"])[0].axes["nesterov"] == [True, False]
    assert parse(["--milestones", "2,5", "3"])[0].axes["milestones"] == [(2, 5), (3,)]


def test_fits_by_flags() -> None:
    grid, options = parse(["fit-function", "--range", "-1,1", "0,2", "--epochs", "10", "20"])
    assert {(spec.command, spec.config.range) for spec in grid.specs()} == {
        ("fit-function", (-1, 1)), ("fit-function", (0, 2)),
    }  # fmt: skip
    assert len(grid.specs()) == 4
    assert re.fullmatch("comparisons/fit-function-range-epochs-[0-9a-f]{8}", str(options.output))


def test_grids_without_a_name_have_folders_of_their_own() -> None:
    """But for seeds, of which some may be added to a comparison."""
    grids = [
        ["--model", "lenet4", "lenet5"],
        ["--model", "lenet4", "lenet"],
        ["--model", "lenet5", "lenet4"],
        ["--model", "lenet4", "lenet5", "--epochs", "3"],
        ["--model", "lenet4", "lenet5", "--library", "npnet", "pytorch"],
        ["fit-function", "--learning_rate", "0.1", "0.2"],
        ["--learning_rate", "0.1", "0.2"],
    ]
    folders = [parse(grid)[1].output for grid in grids]
    assert len(set(folders)) == len(grids)
    for grid, folder in zip(grids, folders, strict=True):
        for seeds in (["--seeds", "3"], ["--seed", "4"]):
            assert parse([*grid, *seeds])[1].output == folder
    assert parse([*grids[0], "--output", "x"])[1].output == Path("x")


def test_flags_override_a_name() -> None:
    grid, options = parse(["lenet-losses", "--epochs", "1", "--seeds", "1"])
    assert len(grid.specs()) == 4
    assert {spec.epochs for spec in grid.specs()} == {1}
    assert options.output == Path("comparisons/lenet-losses")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing to compare; name one of .*lenet-losses"),
        (["fit-function"], "nothing to compare"),
        (["lenet-loses"], "did you mean 'lenet-losses'"),
        (["nowhere.yaml"], "can't read nowhere.yaml"),
        (["--modle", "lenet4"], "unrecognized: --modle lenet4; did you mean --model"),
        (["--model"], "--model: expected at least one argument"),
        (["--model", "lent5"], "did you mean 'lenet5'"),
        (["--epochs", "many"], "epochs must be int, got 'many'"),
        (["--seeds", "0"], "seeds must be >= 1"),
        (["--seeds", "2", "--seed", "1"], "give one"),
        ([*QUICK, "--jobs", "0"], "jobs must be >= 1"),
        ([*QUICK, "--jobs", "3", "--threads", "2"], "jobs must be >= 1 and <= 2, got 3"),
        ([*QUICK, "--threads", "0"], "threads must be >= 1"),
        ([*QUICK, "--smoothing", "1"], "smoothing must be >= 0 and < 1"),
        ([*QUICK, "--resume"], "unrecognized: --resume"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    argv: list[str], message: str, fake: FakeRuns, tmp_path: Path, out: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert cli.main(["compare", *argv, *(out if argv else [])]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(ConfigError, match=message):
        parse(argv)[0].specs()
    assert not calls(tmp_path)
    assert not (tmp_path / "out").exists()


def test_list_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--list", "--help"):
        assert main([flag]) == 0
    shown = capsys.readouterr().out
    assert "lenet-losses\n    LeNet-4 and LeNet-5" in shown
    assert "--max_runs INT" in shown


def test_dry_run_lists_commands_alone(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, *out, "--dry_run"]) == 0
    assert capsys.readouterr().out.count("--epochs 2\n") == 2
    assert not (tmp_path / "out").exists()
    assert not calls(tmp_path)


def test_runs_are_made_once_and_reported(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*QUICK, *out, "--threads", "5", "--jobs", "2"]
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "comparison: 2 runs; 2 at once with 2 threads each\n" in shown
    assert "lenet4: test 90.00 %, 2 epochs in 1.0 s" in shown
    assert "[2/2]" in shown
    assert calls(tmp_path) == ["lenet4 new 2", "lenet5 new 2"]
    html = (tmp_path / "out/report.html").read_bytes()
    assert main(argv) == 0
    assert "2 runs, 2 of them done already" in capsys.readouterr().out
    assert len(calls(tmp_path)) == 2
    assert (tmp_path / "out/report.html").read_bytes() == html


def test_changed_grid_says_what_it_keeps(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, *out]) == 0
    assert main(["--model", "lenet", "lenet5", "--epochs", "2", *out]) == 0
    shown = capsys.readouterr().out
    assert "2 runs, 1 of them done already" in shown
    assert "1 run of an earlier grid kept, but left out of the report: lenet4\n" in shown
    assert len(calls(tmp_path)) == 3


def test_failed_run_is_reported_and_made_again(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake(fail=0.5)
    argv = ["--learning_rate", "0.1", "0.5", "0.2", "--epochs", "2", *out]
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert "learning_rate_0.5: failed: diverged | lower --learning_rate" in shown.out
    assert "error: 1 of 3 runs failed: learning_rate_0.5" in shown.err
    html, md = ((tmp_path / f"out/report.{kind}").read_text() for kind in ("html", "md"))
    for text in (html, md):
        assert "Failed runs" in text
        assert "2 of 3 runs are done" in text
    assert "diverged | lower --learning_rate" in html
    assert r"diverged \| lower --learning_rate" in md
    fake()
    assert main(argv) == 0
    assert "Failed runs" not in (tmp_path / "out/report.html").read_text()


def test_report_where_every_run_failed(fake: FakeRuns, tmp_path: Path, out: list[str]) -> None:
    fake(fail=0.5)
    assert main(["--learning_rate", "0.5", *out]) == 1
    for kind in ("html", "md"):
        assert "0 of 1 runs are done." in (tmp_path / f"out/report.{kind}").read_text()


def test_second_comparison_is_kept_out(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"):
        assert main([*QUICK, *out]) == 2
    assert "output: another run is writing" in capsys.readouterr().err
    assert not calls(tmp_path)


def test_missing_pytorch_is_told_first(
    fake: FakeRuns, tmp_path: Path, out: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("npnet.cli.compare.find_spec", lambda name: None)
    assert main([*QUICK, "--library", "npnet", "pytorch", *out]) == 2
    assert "pip install torch" in capsys.readouterr().err
    assert not calls(tmp_path)


STOPPED = """
import signal, sys
if {at_terminal}:  # a shell lets its background jobs ignore Ctrl-C, and so would their tests
    signal.signal(signal.SIGINT, signal.default_int_handler)
else:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
from npnet.cli import compare
from npnet.comparison import spec
options, *argv = sys.argv[1:]
program = {program!r}
spec.COMMANDS["train"] = spec.Command(spec.Config, {{"npnet": (program, options)}})
raise SystemExit(compare.main(argv))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_comparison_goes_on(
    fake: FakeRuns, tmp_path: Path, out: list[str], number: signal.Signals
) -> None:
    """Ctrl-C reaches the runs, which end by themselves; the second start resumes them."""
    argv = ["--seeds", "3", "--epochs", "40", *out, "--threads", "2"]
    fake(seconds=0.05)
    program = str(Path(__file__).with_name("fake_run.py"))
    code = STOPPED.format(program=program, at_terminal=number == signal.SIGINT)
    command = [sys.executable, "-c", code, str(tmp_path / "fake.json"), *argv]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    begun = [tmp_path / f"out/runs/seed_{seed}/last.safetensors" for seed in (0, 1)]
    end = time.monotonic() + 20
    while not all(path.exists() and path.read_text() for path in begun):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "the same command goes on" in error
    assert all((path.parent / "interrupted").exists() for path in begun)
    assert not (tmp_path / "out/report.md").exists()  # there is nothing to report
    fake()
    assert main(argv) == 0
    assert calls(tmp_path) == [
        "seed_0 new 1", "seed_0 resumed 1", "seed_1 new 1", "seed_1 resumed 1", "seed_2 new 1",
    ]  # fmt: skip


def test_stopped_comparison_reports_what_is_done(
    fake: FakeRuns, tmp_path: Path, out: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report, sleep = tmp_path / "out/report.md", time.sleep
    argv = ["--learning_rate", "0.1", "0.2", "0.3", "--epochs", "2", *out, "--threads", "1"]
    fake(fail=0.1)

    def stop(seconds: float) -> None:
        if (tmp_path / "out/runs/learning_rate_0.2/result.json").exists():
            raise KeyboardInterrupt
        sleep(seconds)

    monkeypatch.setattr("npnet.comparison.runner.time.sleep", stop)
    assert main(argv) == 130
    assert "1 of 3 runs are done" in report.read_text()
    assert "| learning_rate_0.1 | 1 | diverged" in report.read_text()
    monkeypatch.undo()
    fake()
    assert main(argv) == 0
    assert "3 runs, 3 configurations" in report.read_text()


def test_orphan_is_waited_for(
    fake: FakeRuns, tmp_path: Path, out: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed comparison's run that still goes on is neither started twice nor lost."""
    assert main([*QUICK, *out]) == 0
    result = tmp_path / "out/runs/lenet5/result.json"
    text = result.read_text()
    result.unlink()
    lock = FileLock(result.parent / ".lock")
    lock.acquire()
    waits = 0

    def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 3:  # the orphan ends
            result.write_text(text)
            lock.release()

    monkeypatch.setattr("npnet.comparison.runner.time.sleep", sleep)
    assert main([*QUICK, *out]) == 0
    assert waits >= 3
    assert len(calls(tmp_path)) == 2


def test_output_with_files_of_something_else_is_refused(
    fake: FakeRuns, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "out" / "figures" / "photo.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    assert main([*QUICK, *out]) == 2
    assert "holds figures of something else" in capsys.readouterr().err
    assert kept.read_text() == "mine"
    assert not calls(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {1: 2}", "a setting must be one of"),
        ("runs: [{1: 2}]", "a setting must be one of"),
        ("{seeds: 2, grid: {seed: [7, 8]}}", "seeds counts seeds and seed lists them"),
        ("grid: {data_dir: [a, b]}", "takes its data from one folder"),
    ],
)
def test_mistakes_in_a_grid_file(
    text: str, message: str, tmp_path: Path, out: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    assert main([str(path), *out]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
