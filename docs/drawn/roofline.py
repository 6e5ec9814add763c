"""The roofline: what limits layers of LeNet-5 and ResNet-20 on one core, as it was measured."""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drawn.card import BLUE, GREEN, GREY, INK, LIGHT, ORANGE, Card

__all__ = ["MEASURED", "measure", "roofline"]

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "docs/drawings/roofline.json"
COMMAND = "python docs/drawings.py --measure"
NETWORKS, SWEEPS = ("lenet5", "resnet20"), 8
COPIES = {"third-level cache": 2**22, "memory": 2**27}  # bytes of two arrays
SECONDS, LONG, FLOAT = 0.6, 0.005, 4
BATCH = 128


# ---- measuring ---------------------------------------------------------------------------------


def measure() -> None:
    """Measure one core of this machine, and keep the figures beside the drawings."""
    sys.path.append(str(ROOT / "benchmarks"))
    harness, peak = (importlib.import_module(name) for name in ("harness", "peak"))
    import npnet

    npnet.set_num_threads(1)
    about = harness.environment(1)
    rows = [row for network in NETWORKS for row in _layers(network)]
    rows.append(["resnet20", "batch norm 16 on 32x32", "forward", *_norm()])
    copies = {name: _copy(size) for name, size in COPIES.items()}
    calls = [*(row[-1] for row in rows), *copies.values()]
    seconds, most = [math.inf] * len(calls), 0.0
    for _ in range(SWEEPS):  # others may be at work: not all the time, perhaps
        most = max(most, peak.peak())
        seconds = [min(least, _least(call)) for least, call in zip(seconds, calls, strict=True)]
    rows = [[*row[:-1], round(s, 8)] for row, s in zip(rows, seconds, strict=False)]
    speeds = zip(COPIES.items(), seconds[len(rows) :], strict=True)
    kept = {
        "command": COMMAND,
        "machine": {key: about[key] for key in ("cpu", "python", "npnet", "numpy", "numba")},
        "batch": BATCH,
        "peak": round(most, 1),
        "copy": {name: round(1e-9 * size / s, 1) for (name, size), s in speeds},
        "columns": ["network", "layer", "direction", "FLOP", "bytes", "seconds"],
        "rows": rows,
    }
    text = re.sub(r"\[\s+([^][]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]",
                  json.dumps(kept, indent=1))  # fmt: skip
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(text + "\n", encoding="utf-8")


def _layers(network: str) -> Iterator[list[Any]]:
    """Convolutions and pools of a network: their passes, FLOP, bytes, and the call."""
    speed = importlib.import_module("conv_speed")
    from npnet.lanes import conv, pool
    from npnet.nn import Conv2d
    from npnet.ops import conv as conv_ops
    from npnet.ops import pool as pool_ops

    rng = np.random.default_rng(0)
    for name, module, shape, first in speed.layers(network, BATCH, 32):
        window, layer = speed.window_of(module, shape), speed.describe(name, module, shape)
        results, x = window.output_size(shape[2:]), rng.standard_normal(shape, dtype=np.float32)
        if isinstance(module, Conv2d):
            weight = module.weight.array
            work = _work(BATCH, shape[1:], len(weight), window.kernel, results)
            gy = rng.standard_normal((BATCH, len(weight), *results), dtype=np.float32)
            op = conv.Conv2d(conv_ops.Conv2d(window, 1))
            passes = {"backward-data": (True, False), "backward-weight": (False, True)}
            for k, (direction, needs) in enumerate(passes.items()):
                forward, backward = speed.in_lanes(op, needs, x, gy, weight)
                if k == 0:
                    yield [network, layer, "forward", *work, forward]
                if not (first and needs[0]):
                    yield [network, layer, direction, *work, backward]
        elif name.startswith("pool"):
            gy = rng.standard_normal((BATCH, shape[1], *results), dtype=np.float32)
            op = pool.AvgPool2d(pool_ops.AvgPool2d(window, True, None))
            forward, _ = speed.in_lanes(op, (True,), x, gy)
            yield [network, layer, "forward", x.size, FLOAT * (x.size + gy.size), forward]


def _work(
    n: int, image: tuple[int, ...], outputs: int, kernel: tuple[int, ...], results: tuple[int, ...]
) -> tuple[int, int]:
    """Multiplications and additions that a convolution's equation has; bytes of its arrays."""
    taps, pixels = image[0] * math.prod(kernel), math.prod(results)
    numbers = n * (math.prod(image) + outputs * pixels) + outputs * taps
    return 2 * n * outputs * pixels * taps, FLOAT * numbers


def _norm() -> tuple[int, int, Callable[[], None]]:
    """Batch norm forward of 16 channels of 32x32 pixels: two walks for the sums, and a third.

    Of each number: a sum; a difference, its sum, its square, added; a difference, scaled, shifted.
    """
    import npnet
    from npnet.kernels import lanes, norm

    npnet.set_num_threads(1)
    x = lanes.to_lanes(np.ones((BATCH, 16, 32, 32), np.float32)).reshape(8, 16, 1024, 16)
    mean, var, constants = np.zeros(16, np.float32), np.ones(16, np.float32), lanes.zeros((4, 16))
    y = lanes.empty(x.shape)

    def run() -> None:
        norm.statistics_of_channel(x, BATCH, mean, var)
        norm.normalise_plane(x, x, constants, False, False, y)

    return 8 * x.size, 3 * FLOAT * x.size, run


