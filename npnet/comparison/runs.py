"""Runs on the disk: a folder each, from which alone their state is read."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import re
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet._files import atomic_write, open_regular
from npnet.comparison.spec import COMMANDS, PATHS, Spec, differing, labels
from npnet.datasets import AUTO, NAMES
from npnet.training.checkpoint import CONFIG, LAST

__all__ = ["Run", "place"]

RESULT, RECORD, METRICS = "result.json", "run.json", "metrics.csv"
OUTPUT, ERRORS = "output.txt", "errors.txt"  # what a run says
_ELSEWHERE = ("data_dir",)  # settings that no bit of a run depends on
_FILES = (".npz", ".safetensors")  # what a setting that is a path ends in; others are names
_LONGEST_NAME = 120  # of a folder, in characters
_TAIL = 4096  # bytes, more than a line of metrics.csv


@dataclass(frozen=True)
class Run:
    """A run and its folder, which is its checkpoint_dir and its log_dir."""

    spec: Spec
    folder: Path

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    @property
    def result(self) -> dict[str, Any] | None:
        """What result.json says; None while the run is not done, or where its files are torn."""
        try:
            tree = json.loads((self.folder / RESULT).read_bytes())
            metrics = (self.folder / METRICS).read_bytes()
        except (FileNotFoundError, ValueError):
            return None
        right = isinstance(tree, dict) and tree.get("format") == "npnet result" and "test" in tree
        return tree if right and metrics.count(b"\n") > 1 else None

    @property
    def dataset(self) -> str | None:
        """The data set that it records, where "auto" was asked for; None before its first epoch."""
        for name in (RESULT, CONFIG):
            # What is torn or no file is told where the run is read.
            with contextlib.suppress(OSError, ValueError, RecursionError):
                with open_regular(self.folder / name) as file:
                    tree = json.loads(file.read())
                said = tree.get("dataset") if isinstance(tree, dict) else None
                if said in NAMES and said != AUTO:
                    return str(said)
        return None

    @property
    def is_busy(self) -> bool:
        """Whether a process is making it: one that an earlier, killed comparison left."""
        from filelock import FileLock, Timeout

        if not self.folder.exists():
            return False
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                return False
        except Timeout:
            return True

    def prepare(self) -> list[str]:
        """Make the folder ready for the run to start or to go on. Returns its command line."""
        resume = (self.folder / LAST).exists()
        if not resume:
            shutil.rmtree(self.folder, ignore_errors=True)  # no epoch of it was finished
            self.folder.mkdir(parents=True)
            atomic_write(self.folder / RECORD, json.dumps(_identity(self.spec), indent=2).encode())
        flags = COMMANDS[self.spec.command].folder_flags
        folders = [word for flag in flags for word in (f"--{flag}", str(self.folder))]
        return [*self.spec.arguments(), *folders, *(["--resume"] if resume else [])]

    def last_epoch(self) -> dict[str, float]:
        """The last finished epoch, by the columns of metrics.csv; empty before the first."""
        try:
            with (self.folder / METRICS).open("rb") as file:
                header = file.readline()
                file.seek(max(file.seek(0, 2) - _TAIL, len(header)))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return {}
        if not lines:
            return {}
        (row,) = csv.DictReader([header.decode(), lines[-1].decode()])
        return {name: float(value) for name, value in row.items()}

    def reason(self, code: int) -> str:
        """Why it failed: the last line that it wrote to stderr, as far as there is one."""
        lines = (self.folder / ERRORS).read_text("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if code < 0:
            return f"killed by signal {-code}{' (out of memory?)' if code == -9 else ''}"
        if code == 0:
            return f"ended without {RESULT}"
        # The command's name comes first, and is known here.
        return said[-1].partition(": error: ")[2] or said[-1] if said else f"exit code {code}"


def place(specs: Sequence[Spec], folder: Path) -> tuple[list[Run], list[Path]]:
    """Give each run a folder under `folder`: the one that it had, else a new one.

    Returns:
        The runs, and the folders of an earlier grid's runs that are not among them.
    """
    there = {path.parent: _record(path) for path in sorted(folder.glob(f"*/{RECORD}"))}
    names = [*differing(specs), *(["seed"] if len({s.seed for s in specs}) > 1 else [])]
    taken = {path.name.lower() for path in folder.glob("*")}
    runs = []
    for spec, name in zip(specs, labels(specs, names), strict=True):
        identity = _identity(spec)
        old = next((path for path, record in there.items() if record == identity), None)
        if old is None:
            old = folder / _new_name(name, taken)
        runs.append(Run(spec, old))
    placed = {run.folder for run in runs}
    return runs, [path for path in there if path not in placed]


def _identity(spec: Spec) -> dict[str, Any]:
    """What makes two runs the same one, as JSON has it: settings, and what their files hold."""
    settings = {name: value for name, value in spec.settings.items() if name not in _ELSEWHERE}
    said = [settings[name] for name in PATHS if isinstance(settings.get(name), str)]
    files = {
        path: _digest(Path(path).expanduser()) for path in said if path.lower().endswith(_FILES)
    }
    tree = {"command": spec.command, "settings": settings, "files": files}
    identity: dict[str, Any] = json.loads(json.dumps(tree))
    return identity


def _digest(path: Path) -> int | None:
    """CRC-32 of a file; None where there is none, which the run itself will say."""
    try:
        state = path.stat()
        return _digest_of(path, state.st_mtime_ns, state.st_size)
    except OSError:
        return None


@functools.lru_cache
def _digest_of(path: Path, changed: int, size: int) -> int:
    """Once for all runs of a grid, as long as nobody has `changed` the file."""
    return zlib.crc32(path.read_bytes())


def _record(path: Path) -> Any:
    """The identity of the run that a folder holds; None where its file is torn.

    A flag that npnet did not have when the run was made has its default, which changes nothing.
    """
    try:
        tree = json.loads(path.read_bytes())
        fields = COMMANDS[tree["command"]].fields
        defaults = {name: fields[name].default for name in fields if name not in _ELSEWHERE}
        tree["settings"] = defaults | tree["settings"]
        tree.setdefault("files", {})
    except (ValueError, KeyError, TypeError):
        return None
    return json.loads(json.dumps(tree))  # tuples among the defaults become lists


def _new_name(said: str, taken: set[str]) -> str:
    """A folder's name that no other has, not even in a file system that ignores case."""
    stem = re.sub(r"[^\w.+-]+", "-", said.replace(", ", "-").replace(" ", "_"))[:_LONGEST_NAME]
    name, count = stem, 1
    while name.lower() in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name.lower())
    return name
