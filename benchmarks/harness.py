"""What the benchmarks share: interleaved timing, the line about the machine, the table, the files.

Competitors take turns in one process, so that a machine whose speed drifts slows all of them. A
figure is the median of the rounds with its quartiles; figures are compared as ratios.
"""

from __future__ import annotations

import gc
import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

LIBRARIES = ("npnet", "numpy", "numba", "torch", "jax", "tinygrad")
WARM_UP = 3  # calls before any is timed: compilation, caches, allocators


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
