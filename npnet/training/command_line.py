"""The command line of a training run."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from npnet.base.files import user_path
from npnet.models.checkpoint import BEST
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, LAST, METRICS
from npnet.runs.flags import read_flags
from npnet.runs.folders import is_default_log_folder
from npnet.runs.settings import check_path
from npnet.training.checkpoint import Checkpoints
from npnet.training.config import OWN_PARTS, Config

__all__ = ["parse"]


def parse(argv: Sequence[str], prog: str) -> Config:
    """The settings of a training run that the command line asks for.

    `--config FILE` or `--recipe NAME` set the defaults that the other flags change; `--resume`
    takes them from the run that is resumed.

    Raises:
        ConfigError: a wrong setting.
        SystemExit: `--help` or `--version` was answered.
    """
    return read_flags(argv, _defaults(argv, prog), prog)


class _Early(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _defaults(argv: Sequence[str], prog: str) -> Config:
    """The settings that flags change: they have to be known before the flags are read."""
    early = _Early(add_help=False, allow_abbrev=False)
    for name in ("config", "recipe", "model", "dataset", *OWN_PARTS[1:]):
        early.add_argument(f"--{name}", nargs="*" if name == "callbacks" else "?")
    early.add_argument("--resume", action="store_true")
    early.add_argument("--checkpoint_dir", "--checkpoint-dir", default=Config.checkpoint_dir)
    known, _ = early.parse_known_args([arg for arg in argv if arg not in ("-h", "--help")])
    if known.config is not None:
        if known.recipe is not None:
            raise ConfigError(
                "recipe: --config and --recipe both set the defaults of all flags; leave one out"
            )
        path = _path("config", known.config)
        config = Config.from_json(path)
        _check_typed(config, vars(known), argv, prog)
        if _has_logs_of_its_own(config, path, argv):
            config = dataclasses.replace(config, log_dir=None)  # another run has another
        return config
    if known.resume:
        config = _of_saved_run(_path("checkpoint_dir", known.checkpoint_dir))
        _check_typed(config, vars(known), argv, prog)
        return config
    if known.recipe is not None:
        fixed = {name: getattr(known, name) for name in ("recipe", "model", "dataset")}
        return Config.from_dict({k: v for k, v in fixed.items() if v is not None}, "--recipe")
    return Config()


def _has_logs_of_its_own(config: Config, path: Path, argv: Sequence[str]) -> bool:
    """Whether settings are of a run whose logs are to stay where they are.

    So are those in a folder that nobody has named, and those of a run by its own config.json. A
    resume goes on in the folder; where weights and logs share one, the new run sets all aside.
    """
    if config.log_dir is None:
        return False
    if is_default_log_folder(config.log_dir):
        return True
    is_of_run = path.name == CONFIG and any((path.parent / name).exists() for name in (LAST, BEST))
    typed = {arg.partition("=")[0].replace("-", "_") for arg in argv}
    folder = user_path(config.log_dir)
    if not is_of_run or "__resume" in typed or not (folder / METRICS).exists():
        return False
    shared = folder.resolve() == user_path(config.checkpoint_dir).resolve()
    return not shared or "__checkpoint_dir" in typed


def _check_typed(config: Config, typed: Mapping[str, Any], argv: Sequence[str], prog: str) -> None:
    """Refuse to execute code because a file names it, unless the command line names it too.

    Raises:
        ConfigError: the file names some that the command line does not; says what to type.
    """
    named = {name: [value] for name, value in config.spellings.items()}
    named |= {"callbacks": list(config.callbacks)} if config.callbacks else {}
    missing = [
        word for name in named if typed[name] is None for word in (f"--{name}", *named[name])
    ]
    if missing:
        line = shlex.join([*prog.split(), *argv, *missing])
        raise ConfigError(
            f"{missing[0].removeprefix('--')}: the run has code of its own, {missing[1]}, which is "
            f"not executed because a file of settings names it; type it again: {line}"
        )


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
