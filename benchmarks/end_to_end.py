"""Seconds of the whole command: `python -m npnet.train` against `python -m reference.train`.

Both get the same flags and take turns as processes: start-up, reading the data, training,
validation, checkpoints, logs, pictures and the test are all in the time. npnet finds its kernels on
disk (`npnet warmup` puts them there). Flags that are not the benchmark's own go to both commands.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from harness import ROOT, Timing, environment, pytorch, report, times

MEBIBYTE = 2**20
COMMANDS = {"npnet": "npnet.train", "torch": "reference.train"}  # PyTorch's where it is installed
# The child runs the command and says at its end how much memory it took at most: what getrusage
# reports of children would include this process at the time of the fork.
CODE = """
import runpy, sys
sys.path.append({root!r})
sys.argv[0] = {module!r}
try:
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
finally:
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print("peak", peak, "kB")
"""


@dataclass(frozen=True)
class Run:
    """One process: seconds, peak memory (bytes) and test accuracy (percent)."""

    seconds: float
    peak: float
    accuracy: float


@dataclass(frozen=True)
class Result:
    """One row: a library's runs of the command."""

    library: str
    seconds: Timing
    peak: float
    accuracies: list[float]


def run(module: str, flags: Sequence[str]) -> Run:
    """Run the command; its files go to a folder that is removed afterwards."""
    variables = os.environ.copy()
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library has its bytecode
    with tempfile.TemporaryDirectory() as folder:
        folders = ["--checkpoint_dir", f"{folder}/checkpoint", "--log_dir", f"{folder}/log"]
        command = [
            sys.executable,
            "-c",
            CODE.format(module=module, root=str(ROOT)),
            *flags,
            *folders,
        ]
        start = time.perf_counter()
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{module} failed with code {done.returncode}:\n{done.stderr}")
    accuracy = re.search(r"^test accuracy ([0-9.]+) %", done.stdout, re.MULTILINE)
    peak = re.search(r"^peak (\d+) kB", done.stdout, re.MULTILINE)
    assert accuracy, done.stdout
    assert peak, done.stdout
    return Run(seconds, 1024 * float(peak[1]), float(accuracy[1]))


def measure(flags: Sequence[str], rounds: int) -> list[Result]:
    names = [name for name in COMMANDS if name == "npnet" or pytorch() is not None]
    found: dict[str, list[Run]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(run(COMMANDS[name], flags))
    return [
        Result(
            name,
            Timing(*np.quantile([r.seconds for r in runs], [0.5, 0.25, 0.75]).tolist()),
            max(r.peak for r in runs),
            [r.accuracy for r in runs],
        )
        for name, runs in found.items()
    ]


def row(result: Result, torch: float | None) -> list[str]:
    t = result.seconds
    return [
        result.library,
        f"{t.median:.1f} [{t.first_quartile:.1f}, {t.third_quartile:.1f}]",
        times(t, torch),
        f"{result.peak / MEBIBYTE:.0f}",
        " ".join(f"{a:.2f}" for a in sorted(set(result.accuracies))),
    ]


def plot(title: str, results: Sequence[Result], file: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 1.8), layout="constrained")
    colours = ["tab:blue" if r.library == "npnet" else "tab:gray" for r in results]
    seconds = [r.seconds.median for r in results]
    bars = axes.barh([r.library for r in results], seconds, color=colours)
    axes.bar_label(bars, [f" {r.seconds.median:.1f} s, {r.accuracies[-1]:.2f} %" for r in results])
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_title(title, fontsize="medium")
    axes.set_xlabel("seconds of the whole command")
    figure.savefig(file, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog="All other flags go to both commands."
    )
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--plot", help="draw the results to this file")
    args, others = parser.parse_known_args(argv)
    names = ("model", "dataset", "epochs", "threads")
    flags = [*(part for n in names for part in (f"--{n}", str(getattr(args, n)))), *others]
    results = measure(flags, args.rounds)
    torch = next((r.seconds.median for r in results if r.library == "torch"), None)
    title = f"train {' '.join(flags)}"
    report(f"{title}, seconds: median [quartiles]", environment(args.threads),
           ["library", "seconds", "x torch", "peak MiB", "test accuracy %"],
           [row(r, torch) for r in results], results, args.json)  # fmt: skip
    if args.plot:
        plot(title, results, args.plot)


if __name__ == "__main__":
    main()
