"""A program that runs `npnet.train` again and again and lets something go wrong each time.

    python -m tests.training.faults FOLDER KIND CASES SEED

Each case is a run in a process of its own, forked from this one, that is killed, interrupted, or
told of a full or broken disk. It is resumed, sometimes through further faults, until it ends, and
its files are compared with those of a run that nobody disturbed. What is wrong is printed, a line
each; the last line counts the cases. Kinds:

    killed       SIGKILL before an operation on a file, or in the middle of a write
    killed-after SIGKILL right after it
    broken       the operation fails once (EIO)
    full         from the operation on, the disk takes nothing more (ENOSPC)
    interrupted  Ctrl-C at the operation
    timed-kill   killed at a moment in time, wherever the program is
    timed-ctrl-c interrupted at a moment in time
    twins        two runs in one folder at once
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from npnet import train
from npnet.models.checkpoint import BEST
from npnet.runs.files import LAST
from npnet.serialization import load
from npnet.training import plots
from npnet.training import run as job
from npnet.training.checkpoint import Checkpoints

EPOCHS = 3
OPERATIONS = ("killed", "killed-after", "broken", "full", "interrupted")
PNG = b"no picture: to draw one takes longer than all the rest of the run"


class Faults:
    """Counts the operations on files under `root`, and lets that number `at` go wrong."""

    def __init__(self, root: Path, kind: str = "none", at: int = 0) -> None:
        self.root, self.kind, self.at, self.count = str(root), kind, at, 0

    def do(self, name: str, work: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        self.count += 1
        if self.count == self.at:
            self._fail(name, work, half)
        if self.kind == "full" and 0 < self.at < self.count and name in ("write", "open", "mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return work()

    def _fail(self, name: str, work: Callable[[], Any], half: Callable[[], Any] | None) -> None:
        if self.kind in ("killed", "full") and half is not None:
            half()
        if self.kind == "killed-after":
            work()
        if self.kind in ("killed", "killed-after"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "interrupted":
            raise KeyboardInterrupt
        if self.kind == "broken":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.kind == "full" and name in ("write", "open", "mkdir", "fsync"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def install(self) -> None:
        for name in ("replace", "rename", "unlink", "mkdir", "chmod"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        fsync = os.fsync
        os.fsync = lambda handle: self.do("fsync", lambda: fsync(handle))
        opened = builtins.open
        builtins.open = io.open = self._opener(opened)  # type: ignore[assignment]

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
            if not str(path).startswith(self.root):
                return function(path, *args, **kwargs)
            return self.do(name, lambda: function(path, *args, **kwargs))

        return watched

    def _opener(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        def watched(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if not str(file).startswith(self.root) or not set(mode) & set("wax"):
                return opened(file, mode, *args, **kwargs)
            raw = self.do("open", lambda: _Raw(self, file, mode.replace("b", "").replace("t", "")))
            buffered = io.BufferedWriter(raw)
            if "b" in mode:
                return buffered
            return io.TextIOWrapper(buffered, encoding=kwargs.get("encoding"))

        return watched


class _Raw(io.FileIO):
    """A file whose writes are counted, and may stop in their middle."""

    def __init__(self, faults: Faults, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self.faults = faults

    def write(self, data: Any) -> int:
        def half() -> None:
            io.FileIO.write(self, data[: len(data) // 2])

        return int(self.faults.do("write", lambda: io.FileIO.write(self, data), half))


def forked(work: Callable[[], int], said: Path | None = None) -> int:
    """The exit code of `work` in a process of its own, or minus the signal that ended it.

    What it says on standard error goes to the file `said`.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 99  # of what no command may end in: a traceback
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent if said is None else os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Campaign:
    """The cases of one kind; see the text of the module."""

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        self.folder, self.kind, self.rng, self.wrong = folder, kind, random.Random(seed), 0
        rng = np.random.default_rng(0)
        x, y = rng.integers(0, 256, (48, 12, 12), np.uint8), np.arange(48) % 3
        np.savez(folder / "data.npz", x=x, y=y)
        for owner, name in ((plots, "curves_png"), (job, "confusion_png"), (plots, "errors_png")):
            setattr(owner, name, lambda *args: PNG)
        with contextlib.redirect_stdout(io.StringIO()):
            assert self._train("loads") == 0  # here, so that no case has to load modules
        self.seconds = self._whole()

    def _whole(self) -> float:
        """Run undisturbed, for what the others must come to; how long it took."""
        counted = self.folder / "count"

        def work() -> int:
            faults = Faults(self.folder / "whole")
            faults.install()
            code = self._train("whole")
            counted.write_text(str(faults.count))
            return code

        start = time.perf_counter()
        assert forked(work) == 0, "the undisturbed run failed"
        self.operations = int(counted.read_text())
        self.expected = {name: self._file("whole", name) for name in (BEST, LAST)}
        return time.perf_counter() - start

    def _file(self, case: str, name: str) -> bytes:
        return (self.folder / case / "checkpoint" / name).read_bytes()

    def _train(self, case: str, *flags: str) -> int:
        root = self.folder / case
        settings = (
            "--model mlp --threads 1 --batch_size 16 --optimizer adam --ema 0.9 --augment "
            f"--learning_rate 0.01 --scheduler onecycle --epochs {EPOCHS}"
        )
        folders = ["--checkpoint_dir", str(root / "checkpoint"), "--log_dir", str(root / "log")]
        data = ["--dataset", str(self.folder / "data.npz")]
        return train.main([*settings.split(), *folders, *data, *flags])

    def _disturbed(self, case: str, at: float, *flags: str) -> int:
        def work() -> int:
            if self.kind.startswith("timed"):
                if self.kind == "timed-ctrl-c":
                    signal.signal(signal.SIGALRM, signal.default_int_handler)
                signal.setitimer(signal.ITIMER_REAL, at)
            else:
                Faults(self.folder / case, self.kind, int(at)).install()
            try:
                return self._train(case, *flags)
            except KeyboardInterrupt as interrupt:
                frames = traceback.extract_tb(interrupt.__traceback__)
                if any(frame.name == "run_command" for frame in frames):
                    raise
                return 130  # it came before the command, or after it

        said = self.folder / f"{case}.stderr"
        code = forked(work, said)
        if code == 99:
            print(said.read_text())
        return code

    def run(self, count: int) -> int:
        """`count` cases; of operations, all in turn where count is 0. Returns how many."""
        if self.kind == "twins":
            for number in range(count):
                self._twins(f"case{number}")
            return count
        if self.kind.startswith("timed"):
            moments = [self.rng.uniform(0, self.seconds) + 1e-4 for _ in range(count)]
        else:
            every = list(range(1, self.operations + 1))
            moments = every if count == 0 else self.rng.sample(every, min(count, len(every)))
        for number, at in enumerate(moments):
            self._case(f"case{number}", at)
        return len(moments)

    def _case(self, case: str, at: float) -> None:
        codes = {"killed": -9, "killed-after": -9, "timed-kill": -14, "timed-ctrl-c": 130}
        expected = {codes.get(self.kind, 130 if self.kind == "interrupted" else 2), 0}
        code = self._disturbed(case, at)
        self._check(code in expected, f"{case}: ended by {code} at {at}")
        for _ in range(2):  # disturb it again, once or twice
            if self.rng.random() < 0.5:
                again = self.rng.uniform(0, at)
                self._check_kept(case)
                code = self._disturbed(case, max(again, 1e-4), *self._resume(case))
                self._check(code in expected, f"{case}: ended by {code} at {again} of a resume")
        self._check_kept(case)
        code = forked(lambda: self._train(case, *self._resume(case)))
        self._check(code == 0, f"{case}: could not be resumed, code {code}, after {at}")
        self._check_whole(case)

    def _resume(self, case: str) -> list[str]:
        return ["--resume"] if (self.folder / case / "checkpoint" / LAST).exists() else []

    def _twins(self, case: str) -> None:
        """Two runs at the same time: one has the folder, the other is told, or comes after it."""
        pids = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                os._exit(forked(lambda: self._train(case)))
            pids.append(pid)
        codes = sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids)
        self._check(codes in ([0, 2], [0, 0]), f"{case}: two at once ended by {codes}")
        self._check_whole(case)

    # ---- what must hold ------------------------------------------------------------------------

    def _check(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong += 1
            print(f"{self.kind}: {what}")

    def _check_kept(self, case: str) -> None:
        """What was saved is whole, and every epoch that was told is in it."""
        folder, log = self.folder / case / "checkpoint", self.folder / case / "log/log.txt"
        text = log.read_text() if log.exists() else ""
        told = max(map(int, re.findall(r"epoch +(\d+)/\d+ .* lr ", text)), default=0)
        kept = 0
        if (folder / LAST).exists():
            kept = Checkpoints(folder).load_last().progress.epoch
        if (folder / BEST).exists():
            load(folder / BEST)
        self._check(kept >= told, f"{case}: {told} epochs were told and {kept} kept")
        if self.kind in ("broken", "full", "interrupted", "timed-ctrl-c"):
            left = [path.name for path in folder.glob(".*.tmp")] if folder.exists() else []
            # A disk that fails at this may leave one.
            self._check(not left or self.kind == "broken", f"{case}: {left} was left behind")

    def _check_whole(self, case: str) -> None:
        for name, data in self.expected.items():
            same = self._file(case, name) == data
            self._check(same, f"{case}: {name} is not that of the undisturbed run")
        rows = (self.folder / case / "log/metrics.csv").read_text().splitlines()[1:]
        numbers = [row.split(",")[0] for row in rows]
        self._check(numbers == [str(n + 1) for n in range(EPOCHS)], f"{case}: metrics of {numbers}")
        whole = (self.folder / case / "log/result.json").exists()
        self._check(whole, f"{case}: there is no result.json")


def main(folder: str, kind: str, cases: str, seed: str) -> int:
    campaign = Campaign(Path(folder), kind, int(seed))
    count = campaign.run(int(cases))
    print(f"{kind}: {count} cases, {campaign.operations} operations, {campaign.wrong} wrong")
    return campaign.wrong > 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
