"""`npnet summary`: a network layer by layer, with what it weighs and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from npnet.cli.bare import tried_on
from npnet.cli.networks import network_of
from npnet.models import MODELS
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.models.summary import Summary
    from npnet.nn import Module

__all__ = ["SETTINGS", "Options", "main"]


@dataclass(frozen=True)
class Options:
    """Show a network layer by layer: outputs, parameters, multiply-adds (MACs) and memory.

    MODEL is a network by name (one of train --model, or of torchvision's), one of your own as
    my_file.py:Net, or a file: the best.safetensors of a run, the folder that it is in, or weights
    that npnet import takes.
    """

    GROUPS: ClassVar[dict[str, str]] = {"options": "model_args"}
    PATHS: ClassVar[tuple[str, ...]] = ("model",)
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"model": tuple(MODELS)}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "a network by name": "lenet5",
        "on larger images of one channel": "resnet18 --input_size 1 64 64",
        "what a run has made": "checkpoint",
        "one of your own": "my_file.py:Net --model_args width=32 --input_size 1 28 28",
    }

    model: str = positional()
    """name of a network, or a file with weights"""
    model_args: tuple[str, ...] = ()
    """what a network of your own is made with, as width=32 depth=3"""
    input_size: tuple[int, ...] = ()
    """channels, height and width of an image, as in 1 28 28; default: the network's own"""
    json: bool = False
    """print it as JSON"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Show the network that `argv` names. Returns the exit code."""
    leave_kernels_out()

    def work() -> None:
        _show(read_flags(argv, Options(), "npnet summary"))

    return run_command(work, "npnet summary", "stopped")


def _show(options: Options) -> None:
    from npnet.models.summary import summary

    named = network_of(options.model, options.model_args, options.input_size, "npnet summary")
    with tried_on(named.shape):
        found = summary(named.model, (1, *named.shape))
    memory = _memory(named.model, found)
    if options.json:
        answer = {
            "network": found.network,
            "input_shape": found.input_shape,
            "parameters": found.parameters,
            "macs": found.macs,
            "memory": memory,
            "layers": [asdict(row) for row in found.rows],
        }
        print(json.dumps(answer, indent=1))
        return
    print(found)
    weights, outputs = (f"{memory[name] / 1e6:.2f} MB" for name in ("weights", "outputs"))
    print(f"{weights} of weights and buffers, {outputs} of outputs of all layers for one sample")


def _memory(model: Module, found: Summary) -> dict[str, int]:
    """Bytes of what the network holds, and of what its layers give for one sample."""
    held = sum(tensor.array.nbytes for tensor in model.state_dict().values())
    return {"weights": held, "outputs": found.output_bytes}
