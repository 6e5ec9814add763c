"""The `npnet` command itself: its help, its version, and what every command has in common."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import npnet
from npnet import cli


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_all_commands(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == (0 if argv else 2)
    out, err = capsys.readouterr()
    shown = out + err
    assert shown.startswith("usage: npnet [-h] [--version] COMMAND ...")
    for command, about in cli.COMMANDS.items():
        assert f"\n  {command} " in shown
        assert " ".join(about.split()) in " ".join(shown.split())
    for title in ("make a network:", "use it:", "take it elsewhere:", "this machine:", "examples:"):
        assert f"\n{title}\n" in shown


def test_help_of_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 40
    assert "train --model lenet5 --dataset \\\n" in shown  # to be pasted


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_answers_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"usage: npnet {command} [-h]")
    assert not err


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_refuses_what_it_has_not(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--no-such-flag", "x"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(f"npnet {command}: error: ")
    assert err.count("\n") == 1
    assert "--no-such-flag" in err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tarin", "did you mean 'train'?"),
        ("eval", "did you mean npnet evaluate?"),
        ("convert", "did you mean npnet export?"),
        ("info", "did you mean npnet summary?"),
        ("version", "did you mean npnet --version?"),
        ("dance", "command must be one of train, "),
    ],
)
def test_what_others_call_a_command(
    word: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([word]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version", "--json"]) == 0
    versions = json.loads(capsys.readouterr().out)
    assert versions["npnet"] == npnet.__version__
    assert versions.keys() == {"npnet", "numpy", "python"}


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npnet", "export"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == ("npnet export: error: Missing CHECKPOINT (see npnet export --help)\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("argv", [["--help"], []])
def test_an_output_that_is_full(argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "npnet", *argv], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert "error: standard output can't be written: No space left on device" in done.stderr
