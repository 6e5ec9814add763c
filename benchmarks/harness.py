"""What the benchmarks share: interleaved timing, the line about the machine, the table, the files.

Competitors take turns in one process, so that a machine whose speed drifts slows all of them. A
figure is the median of the rounds with its quartiles; figures are compared as ratios. PyTorch gets
its best number of threads, each of its ways by itself, and its columns are missing where it is not
installed. What counts in "x best" are its ways in float32; bfloat16 is there for information.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # for `reference` and `tests`; an npnet that is installed comes first

LIBRARIES = ("npnet", "numpy", "numba", "torch", "jax", "tinygrad")
WARM_UP = 3  # calls before any is timed: compilation, caches, allocators
BFLOAT16 = "torch bfloat16"
# Seconds before a turn, until the threads of whoever was at work are asleep: GNU's OpenMP, which
# PyTorch brings a copy of, has them spin for some milliseconds, on the cores that are wanted now.
SLEEP = 0.02


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: median and quartiles over the rounds."""

    median: float
    first_quartile: float
    third_quartile: float


def interleave(
    competitors: Mapping[str, Callable[[], Any]], rounds: int, least_seconds: float = 0.02
) -> dict[str, Timing]:
    """Time every competitor once a round; each turn repeats the call for at least least_seconds."""
    repeats = {}
    for name, call in competitors.items():
        for _ in range(WARM_UP):
            call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, round(least_seconds / max(time.perf_counter() - start, 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in competitors.items():
                time.sleep(SLEEP)
                start = time.perf_counter()
                for _ in range(repeats[name]):
                    call()
                seconds[name].append((time.perf_counter() - start) / repeats[name])
            gc.collect()
    finally:
        gc.enable()
    return {
        name: Timing(*(float(q) for q in np.quantile(values, [0.5, 0.25, 0.75])))
        for name, values in seconds.items()
    }


# ---- PyTorch -----------------------------------------------------------------------------------


@functools.cache
def pytorch() -> Any:
    """The library, or None; what is missing then is said once."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        print("PyTorch is not installed: its columns are missing", file=sys.stderr)
        return None


def torch_threads(count: int) -> None:
    """Let PyTorch have so many threads, if it is there."""
    if pytorch() is not None:
        pytorch().set_num_threads(count)


def torch_models() -> Any:
    """The networks in plain PyTorch."""
    return importlib.import_module("reference.models")


def at_its_best(run: Callable[[], Any], threads: int) -> Callable[[], Any]:
    """A call of PyTorch's on as many threads as suit it."""
    return on_threads(run, best_threads(run, threads))


def best_threads(run: Callable[[], Any], threads: int) -> int:
    """On how many threads a call of PyTorch's is faster: all, or one if there is little to do."""

    def seconds(count: int) -> float:
        call, found = on_threads(run, count), []
        for _ in range(WARM_UP):
            call()
        for _ in range(2 * WARM_UP):
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
        return min(found)

    counts = sorted({threads, 1}, reverse=True)
    return min(counts, key=seconds) if len(counts) > 1 else threads


def on_threads(run: Callable[[], Any], count: int) -> Callable[[], Any]:
    """The call, on so many of PyTorch's threads."""
    torch = pytorch()

    def call() -> Any:
        torch.set_num_threads(count)
        return run()

    return call


def best_of_pytorch(seconds: Mapping[str, Timing]) -> float | None:
    """The median of PyTorch's fastest way in float32; None if it was not measured."""
    others = ("npnet", "numpy", "naive", BFLOAT16, "jax", "tinygrad")
    medians = [t.median for name, t in seconds.items() if not name.startswith(others)]
    return min(medians, default=None)


def times(ours: Timing, theirs: float | None) -> str:
    """How many times as fast, as a cell."""
    return "" if theirs is None else f"{theirs / ours.median:.2f}"


def has_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16."""
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(_cpu_flags())


# ---- the machine -------------------------------------------------------------------------------


def environment(threads: int) -> dict[str, Any]:
    """Versions, CPU and threads, and what the instructions are restricted to."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if pytorch() is None:
        versions.pop("torch", None)
    about = {"cpu": _cpu_name(), "cores": len(os.sched_getaffinity(0)), "threads": threads}
    restricted = os.environ.get("NUMBA_CPU_NAME")
    only = {} if restricted is None else {"instructions": f"of {restricted} only"}
    return {**about, **only, "python": platform.python_version(), **versions}


def _cpu_info(key: str) -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.split(":")[0].strip() in (key, "Features" if key == "flags" else key):
                return line.split(":", 1)[1].strip()
    return ""


def _cpu_name() -> str:
    name = _cpu_info("model name") or platform.processor() or platform.machine()
    flags = _cpu_flags()
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else ""
    return f"{name} ({wide})" if wide else name


def _cpu_flags() -> set[str]:
    return set(_cpu_info("flags").split())


# ---- the table ---------------------------------------------------------------------------------


@dataclass
class Table:
    """A table in Markdown, printed row by row as they come.

    Args:
        title: what it is of, with the unit of its figures.
        about: the machine; what is only known at the end, such as the peak, comes by `close`.
        json_file: where the rows and what was measured are kept.
    """

    title: str
    about: Mapping[str, Any]
    columns: Sequence[str]
    json_file: str | None = None
    rows: list[list[str]] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def add(self, row: Sequence[str], result: Any) -> None:
        """Print a row, and before the first what is above it."""
        if not self.rows:
            print(self.title, _line(self.about), "", sep="\n")
            self.widths = [max(map(len, pair)) for pair in zip(self.columns, row, strict=True)]
            self._print(self.columns)
            self._print(["-" * w for w in self.widths])
        self.rows.append(list(row))
        self.results.append(result)
        self._print(row)

    def _print(self, row: Sequence[str]) -> None:
        cells = [cell.ljust(w) for cell, w in zip(row, self.widths, strict=True)]
        print("| " + " | ".join(cells) + " |", flush=True)

    def close(self, **more: Any) -> None:
        """Say what else is known now, and write the file."""
        if more:
            print("\n" + _line(more))
        if self.json_file is None:
            return
        data = {
            "title": self.title,
            "command": command(),
            "environment": {**self.about, **more},
            "columns": list(self.columns),
            "rows": self.rows,
            "results": [asdict(r) for r in self.results],
        }
        Path(self.json_file).write_text(dumped(data))


def command() -> str:
    """What was called, but for the files that it wrote."""
    words, kept = iter(sys.argv[1:]), []
    for word in words:
        if word in ("--json", "--plot"):
            next(words, None)
        else:
            kept.append(word)
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *kept])


