"""Microseconds of a forward pass: of one image, where latency counts, and of a batch.

Each network and batch size is run by npnet, as it is under `no_grad` and compiled, and by PyTorch
under `inference_mode`: eager, channels_last, frozen by `torch.jit` (batch norm folded, oneDNN's
fusions) and torch.compile (max-autotune, weights frozen), in turns, from the same weights on the
same images. The outputs are compared before timing.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import (
    BFLOAT16,
    Table,
    Timing,
    at_its_best,
    best_of_pytorch,
    environment,
    has_bfloat16,
    interleave,
    network_parser,
    plot_networks,
    pytorch,
    times,
    torch_models,
)

import npnet
from npnet import models

Run = Callable[[], Any]


@dataclass(frozen=True)
class Result:
    """One row: seconds of a pass by competitor, and by how much the outputs differed."""

    model: str
    batch: int
    seconds: dict[str, Timing]
    difference: float


def passes(name: str, batch: int, args: argparse.Namespace) -> dict[str, Run]:
    """The competitors: each call is one forward pass and returns its output, an ndarray."""
    spec = models.MODELS[name]
    size = spec.size_for(32)
    x = np.random.default_rng(0).standard_normal(
        (batch, spec.in_channels, size, size), dtype=np.float32
    )
    npnet.manual_seed(0)
    ours = models.create(name).eval()

    def npnet_run(forward: Any) -> Run:
        images = npnet.from_numpy(x)

        def run() -> Any:
            with npnet.no_grad():
                return forward(images).numpy()

        return run

    competitors = {"npnet compiled": npnet_run(npnet.compile(ours)), "npnet": npnet_run(ours)}
    weights = {k: v.numpy() for k, v in ours.state_dict().items()}
    if pytorch() is not None:
        competitors |= torch_passes(name, weights, x, args)
    return competitors


def torch_passes(
    name: str, weights: dict[str, Any], x: Any, args: argparse.Namespace
) -> dict[str, Run]:
    """PyTorch's ways, each on the number of threads that suits it."""
    torch = pytorch()
    contiguous, last = torch.contiguous_format, torch.channels_last
    model = torch_models().create(name).eval()
    model.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})

    def run_of(forward: Any, layout: Any) -> Run:
        images = torch.from_numpy(x).to(memory_format=layout)

        def run() -> Any:
            with torch.inference_mode():
                return forward(images).numpy()

        return at_its_best(run, args.threads)

    def in_layout(layout: Any) -> Any:
        return copy.deepcopy(model).to(memory_format=layout)

    competitors = {
        "torch": run_of(model, contiguous),
        "channels_last": run_of(in_layout(last), last),
        "torch frozen": run_of(frozen(copy.deepcopy(model), torch.from_numpy(x)), contiguous),
    }
    if not args.no_compile:
        torch._inductor.config.freezing = True
        compiled = torch.compile(copy.deepcopy(model), mode="max-autotune")
        competitors["torch.compile"] = run_of(compiled, contiguous)
    if has_bfloat16():
        network = in_layout(last)

        def rounded(images: Any) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                return network(images).float()

        competitors[BFLOAT16] = run_of(rounded, last)
    return competitors


def frozen(model: Any, x: Any) -> Any:
    """A network with its weights as constants, batch norm folded, and oneDNN's fusions."""
    torch = pytorch()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and still the way to these
        return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))


def measure(name: str, batch: int, args: argparse.Namespace) -> Result:
    competitors = passes(name, batch, args)
    outputs = {n: np.array(run()) for n, run in competitors.items() if n != BFLOAT16}
    want = outputs.get("torch", outputs["npnet"])
    difference = max(np.abs(y - want).max() / np.abs(want).max() for y in outputs.values())
    return Result(name, batch, interleave(competitors, args.rounds), float(difference))


def row(result: Result) -> list[str]:
    t = result.seconds
    eager = t["torch"].median if "torch" in t else None
    cells = [result.model, str(result.batch)]
    for timing in t.values():
        low, middle, high = (
            1e6 * s for s in (timing.first_quartile, timing.median, timing.third_quartile)
        )
        cells.append(f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]")
    for ours in ("npnet compiled", "npnet"):
        cells += [times(t[ours], eager), times(t[ours], best_of_pytorch(t))]
    return [*cells, f"{result.difference:.0e}"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = network_parser(__doc__, ["lenet5", "resnet20"], [1, 16, 512])
    args = parser.parse_args(argv)
    npnet.set_num_threads(args.threads)
    table: Any = None
    for name in args.models:
        for batch in args.batches:
            result = measure(name, batch, args)
            if table is None:
                columns = ["network", "batch", *result.seconds]
                columns += ["compiled x torch", "x best", "call x torch", "x best"]
                title = "forward pass, microseconds: median [quartiles]"
                about = environment(args.threads)
                table = Table(title, about, [*columns, "outputs differ by"], args.json)
            table.add(row(result), result)
    table.close()
    if args.plot:
        plot_networks("speed of a forward pass", table.results, args.plot)


if __name__ == "__main__":
    main()
