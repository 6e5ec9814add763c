"""`npnet completion`: a script that makes a shell complete commands, flags, values and files."""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.cli import shells
from npnet.runs.commands import run_command
from npnet.runs.declared import Flag, docs_of, flags_of
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

__all__ = ["SETTINGS", "Options", "main"]

_PROG = "npnet completion"
_FILES = (".py", ".npz")  # in the help of a flag that takes such files too
MANY = 99  # values, more than anybody writes
_LONGEST = 60  # characters of what is said of a flag


@dataclass(frozen=True)
class Options:
    """Print what makes a shell complete the commands of npnet, their flags, values and files.

    Let the file that the shell reads at its start run it, then open a new terminal: ~/.bashrc,
    ~/.zshrc (behind compinit) or ~/.config/fish/config.fish.
    """

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"shell": tuple(shells.WRITERS)}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "for bash, for good": "bash >> ~/.bashrc",
        "for zsh": "zsh >> ~/.zshrc",
        "for fish": "fish > ~/.config/fish/completions/npnet.fish",
    }

    shell: str = positional()
    """bash, zsh or fish"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Print the script of the shell that `argv` names. Returns the exit code."""

    def work() -> None:
        shell = read_flags(argv, Options(), _PROG).shell
        if shell not in shells.WRITERS:
            raise ConfigError(unknown_name("SHELL", shell, shells.WRITERS))
        print(shells.WRITERS[shell](_commands()), end="")

    return run_command(work, _PROG, "stopped")


def _commands() -> list[shells.Command]:
    """All commands with their flags, as the dataclasses of their settings declare them."""
    from npnet.cli import COMMANDS

    found = {name: _words(_settings(name)) for name in COMMANDS}
    # An axis of a comparison is a flag of a run, with as many values as one likes.
    own = {word.name for word in found["compare"][0]}
    for word in found["train"][0]:
        if word.name not in own:
            found["compare"][0].append(dataclasses.replace(word, most=MANY))
    return [shells.Command(name, about, *found[name]) for name, about in COMMANDS.items()]


def _settings(command: str) -> Any:
    """The dataclass of a command's settings."""
    from npnet.cli import module_of

    if command == "train":
        from npnet.training.config import Config

        return Config
    if command == "fit-function":
        from npnet.fitting.config import FitConfig

        return FitConfig
    return importlib.import_module(module_of(command)).SETTINGS


def _words(settings: Any) -> tuple[list[shells.Word], list[shells.Word]]:
    """The flags of a command, and what goes without one."""
    docs = docs_of(settings)
    defaults = {field.name: field.default for field in dataclasses.fields(settings)}
    words = [
        _word(flag, docs.get(flag.name, ""), defaults[flag.name]) for flag in flags_of(settings)
    ]
    flags = [word for word in words if word.name.startswith("--")]
    return flags, [word for word in words if word not in flags]


def _word(flag: Flag, about: str, default: Any) -> shells.Word:
    first = about.split(";")[0].split(": ")[0].split(" (")[0]
    short = first if len(first) <= _LONGEST else first[: _LONGEST - 3].rsplit(" ", 1)[0] + "..."
    takes_files = flag.is_path or any(ending in about for ending in _FILES)
    most = MANY if flag.most == math.inf else int(flag.most)
    name = f"--no_{flag.name}" if default is True else flag.shown
    return shells.Word(name, short, most, flag.choices, takes_files)
