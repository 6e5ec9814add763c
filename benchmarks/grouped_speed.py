"""Training steps of networks with grouped and depthwise convolutions, beside PyTorch.

As train_speed.py: each network runs in npnet, as an eager loop and compiled, and in PyTorch, eager
and channels_last, in turns, from the same weights on the same batch; first, losses are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from grouped_networks import NETWORKS
from harness import environment, interleave, network_parser, report
from train_speed import COMPARED_STEPS, Result, Run, compiled, eager

import npnet


def steps(name: str, batch: int) -> dict[str, Run]:
    """The competitors: each call is one training step and returns its loss."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32), rng.integers(0, 10, batch)
    torch.manual_seed(0)
    initial = NETWORKS[name](torch).state_dict()

    def of_npnet(make: Callable[..., Run]) -> Run:
        model = NETWORKS[name](npnet)
        model.load_state_dict(initial)
        return make(npnet, model, npnet.from_numpy(x), npnet.from_numpy(y))

    def of_torch(layout: Any) -> Run:
        model = NETWORKS[name](torch)
        model.load_state_dict(initial)
        model, images = model.to(memory_format=layout), torch.from_numpy(x)
        return eager(torch, model, images.to(memory_format=layout), torch.from_numpy(y))

    return {
        "npnet compiled": of_npnet(compiled),
        "npnet": of_npnet(eager),
        "torch": of_torch(torch.contiguous_format),
        "channels_last": of_torch(torch.channels_last),
    }


def measure(name: str, batch: int, args: argparse.Namespace) -> Result:
    competitors = steps(name, batch)
    losses = {n: [run() for _ in range(COMPARED_STEPS)] for n, run in competitors.items()}
    difference = max(
        abs(a - b) / abs(b)
        for values in losses.values()
        for a, b in zip(values, losses["torch"], strict=True)
    )
    return Result(name, batch, interleave(competitors, args.rounds), 0.0, difference)


def row(result: Result) -> list[str]:
    t = result.seconds
    best = min(t["torch"].median, t["channels_last"].median)
    cells = [result.model, str(result.batch)]
    cells += [f"{1e3 * timing.median:,.0f}" for timing in t.values()]
    for ours in ("npnet compiled", "npnet"):
        cells.append(f"{t[ours].median / t['torch'].median:.2f}")
        cells.append(f"{t[ours].median / best:.2f}")
    return [*cells, f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    args = network_parser(__doc__, list(NETWORKS), [32, 128]).parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch.set_num_threads(args.threads)
    results = [measure(name, batch, args) for name in args.models for batch in args.batches]
    ratios = ["compiled / torch", "/ best", "eager / torch", "/ best"]
    columns = ["network", "batch", *results[0].seconds, *ratios, "losses differ by"]
    report("training step, milliseconds: median", environment(args.threads), columns,
           [row(r) for r in results], results, args.json)  # fmt: skip


if __name__ == "__main__":
    main()
