"""Command lines: tyro reads them off a dataclass of settings; here its errors become one line."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from npnet._version import __version__
from npnet.base.files import user_path
from npnet.training.checkpoint import CONFIG, LAST, Checkpoints
from npnet.training.config import Config, ConfigError, check_path

__all__ = ["parse", "read_flags"]

Settings = TypeVar("Settings")


def parse(argv: Sequence[str], prog: str) -> Config:
    """The settings of a training run that the command line asks for.

    `--config FILE` or `--recipe NAME` set the defaults that the other flags change; `--resume`
    takes them from the run that is resumed.

    Raises:
        ConfigError: a wrong setting.
        SystemExit: `--help` or `--version` was answered.
    """
    return read_flags(argv, _defaults(argv), prog)


class _Early(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _defaults(argv: Sequence[str]) -> Config:
    """The settings that flags change: they have to be known before the flags are read."""
    early = _Early(add_help=False, allow_abbrev=False)
    for name in ("config", "recipe", "model", "dataset"):
        early.add_argument(f"--{name}", nargs="?")
    early.add_argument("--resume", action="store_true")
    early.add_argument("--checkpoint_dir", "--checkpoint-dir", default=Config.checkpoint_dir)
    known, _ = early.parse_known_args([arg for arg in argv if arg not in ("-h", "--help")])
    if known.config is not None:
        if known.recipe is not None:
            raise ConfigError(
                "recipe: --config and --recipe both set the defaults of all flags; leave one out"
            )
        return Config.from_json(_path("config", known.config))
    if known.resume:
        return _of_saved_run(_path("checkpoint_dir", known.checkpoint_dir))
    if known.recipe is not None:
        fixed = {name: getattr(known, name) for name in ("recipe", "model", "dataset")}
        return Config.from_dict({k: v for k, v in fixed.items() if v is not None}, "--recipe")
    return Config()


def _path(flag: str, text: str) -> Path:
    try:
        check_path(flag, text)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return Path(user_path(text))


def _of_saved_run(folder: Path) -> Config:
    """The settings of the run in a folder: config.json, or what last.safetensors keeps of it."""
    path = folder / CONFIG
    if not path.exists():
        saved = Checkpoints(folder).load_last().settings
        return Config() if saved is None else saved  # where it is None, `run` says what is missing
    try:
        return Config.from_json(path)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; {LAST} holds the settings of the run too: delete {CONFIG} to go on by those"
        ) from None


def read_flags(argv: Sequence[str], defaults: Settings, prog: str) -> Settings:
    """`defaults`, a dataclass, with what the flags change; `--version` is answered too.

    Raises:
        ConfigError: a wrong setting.
        SystemExit: `--help` or `--version` was answered.
    """
    if "--version" in argv:
        print(f"npnet {__version__}")
        raise SystemExit(0)
    _check_switches(argv, defaults)
    import tyro  # here: a program that trains without a command line need not load it

    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(
                type(defaults), args=argv, default=defaults, prog=prog, use_underscores=True
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ConfigError(_one_line(messages.getvalue(), prog)) from None


def _check_switches(argv: Sequence[str], defaults: Any) -> None:
    """Raise ConfigError for --augment=true; tyro would say that true is no option."""
    switches = {field.name for field in dataclasses.fields(defaults) if field.type == "bool"}
    for word in argv:
        flag, is_assigned, value = word.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if is_assigned and flag.startswith("--") and name.removeprefix("no_") in switches:
            raise ConfigError(
                f"{name}: is a switch and takes no value, got {value!r}; write {flag} alone, or "
                f"--{'' if name.startswith('no_') else 'no_'}{name.removeprefix('no_')}"
            )


def _one_line(box: str, prog: str) -> str:
    """What tyro's box says: what is wrong, and the flag that was perhaps meant.

    A box has frames of lines where the terminal has them, else its title above a rule of dashes.
    """
    lines = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    parts: list[list[str]] = [[]]
    for line in lines:
        if line and not line.strip("─-"):
            parts.append([])
        elif line:
            parts[-1].append(line)
    framed = box.startswith("╭")
    said, *rest = parts if framed else parts[1:]
    text = " ".join(said)
    for part in rest:
        if part[0].startswith("Perhaps you meant"):
            text += f"; did you mean {part[1].split()[0]}?"
    return f"{text} (see {prog} --help)"
