"""Files: a user's path read as it is meant, and a file written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_write", "open_regular", "printable", "user_path"]

_SHOWN = 200  # characters of a path in an error
_OTHER_KINDS: dict[str, Callable[[int], bool]] = {
    "a named pipe": stat.S_ISFIFO,
    "a socket": stat.S_ISSOCK,
    "a device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
}


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path as a user wrote it, with `~` and `~user` replaced by the home folder.

    Raises:
        OSError: no file can have this path (a NUL, a lone surrogate), or nobody knows the home
            folder; `strerror` says which and what to write, `filename` is printable.
    """
    text = os.fsdecode(path)
    if "\0" in text:
        raise _unusable(text, "it has a NUL character, which no path can; write it without")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        what = "half a surrogate pair, which is no character and in no path"
        raise _unusable(text, f"it has {what}; write the character itself") from error
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        user = Path(text).parts[0]
        fix = f"write the folder in full, or ./{user} for a file of that name"
        raise _unusable(text, f"nobody knows the home folder {user}; {fix}") from error


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to be read as bytes, if it is a regular one, or a link to one.

    Opening a pipe would wait for a writer, perhaps for ever, and a device may never end: these are
    refused at once, as are folders. `path` goes through `user_path`.

    Raises:
        OSError: it can't be opened or is no regular file; `strerror` says why and what to do.
    """
    place = user_path(path)
    _check_regular(place, os.stat(place).st_mode)  # before: to open a device may change it
    # Without waiting, should the file be replaced by a pipe in between. The caller closes it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    file = open(place, "rb", opener=lambda name, mode: os.open(name, flags | mode))  # noqa: SIM115
    try:
        _check_regular(place, os.fstat(file.fileno()).st_mode)
    except OSError:
        file.close()
        raise
    return file


def printable(path: str | os.PathLike[str]) -> str:
    """A path or a name from a file as an error shows it: one line, 200 characters at most.

    Control characters and bytes that are no text become escapes, the middle of a long path "...".
    """
    text = os.fsdecode(path)
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    half = (_SHOWN - 3) // 2
    return shown if len(shown) <= _SHOWN else f"{shown[:half]}...{shown[-half:]}"


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        said = f"{os.strerror(errno.EISDIR)}, where a file is needed; name a file in it"
        raise IsADirectoryError(errno.EISDIR, said, printable(path))
    kind = next((kind for kind, fits in _OTHER_KINDS.items() if fits(mode)), "something else")
    raise _unusable(
        path, f"it is {kind}, where a regular file is needed; write what it gives to a file first"
    )


def _unusable(path: str | os.PathLike[str], why: str) -> OSError:
    return OSError(errno.EINVAL, why, printable(path))


def atomic_write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside and move it into place, so that `path` is always the old or the new one.

    When the function returns, the data is on the disk. If it raises, for whatever reason, the
    previous file is untouched and nothing is left beside it; a process killed in between leaves
    `.<name>.<random>.tmp`, which nothing reads. A symbolic link is followed, an existing file's
    permissions are kept and respected, and a device or pipe is written to directly. `path` goes
    through `user_path`, as where it is read.

    Raises:
        OSError: the file can't be written, with `path` as its filename.
    """
    target = os.path.realpath(user_path(path))
    try:
        mode = _mode(target)
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if mode is None or stat.S_ISREG(mode):
            _replace(target, data, mode)
        else:
            with open(target, "wb") as file:
                file.write(data)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _mode(path: str) -> int | None:
    """Type and permissions of a file, None if there is none."""
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _replace(target: str, data: bytes, mode: int | None) -> None:
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name[:50]}.{secrets.token_hex(6)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            _sync(file)
        if mode is not None:
            os.chmod(beside, stat.S_IMODE(mode))
        os.replace(beside, target)
    except BaseException:  # KeyboardInterrupt too
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
    _sync_folder(folder)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: str) -> None:
    """Put the new name of the file on the disk too, where the system can."""
    with contextlib.suppress(OSError):  # Windows opens no folders; the file itself is written
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
