"""Download a file: mirrors in turn, resumed where it broke off, checksum; whole or not there.

What arrives is appended to `<name>.part`, which takes the file's name once its checksum is right.
So a run that is killed never leaves half a file under the final name, and the next one, or the next
mirror, goes on from the last byte. The checksum alone decides whether two halves fit: a mirror's
ETag would say nothing about another mirror's, so no If-Range is sent, and a whole that is wrong is
thrown away and, where its first half was an older one, fetched once more from the first byte.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from npnet.base import extras
from npnet.datasets._errors import DownloadError

if TYPE_CHECKING:
    from requests import Response
    from rich.progress import Progress

__all__ = ["fetch", "fetch_url"]

# Seconds for a mirror's first sign of life, name resolution and all its addresses included, and
# for a pause in the middle of a download.
_ANSWER = 5.0
_PAUSE = 10.0
_BLOCK = 1 << 16  # bytes written at a time


def fetch(names: dict[str, str], mirrors: Sequence[str], folder: Path) -> list[Path]:
    """Download files into a folder, unless they are there already; return their paths.

    Two processes that ask for the same file at once take turns: the second finds the file.

    Args:
        names: file name -> SHA-256 in hexadecimal, or "md5:" and MD5.
        mirrors: addresses, each ending in a slash, under which all of the files lie.

    Raises:
        DownloadError: no mirror gave one of the files, with each mirror's reason; or the folder
            cannot be written, or the disk is full.
    """
    _check_libraries()
    order = list(mirrors)
    paths = [folder / name for name in names]
    for path, checksum in zip(paths, names.values(), strict=True):
        try:
            with _locked(folder):
                if not path.exists():
                    _fetch_from_any(order, checksum, path)
        except OSError as error:
            raise DownloadError(
                f"{path.name} could not be written to {folder}: {_root_cause(error)}; free some "
                "space or choose another folder"
            ) from error
    return paths


def fetch_url(url: str, path: Path, checksum: str = "") -> None:
    """Download what lies at an address to a path, over what is there.

    Args:
        checksum: as of `fetch`; without one, nothing of an earlier attempt is kept.

    Raises:
        DownloadError: as of `fetch`.
    """
    _check_libraries()
    try:
        with _locked(path.parent):
            if not checksum:
                path.with_name(path.name + ".part").unlink(missing_ok=True)
            _fetch_from(url, checksum, path)
    except _MirrorError as error:
        raise DownloadError(f"{path.name} could not be downloaded: {url} ({error})") from error
    except OSError as error:
        raise DownloadError(
            f"{path.name} could not be written to {path.parent}: {_root_cause(error)}; free some "
            "space or choose another folder"
        ) from error


def _check_libraries() -> None:
    try:
        extras.check("datasets", "a download")
    except extras.MissingExtraError as error:
        raise DownloadError(str(error)) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from downloading to the folder; a killed one's lock opens by itself."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(f"another process downloads to {folder}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_from_any(order: list[str], checksum: str, path: Path) -> None:
    """Download one file from the first mirror that gives it; those that fail move to the end."""
    reasons = []
    for mirror in list(order):
        try:
            return _fetch_from(mirror + path.name, checksum, path)
        except _MirrorError as error:
            reasons.append(f"{mirror} ({error})")
            order.remove(mirror)  # the next file asks this one last
            order.append(mirror)
    raise DownloadError(f"{path.name} could not be downloaded: " + "; ".join(reasons))


class _MirrorError(Exception):
    """Why one mirror did not give a file, in a few words."""


def _fetch_from(url: str, checksum: str, path: Path) -> None:
    """Download one file from one address; _MirrorError names what went wrong on the network."""
    from requests import HTTPError, RequestException, Timeout

    part = path.with_name(path.name + ".part")
    resumed = True
    try:
        while resumed:
            resumed = _append(url, part)
            if _is_right(part, checksum):
                part.replace(path)
                return
            part.unlink()  # the next round, if there is one, begins at the first byte
    except HTTPError as error:
        raise _MirrorError("HTTP " + str(error).partition(" for url")[0]) from error
    except (Timeout, TimeoutError) as error:
        raise _MirrorError("no answer in time") from error
    except (RequestException, ConnectionError) as error:  # OSErrors, but not of the disk
        raise _MirrorError(_root_cause(error)) from error
    raise _MirrorError("what arrived has the wrong checksum")


def _append(url: str, part: Path) -> bool:
    """Download what `part` lacks, or everything anew where the mirror does not send ranges.

    Returns:
        Whether bytes that were there before were kept.
    """
    have = part.stat().st_size if part.exists() else 0
    with _answer(url, have) as response:
        if have and response.status_code == 416:  # there is no byte after these
            return True
        response.raise_for_status()
        sent = response.headers.get("Content-Range", "")
        resumed = response.status_code == 206
        if resumed and not sent.startswith(f"bytes {have}-"):
            raise _MirrorError(f"asked for the bytes from {have} on, it sent {sent or 'others'}")
        start = have if resumed else 0
        _say(f"downloading {url} to {part.parent}" + (f" from byte {start}" if start else ""))
        left = int(response.headers.get("Content-Length", 0))
        bar = _progress()
        task = bar.add_task(part.stem, completed=start, total=start + left if left else None)
        with bar, part.open("ab" if resumed else "wb") as file:
            for block in response.iter_content(_BLOCK):
                file.write(block)
                bar.advance(task, len(block))
        if left and part.stat().st_size < start + left:
            raise _MirrorError("the connection was cut")
    return start > 0


def _answer(url: str, start: int) -> Response:
    """The answer to a request for the bytes from `start` on, its content still to be read.

    A timeout of requests counts for each address of a host anew and not at all for finding them,
    so a network that swallows packets would take minutes to give up. Hence a thread, left behind.
    """
    import requests

    # identity: a server that sends a .gz file as an encoding would have it unzipped on the way.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: queue.Queue[Response | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=headers, timeout=(_ANSWER, _PAUSE), stream=True))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_ANSWER)
    except queue.Empty:
        raise requests.Timeout from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _is_right(path: Path, checksum: str) -> bool:
    if not checksum:
        return True
    import pooch

    algorithm, _, digest = checksum.rpartition(":")
    return bool(pooch.file_hash(str(path), algorithm or "sha256") == digest)


def _root_cause(error: BaseException) -> str:
    """What the innermost of a chain of exceptions says: the outer ones only wrap it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _progress() -> Progress:
    """A progress bar on stderr, where that is a terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
