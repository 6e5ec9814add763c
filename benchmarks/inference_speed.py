"""Microseconds of a forward pass: of one image, where latency counts, and of a batch.

Each network and batch size is run by npnet, as it is under `no_grad` and compiled, and by PyTorch,
eager, channels_last and torch.compile (max-autotune), in turns, from the same weights on the same
images. The outputs are compared before timing.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from harness import Timing, environment, interleave, network_parser, plot_networks, report

import npnet
from npnet import models
from reference import models as torch_models

Run = Callable[[], Any]


@dataclass(frozen=True)
class Result:
    """One row: seconds of a pass by competitor, and by how much the outputs differed."""

    model: str
    batch: int
    seconds: dict[str, Timing]
    difference: float


def passes(name: str, batch: int, with_compile: bool) -> dict[str, Run]:
    """The competitors: each call is one forward pass and returns its output, an ndarray."""
    spec = models.MODELS[name]
    size = spec.size_for(32)
    x = np.random.default_rng(0).standard_normal(
        (batch, spec.in_channels, size, size), dtype=np.float32
    )
    npnet.manual_seed(0)
    ours = models.create(name).eval()
    theirs = torch_models.create(name).eval()
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in ours.state_dict().items()})

    def npnet_run(forward: Any) -> Run:
        images = npnet.from_numpy(x)

        def run() -> Any:
            with npnet.no_grad():
                return forward(images).numpy()

        return run

    def torch_run(forward: Any, layout: Any) -> Run:
        images = torch.from_numpy(x).to(memory_format=layout)

        def run() -> Any:
            with torch.no_grad():
                return forward(images).numpy()

        return run

    contiguous, last = torch.contiguous_format, torch.channels_last
    competitors = {
        "npnet compiled": npnet_run(npnet.compile(ours)),
        "npnet": npnet_run(ours),
        "torch": torch_run(theirs, contiguous),
        "channels_last": torch_run(copy.deepcopy(theirs).to(memory_format=last), last),
    }
    if with_compile:
        compiled = torch.compile(copy.deepcopy(theirs), mode="max-autotune")
        competitors["torch.compile"] = torch_run(compiled, contiguous)
    return competitors


def measure(name: str, batch: int, args: argparse.Namespace) -> Result:
    competitors = passes(name, batch, not args.no_compile)
    outputs = {n: np.array(run()) for n, run in competitors.items()}
    want = outputs["torch"]
    difference = max(np.abs(y - want).max() / np.abs(want).max() for y in outputs.values())
    return Result(name, batch, interleave(competitors, args.rounds), float(difference))


def row(result: Result) -> list[str]:
    t = result.seconds
    best = min(timing.median for name, timing in t.items() if not name.startswith("npnet"))
    cells = [result.model, str(result.batch)]
    for timing in t.values():
        low, middle, high = (
            1e6 * s for s in (timing.first_quartile, timing.median, timing.third_quartile)
        )
        cells.append(f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]")
    for ours in ("npnet compiled", "npnet"):
        cells.append(f"{t['torch'].median / t[ours].median:.2f}")
        cells.append(f"{best / t[ours].median:.2f}")
    return [*cells, f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = network_parser(__doc__, ["lenet5", "resnet20"], [1, 16, 512])
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    results = [measure(name, batch, args) for name in args.models for batch in args.batches]
    columns = ["network", "batch", *results[0].seconds]
    columns += ["compiled x torch", "x best", "eager x torch", "x best", "outputs differ by"]
    report("forward pass, microseconds: median [quartiles]", environment(args.threads),
           columns, [row(r) for r in results], results, args.json)  # fmt: skip
    if args.plot:
        plot_networks("speed of a forward pass", results, args.plot)


if __name__ == "__main__":
    main()