def _copy(size: int) -> Callable[[], None]:
    """Copies from one array to another, which have so many bytes together."""
    a = np.ones(size // (2 * FLOAT), np.float32)
    b = a.copy()
    return lambda: np.copyto(b, a)


def _least(run: Callable[[], Any]) -> float:
    """Seconds of a call, of this thread's own time, for it may have to give way to others: the
    least of means over some milliseconds.
    """
    run()
    start = time.thread_time()
    run()
    count = 1 + int(LONG / max(time.thread_time() - start, 1e-6))
    end, least = time.perf_counter() + SECONDS, math.inf
    while time.perf_counter() < end:
        start = time.thread_time()
        for _ in range(count):
            run()
        least = min(least, (time.thread_time() - start) / count)
    return least


# ---- drawing -----------------------------------------------------------------------------------

LEFT, RIGHT, TOP, BOTTOM = 70, 660, 86, 452  # of the plot
LOW, HIGH = (0.1, 1), (250, 300)  # FLOP a byte, and GFLOP/s
MARKS = {"lenet5": ORANGE, "resnet20": BLUE}
NAMES = {  # of forward passes: how far from the square, and what of the name stands there
    "pool1 6 on 28x28": ("2x2 means", 9, -5, "left"),
    "batch norm 16 on 32x32": ("batch norm", 0, -13, "center"),
    "conv2 6->16 5x5 on 14x14": ("LeNet-5, conv2", 12, 10, "left"),
    "layer1.0.conv1 16->16 3x3 on 32x32": ("16 channels", 0, -12, "right"),
    "layer2.0.conv2 32->32 3x3 on 16x16": ("32 channels", -9, 0, "right"),
    "layer3.0.conv2 64->64 3x3 on 8x8": ("64 channels", -9, 0, "right"),
}


def _x(value: float) -> float:
    return LEFT + (RIGHT - LEFT) * math.log(value / LOW[0]) / math.log(HIGH[0] / LOW[0])


def _y(value: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * math.log(value / LOW[1]) / math.log(HIGH[1] / LOW[1])


def roofline() -> str:
    """Speed of layers by the multiplications and additions that they have for a byte."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    card = Card(560)
    card.text(20, 26, f"What limits a layer: one core of an {found['machine']['cpu']}", 15,
              bold=True)  # fmt: skip
    about = f"batch {BATCH}, forward and both gradients; measured by {found['command']}"
    card.text(20, 50, about, 12, GREY)
    _axes(card)
    _roofs(card, found)
    for network, layer, direction, flop, size, seconds in found["rows"]:
        is_conv = layer.startswith(("conv", "layer"))
        color = MARKS[network] if is_conv else GREEN
        x, y = _x(flop / size), _y(1e-9 * flop / seconds)
        card.box(x - 4, y - 4, 8, 8, LIGHT[color], color, 1.3)
        if layer in NAMES and direction == "forward":
            name, right, down, at = NAMES[layer]
            card.text(x + right, y + down, name, 11, color, at)
    legend = ((ORANGE, "LeNet-5"), (BLUE, "ResNet-20"), (GREEN, "not convolutions"))
    for x, (color, text) in zip((70, 180, 306), legend, strict=True):
        card.box(x, 524, 10, 10, LIGHT[color], color, 1.3)
        card.text(x + 18, 529, text, 12)
    return card.svg("Roofline of LeNet-5 and ResNet-20", found)


def _axes(card: Card) -> None:
    for value in (0.1, 1, 10, 100):
        card.box(_x(value), TOP, 0.6, BOTTOM - TOP, LIGHT[GREY], LIGHT[GREY])
        card.text(_x(value), BOTTOM + 16, f"{value:g}", 12, INK, "center")
    for value in (1, 10, 100):
        card.box(LEFT, _y(value), RIGHT - LEFT, 0.6, LIGHT[GREY], LIGHT[GREY])
        card.text(LEFT - 8, _y(value), f"{value:g}", 12, INK, "right")
    card.text(20, TOP - 10, "GFLOP/s", 12, GREY)
    about = "FLOP for a byte of the layer's arrays, with the products of a direct convolution"
    card.text((LEFT + RIGHT) / 2, BOTTOM + 42, about, 12, GREY, "center")


def _roofs(card: Card, found: Any) -> None:
    """What the registers can do, and what comes from caches and memory."""
    peak = found["peak"]
    slope = math.degrees(math.atan((_y(1) - _y(10)) / (_x(10) - _x(1))))
    for name, speed in found["copy"].items():
        start, end = max(LOW[0], LOW[1] / speed), peak / speed
        card.axes.plot([_x(start), _x(end)], [_y(start * speed), _y(peak)], color=GREY, lw=1.2)
        place = start * (end / start) ** 0.12
        aside = 8 if name == "memory" else -6
        card.text(_x(place) + aside, _y(place * speed) + aside, f"{name}, {speed:.0f} GB/s", 11,
                  GREY, turn=slope)  # fmt: skip
    first = min(peak / speed for speed in found["copy"].values())
    card.axes.plot([_x(first), RIGHT], [_y(peak)] * 2, color=INK, lw=1.6)
    card.text(_x(1.6), _y(peak) - 12, f"peak {peak:.0f} GFLOP/s", 12, bold=True)
