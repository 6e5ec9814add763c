"""A student's code in a process of its own, from the outside: starting, asking, ending it.

The process computes arrays and knows nothing of what is right. Answers are JSON with arrays as
bytes, never pickles. A process that takes too long, ends, or says what is no answer has failed what
it was asked, and a new one is started for the rest.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import npnet.base
from npnet.grading import wire
from npnet.grading.limits import Limits

__all__ = ["EndedError", "Sandbox"]

ROOT = str(Path(npnet.base.__file__).parents[2])
START = 60.0  # seconds for Python and NumPy to start; none of them are the student's
PIECE = 1 << 16
# The folder that python -c puts first is taken away: it could have a numpy.py.
_CODE = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; sys.path.append({root!r}); "
    "from npnet.grading.student import main; main()"
)
# Nothing of the grader's environment reaches a student's code but what Python needs to start.
_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
    "PYTHONPATH", "PYTHONHOME", "OPENBLAS_CORETYPE",
)  # fmt: skip


class EndedError(Exception):
    """The process did not answer: it took too long, or is no more."""


class Sandbox:
    """A process with a student's file in it, which is started anew after it ended.

    Args:
        path: the file.
        forbid: modules that it may not import.
    """

    def __init__(self, path: Path, limits: Limits, forbid: tuple[str, ...] = ()) -> None:
        self.path, self.limits, self.forbid = path.resolve(), limits, forbid
        self.end = time.monotonic() + limits.total
        self.loaded: dict[str, Any] | None = None
        self.lacking: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: Any = None
        self._kept = ""
        self._buffer = b""

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def printed(self) -> str:
        """What the code has printed, as far as it is kept."""
        return self._kept + self._read_printed()

    def load(self) -> Mapping[str, Any]:
        """The classes of the file, or {"error": ...}."""
        try:
            self._start()
        except EndedError as error:
            self.loaded = {"error": str(error)}
        assert self.loaded is not None
        return self.loaded

    def ask(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the process answers. {"error": ...} where it does not."""
        if time.monotonic() > self.end:
            return {"error": f"not tried: the {self.limits.total:g} seconds for the file were over"}
        try:
            if self._process is None:
                self._start()
            return self._asked(message, self.limits.seconds)
        except EndedError as error:
            return {"error": str(error)}

    def stop(self) -> None:
        """End the process, and all that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        self._kept = (self._kept + self._read_printed())[: self.limits.output]
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, self._printed):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]  # both are pipes
        self._printed = None

    # ---- the process -----------------------------------------------------------------------------

    def _start(self) -> None:
        self.stop()
        self._buffer, self._printed = b"", tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(root=ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            cwd=os.sep,
            env={
                **environment,
                **threads,
                "NPNET_BACKEND": "numpy",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            start_new_session=True,
        )
        self.lacking = list(self._asked({"limits": asdict(self.limits)}, START).get("lacking", []))
        message = {"load": str(self.path), "forbid": list(self.forbid)}
        self.loaded = dict(self._asked(message, self.limits.seconds))

    def _asked(self, message: Mapping[str, Any], seconds: float) -> Mapping[str, Any]:
        """Send a message, and wait for the answer. EndedError where there is none."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        token = secrets.token_hex(8)
        try:
            process.stdin.write(wire.pack({**message, "id": token}))
            process.stdin.flush()
        except OSError:
            raise EndedError(self._ended()) from None
        line = self._line(min(time.monotonic() + seconds, self.end + START), seconds)
        try:
            answer = wire.unpack(line)
        except wire.WireError:
            answer = None
        if not isinstance(answer, dict) or answer.get("id") != token:
            self.stop()
            raise EndedError("the code wrote to where its results are read")
        return answer

    def _line(self, until: float, seconds: float) -> bytes:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    self.stop()
                    raise EndedError(f"it took longer than {seconds:g} seconds: an endless loop?")
                piece = os.read(process.stdout.fileno(), PIECE)
                if not piece:
                    raise EndedError(self._ended())
                self._buffer += piece
                if len(self._buffer) > wire.LARGEST:
                    self.stop()
                    raise EndedError("the results are too large")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _ended(self) -> str:
        """Why a process is no more."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        self.stop()
        if code is None or code >= 0:
            return f"the code ended its process (exit code {code}): os._exit or the like"
        names = {
            -signal.SIGSEGV: " (a crash in machine code)",
            -signal.SIGKILL: " (no memory left?)",
        }
        return f"the code's process was ended by signal {-code}{names.get(code, '')}"

    def _read_printed(self) -> str:
        if self._printed is None:
            return ""
        self._printed.seek(0)
        text = self._printed.read(self.limits.output + 1).decode(errors="replace")
        if len(text) > self.limits.output:
            return f"{text[: self.limits.output]}\n[more was printed, and is left out]\n"
        return str(text)
