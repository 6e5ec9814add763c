"""Every flag of every command with odd values: a run that can be made, or one line and code 2."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from npnet import cli
from npnet.cli.compare import main as compare
from npnet.comparison.spec import COMMANDS
from npnet.fitting.config import FitConfig
from npnet.training.config import Config
from tests.campaign import trials

VALUES = (
    *(
        "nan",
        "inf",
        "-inf",
        "-1",
        "-0",
        "0",
        "0.0",
        "1",
        "2",
        "7",
        "1.5",
        "1e400",
        "1e308",
        "1e-320",
    ),
    *("", " ", "٣", "²", "0x10", "1_000", "1,5", "--", "-", "none", "None", "true", "null", "[1]"),
    *("9" * 400, "9" * 5000, "a" * 5000, "nul\0", "\udcff", "~nobody-at-all", "é", "\n", "🙂"),
    *("$(id)", "%s", "{x}", "/dev/full", "/dev/null", "/proc/self/mem", "../" * 200, "x.npz"),
    *("lenet5", "mnist", "sgd", "poly", "x^2", "\x1b[31m"),
)
PATHS = ("data_dir", "checkpoint_dir", "log_dir", "init_from", "config")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """What the commands would run; they stop there."""
    found: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "npnet.training.run.run", lambda config, build, around: found.append(config)
    )
    monkeypatch.setattr("npnet.fitting.run.run", lambda config, build: found.append(config))
    return found


def tried(argv: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and error of a command line."""
    try:
        code = cli.main(argv)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err


def check(argv: Sequence[str], flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = tried(argv, capsys)
    assert code in (0, 2), (argv, error)
    assert error.count("\n") == (code == 2), (argv, error)
    if code == 2:
        assert error.startswith(f"npnet {argv[0]}: error: "), (argv, error)
        assert flag in error.replace("-", "_"), (argv, error)
        assert len(error) < 2200, argv
        assert error[:-1].isprintable(), argv


FLAGS = [
    *(("train", field.name) for field in dataclasses.fields(Config)),
    *(("fit-function", field.name) for field in dataclasses.fields(FitConfig)),
]


@pytest.mark.campaign
def test_campaign_of_flags(parsed: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    cases = [(command, flag, value) for command, flag in FLAGS for value in VALUES]
    order = np.random.default_rng(5).permutation(len(cases))
    for at in order[: trials(60, len(cases))]:
        command, flag, value = cases[at]
        check([command, f"--{flag}={value}"], flag, capsys)


@pytest.mark.campaign
def test_campaign_of_the_flags_of_a_comparison(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = ("output", "seeds", "jobs", "threads", "smoothing", "max_runs", "library")
    names = [(name, command) for command in COMMANDS for name in (*COMMANDS[command].fields, *own)]
    cases = [(*name, value) for name in names for value in VALUES]
    order = np.random.default_rng(6).permutation(len(cases))
    for at in order[: trials(60, len(cases))]:
        flag, command, value = cases[at]
        start = ["fit-function"] if command == "fit-function" else []
        argv = ["compare", *start, f"--{flag}={value}", "--dry_run"]
        check([*argv, "--epochs", "3"] if flag != "epochs" else argv, flag, capsys)


@pytest.mark.parametrize("flag", PATHS)
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a\0b", "NUL"),
        ("\udcff", "text"),
        ("~nobody-at-all/x", "home folder"),
        ("x" * 300, "too long"),
        ("x/" * 3000, "too long"),
        ("", "must be a path"),
    ],
)
def test_paths_that_can_not_be(
    flag: str, path: str, why: str, parsed: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = tried(["train", f"--{flag}", path], capsys)
    assert code == 2
    assert f"{flag}: " in error
    assert why in error
    assert error.count("\n") == 1
    assert not parsed


def file(folder: Path) -> str:
    (folder / "file").write_text("x")
    return str(folder / "file")


def read_only(folder: Path) -> str:
    (folder / "locked").mkdir(mode=0o500)
    return str(folder / "locked" / "new")


PLACES: dict[str, Callable[[Path], str]] = {
    "a file": file,
    "under a file": lambda folder: f"{file(folder)}/new",
    "a device": lambda folder: "/dev/full",
    **({"read only": read_only} if os.geteuid() else {}),  # root may write everywhere
    "a loop": lambda folder: os.symlink("loop", folder / "loop") or str(folder / "loop"),  # type: ignore[func-returns-value]  # None
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("train", "checkpoint_dir"),
        ("train", "log_dir"),
        ("fit-function", "log_dir"),
        ("compare", "output"),
    ],
)
def test_folders_that_can_not_be_made(
    place: str, command: str, flag: str, stripes: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    more = {"train": ["--dataset", str(stripes)], "compare": ["fit-function", "--epochs", "3"]}
    path = PLACES[place](tmp_path)
    code, error = tried([command, *more.get(command, []), f"--{flag}", path], capsys)
    assert code == 2
    assert error.count("\n") == 1
    assert flag in error or path in error


CONFIGS = {
    "deep": "[" * 100_000,
    "a list": "[]",
    "a number": "3",
    "nothing": "",
    "bytes": b"\xff\xfe",
    "zeros": bytes(100),
    "NaN": '{"learning_rate": NaN}',
    "infinite": '{"learning_rate": 1e999}',
    "huge": '{"epochs": 1' + "0" * 400 + "}",
    "too many digits": '{"epochs": ' + "1" * 5000 + "}",
    "twice": '{"epochs": 1, "epochs": 2}',
    "a list for one": '{"model": ["lenet4"]}',
    "null": '{"epochs": null}',
    "bool": '{"epochs": true}',
    "text": '{"epochs": "3"}',
    "an object": '{"epochs": {"a": 1}}',
    "nested": '{"milestones": [[1]]}',
    "a huge milestone": '{"scheduler": "multistep", "milestones": [1' + "0" * 400 + "]}",
    "surrogates": '{"log_dir": "\\ud800"}',
    "a NUL": '{"log_dir": "a\\u0000b"}',
    "unknown": '{"dance": 1}',
}


@pytest.mark.parametrize("what", CONFIGS)
def test_odd_files_of_settings(
    what: str, parsed: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, path = CONFIGS[what], tmp_path / "run.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    check(["train", "--config", str(path)], "", capsys)
    assert not parsed


def test_file_of_settings_that_is_none(
    tmp_path: Path, parsed: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere", Path("/dev/zero")):
        check(["train", "--config", str(path)], "config", capsys)
    assert not parsed


@pytest.mark.parametrize("flag", ["epochs", "batch_size", "image_size", "cutout", "patience"])
def test_counts_that_overflow(
    flag: str, parsed: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = tried(["train", f"--{flag}", "9" * 300], capsys)
    assert code == 2
    assert f"{flag} must be <= 1e+09, got " in error


def test_comparison_needs_no_more_than_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(["--model", "lenet4", "--epochs", "3", "--dry_run"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
