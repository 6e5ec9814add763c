"""The tables of kernels.md that say what is in the code, or what was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence

from drawn.facts import facts
from drawn.roofline import BATCH, MEASURED
from npnet.kernels.winograd import FEWER, FREQUENCIES
from npnet.lanes.convolve import tile_rows
from npnet.lanes.winograd import SHORT

__all__ = ["TABLES", "filled"]

REGISTERS = {"AVX2": (16, 2), "AVX-512": (32, 1)}  # of the CPU, and of a vector of sixteen
MARKED = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its tables as they are now."""
    return MARKED.sub(lambda m: m[1] + TABLES[m[2]]() + m[3], page)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tiles() -> str:
    """Rows x columns of register tiles, and the registers that hold their sums."""
    rows = []
    found = {cpu: facts()[cpu]["tiles"] for cpu in REGISTERS}
    for name in found["AVX2"]:
        cells = [name]
        for cpu, (count, each) in REGISTERS.items():
            high, wide = found[cpu][name]
            cells += [f"{high} x {wide}", f"{high * wide * each} of {count}"]
        rows.append(cells)
    return _table(["tile of", "AVX2", "registers", "AVX-512", "registers"], rows)


def work() -> str:
    """What layers cost, at a batch of 128, and what Winograd's tiles make of it."""
    layers = [
        ("LeNet-5, second convolution", 6, 16, 5, 14, 10),
        ("ResNet-20, first stage", 16, 16, 3, 32, 32),
        ("ResNet-20, second stage", 32, 32, 3, 16, 16),
        ("ResNet-20, third stage", 64, 64, 3, 8, 8),
    ]
    rows = []
    for name, channels, outputs, taps, size, result in layers:
        flop = 2 * BATCH * outputs * channels * (taps * result) ** 2
        numbers = BATCH * (channels * size**2 + outputs * result**2) + channels * outputs * taps**2
        less = "" if taps != 3 else _less(outputs, channels)
        shape = f"{channels} -> {outputs}, {taps}x{taps}, {size}x{size}"
        rows.append([name, shape, f"{flop / 1e6:.0f}", f"{4 * numbers / 1e6:.1f}",
                     f"{flop / (4 * numbers):.0f}", less])  # fmt: skip
    head = ["layer, forward", "channels, window, image", "MFLOP", "MB", "FLOP a byte",
            "Winograd, forward"]  # fmt: skip
    return _table(head, rows)


def _less(outputs: int, channels: int) -> str:
    tall = tile_rows((outputs, channels, 3, 3))
    count = FEWER if tall == SHORT else FREQUENCIES
    return f"F({tall}x4): {tall * 4 * 9 / count:.2g} times fewer products"


def programs() -> str:
    """Phases, calls and bytes of compiled steps."""
    names = {"lenet5": "LeNet-5", "resnet20": "ResNet-20"}
    rows = []
    for cpu in REGISTERS:
        for name, title in names.items():
            p = facts()[cpu]["programs"][name]
            calls = sum(len(phase["calls"]) for phase in p["phases"])
            sizes = (p["loop"], p["far"], p["near"])
            slot = f"{p['slot'] / 2**10:.0f}" if p["slot"] else ""
            rows.append([title, cpu, str(len(p["phases"])), str(calls),
                         *(f"{s / 1e6:.1f}" if s else "" for s in sizes), slot])  # fmt: skip
    head = ["step", "CPU", "phases", "calls", "kernel by kernel, MB", "compiled, whole batch, MB",
            "compiled, in slots, MB", "a slot, KiB"]  # fmt: skip
    return _table(head, rows)


PASSES = {
    "forward": "forward",
    "backward-data": "gradient of the input",
    "backward-weight": "gradient of the weights",
}


def measured() -> str:
    """GFLOP/s of layers on one core, and their share of its peak, from the roofline's figures."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    rows: dict[str, list[str]] = {}
    for network, layer, direction, flop, size, seconds in found["rows"]:
        row = rows.setdefault(layer, [network, layer, f"{flop / size:.1f}", "", "", ""])
        speed = 1e-9 * flop / seconds
        row[3 + [*PASSES].index(direction)] = f"{speed:.0f} ({speed / found['peak']:.0%})"
    return _table(["network", "layer", "FLOP a byte", *PASSES.values()], rows.values())


TABLES: dict[str, Callable[[], str]] = {
    "tiles": tiles,
    "work": work,
    "programs": programs,
    "measured": measured,
}
