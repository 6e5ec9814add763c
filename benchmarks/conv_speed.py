"""Milliseconds of every distinct convolution and pooling of LeNet-5, ResNet-20 and ResNet-18.

Each layer's forward pass and gradients are run by npnet's NumPy op (im2col), npnet's kernels and
PyTorch in its two layouts in turns, on the same numbers. With --naive there is also a Python loop
over the elements of arrays: the forward pass of a part of the terms, scaled to all of them, which
the gradients have as many of. npnet's inputs and
outputs stay in lanes, PyTorch's in the layout of its column: as they are from layer to layer.
The gradient by the input is left out where a network does not need it, at its first layer.
"""

from __future__ import annotations

import argparse
import copy
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from harness import (
    Table,
    Timing,
    best_of_pytorch,
    environment,
    interleave,
    plot_bars,
    pytorch,
    times,
    torch_threads,
)
from peak import peak

import npnet
from npnet import models, nn
from npnet.base.arrays import Array
from npnet.kernels import lanes
from npnet.lanes import conv, pool
from npnet.lanes.function import LaneOp
from npnet.lanes.plan import Buffer, Loop
from npnet.ops.conv import Conv2d
from npnet.ops.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from npnet.ops.windows import Window

Passes: TypeAlias = dict[
    str, dict[str, Callable[[], Any]]
]  # by name of the pass, then of the competitor

NAIVE_TERMS = 2**16  # of a layer's sums, that the loop in Python is timed on
quiet = np.errstate(all="ignore")  # decorates what runs an op by itself, as the tape does
IMAGES = {"lenet5": (128, 32), "resnet20": (128, 32), "resnet18": (16, 224)}  # how many, how large


@dataclass(frozen=True)
class Result:
    """One row: seconds by competitor, the sums' work, and by how much the results differed."""

    network: str
    layer: str
    direction: str
    seconds: dict[str, Timing]
    gflop: float
    difference: float


def layouts() -> dict[str, Any]:
    """PyTorch's, by the columns' names; none where it is not installed."""
    torch = pytorch()
    if torch is None:
        return {}
    return {"torch": torch.contiguous_format, "torch channels_last": torch.channels_last}


# ---- layers ------------------------------------------------------------------------------------


def layers(
    network: str, n: int, size: int
) -> Iterator[tuple[str, nn.Module, tuple[int, ...], bool]]:
    """Name, module, input shape and whether it is the first, of layers that differ."""
    model = models.create(network).eval()
    seen: dict[Any, tuple[str, nn.Module, tuple[int, ...]]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[npnet.Tensor, ...], output: Any) -> None:
            shape = (n, *inputs[0].shape[1:])
            seen.setdefault((repr(module), shape), (name, module, shape))

        return hook

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)):
            module.register_forward_hook(note(name))
    with npnet.no_grad():
        model(npnet.zeros(1, models.MODELS[network].in_channels, size, size))
    for i, layer in enumerate(seen.values()):
        yield *layer, i == 0


def describe(name: str, module: Any, shape: tuple[int, ...]) -> str:
    """Such as "conv1 3->64 7x7/2 on 224x224"."""
    size = f"on {shape[2]}x{shape[3]}"
    if isinstance(module, nn.Conv2d):
        (kh, kw), stride = module.kernel_size, module.stride[0]
        step = f"/{stride}" if stride > 1 else ""
        return f"{name} {shape[1]}->{module.out_channels} {kh}x{kw}{step} {size}"
    return f"{name} {shape[1]} {size}"


def as_array(result: Any, n: int) -> Array:
    """A competitor's result as (N, C, H, W)."""
    if not isinstance(result, np.ndarray):
        return result.detach().numpy()
    return lanes.from_lanes(result, n) if result.ndim == 5 else result


# ---- passes ------------------------------------------------------------------------------------


def window_of(module: Any, shape: tuple[int, ...]) -> Window:
    """Where the windows of a layer lie; of adaptive pooling to one pixel, the whole image."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return Window((shape[2], shape[3]))
    return Window.checked("conv_speed", shape, module.kernel_size, module.stride, module.padding)


def convolution(module: Any, shape: tuple[int, ...], first: bool) -> Passes:
    """The passes of an nn.Conv2d; the first layer's input needs no gradient."""
    rng, n, size = np.random.default_rng(0), shape[0], (shape[2], shape[3])
    window = window_of(module, shape)
    x = rng.standard_normal(shape, dtype=np.float32)
    weight = module.weight.array
    bias = None if module.bias is None else module.bias.array
    gy = rng.standard_normal((n, len(weight), *window.output_size(size)), dtype=np.float32)
    function, needs_weights = Conv2d(window, 1), (False, True, bias is not None)

    def each(needs: tuple[bool, ...]) -> list[dict[str, Callable[[], Any]]]:
        """Forward and backward, where these inputs want gradients."""
        by_numpy = in_numpy(function, needs, x, gy, weight, bias)
        return by_name(by_numpy, in_lanes(conv.Conv2d(function), needs, x, gy, weight, bias))

    forward, by_weight = each(needs_weights)
    _, data = each((True, False, False))
    for name, layout in layouts().items():
        forward[name], data[name], by_weight[name] = torch_convolution(
            layout, x, weight, bias, gy, window
        )
    passes = {"forward": forward, "backward-data": data, "backward-weight": by_weight}
    if first:
        del passes["backward-data"]
    return passes


