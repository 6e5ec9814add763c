"""Processes that draw: they import matplotlib while the data are read, and wait.

Where one can't be had, or does not answer, pictures are drawn here, and so are those for whoever
has matplotlib already: with settings of his own, perhaps.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from npnet.base import processes
from npnet.base.signals import PARENT

__all__ = ["Artist", "artists", "work"]

NICE = 19  # whoever trains comes first
LONGEST_WAIT = 600  # seconds until an artist who was asked nothing leaves, and his memory is free


class Artist:
    """Draws pictures one after the other; `with` lets him go.

    Args:
        apart: whether he may be a process of his own.
    """

    def __init__(self, apart: bool = True) -> None:
        self._process = _start() if apart and _is_of_use() else None
        self._asked: tuple[Callable[..., bytes], tuple[Any, ...]] | None = None

    def ask(self, draw: Callable[..., bytes], *arguments: Any) -> None:
        """Begin with a picture, what `draw(*arguments)` returns; the one before was taken."""
        self._asked = draw, arguments
        if self._process is not None:
            try:
                pickle.dump((draw.__module__, draw.__qualname__, arguments), self._stream("stdin"))
                self._stream("stdin").flush()
            except Exception:  # he is gone, or these can't be sent
                self.leave()

    def take(self) -> bytes:
        """The picture that was asked for. Raises whatever drawing it raises."""
        assert self._asked is not None
        (draw, arguments), self._asked = self._asked, None
        if self._process is not None:
            try:
                png = pickle.load(self._stream("stdout"))
            except Exception:  # he is gone
                png = None
            if isinstance(png, bytes):
                return png
            self.leave()
        return draw(*arguments)

    def leave(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # what was not sent is lost
                    if stream is not None:
                        stream.close()
            process.wait()

    def _stream(self, name: str) -> Any:
        return getattr(self._process, name)


@contextlib.contextmanager
def artists(count: int, apart: bool) -> Iterator[list[Artist]]:
    """Some who draw at the same time."""
    with contextlib.ExitStack() as stack:
        made = [Artist(apart) for _ in range(count)]
        for artist in made:
            stack.callback(artist.leave)
        yield made


def _is_of_use() -> bool:
    """Whether there is a core for it, a Python, and matplotlib that is not here already."""
    return (
        "matplotlib" not in sys.modules
        and processes.is_of_use()
        and PARENT not in os.environ  # of many runs at once
        and importlib.util.find_spec("matplotlib") is not None
    )


def _start() -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import work; work()"],
            env={**os.environ, "PYTHONPATH": processes.module_path(), "NPNET_BACKEND": "numpy"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name == "posix",  # Ctrl-C is for its parent
        )
    except (OSError, ValueError):
        return None


def work() -> None:
    """What the process does: it answers requests until there are no more."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    from npnet.plots.style import matplotlib

    for module in ("figure", "backends.backend_agg"):
        matplotlib(module)
    while True:
        patience = threading.Timer(LONGEST_WAIT, os._exit, [0])
        patience.daemon = True
        patience.start()
        try:
            module, name, arguments = pickle.load(requests)
        except EOFError:
            return
        patience.cancel()
        try:
            png = getattr(importlib.import_module(module), name)(*arguments)
        except Exception:  # the parent tries, and says why
            png = None
        pickle.dump(png, answers)
        answers.flush()
