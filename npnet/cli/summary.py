"""`npnet summary`: a network layer by layer, with what it weighs and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from npnet.base.files import printable, user_path
from npnet.cli.bare import checked_size, own_size, tried_on, usual_size
from npnet.models import MODELS, list_models
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags
from npnet.runs.own import is_own

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

    if is_own(options.model):
        model, shape = _own(options)
    elif options.model_args:
        raise ConfigError("model_args: are for a network of your own, as my_file.py:Net")
    else:
        model, shape = _network(options.model, checked_size(options.input_size))
    with tried_on(shape):
        found = summary(model, (1, *shape))
    memory = _memory(model, found)
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


# ---- the network ---------------------------------------------------------------------------------


def _network(name: str, size: tuple[int, ...]) -> tuple[Module, tuple[int, ...]]:
    """A network by name, or the one of a file, and the shape of a sample."""
    from npnet.base.checks import unknown_name
    from npnet.models.foreign import made

    if name in MODELS:
        shape = size or usual_size(name)
        return made(name, {"in_channels": shape[0]}), shape
    if name in list_models():
        return made(name, {}), size or usual_size(name)
    if user_path(name).exists():
        return _of_file(name, size)
    known = dict.fromkeys((*MODELS, *list_models()))
    raise ConfigError(f"{unknown_name('MODEL', name, known)}; nor is there a file of this name")


def _own(options: Options) -> tuple[Module, tuple[int, ...]]:
    """A network of the user's own, whose file is executed."""
    from npnet.nn import Module
    from npnet.runs.arguments import arguments
    from npnet.runs.own import blamed, load_class

    shape = own_size(options.input_size)
    build = load_class(options.model, "model", Module, "npnet.nn.Module")
    given = {"in_channels": shape[0], "num_classes": 10}
    made = arguments(build, options.model_args, given, "model_args", options.model)
    with blamed(f"model {options.model}"):
        return build(**made), shape


def _of_file(name: str, size: tuple[int, ...]) -> tuple[Module, tuple[int, ...]]:
    """The network of a checkpoint, or of weights that are one network's alone."""
    from npnet.models.checkpoint import BEST
    from npnet.models.foreign import find_weights, made, read_foreign, recognised

    path = user_path(name)
    path = path / BEST if path.is_dir() else path
    if not path.exists():
        raise ConfigError(f"there is no {BEST} in {printable(name)}")
    tree, metadata = read_foreign(path)
    if is_own(metadata.get("model", "")):
        raise ConfigError(
            f"{printable(name)} holds weights of a network that is not npnet's; name it itself: "
            f"npnet summary {printable(metadata['model'])} --input_size 1 28 28, with --model_args "
            "as it was trained"
        )
    if "image_shape" in metadata:
        from npnet.models import from_checkpoint

        model = from_checkpoint(path)
        return model, size or model.checkpoint.image_shape
    for found in find_weights(tree):
        matches = recognised(found)
        if matches:
            match = matches[0]
            shape = size or usual_size(match.model, match.arguments["in_channels"])
            return made(match.model, match.arguments), shape
    raise ConfigError(
        f"{printable(name)} has the weights of no network that npnet knows; name the network itself"
    )
