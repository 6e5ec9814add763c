"""Images a second of a training step: forward, cross-entropy, backward, SGD with momentum.

Each network and batch size is run by npnet and by PyTorch (eager, channels_last and, with
--compile, torch.compile) in turns, from the same weights on the same batch. Before timing, the
losses of the first steps are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from harness import Timing, environment, interleave, report

import npnet
from npnet import models
from reference import models as torch_models

LEARNING_RATE, MOMENTUM = 0.01, 0.9
COMPARED_STEPS = 3


@dataclass(frozen=True)
class Result:
    """One row: images a second by competitor, and by how much the losses differed."""

    model: str
    batch: int
    seconds: dict[str, Timing]
    difference: float


def steps(name: str, batch: int, with_compile: bool) -> dict[str, Callable[[], float]]:
    """The competitors: each call is one training step and returns its loss."""
    spec = models.MODELS[name]
    size = spec.size_for(32)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, spec.in_channels, size, size), dtype=np.float32)
    y = rng.integers(0, 10, batch)
    npnet.manual_seed(0)
    initial = models.create(name).state_dict()

    def npnet_step() -> Callable[[], float]:
        model = models.create(name)
        model.load_state_dict(initial)
        return step(npnet, model, npnet.from_numpy(x), npnet.from_numpy(y))

    def torch_step(layout: Any, compiled: bool) -> Callable[[], float]:
        model = torch_models.create(name)
        model.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in initial.items()})
        model = model.to(memory_format=layout)
        images = torch.from_numpy(x).to(memory_format=layout)
        forward = torch.compile(model, mode="max-autotune") if compiled else model
        return step(torch, forward, images, torch.from_numpy(y))

    competitors = {
        "npnet": npnet_step(),
        "torch": torch_step(torch.contiguous_format, False),
        "torch channels_last": torch_step(torch.channels_last, False),
    }
    if with_compile:
        competitors["torch.compile"] = torch_step(torch.contiguous_format, True)
    return competitors


def step(lib: Any, model: Any, x: Any, y: Any) -> Callable[[], float]:
    """A training step in either library, as a user writes it."""
    optimizer = lib.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def run() -> float:
        loss = lib.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return run


def measure(name: str, batch: int, with_compile: bool, rounds: int) -> Result:
    competitors = steps(name, batch, with_compile)
    losses = {n: [run() for _ in range(COMPARED_STEPS)] for n, run in competitors.items()}
    difference = max(
        abs(a - b) / abs(b)
        for values in losses.values()
        for a, b in zip(values, losses["torch"], strict=True)
    )
    return Result(name, batch, interleave(competitors, rounds), difference)


def row(result: Result) -> list[str]:
    t = result.seconds
    best = min(timing.median for name, timing in t.items() if name != "npnet")
    cells = [result.model, str(result.batch)]
    for timing in t.values():
        low, high = result.batch / timing.third_quartile, result.batch / timing.first_quartile
        cells.append(f"{result.batch / timing.median:,.0f} [{low:,.0f}, {high:,.0f}]")
    cells.append(f"{t['torch'].median / t['npnet'].median:.2f}")
    cells.append(f"{best / t['npnet'].median:.2f}")
    return [*cells, f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["lenet5", "resnet20", "convnet"])
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 128, 512])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="with torch.compile, max-autotune")
    parser.add_argument("--json", help="write the results to this file")
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    results = [
        measure(name, batch, args.compile, args.rounds)
        for name in args.models
        for batch in args.batches
    ]
    names = list(results[0].seconds)
    columns = ["network", "batch", *names, "x torch", "x best torch", "loss differs by"]
    report("training step, images a second: median [quartiles]", environment(args.threads),
           columns, [row(r) for r in results], results, args.json)  # fmt: skip


if __name__ == "__main__":
    main()
