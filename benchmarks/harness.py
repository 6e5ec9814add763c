"""What the benchmarks share: interleaved timing, the line about the machine, the table, the files.

Competitors take turns in one process, so that a machine whose speed drifts slows all of them. A
figure is the median of the rounds with its quartiles; figures are compared as ratios.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

LIBRARIES = ("npnet", "numpy", "numba", "torch", "jax", "tinygrad")
WARM_UP = 3  # calls before any is timed: compilation, caches, allocators
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


def environment(threads: int) -> dict[str, Any]:
    """Versions, CPU and threads."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"cpu": _cpu_name(), "threads": threads, "python": platform.python_version(), **versions}


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def report(
    title: str,
    about: Mapping[str, Any],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    results: Sequence[Any],
    json_file: str | None,
) -> None:
    """Print the table as Markdown, which a README can hold, and write the results as JSON."""
    print(f"{title}\n" + " | ".join(f"{k} {v}" for k, v in about.items()) + "\n")
    widths = [max(len(r[i]) for r in (columns, *rows)) for i in range(len(columns))]
    for row in (columns, ["-" * w for w in widths], *rows):
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |")
    if json_file is not None:
        data = {"title": title, "environment": dict(about), "results": [asdict(r) for r in results]}
        Path(json_file).write_text(json.dumps(data, indent=2) + "\n")


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
    "numpy": "#9aa5b1",
    "jax": "#7b8794",
    "tinygrad": "#cbd2d9",
}


def plot_bars(
    title: str, panels: Mapping[str, Mapping[str, Mapping[str, float]]], file: str
) -> None:
    """Draw horizontal bars: of each panel, of each group, of each competitor, in that order."""
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
