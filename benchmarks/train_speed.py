"""Images a second of a training step: forward, cross-entropy, backward, SGD with momentum.

Each network and batch size is run by npnet, as an eager loop and compiled, and by PyTorch, eager,
channels_last and torch.compile (max-autotune), in turns, from the same weights on the same batch;
for information also channels_last under autocast to bfloat16, where the CPU multiplies in it.
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
from harness import (
    BFLOAT16,
    Table,
    Timing,
    best_of_pytorch,
    best_threads,
    environment,
    has_bfloat16,
    interleave,
    network_parser,
    on_threads,
    plot_networks,
    pytorch,
    times,
    torch_models,
)
from peak import peak

import npnet
from npnet import models
from npnet.models.summary import summary

LEARNING_RATE, MOMENTUM = 0.01, 0.9
SIZE = 32  # of images, where a network takes any
COMPARED_STEPS = 3
# Of a loss: more is another computation. ResNet-18's third loss in PyTorch's channels_last is 4e-3
# from that in float64; roundings grow by steps.
WRONG = 5e-2

Run = Callable[[], float]


@dataclass(frozen=True)
class Result:
    """One row: seconds of a step by competitor, its work, and by how much the losses differed."""

    model: str  # with the size of its images where that is not the benchmark's own
    batch: int
    seconds: dict[str, Timing]
    gflop: float
    difference: float


def steps(name: str, batch: int, args: argparse.Namespace) -> dict[str, Run]:
    """The competitors: each call is one training step and returns its loss."""
    spec = models.MODELS[name]
    size = spec.size_for(args.size)
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

    competitors = {"npnet compiled": npnet_run(compiled), "npnet": npnet_run(eager)}
    if pytorch() is not None:
        competitors |= torch_steps(name, arrays, x, y, args)
    if args.peers and name in peers.NETWORKS:
        # batch norm's running statistics are no weights: the loss of a step does not use them
        weights = {k: arrays[k] for k, _ in models.create(name).named_parameters()}
        for peer, make in peers.installed().items():
            competitors[peer] = make(name, weights, x, y, LEARNING_RATE, MOMENTUM)
    return competitors


def torch_steps(
    name: str, arrays: dict[str, Any], x: Any, y: Any, args: argparse.Namespace
) -> dict[str, Run]:
    """PyTorch's ways, each on the number of threads that suits it."""
    torch = pytorch()

    def run_of(layout: Any, wrap: Callable[[Any], Any] = lambda model: model) -> Run:
        def make() -> Run:
            model = torch_models().create(name)
            model.load_state_dict({k: torch.from_numpy(a) for k, a in arrays.items()})
            images = torch.from_numpy(x).to(memory_format=layout)
            forward = wrap(model.to(memory_format=layout))
            return eager(torch, forward, images, torch.from_numpy(y), model.parameters())

        # the first losses are compared: how many threads suit it, another model's steps say
        return on_threads(make(), best_threads(make(), args.threads))

    def rounded(model: Any) -> Any:
        def forward(images: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return model(images).float()

        return forward

    contiguous, last = torch.contiguous_format, torch.channels_last
    competitors = {"torch": run_of(contiguous), "channels_last": run_of(last)}
    if not args.no_compile:
        competitors["torch.compile"] = run_of(
            contiguous, lambda model: torch.compile(model, mode="max-autotune")
        )
    if has_bfloat16():
        competitors[BFLOAT16] = run_of(last, rounded)
    return competitors


def eager(lib: Any, model: Any, x: Any, y: Any, parameters: Any = None) -> Run:
    """A training step in either library, as a user writes it; of these parameters, or model's."""
    parameters = model.parameters() if parameters is None else parameters
    optimizer = lib.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM)

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
    difference = losses_differ_by(competitors)
    seconds = interleave(competitors, args.rounds)
    named = name if args.size == SIZE else f"{name}, {args.size}x{args.size}"
    return Result(named, batch, seconds, batch * gflop_of_an_image(name, args.size), difference)


def losses_differ_by(competitors: dict[str, Run]) -> float:
    """How far the first losses in float32 are from PyTorch's, or else the loop's; relative."""
    losses = {
        n: [run() for _ in range(COMPARED_STEPS)] for n, run in competitors.items() if n != BFLOAT16
    }
    want = losses.get("torch", losses["npnet"])
    differ = {
        name: max(abs(a - b) / abs(b) for a, b in zip(values, want, strict=True))
        for name, values in losses.items()
    }
    wrong = [f"{name} by {by:.0e}" for name, by in differ.items() if not by <= WRONG]
    if wrong:
        raise SystemExit(f"losses of the first steps differ from torch's: {', '.join(wrong)}")
    return max(differ.values())


def gflop_of_an_image(name: str, size: int) -> float:
    """Of a step: each layer's products three times, but for the first layer's gradient by images.

    Winograd's algorithm and skipped padding need fewer; they count in full.
    """
    spec = models.MODELS[name]
    side = spec.size_for(size)
    rows = summary(models.create(name), (1, spec.in_channels, side, side)).rows
    macs = [row.macs for row in rows if row.macs]
    return 2e-9 * (3 * sum(macs) - macs[0])


def row(result: Result, most: float) -> list[str]:
    t = result.seconds
    of_eager = t["torch"].median if "torch" in t else None
    cells = [result.model, str(result.batch)]
    for timing in t.values():
        low, high = result.batch / timing.third_quartile, result.batch / timing.first_quartile
        cells.append(f"{result.batch / timing.median:,.0f} [{low:,.0f}, {high:,.0f}]")
    for ours in ("npnet compiled", "npnet"):
        cells += [times(t[ours], of_eager), times(t[ours], best_of_pytorch(t))]
    share = result.gflop / t["npnet compiled"].median / most
    return [*cells, f"{share:.0%}", f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = network_parser(__doc__, ["lenet5", "convnet", "resnet20"], [32, 128, 512])
    parser.add_argument("--size", type=int, default=SIZE, help="of images, of networks of any size")
    parser.add_argument("--peers", action="store_true", help="JAX and tinygrad, where installed")
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    table: Any = None
    most = 0.0
    for name in args.models:
        for batch in args.batches:
            result = measure(name, batch, args)
            most = max(most, peak())  # each time: another program may have had a core
            if table is None:
                columns = ["network", "batch", *result.seconds]
                columns += ["compiled x torch", "x best", "eager x torch", "x best"]
                title = "training step, images a second: median [quartiles]"
                about = environment(args.threads)
                table = Table(title, about, [*columns, "of peak", "losses differ by"], args.json)
            table.add(row(result, most), result)
    table.close(**{"measured peak": f"{most:.0f} GFLOP/s"})
    if args.plot:
        plot_networks("speed of a training step", table.results, args.plot)


if __name__ == "__main__":
    main()
