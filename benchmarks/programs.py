"""The programs of tests/programs in npnet and PyTorch: seconds of a whole run, and their ratio.

Each program is run as it is in both libraries, in turns in one process, from the same weights,
batches and draws, and their losses are compared. A run is the whole program: it makes the network,
trains it for thirty steps or more, tests, saves and loads. Its pictures are read once, before.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import sklearn.datasets
from harness import Timing, environment, report

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.programs.both import PROGRAMS, run

LIBRARIES = ("npnet", "torch")


@dataclass(frozen=True)
class Result:
    """One row."""

    program: str
    seconds: dict[str, Timing]
    difference: float  # of the losses of the first thirty steps, relative
    ratio: float  # PyTorch's time by npnet's: the median of the rounds


def measure(program: str, rounds: int, threads: int) -> Result:
    """Run a program in turns; the first run of each library, which compiles, is not timed."""
    losses = {library: np.array(_run(program, library, threads)[0]) for library in LIBRARIES}
    pairs = zip(losses["npnet"][:30], losses["torch"][:30], strict=True)
    difference = max(abs(ours - theirs) / (1 + abs(theirs)) for ours, theirs in pairs)
    seconds: dict[str, list[float]] = {library: [] for library in LIBRARIES}
    for _ in range(rounds):
        for library in LIBRARIES:
            seconds[library].append(_run(program, library, threads)[1])
    ratios = np.divide(seconds["torch"], seconds["npnet"])
    timings = {
        library: Timing(*(float(q) for q in np.quantile(values, [0.5, 0.25, 0.75])))
        for library, values in seconds.items()
    }
    return Result(program, timings, float(difference), float(np.median(ratios)))


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
        for t in (result.seconds[library] for library in LIBRARIES)
    )
    return [result.program, *times, f"{result.ratio:.2f}", f"{result.difference:.0e}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--batch", type=int, default=64, help="pictures in a batch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    os.environ["PROGRAMS_BATCH"] = str(options.batch)
    sklearn.datasets.load_digits = cache(sklearn.datasets.load_digits)
    results = []
    for program in options.programs:
        try:
            results.append(measure(program, options.rounds, options.threads))
        except (AttributeError, ImportError, TypeError) as error:
            print(f"{program} does not run: {error}", file=sys.stderr)
            continue
        print("  ".join(row(results[-1])), file=sys.stderr, flush=True)
    report(
        f"Seconds of whole programs, batch {options.batch}: milliseconds, median and quartiles",
        environment(options.threads),
        ("program", "npnet", "torch", "x torch", "losses differ by"),
        [row(result) for result in results],
        results,
        options.json,
    )
    slower = [result.program for result in results if result.ratio < 1]
    print(f"\nslower than in PyTorch: {', '.join(slower) or 'none'}")


if __name__ == "__main__":
    main()