def in_numpy(
    function: Any, needs: tuple[bool, ...], x: Array, gy: Array, *weights: Array | None
) -> list[Callable[[], Any]]:
    """A Function's forward pass, and the first of the gradients that inputs need."""
    op = copy.copy(function)
    op.needs_input_grad = needs
    forward = functools.partial(quiet(op.forward), x, *weights)
    forward()
    return [forward, quiet(lambda: next(g for g in op.backward(gy) if g is not None))]


def in_lanes(
    op: LaneOp, needs: tuple[bool, ...], x: Array, gy: Array, *weights: Array | None
) -> list[Callable[[], Any]]:
    """The same by kernels, from images in lanes."""
    images, gradients, out = Buffer(lanes.to_lanes(x)), Buffer(lanes.to_lanes(gy)), Loop(len(x))
    op.needs_input_grad = needs

    def backward() -> Any:
        g = next(g for g in op.backward(gradients, out) if g is not None)
        return g.array if isinstance(g, Buffer) else g

    op.forward(images, out, *weights)
    return [lambda: op.forward(images, out, *weights).array, backward]


def by_name(*libraries: list[Callable[[], Any]]) -> list[dict[str, Callable[[], Any]]]:
    """Of each pass, npnet's two ways."""
    return [
        dict(zip(("numpy", "npnet"), ways, strict=True)) for ways in zip(*libraries, strict=True)
    ]


def torch_convolution(
    layout: Any, x: Array, weight: Array, bias: Array | None, gy: Array, window: Window
) -> list[Callable[[], Any]]:
    """PyTorch's three passes, each alone."""
    torch = pytorch()
    a, w, g = (torch.from_numpy(v).to(memory_format=layout) for v in (x, weight, gy))
    b = None if bias is None else torch.from_numpy(bias)
    where = (window.stride, [p[0] for p in window.padding], (1, 1))
    sizes = None if bias is None else [len(bias)]

    def backward(*mask: bool) -> Callable[[], Any]:
        gradients = torch.ops.aten.convolution_backward
        wanted = mask.index(True)
        return lambda: gradients(g, a, w, sizes, *where, False, [0, 0], 1, list(mask))[wanted]

    by_data, by_weight = backward(True, False, False), backward(False, True, bias is not None)
    return [lambda: torch.conv2d(a, w, b, *where), by_data, by_weight]


def pooling(module: Any, shape: tuple[int, ...]) -> Passes:
    """The passes of a pooling layer without options beyond its window."""
    rng, size, window = np.random.default_rng(0), (shape[2], shape[3]), window_of(module, shape)
    x = rng.standard_normal(shape, dtype=np.float32)
    gy = rng.standard_normal((*shape[:2], *window.output_size(size)), dtype=np.float32)
    function: Any
    op: LaneOp
    if isinstance(module, nn.MaxPool2d):
        op = pool.MaxPool2d(function := MaxPool2d(window))
    elif isinstance(module, nn.AvgPool2d):
        op = pool.AvgPool2d(function := AvgPool2d(window, True, None))
    else:
        op = pool.AdaptiveAvgPool2d(function := AdaptiveAvgPool2d((1, 1)))
    forward, backward = by_name(in_numpy(function, (True,), x, gy), in_lanes(op, (True,), x, gy))
    for name, layout in layouts().items():
        theirs = eval(repr(module), vars(pytorch().nn))  # the two libraries print modules alike
        forward[name], backward[name] = torch_pooling(theirs, layout, x, gy)
    return {"forward": forward, "backward": backward}


def torch_pooling(module: Any, layout: Any, x: Array, gy: Array) -> list[Callable[[], Any]]:
    """PyTorch's two passes, each alone."""
    torch = pytorch()
    a, g = (torch.from_numpy(v).to(memory_format=layout) for v in (x, gy))
    a.requires_grad_()
    y = module(a)
    return [lambda: module(a), lambda: torch.autograd.grad(y, a, g, retain_graph=True)[0]]


