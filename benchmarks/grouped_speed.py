"""Training steps of networks with grouped and depthwise convolutions, beside PyTorch.

As train_speed.py: each network runs in npnet, as an eager loop and compiled, and in PyTorch, eager
and channels_last, in turns, from the same weights on the same batch; first, losses are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from grouped_networks import NETWORKS
from harness import (
    Table,
    best_of_pytorch,
    environment,
    interleave,
    network_parser,
    pytorch,
    torch_threads,
)
from train_speed import Result, Run, compiled, eager, losses_differ_by

import npnet


def steps(name: str, batch: int) -> dict[str, Run]:
    """The competitors: each call is one training step and returns its loss."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32), rng.integers(0, 10, batch)
    npnet.manual_seed(0)
    initial = NETWORKS[name](npnet).state_dict()

    def of_npnet(make: Callable[..., Run]) -> Run:
        model = NETWORKS[name](npnet)
        model.load_state_dict(initial)
        return make(npnet, model, npnet.from_numpy(x), npnet.from_numpy(y))

    competitors = {"npnet compiled": of_npnet(compiled), "npnet": of_npnet(eager)}
    torch = pytorch()
    if torch is None:
        return competitors

    def of_torch(layout: Any) -> Run:
        model = NETWORKS[name](torch)
        model.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in initial.items()})
        model, images = model.to(memory_format=layout), torch.from_numpy(x)
        return eager(torch, model, images.to(memory_format=layout), torch.from_numpy(y))

    contiguous, last = torch.contiguous_format, torch.channels_last
    return competitors | {"torch": of_torch(contiguous), "channels_last": of_torch(last)}


def measure(name: str, batch: int, args: argparse.Namespace) -> Result:
    competitors = steps(name, batch)
    difference = losses_differ_by(competitors)
    return Result(name, batch, interleave(competitors, args.rounds), 0.0, difference)


def row(result: Result) -> list[str]:
    t = result.seconds
    cells = [result.model, str(result.batch)]
    cells += [f"{1e3 * timing.median:,.0f}" for timing in t.values()]
    for ours in ("npnet compiled", "npnet"):
        best = best_of_pytorch(t)
        cells.append("" if best is None else f"{t[ours].median / t['torch'].median:.2f}")
        cells.append("" if best is None else f"{t[ours].median / best:.2f}")
    return [*cells, f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    args = network_parser(__doc__, list(NETWORKS), [32, 128]).parse_args(argv)
    npnet.set_num_threads(args.threads)
    torch_threads(args.threads)
    table: Any = None
    for name in args.models:
        for batch in args.batches:
            result = measure(name, batch, args)
            if table is None:
                ratios = ["compiled / torch", "/ best", "eager / torch", "/ best"]
                columns = ["network", "batch", *result.seconds, *ratios, "losses differ by"]
                about = environment(args.threads)
                table = Table("training step, milliseconds: median", about, columns, args.json)
            table.add(row(result), result)
    table.close()


if __name__ == "__main__":
    main()
