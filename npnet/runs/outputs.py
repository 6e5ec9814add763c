"""Files that a command writes for its user: where nothing is yet, or where it may write over."""

from __future__ import annotations

from pathlib import Path

from npnet.base.files import printable, user_path
from npnet.runs.errors import ConfigError
from npnet.runs.settings import check_path

__all__ = ["new_file"]


def new_file(name: str, overwrite: bool, flag: str = "output") -> Path:
    """The path of a file to be written, which is not there, or may be written over.

    Args:
        flag: names it, for errors.

    Raises:
        ConfigError: it is there; it is a folder; its folder is not there.
    """
    try:
        check_path(flag, name)
        path = user_path(name)
        is_folder, is_there = path.is_dir(), path.exists() or path.is_symlink()
        has_folder = path.parent.is_dir()
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        raise ConfigError(f"{flag}: {printable(name)}: {error.strerror}") from None
    if is_folder:
        raise ConfigError(f"{flag}: {printable(name)} is a folder; name a file in it")
    if not has_folder:
        raise ConfigError(
            f"{flag}: there is no folder {printable(path.parent)}; make it, or choose another "
            f"--{flag}"
        )
    if is_there and not overwrite:
        raise ConfigError(
            f"{flag}: {printable(name)} is there already; choose another --{flag}, or add "
            "--overwrite"
        )
    return path
