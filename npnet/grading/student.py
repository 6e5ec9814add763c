"""The process that runs a student's code: reads jobs, and sends back arrays. See `sandbox`.

It decides nothing: what is right, and what is not, is known where it was started from alone.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import io
import os
import random
import sys
import traceback
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from npnet.grading import wire
from npnet.grading.errors import ProtocolError
from npnet.grading.jobs import Job
from npnet.grading.limits import Limits, forbid, set_limits
from npnet.grading.protocol import describe, form_of, run_job

__all__ = ["classes_of", "error_of", "main"]

MODULE = "student_code"


def main() -> None:
    """Answer every line of standard input by a line, till there is none."""
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)  # what is printed goes where errors go, and is kept by whoever started this
    first = wire.unpack(jobs.readline())
    lacking = set_limits(Limits(**first["limits"]))
    _warm_up()
    sys.stdin = io.TextIOWrapper(os.fdopen(os.dup(0), "rb"))
    sys.stdout = sys.stderr = _Bounded(first["limits"]["output"])
    _send(answers, {"id": first["id"], "lacking": lacking})
    forbid()
    module: Any = None
    for line in jobs:
        message = wire.unpack(line)
        if "load" in message:
            module, answer = _loaded(message["load"], message["forbid"])
        else:
            answer = _done(module, message)
        _send(answers, {**answer, "id": message["id"]})


class _Bounded(io.TextIOBase):
    """Standard output and errors: what is more than is kept goes nowhere."""

    def __init__(self, most: int) -> None:
        self.left = most + 1  # one more, by which the reader sees that there was more

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        kept = text[: self.left]
        self.left -= len(kept)
        if kept:
            os.write(2, kept.encode(errors="replace"))
        return len(text)


def _send(answers: Any, answer: Mapping[str, Any]) -> None:
    answers.write(wire.pack(answer))
    answers.flush()


def _warm_up() -> None:
    """Let NumPy start its threads and load what it loads late, before limits count it."""
    a = np.ones((8, 8))
    np.einsum("ij,jk->ik", a, a)
    np.linalg.norm(a @ a)
    np.random.default_rng(0).standard_normal(4)


# ---- loading -------------------------------------------------------------------------------------


def _loaded(path: str, forbidden: list[str]) -> tuple[ModuleType | None, dict[str, Any]]:
    """Execute the file, and say what classes it has."""
    _forbid_imports(forbidden, os.path.dirname(path) + os.sep)
    os.chdir(os.path.dirname(path))
    sys.path.append(os.path.dirname(path))
    try:
        spec = importlib.util.spec_from_file_location(MODULE, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[MODULE] = module
        sys.dont_write_bytecode = True
        spec.loader.exec_module(module)
    except BaseException as error:  # sys.exit and Ctrl-C of a student's are errors, too
        return None, {"error": error_of(error, path)}
    return module, {"classes": classes_of(module)}


def _forbid_imports(names: list[str], folder: str) -> None:
    """Refuse to the files of a folder what an assignment does not allow.

    It is a reminder for whoever forgot it: who looks for a way around will find one.
    """
    imported = builtins.__import__

    def checked(name: str, globals: Any = None, *rest: Any, **named: Any) -> Any:
        file = str((globals or {}).get("__file__", ""))
        for forbidden in names if file.startswith(folder) else ():
            if name == forbidden or name.startswith(f"{forbidden}."):
                raise ImportError(f"this assignment is to be done without {forbidden}")
        return imported(name, globals, *rest, **named)

    builtins.__import__ = checked


def classes_of(module: ModuleType) -> dict[str, dict[str, Any]]:
    """The classes of a module's own that could be layers, with what they take, as `describe`."""
    own = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }
    return {name: {"form": form} for name, cls in own.items() if (form := form_of(cls))}


# ---- jobs ----------------------------------------------------------------------------------------


def _done(module: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    cls = getattr(module, message["class"], None)
    if not isinstance(cls, type):
        return {"error": f"there is no class {message['class']}"}
    try:
        if "describe" in message:
            return describe(cls, tuple(message["describe"]))
        seed()
        return {"outcomes": run_job(cls, Job.of(message["job"]))}
    except BaseException as error:  # sys.exit and Ctrl-C of a student's are errors, too
        path = getattr(module, "__file__", "")
        return {"error": error_of(error, path)}


def seed() -> None:
    """Let random numbers be the same each time."""
    np.random.seed(0)  # noqa: NPY002  # which students use
    random.seed(0)


def error_of(error: BaseException, path: str) -> str:
    """What was raised, and at which line of the student's file."""
    if isinstance(error, ProtocolError):
        return str(error)
    if isinstance(error, SyntaxError):
        place = f" in line {error.lineno}" if error.lineno else ""
        return f"{type(error).__name__}{place}: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.realpath(frame.filename) == os.path.realpath(path)
    ]
    place = f" in line {lines[-1]}" if lines else ""
    text = ""
    with contextlib.suppress(Exception):  # an error whose own __str__ is wrong
        text = " ".join(str(error).split())[:500]
    if isinstance(error, SystemExit):
        return f"the code ended the program (SystemExit){place}"
    return f"{type(error).__name__}{place}: {text}" if text else f"{type(error).__name__}{place}"
