"""The completion scripts, tried in the shells themselves."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from npnet import cli
from npnet.cli import shells

# The words before the cursor, the last of which is being completed -> all that is offered, or, in
# a list, some of it.
CASES: dict[str, tuple[list[str], list[str] | set[str]]] = {
    "a command": (["tra"], {"train"}),
    "commands": ([""], list(cli.COMMANDS)),
    "a flag": (["train", "--mod"], {"--model", "--model_args"}),
    "a flag with dashes": (["train", "--learning_"], {"--learning_rate"}),
    "a choice": (
        ["train", "--optimizer", "ad"],
        {"adam", "adamw", "adadelta", "adagrad", "adamax"},
    ),
    "a choice or a file": (["train", "--dataset", "m"], {"mnist", "mine.npz", "my picture.png"}),
    "a recipe": (["train", "--epochs", "3", "--recipe", "resnet20-"], ["resnet20-best"]),
    "a file": (["predict", "che"], {"checkpoint"}),
    "another file": (["predict", "checkpoint", "--top", "3", "my"], {"my picture.png"}),
    "not after a number": (["train", "--epochs", ""], set()),
    "one of many": (["compare", "--model", "lenet4", "lenet5", "resnet2"], {"resnet20"}),
    "a format": (["export", "checkpoint", "--format", "o"], {"onnx"}),
    "what a command takes": (["datasets", "ver"], {"verify"}),
    "a name": (["recipes", "convnet-"], {"convnet-best", "convnet-course"}),
    "a network": (["summary", "resnet1"], {"resnet18"}),
    "what is for fit-function": (["fit-function", "--activation", "le"], {"leaky_relu"}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("mine.npz", "my picture.png", "other.txt"):
        (tmp_path / name).touch()
    (tmp_path / "checkpoint").mkdir()
    return tmp_path


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert cli.main(["completion", shell]) == 0
    path = folder / f".npnet.{shell}"
    path.write_text(capsys.readouterr().out)
    return path


def run(folder: Path, *argv: str) -> list[str]:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def bash(folder: Path, path: Path, words: list[str]) -> list[str]:
    """What is in COMPREPLY, as bash would set the words of the line."""
    line = shlex.join(["npnet", *words])
    return run(
        folder,
        *("bash", "--norc", "-c"),
        f"source {path}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _npnet; "
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )


def zsh(folder: Path, path: Path, words: list[str]) -> list[str]:
    """What is given to compadd; files and descriptions, which zsh finds itself, by hand."""
    line = shlex.join(["npnet", *words])
    last = shlex.quote(words[-1])
    return run(
        folder,
        *("zsh", "-f", "-c"),
        "compdef() { }; compset() { }\n"
        'compadd() { shift; print -rl -- "$@" }\n'
        "_files() { print -rl -- *(N) }\n"
        '_describe() { print -rl -- "${(@)described%%:*}" }\n'
        f"source {path}; words=({line}); CURRENT={len(words) + 1}; "
        f"_npnet | grep -- ^{last} || true",
    )


def fish(folder: Path, path: Path, words: list[str]) -> list[str]:
    line = shlex.join(["npnet", *words[:-1]]) + f" {words[-1]}"
    found = run(
        folder,
        *("fish", "--no-config", "-c"),
        f"source {path}; complete -C {shlex.quote(line)}",
    )
    return [word.split("\t")[0].rstrip("/") for word in found]


SHELLS: dict[str, Callable[[Path, Path, list[str]], list[str]]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_offered(
    shell: str, case: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    words, wanted = CASES[case]
    found = [word for word in SHELLS[shell](folder, script(shell, folder, capsys), words) if word]
    if isinstance(wanted, list):
        assert set(wanted) <= set(found)
    else:
        assert set(found) == wanted


def test_flag_and_value_in_one_word(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """bash takes `--model=lene` for three words."""
    path = script("bash", folder, capsys)
    assert set(bash(folder, path, ["train", "--scheduler", "=", "po"])) == {"poly"}
    assert "step" in bash(folder, path, ["train", "--scheduler", "="])
    assert bash(folder, path, ["train", "--learning-r"]) == ["--learning_rate"]


def test_in_a_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the tab key does, in a bash that a person would type in."""
    pexpect = pytest.importorskip("pexpect")
    path = script("bash", folder, capsys)
    child = pexpect.spawn("bash", ["--norc", "--noprofile"], cwd=folder, timeout=20)
    child.sendline(f"PS1='$ '; bind 'set bell-style none'; source {path}; echo read''y")
    child.expect("ready\r")
    child.send("npnet expor\tche\t --form\tpt\t")
    child.expect("npnet export checkpoint/ --format pth ")
    child.send("\x15npnet predict checkpoint my\t\n")
    child.expect(r"my\\ picture.png")
    child.close(force=True)


def test_every_command_declares_its_flags(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shell in shells.WRITERS:
        text = script(shell, folder, capsys).read_text()
        for command in cli.COMMANDS:
            assert command in text
    assert "'train --learning_rate') most=1" in script("bash", folder, capsys).read_text()


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "csh"]) == 2
    assert "SHELL must be one of bash, zsh, fish; got 'csh'" in capsys.readouterr().err
    assert cli.main(["completion"]) == 2
    assert "Missing SHELL" in capsys.readouterr().err
