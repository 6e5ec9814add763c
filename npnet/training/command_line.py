"""The command line of a training run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from npnet.base.files import user_path
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, LAST
from npnet.runs.flags import read_flags
from npnet.runs.settings import check_path
from npnet.training.checkpoint import Checkpoints
from npnet.training.config import Config

__all__ = ["parse"]


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