# ---- measuring ---------------------------------------------------------------------------------


def measure(network: str, images: tuple[int, int], naive: bool, rounds: int) -> Iterator[Result]:
    """The rows of one network."""
    for name, module, shape, first in layers(network, *images):
        window, is_conv = window_of(module, shape), isinstance(module, nn.Conv2d)
        maps = module.out_channels if is_conv else 1
        terms = math.prod(window.output_size(shape[2:])) * math.prod(window.kernel)
        terms *= shape[0] * shape[1] * maps
        slow = naive_seconds(shape, maps, window, terms) if naive else math.nan
        passes = convolution(module, shape, first) if is_conv else pooling(module, shape)
        for direction, calls in passes.items():
            arrays = {k: as_array(call(), shape[0]) for k, call in calls.items()}
            want = arrays["numpy"]
            difference = max(np.abs(a - want).max() / np.abs(want).max() for a in arrays.values())
            seconds = interleave(calls, rounds)
            if naive:
                seconds["naive"] = Timing(slow, slow, slow)
            gflop = 2e-9 * terms if is_conv else math.nan
            layer = describe(name, module, shape)
            yield Result(network, layer, direction, seconds, gflop, float(difference))


def naive_seconds(shape: tuple[int, ...], maps: int, window: Window, terms: int) -> float:
    """What the loop over all products would take, from the first NAIVE_TERMS of them."""
    n, channels, height, width = shape
    (sh, sw), (top, left) = window.stride, (p[0] for p in window.padding)
    x, weight = np.ones(shape, np.float32), np.ones((maps, channels, *window.kernel), np.float32)
    y = np.zeros((n, maps, *window.output_size((height, width))), np.float32)
    sizes = (*y.shape, channels, *window.kernel)
    start = time.perf_counter()
    for b, o, i, j, c, u, v in itertools.islice(np.ndindex(sizes), NAIVE_TERMS):
        h, w = i * sh - top + u, j * sw - left + v
        if 0 <= h < height and 0 <= w < width:
            y[b, o, i, j] += weight[o, c, u, v] * x[b, c, h, w]
    return (time.perf_counter() - start) * terms / min(NAIVE_TERMS, terms)


# ---- output ------------------------------------------------------------------------------------


def row(result: Result, most: float) -> list[str]:
    t = result.seconds
    cells = [result.network, result.layer, result.direction]
    for timing in t.values():
        median, low, high = (
            1e3 * s for s in (timing.median, timing.first_quartile, timing.third_quartile)
        )
        cells.append(f"{median:.3g} [{low:.3g}, {high:.3g}]")
    speed = result.gflop / t["npnet"].median
    cells += ["", ""] if math.isnan(speed) else [f"{speed:.0f}", f"{speed / most:.0%}"]
    return [*cells, times(t["npnet"], best_of_pytorch(t)), f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--images", nargs=2, type=int, metavar=("COUNT", "SIZE"),
                        help=f"of all networks; by default {IMAGES}")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--naive", action="store_true", help="with the loop in Python")
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--plot", help="draw the results into this file")
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch_threads(args.threads)
    images = {name: tuple(args.images or IMAGES[name]) for name in args.models}
    batches = ", ".join(f"{k} {n} images of {s}x{s}" for k, (n, s) in images.items())
    table: Any = None
    most = max(peak() for _ in range(3))
    for name in args.models:
        for result in measure(name, images[name], args.naive, args.rounds):
            most = max(most, peak())  # each time: another program may have had a core
            if table is None:
                columns = ["network", "layer", "pass", *result.seconds, "GFLOP/s", "of peak"]
                title = f"convolution and pooling, ms: median [quartiles]; {batches}"
                about = environment(args.threads)
                table = Table(title, about, [*columns, "x best torch", "differs by"], args.json)
            table.add(row(result, most), result)
    table.close(**{"measured peak": f"{most:.0f} GFLOP/s"})
    if args.plot is not None:
        draw(table.results, {name: n for name, (n, _) in images.items()}, args.plot)


def draw(results: Sequence[Result], batches: dict[str, int], file: str) -> None:
    """Speeds by layer and pass as bars, a panel for each network."""
    panels: dict[str, dict[str, dict[str, float]]] = {}
    for r in results:
        panel = panels.setdefault(f"{r.network}, {batches[r.network]} images", {})
        best = best_of_pytorch(r.seconds)
        shown = ("npnet", *layouts(), "numpy")
        panel[f"{r.layer}, {r.direction}"] = {k: best / r.seconds[k].median for k in shown}
    plot_bars("speed, as a multiple of the faster PyTorch layout", panels, file)


if __name__ == "__main__":
    main()
