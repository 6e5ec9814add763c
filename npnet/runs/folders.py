"""The folders of a run: made, locked against a second run, and named where nobody named them."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from npnet.base.files import printable, user_path
from npnet.runs.errors import ConfigError

__all__ = ["is_default_log_folder", "locked", "log_folder", "make_folder", "set_aside"]


def make_folder(name: str, flag: str) -> Path:
    """The folder that `flag` names, made if need be. ConfigError if it can't be."""
    try:
        folder = user_path(name)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{flag}: can't make the folder {printable(name)}: {error.strerror}; choose another "
            f"--{flag}"
        ) from None
    return folder


@contextlib.contextmanager
def locked(folder: Path, flag: str) -> Iterator[None]:
    """Keep a second run out of the folder; a killed run's lock opens by itself."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"{flag}: another run is writing to {folder}; choose another --{flag}"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{flag}: can't write to {folder}: {error.strerror}; choose another --{flag}"
        ) from None
    try:
        yield
    finally:
        lock.release()


def log_folder(name: str | None, kind: str) -> Path:
    """The folder for logs; the default, ./runs/<time>-<kind>, is one that no other run has."""
    if name is not None:
        return make_folder(name, "log_dir")
    default = f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{kind}"
    make_folder("runs", "log_dir")
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        with contextlib.suppress(FileExistsError):
            Path(default + suffix).mkdir()
            return Path(default + suffix)
    raise ConfigError(f"log_dir: there are too many folders like {default}; name one by --log_dir")


def is_default_log_folder(name: str) -> bool:
    """Whether `log_folder` has named it, and no user."""
    return re.fullmatch(r"runs/\d{8}-\d{6}-.+", name) is not None


def set_aside(folder: Path, patterns: Iterable[str]) -> str | None:
    """Move files of an earlier run into a folder of their own, so that none is overwritten.

    Returns:
        What to tell the user of it, or None where there was nothing to move.
    """
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not files:
        return None
    newest = max(path.stat().st_mtime for path in files)
    aside = folder / time.strftime("earlier-%Y%m%d-%H%M%S", time.localtime(newest))
    count = 1
    while aside.exists():
        count += 1
        aside = aside.with_name(f"{aside.name.split('.')[0]}.{count}")
    aside.mkdir()
    for path in files:
        path.rename(aside / path.name)
    return f"files of an earlier run in {folder} were moved to {aside}"