def dumped(data: Mapping[str, Any]) -> str:
    """JSON, with a line for each row, result and other entry; figures to five digits."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list):
            inner = ",\n".join("  " + json.dumps(_rounded(item)) for item in value)
            lines.append(f" {json.dumps(key)}: [\n{inner}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(_rounded(value))}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def _line(about: Mapping[str, Any]) -> str:
    return " | ".join(f"{k} {v}" for k, v in about.items())


def report(
    title: str,
    about: Mapping[str, Any],
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    results: Sequence[Any],
    json_file: str | None,
) -> None:
    """Print a whole table, and keep it."""
    table = Table(title, about, columns, json_file)
    for row, result in zip(rows, results, strict=True):
        table.add(row, result)
    table.close()


def network_parser(
    doc: str | None, networks: Sequence[str], batches: Sequence[int]
) -> argparse.ArgumentParser:
    """The flags of a benchmark of networks and batch sizes; `doc` begins with what it is."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(networks))
    parser.add_argument("--batches", nargs="+", type=int, default=list(batches))
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--plot", help="draw the results into this file, a PNG or SVG")
    return parser


# ---- pictures ----------------------------------------------------------------------------------


def plot_networks(title: str, results: Sequence[Any], file: str) -> None:
    """Draw the `seconds` of each `model` and `batch` as multiples of PyTorch's eager speed."""
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for r in results:
        unit = r.seconds["torch"].median
        speeds = {name: unit / timing.median for name, timing in r.seconds.items()}
        panels.setdefault(r.model, {})[f"batch {r.batch}"] = speeds
    plot_bars(f"{title}, PyTorch eager = 1", panels, file)


# npnet's two ways in green, PyTorch's in its orange, all others in grey.
COLOURS = {
    "npnet compiled": "#0f5c40",
    "npnet": "#2fa67d",
    "torch": "#ee4c2c",
    "torch channels_last": "#f5a58f",
    "channels_last": "#f5a58f",
    "torch.compile": "#f9d0c4",
    "torch frozen": "#fbe3dc",
    BFLOAT16: "#c9c2bf",
    "numpy": "#9aa5b1",
    "jax": "#7b8794",
    "tinygrad": "#cbd2d9",
}


def plot_bars(
    title: str, panels: Mapping[str, Mapping[str, Mapping[str, float]]], file: str
) -> None:
    """Draw horizontal bars: of each panel, of each group, of each competitor, in that order."""
    import matplotlib.pyplot as plt

    heights = [len(groups) for groups in panels.values()]
    figure, axes = plt.subplots(
        len(panels), 1, height_ratios=heights, squeeze=False, layout="constrained",
        figsize=(9, 1.2 + 0.8 * len(panels) + 0.42 * sum(heights)),
    )  # fmt: skip
    for axis, (name, groups) in zip(axes[:, 0], panels.items(), strict=True):
        competitors = list(next(iter(groups.values())))
        thickness = 0.8 / len(competitors)
        for i, competitor in enumerate(competitors):
            values = [group[competitor] for group in groups.values()]
            places = np.arange(len(groups)) + (i + 0.5) * thickness - 0.4
            bars = axis.barh(places, values, thickness, color=COLOURS[competitor], label=competitor)
            if i == 0:
                axis.bar_label(bars, fmt="{:.2f}", padding=3, fontsize=7, color=COLOURS[competitor])
        axis.set_yticks(range(len(groups)), list(groups), fontsize=8)
        axis.set_ylim(len(groups) - 0.4, -0.6)
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold")
        axis.axvline(1, color="#444444", linewidth=0.8, linestyle=":")
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color="#e4e7eb", linewidth=0.8)
        axis.set_axisbelow(True)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, frameon=False, ncols=len(names), loc="outside upper right")
    axes[-1, 0].set_xlabel(title)
    figure.savefig(file, dpi=150)
    plt.close(figure)
