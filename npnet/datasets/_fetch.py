"""Download a file with pooch: mirrors in turn, checksum, progress; whole under its name or absent.

pooch writes to a temporary file in the same folder and moves it into place once its SHA-256 is
right. So a run that is killed never leaves half a file under the final name, and two runs that
download at once each move a whole one.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from npnet.datasets._errors import DownloadError

__all__ = ["fetch"]

# Seconds for a mirror's first sign of life, name resolution and all its addresses included, and
# for a pause in the middle of a download.
_ANSWER = 5.0
_PAUSE = 10.0


def fetch(names: dict[str, str], mirrors: Sequence[str], folder: Path) -> list[Path]:
    """Download files into a folder; return their paths.

    Args:
        names: file name -> SHA-256, in hexadecimal.
        mirrors: addresses, each ending in a slash, under which all of the files lie.

    Raises:
        DownloadError: no mirror gave one of the files, with each mirror's reason; or the folder
            cannot be written, or the disk is full.
    """
    order = list(mirrors)
    paths = []
    for name, sha256 in names.items():
        reasons = []
        for mirror in list(order):
            try:
                paths.append(_fetch_from(mirror + name, sha256, folder / name))
                break
            except _MirrorError as error:
                reasons.append(f"{mirror} ({error})")
                order.remove(mirror)  # the next file asks this one last
                order.append(mirror)
            except OSError as error:
                raise DownloadError(
                    f"{name} could not be written to {folder}: {_root_cause(error)}; free some "
                    "space or choose another folder"
                ) from error
        else:
            raise DownloadError(f"{name} could not be downloaded: " + "; ".join(reasons))
    return paths


class _MirrorError(Exception):
    """Why one mirror did not give a file, in a few words."""


def _fetch_from(url: str, sha256: str, path: Path) -> Path:
    """Download one file from one address; _MirrorError names what went wrong on the network."""
    import pooch
    from requests import HTTPError, RequestException, Timeout

    bar = _progress_bar(path.name)
    # identity: a server that sends a .gz file as an encoding would have it unzipped on the way.
    downloader = pooch.HTTPDownloader(
        progressbar=bar or False, timeout=(_ANSWER, _PAUSE), headers={"Accept-Encoding": "identity"}
    )
    try:
        _await_answer(url, downloader)
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
        path.chmod(0o644)  # pooch's temporary file is the owner's alone; the data is everyone's
    except HTTPError as error:
        raise _MirrorError("HTTP " + str(error).partition(" for url")[0]) from error
    except (Timeout, TimeoutError) as error:
        raise _MirrorError("no answer in time") from error
    except (RequestException, ConnectionError) as error:  # OSErrors, but not of the disk
        raise _MirrorError(_root_cause(error)) from error
    except ValueError as error:
        raise _MirrorError("what arrived has the wrong SHA-256") from error
    finally:
        if bar:
            bar.close()
    return path


def _await_answer(url: str, downloader: Any) -> None:
    """Ask for the file's header, within _ANSWER seconds in all.

    A timeout of requests counts for each address of a host anew and not at all for finding them,
    so a network that swallows packets would take minutes to give up. Hence a thread, left behind.
    """
    from requests import Timeout

    answers: queue.Queue[Exception | None] = queue.Queue()

    def ask() -> None:
        try:
            downloader(url, None, None, check_only=True)
            answers.put(None)
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=_ANSWER)
    except queue.Empty:
        raise Timeout from None
    if error is not None:
        raise error


def _root_cause(error: BaseException) -> str:
    """What the innermost of a chain of exceptions says: the outer ones only wrap it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _ProgressBar:
    """The progress bar that pooch asks for, drawn by rich on stderr."""

    def __init__(self, name: str, console: Any) -> None:
        from rich import progress

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(name, start=False)

    @property
    def total(self) -> float | None:
        """Bytes to come; pooch sets it when the download begins, which shows the bar."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: float) -> None:
        self._progress.update(self._task, total=size or None)  # 0: the server did not say
        self._progress.start_task(self._task)
        self._progress.start()

    def update(self, size: int) -> None:
        """Move on by a number of bytes."""
        self._progress.advance(self._task, size)

    def reset(self) -> None:
        """Move back to 0, keeping the total; pooch then moves to the end."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Leave the bar as it is; a second call changes nothing."""
        self._progress.stop()


def _progress_bar(name: str) -> _ProgressBar | None:
    """A bar where stderr is a terminal; else None, and pooch's line that it downloads is all."""
    from rich.console import Console

    console = Console(stderr=True)
    return _ProgressBar(name, console) if console.is_terminal else None
