"""What commands print, whatever the terminal is: too narrow, closed, full, or ASCII alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from npnet import cli, fit_function, train
from npnet.cli import warmup
from npnet.runs.commands import LONGEST, complain
from tests.alarm import ends_within

COLUMNS = [*map(str, range(21)), "-1", "abc", "", "²", "3.5", "9" * 30]
HELP: dict[str, Callable[[], int]] = {
    "npnet": lambda: cli.main(["--help"]),
    "train": lambda: cli.main(["train", "--help"]),
    "python -m train": lambda: train.main(["--help"]),
    "python -m fit_function": lambda: fit_function.main(["--help"]),
    "compare": lambda: cli.main(["compare", "--help"]),
    "compare --list": lambda: cli.main(["compare", "--list"]),
    "recipes --help": lambda: cli.main(["recipes", "--help"]),
    "recipes": lambda: cli.main(["recipes"]),
    "recipe": lambda: cli.main(["recipes", "lenet5-best"]),
    "warmup": lambda: warmup.main(["--help"]),
}


@pytest.fixture(autouse=True)
def _not_for_ever() -> Iterator[None]:
    with ends_within(120, TimeoutError("it does not end")):
        yield


def asked(name: str) -> int:
    try:
        return HELP[name]()
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.mark.parametrize("name", HELP)
def test_help_at_any_width(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(name) == 0
    usual = len(capsys.readouterr().out.split())
    for columns in COLUMNS:
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("LINES", columns)
        assert asked(name) == 0
        shown = capsys.readouterr().out
        assert len(shown.split()) > 0.9 * usual
        assert os.environ["COLUMNS"] == columns


def test_wrong_use_at_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for columns in ("1", "3", "0", "40"):
        monkeypatch.setenv("COLUMNS", columns)
        assert cli.main(["train", "--modle", "lenet5"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("npnet train: error: Unrecognized options: --modle")
        assert error.count("\n") == 1


def test_names_of_recipes_are_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert cli.main(["recipes"]) == 0
    assert "  resnet18-characters  " in capsys.readouterr().out


def test_error_is_a_line_that_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("x", "a\nb\x1b[31m\udcff" + "c" * 9000, 2) == 2
    error = capsys.readouterr().err
    assert error.startswith("x: error: a b\\x1b[31m\\udcffccc")
    assert len(error) < LONGEST + 50


def shell(line: str, **environment: str) -> tuple[int, str]:
    """What a shell makes of a line; $NPNET is the command. Returns its exit code and its stderr."""
    known = {"NPNET": f"{sys.executable} -m npnet", "NPNET_BACKEND": "numpy"}
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}  # it hides losses
    process = subprocess.run(
        ["bash", "-c", line], env=inherited | known | environment, capture_output=True, check=False
    )
    return process.returncode, process.stderr.decode()


LINES: Sequence[tuple[str, int, str]] = [
    ("set -o pipefail; $NPNET recipes | head -1", 1, ""),
    ("set -o pipefail; $NPNET train --help | true", 1, ""),
    ("$NPNET --help >/dev/full", 2, "No space left on device"),
    ("$NPNET recipes >/dev/full", 2, "No space left on device"),
    ("$NPNET train --help >/dev/full", 2, "No space left on device"),
    ("$NPNET train --help >&-", 0, ""),
    ("$NPNET train --nonsense >&- 2>&-", 2, ""),
    ("$NPNET train --nonsense 2>/dev/full", 2, ""),
    ("$NPNET fit-function --epochs 2 --log_dir $(mktemp -d) >&- 2>&-", 0, ""),
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize(("line", "code", "said"), LINES)
def test_output_that_can_not_be_written(line: str, code: int, said: str) -> None:
    found, error = shell(line)
    assert found == code or (code == 1 and found == 0)  # `true` may come too late to break a pipe
    assert said in error
    assert error.count("\n") == bool(said)


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "3"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "NO_COLOR": "1"},
        {"FORCE_COLOR": "1", "COLUMNS": "0", "LINES": "-1"},
    ],
)
def test_any_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    """The dots of a fit's bar, and a folder that only some can show."""
    folder = "e" if "LC_ALL" in environment else "\u00e9"
    line = f"$NPNET fit-function --epochs 2 --log_dir {tmp_path}/{folder}"
    assert shell(line, **environment) == (0, "")
