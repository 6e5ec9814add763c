"""Runs on the disk: a folder each, from which alone their state is read."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
import shutil
import stat
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from npnet.base.files import atomic_write, open_regular
from npnet.comparison.outcome import DamagedError, Outcome, read_columns, read_json
from npnet.comparison.spec import COMMANDS, PATHS, Spec, differing, labels
from npnet.datasets import AUTO, NAMES
from npnet.runs.files import CONFIG, LAST, METRICS, RESULT
from npnet.training.config import OWN_PARTS

__all__ = ["Run", "digest", "files_of", "place", "place_one"]

RECORD = "run.json"
OUTPUT, ERRORS = "output.txt", "errors.txt"  # what a run says
_ELSEWHERE = ("data_dir",)  # settings that no bit of a run depends on
_READ = (
    ".npz",
    ".csv",
    ".safetensors",
    ".py",
)  # what a setting that is a path ends in; others are names
_LONGEST_FOLDER = 120  # of a folder, in characters
_TAIL = 1 << 16  # bytes of what a run says, in which its last words are


@dataclass(frozen=True)
class Run:
    """A run and its folder, which is its checkpoint_dir and its log_dir."""

    spec: Spec
    folder: Path

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    def outcome(self) -> Outcome | None:
        """What it came to; None while it is not done.

        Raises:
            DamagedError: one of its files does not hold what a run writes.
        """
        outcome = Outcome.read(self.folder)
        if outcome is not None and outcome.is_function != (self.spec.command == "fit-function"):
            raise DamagedError(RESULT, f"it is not of {self.spec.command}")
        return outcome

    @property
    def result(self) -> dict[str, Any] | None:
        """What result.json says; None while the run is not done, or where its files are damaged."""
        try:
            outcome = self.outcome()
        except DamagedError:
            return None
        return None if outcome is None else dict(outcome.result)

    @property
    def damage(self) -> str | None:
        """Which of its files is damaged and how; None where it is whole, or not done."""
        try:
            self.outcome()
        except DamagedError as error:
            return str(error)
        return None

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
        except OSError:  # no lock can be had there, as the run will say
            return False

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this run and no other, as run.json has it."""
        return _identity(self.spec)

    def prepare(self, identity: Mapping[str, Any] | None = None) -> list[str]:
        """Make the folder ready for the run to start or to go on. Returns its command line.

        Args:
            identity: what run.json is to say; None is `identity`, by the files of this machine.

        Raises:
            OSError: the folder can't be written.
        """
        resume = (self.folder / LAST).is_file()
        if resume:
            for name in (RESULT, METRICS, OUTPUT, ERRORS):
                _remove_other_kind(self.folder / name)
        else:  # no epoch of it was finished
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
            said = json.dumps(identity or self.identity, indent=2)
            atomic_write(self.folder / RECORD, said.encode())
        return [*self.arguments(), *(["--resume"] if resume else [])]

    def arguments(self) -> list[str]:
        """The command line after the name of Python, without what says whether it goes on."""
        flags = COMMANDS[self.spec.command].folder_flags
        folders = [word for flag in flags for word in (f"--{flag}", str(self.folder))]
        return [*self.spec.arguments(), *folders]

    def last_epoch(self) -> dict[str, float]:
        """The last finished epoch, by the columns of metrics.csv; empty where there is none."""
        try:
            columns = read_columns(self.folder / METRICS)
        except DamagedError:
            return {}
        return {name: float(values[-1]) for name, values in columns.items() if len(values)}

    def reason(self, code: int) -> str:
        """Why it failed: the last line that it wrote to stderr, as far as there is one."""
        with (self.folder / ERRORS).open("rb") as file:
            file.seek(max(file.seek(0, 2) - _TAIL, 0))
            lines = file.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        if code < 0:
            return f"killed by signal {-code}{' (out of memory?)' if code == -9 else ''}"
        if code == 0:
            return self.damage or f"ended without {RESULT}"
        # The command's name comes first, and is known here.
        return said[-1].partition(": error: ")[2] or said[-1] if said else f"exit code {code}"


def _remove_other_kind(path: Path) -> None:
    """Remove what has a file's name and is none: a folder, a pipe, a link to nothing."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
        elif not stat.S_ISREG(mode):
            path.unlink()


def place(specs: Sequence[Spec], folder: Path) -> tuple[list[Run], list[Path]]:
    """Give each run a folder under `folder`: the one that it had, else a new one.

    Returns:
        The runs, and the folders of an earlier grid's runs that are not among them.
    """
    there = {path.parent: _record(path) for path in sorted(folder.glob(f"*/{RECORD}"))}
    known = {_key(record): path for path, record in reversed(there.items())}
    names = [*differing(specs), *(["seed"] if len({s.seed for s in specs}) > 1 else [])]
    taken = {path.name.lower() for path in folder.glob("*")}
    runs = []
    for spec, name in zip(specs, labels(specs, names), strict=True):
        old = known.get(_key(_identity(spec)))
        runs.append(Run(spec, folder / _new_name(name, taken) if old is None else old))
    placed = {run.folder for run in runs}
    return runs, [path for path in there if path not in placed]


def place_one(spec: Spec, folder: Path, name: str) -> Run:
    """Give a run the folder of this name under `folder`, or, if another run has it, name-2, …."""
    for path in (folder / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1)):
        if not path.exists() or _key(_record(path / RECORD)) == _key(_identity(spec)):
            return Run(spec, path)
    raise AssertionError  # there are names without end


def _identity(spec: Spec) -> dict[str, Any]:
    """What makes two runs the same one, as JSON has it: settings, and what their files hold."""
    settings = {name: value for name, value in spec.settings.items() if name not in _ELSEWHERE}
    files = {path: digest(Path(path).expanduser()) for path in files_of(settings)}
    tree = {"command": spec.command, "settings": settings, "files": files}
    identity: dict[str, Any] = json.loads(json.dumps(tree))
    return identity


def files_of(settings: Mapping[str, Any]) -> list[str]:
    """The files that a run reads, as its settings spell them."""
    said = [settings[name] for name in PATHS if isinstance(settings.get(name), str)]
    return [path for path in said + _own_files(settings) if path.lower().endswith(_READ)]


def _own_files(settings: Mapping[str, Any]) -> list[str]:
    """The files that hold code of the user's own: another network may be in one by now."""
    values = [settings.get(name) for name in OWN_PARTS if name != "callbacks"]
    values += settings.get("callbacks", ())
    return [v.rpartition(":")[0] for v in values if isinstance(v, str) and ".py:" in v]


def _key(identity: Any) -> str:
    return json.dumps(identity, sort_keys=True)


def digest(path: Path) -> int | None:
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
        tree = read_json(path) or {}
        fields = COMMANDS[tree["command"]].fields
        defaults = {name: fields[name].default for name in fields if name not in _ELSEWHERE}
        tree["settings"] = defaults | tree["settings"]
        tree.setdefault("files", {})
        return json.loads(json.dumps(tree))  # tuples among the defaults become lists
    except (DamagedError, RecursionError, KeyError, TypeError):
        return None


def _new_name(said: str, taken: set[str]) -> str:
    """A folder's name that no other has, not even in a file system that ignores case."""
    stem = re.sub(r"[^\w.+-]+", "-", said.replace(", ", "-").replace(" ", "_"))[:_LONGEST_FOLDER]
    name, count = stem, 1
    while name.lower() in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name.lower())
    return name
