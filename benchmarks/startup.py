"""Seconds from the start of a process to the end of LeNet-5's first training step, and its memory.

Every run is a process of its own; npnet and PyTorch take turns. "import" ends when the library can
be used. The warm step finds npnet's kernels on disk, the cold one an empty folder, where they are
compiled and kept. The clock starts before the process does, and the peak memory is its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from harness import ROOT, Timing, environment, pytorch, report, times

MEBIBYTE = 2**20

IMPORT = "import sys, time\nimport {lib}\n"
STEP = """
import numpy as np
sys.path.append({root!r})
from {models} import models
{lib}.set_num_threads({threads})
{lib}.manual_seed(0)
model = models.create("lenet5")
optimizer = {lib}.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
rng = np.random.default_rng(0)
x = {lib}.from_numpy(rng.standard_normal(({batch}, 1, 32, 32), dtype=np.float32))
y = {lib}.from_numpy(rng.integers(0, 10, {batch}))
loss = {lib}.nn.functional.cross_entropy(model(x), y)
optimizer.zero_grad()
loss.backward()
optimizer.step()
loss.item()
"""
# VmHWM, because what getrusage reports includes the parent's at the time of the fork.
END = """
end = time.time()
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(end, peak)
"""


@dataclass(frozen=True)
class Result:
    """One row: seconds and peak memory (bytes) of a library doing something."""

    what: str
    library: str
    seconds: Timing
    peak: float


def run(code: str, cache: str | None) -> tuple[float, float]:
    """Seconds from before the process starts to the end of the code, and its peak memory."""
    variables = os.environ | ({} if cache is None else {"NUMBA_CACHE_DIR": cache})
    variables.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library has its bytecode
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    end, peak = done.stdout.split()
    return float(end) - start, float(peak)


def runs(batch: int, threads: int) -> dict[tuple[str, str], Callable[[], tuple[float, float]]]:
    """The competitors, by what they do and their library."""
    calls: dict[tuple[str, str], Callable[[], tuple[float, float]]] = {}

    def code(lib: str, step: bool) -> str:
        models = "npnet" if lib == "npnet" else "reference"
        values = {"lib": lib, "models": models, "batch": batch, "threads": threads}
        values |= {"root": str(ROOT)}
        return "".join([IMPORT, *[STEP] * step, END]).format(**values)

    def cold() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            return run(code("npnet", True), folder)

    for lib in ("npnet", *["torch"] * (pytorch() is not None)):
        calls["import", lib] = lambda lib=lib: run(code(lib, False), None)
        calls["warm first step", lib] = lambda lib=lib: run(code(lib, True), None)
    calls["cold first step", "npnet"] = cold
    return calls


def measure(batch: int, threads: int, rounds: int) -> list[Result]:
    calls = runs(batch, threads)
    for call in calls.values():
        call()  # files come into memory, kernels onto the disk
    found: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            found[key].append(call())
    return [
        Result(what, lib, Timing(*np.quantile(seconds, [0.5, 0.25, 0.75]).tolist()), max(peaks))
        for (what, lib), pairs in found.items()
        for seconds, peaks in [zip(*pairs, strict=True)]
    ]


def row(result: Result, torch: Mapping[str, float]) -> list[str]:
    t = result.seconds
    seconds = f"{t.median:.2f} [{t.first_quartile:.2f}, {t.third_quartile:.2f}]"
    ratio = times(t, torch.get(result.what.replace("cold", "warm")))  # torch has no kernels
    return [result.what, result.library, seconds, ratio, f"{result.peak / MEBIBYTE:.0f}"]


def plot(results: Sequence[Result], file: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    names = [f"{r.what}, {r.library}" for r in results]
    colours = ["tab:blue" if r.library == "npnet" else "tab:gray" for r in results]
    bars = axes.barh(names, [r.seconds.median for r in results], color=colours)
    axes.bar_label(
        bars, [f" {r.seconds.median:.2f} s, {r.peak / MEBIBYTE:.0f} MB" for r in results]
    )
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel("seconds from the start of the process")
    figure.savefig(file, dpi=150)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--plot", help="draw the results to this file")
    args = parser.parse_args(argv)
    results = measure(args.batch, args.threads, args.rounds)
    torch = {r.what: r.seconds.median for r in results if r.library == "torch"}
    report("start-up, seconds: median [quartiles]", environment(args.threads),
           ["what", "library", "seconds", "x torch", "peak MiB"],
           [row(r, torch) for r in results], results, args.json)  # fmt: skip
    if args.plot:
        plot(results, args.plot)


if __name__ == "__main__":
    main()
