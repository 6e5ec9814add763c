"""Images a second of a training step: forward, cross-entropy, backward, SGD with momentum.

Each network and batch size is run by npnet, as an eager loop and compiled, and by PyTorch, eager,
channels_last and torch.compile (max-autotune), in turns, from the same weights on the same batch;
--peers adds JAX and tinygrad where they are installed. Before timing, the losses of the first steps
are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import peers
import torch
from harness import Timing, environment, interleave, network_parser, plot_networks, report
from peak import peak

import npnet
from npnet import models
from npnet.models.summary import summary
from reference import models as torch_models

LEARNING_RATE, MOMENTUM = 0.01, 0.9
COMPARED_STEPS = 3

Run = Callable[[], float]


@dataclass(frozen=True)
class Result:
    """One row: seconds of a step by competitor, its work, and by how much the losses differed."""

    model: str
    batch: int
    seconds: dict[str, Timing]
    gflop: float
    difference: float


def steps(name: str, batch: int, args: argparse.Namespace) -> dict[str, Run]:
    """The competitors: each call is one training step and returns its loss."""
    spec = models.MODELS[name]
    size = spec.size_for(32)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, spec.in_channels, size, size), dtype=np.float32)
    y = rng.integers(0, 10, batch)
    npnet.manual_seed(0)
    initial = models.create(name).state_dict()
    arrays = {k: v.numpy() for k, v in initial.items()}

    def npnet_run(make: Callable[..., Run]) -> Run:
        model = models.create(name)
        model.load_state_dict(initial)
        return make(npnet, model, npnet.from_numpy(x), npnet.from_numpy(y))

    def torch_run(layout: Any, compiled: bool = False) -> Run:
        model = torch_models.create(name)
        model.load_state_dict({k: torch.from_numpy(a) for k, a in arrays.items()})
        model = model.to(memory_format=layout)
        images = torch.from_numpy(x).to(memory_format=layout)
        forward = torch.compile(model, mode="max-autotune") if compiled else model
        return eager(torch, forward, images, torch.from_numpy(y))

    competitors = {
        "npnet compiled": npnet_run(compiled),
        "npnet": npnet_run(eager),
        "torch": torch_run(torch.contiguous_format),
        "channels_last": torch_run(torch.channels_last),
    }
    if not args.no_compile:
        competitors["torch.compile"] = torch_run(torch.contiguous_format, compiled=True)
    if args.peers and name in peers.NETWORKS:
        # batch norm's running statistics are no weights: the loss of a step does not use them
        weights = {k: arrays[k] for k, _ in models.create(name).named_parameters()}
        for peer, make in peers.installed().items():
            competitors[peer] = make(name, weights, x, y, LEARNING_RATE, MOMENTUM)
    return competitors


def eager(lib: Any, model: Any, x: Any, y: Any) -> Run:
    """A training step in either library, as a user writes it."""
    optimizer = lib.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def run() -> float:
        loss = lib.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return run


def compiled(lib: Any, model: Any, x: Any, y: Any) -> Run:
    """The same by `npnet.compile`."""
    optimizer = lib.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    step = lib.compile(model, lib.nn.functional.cross_entropy, optimizer)
    return lambda: float(step(x, y).item())


def measure(name: str, batch: int, args: argparse.Namespace) -> Result:
    competitors = steps(name, batch, args)
    losses = {n: [run() for _ in range(COMPARED_STEPS)] for n, run in competitors.items()}
    difference = max(
        abs(a - b) / abs(b)
        for values in losses.values()
        for a, b in zip(values, losses["torch"], strict=True)
    )
    seconds = interleave(competitors, args.rounds)
    return Result(name, batch, seconds, batch * gflop_of_an_image(name), difference)


def gflop_of_an_image(name: str) -> float:
    """Of a step: each layer's products three times, but for the first layer's gradient by images.

    Winograd's algorithm and skipped padding need fewer; they count in full.
    """
    spec = models.MODELS[name]
    size = spec.size_for(32)
    rows = summary(models.create(name), (1, spec.in_channels, size, size)).rows
    macs = [row.macs for row in rows if row.macs]
    return 2e-9 * (3 * sum(macs) - macs[0])


def row(result: Result, most: float) -> list[str]:
    t = result.seconds
    best = min(timing.median for name, timing in t.items() if not name.startswith("npnet"))
    cells = [result.model, str(result.batch)]
    for timing in t.values():
        low, high = result.batch / timing.third_quartile, result.batch / timing.first_quartile
        cells.append(f"{result.batch / timing.median:,.0f} [{low:,.0f}, {high:,.0f}]")
    for ours in ("npnet compiled", "npnet"):
        cells.append(f"{t['torch'].median / t[ours].median:.2f}")
        cells.append(f"{best / t[ours].median:.2f}")
    share = result.gflop / t["npnet compiled"].median / most
    return [*cells, f"{share:.0%}", f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = network_parser(__doc__, ["lenet5", "convnet", "resnet20"], [32, 128, 512])
    parser.add_argument("--peers", action="store_true", help="JAX and tinygrad, where installed")
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    results, most = [], 0.0
    for name in args.models:
        for batch in args.batches:
            results.append(measure(name, batch, args))
            most = max(most, peak())  # each time: another program may have had a core
    ratios = ["compiled x torch", "x best", "eager x torch", "x best"]
    columns = ["network", "batch", *results[0].seconds, *ratios, "of peak", "losses differ by"]
    about = {**environment(args.threads), "measured peak": f"{most:.0f} GFLOP/s"}
    report("training step, images a second: median [quartiles]", about,
           columns, [row(r, most) for r in results], results, args.json)  # fmt: skip
    if args.plot:
        plot_networks("speed of a training step", results, args.plot)


if __name__ == "__main__":
    main()
