"""The programs of tests/programs in npnet and PyTorch: seconds of a whole run, and their ratio.

Each program is run as it is in both libraries, in turns in one process, from the same weights,
batches and draws, and their losses are compared. A run is the whole program: it makes the network,
trains it for thirty steps or more, tests, saves and loads. Its pictures are read once, before.

Losses that differ by more than `BOUND` are an error, and the exit status is 1, unless PyTorch's
own differ as much: some programs make roundings larger at each step, or fall to another side of a
kink (of a ReLU, or a maximum of equals). That is measured: the program is run in PyTorch from
weights that are some roundings away from the usual ones, up to `NUDGES` times.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import sklearn.datasets
from harness import Table, Timing, environment, pytorch

from tests.programs.both import PROGRAMS, run

BOUND = 1e-4  # relative, as in tests/programs
NUDGES = 8
TIMES = 2  # what so few runs show of the largest difference there may be


@dataclass(frozen=True)
class Result:
    """One row."""

    program: str
    seconds: dict[str, Timing]
    difference: float | None  # of the losses of the first thirty steps, relative
    rounding: float | None  # of PyTorch's from nudged weights; None where it need not be known
    ratio: float | None  # PyTorch's time by npnet's: the median of the rounds

    @property
    def agrees(self) -> bool:
        """Whether the losses are the same but for rounding."""
        return self.difference is None or _is_rounding(self.difference, self.rounding)


def libraries() -> tuple[str, ...]:
    """Those that are here."""
    return ("npnet",) if pytorch() is None else ("npnet", "torch")


def measure(program: str, rounds: int, threads: int) -> Result:
    """Run a program in turns; the first run of each library, which compiles, is not timed."""
    losses = {library: _run(program, library, threads)[0] for library in libraries()}
    difference, rounding = _compared(program, losses, threads)
    seconds: dict[str, list[float]] = {library: [] for library in libraries()}
    for _ in range(rounds):
        for library in libraries():
            seconds[library].append(_run(program, library, threads)[1])
    ratio = None
    if "torch" in seconds:
        ratio = float(np.median(np.divide(seconds["torch"], seconds["npnet"])))
    timings = {
        library: Timing(*(float(q) for q in np.quantile(values, [0.5, 0.25, 0.75])))
        for library, values in seconds.items()
    }
    return Result(program, timings, difference, rounding, ratio)


def _compared(
    program: str, losses: dict[str, list[float]], threads: int
) -> tuple[float | None, float | None]:
    """How far both libraries' losses are apart, and how far PyTorch's own, if need be."""
    if "torch" not in losses:
        return None, None
    theirs, rounding = losses["torch"], None
    difference = _difference(losses["npnet"], theirs)
    for seed in range(NUDGES):
        if _is_rounding(difference, rounding):
            break
        os.environ["PROGRAMS_NUDGE"] = str(seed)
        nudged = _run(program, "torch", threads)[0]
        rounding = max(rounding or 0.0, _difference(nudged, theirs))
    os.environ.pop("PROGRAMS_NUDGE", None)
    return difference, rounding


def _is_rounding(difference: float, rounding: float | None) -> bool:
    return difference <= max(BOUND, TIMES * (rounding or 0.0))


def _difference(ours: list[float], theirs: list[float]) -> float:
    """The largest, relative, of the losses of the first thirty steps; infinite for NaN."""
    a, b = np.array(ours[:30]), np.array(theirs[:30])
    return float(np.nan_to_num(np.abs(a - b) / (1 + np.abs(b)), nan=np.inf).max())


def _run(program: str, library: str, threads: int) -> tuple[list[float], float]:
    """Losses and seconds, in a folder of its own, with nothing printed."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            start = time.perf_counter()
            losses = run(program, library, threads)
            return losses, time.perf_counter() - start
        finally:
            os.chdir(before)


def row(result: Result) -> list[str]:
    times = (
        f"{1e3 * t.median:.0f} [{1e3 * t.first_quartile:.0f}, {1e3 * t.third_quartile:.0f}]"
        for t in result.seconds.values()
    )
    if result.ratio is None:
        return [result.program, *times]
    rounding = "" if result.rounding is None else f"{result.rounding:.0e}"
    return [result.program, *times, f"{result.ratio:.2f}", f"{result.difference:.0e}", rounding]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--batch", type=int, default=64, help="pictures in a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args(argv)
    os.environ["PROGRAMS_BATCH"] = str(options.batch)
    sklearn.datasets.load_digits = cache(sklearn.datasets.load_digits)
    title = f"whole programs, batch {options.batch}, milliseconds: median [quartiles]"
    columns = ["program", *libraries()]
    columns += ["x torch", "losses differ by", "by nudges"] * (pytorch() is not None)
    table = Table(title, environment(options.threads), columns, options.json)
    failed: list[str] = []
    for program in options.programs:
        try:
            result = measure(program, options.rounds, options.threads)
        except (AttributeError, ImportError, TypeError) as error:
            print(f"{program} does not run: {error}", file=sys.stderr)
            failed.append(program)
            continue
        table.add(row(result), result)
    table.close()
    slower = [r.program for r in table.results if r.ratio is not None and r.ratio < 1]
    if pytorch() is not None:
        print(f"\nslower than in PyTorch: {', '.join(slower) or 'none'}")
    failed += [r.program for r in table.results if not r.agrees]
    if failed:
        sys.exit(f"other losses than in PyTorch, or none: {', '.join(failed)}")


if __name__ == "__main__":
    main()
