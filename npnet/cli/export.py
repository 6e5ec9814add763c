"""`npnet export`: a checkpoint as a file of PyTorch, as safetensors, as ONNX or as a web page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from npnet.base.files import atomic_write, printable, user_path
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet import Tensor

__all__ = ["SETTINGS", "Options", "main"]

FORMATS = ("pth", "safetensors", "onnx", "html")
_ENDINGS = {".pth": "pth", ".pt": "pth", ".bin": "pth", ".safetensors": "safetensors"}
_ENDINGS |= {".onnx": "onnx", ".html": "html", ".htm": "html"}


@dataclass(frozen=True)
class Options:
    """Write a network for other tools: PyTorch, whatever reads safetensors, ONNX, or a browser.

    CHECKPOINT is a run's best.safetensors or the folder that it is in. pth and safetensors hold the
    weights under the names of the same network in PyTorch: load_state_dict takes what
    torch.load(file, weights_only=True) or safetensors.torch.load_file(file) gives. They also take
    weights without a network that npnet knows. onnx holds the network itself: the run's, or that
    which weights alone (also a file of PyTorch) fit, or which --model names. html is one page that
    needs no other file, and computes the network as one draws; npnet explore opens it.
    """

    GROUPS: ClassVar[dict[str, str]] = {"output": "format", "onnx": "with_softmax"}
    PATHS: ClassVar[tuple[str, ...]] = ("checkpoint", "output")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"format": FORMATS}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "for PyTorch": "checkpoint --format pth --output lenet5.pth",
        "for onnxruntime, from bytes of pictures to probabilities": (
            "checkpoint --output lenet5.onnx --with_softmax --with_preprocessing"
        ),
        "weights alone, for images of this size": (
            "weights.pth --model resnet18 --input_size 3 64 64 --output resnet18.onnx"
        ),
        "a page to draw in": "checkpoint --format html --output lenet5.html",
    }

    checkpoint: str = positional()
    """a run's best.safetensors, or the folder that it is in"""
    format: str | None = None
    """pth, safetensors, onnx or html; default: by the ending of --output"""
    model: str | None = None
    """of a network of your own, its class: my_file.py:Net, as it was trained by; of weights alone
    also a network's name, where they fit several (onnx)"""
    model_args: tuple[str, ...] = ()
    """of weights alone, what a network of your own is made with, as width=32 depth=3 (onnx)"""
    input_size: tuple[int, ...] = ()
    """of weights alone, channels, height and width of an image, as in 1 28 28; default: the
    network's own (onnx)"""
    output: str | None = None
    """file to write; default: CHECKPOINT's name, with the ending of the format, in the current
    folder"""
    overwrite: bool = False
    """write over a file that is there"""
    with_softmax: bool = False
    """let the network give probabilities instead of logits (onnx)"""
    with_preprocessing: bool = False
    """let the network take pixels from 0 to 255 and standardise them itself (onnx)"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Export the checkpoint that `argv` names. Returns the exit code."""
    leave_kernels_out()

    def work() -> None:
        _export(read_flags(argv, Options(), "npnet export"))

    return run_command(work, "npnet export", "stopped; nothing was written")


def _export(options: Options) -> None:
    from npnet.runs.outputs import new_file

    kind, output = _format(options), options.output
    source = _file(options.checkpoint)
    output = output or f"{source.stem}.{kind}"
    place = new_file(output, options.overwrite)
    if kind == "onnx":
        _write_onnx(source, place, options)
    elif kind == "html":
        _write_page(source, place, options)
    else:
        weights, facts = _weights(source)
        atomic_write(place, _pth(weights, facts) if kind == "pth" else _safetensors(weights, facts))
    size = place.stat().st_size
    print(f"written: {output} ({size / 1e6:.2f} MB)\n{_how_to_read(kind, output)}")


def _format(options: Options) -> str:
    """The format that is asked for."""
    ending = Path(options.output or "").suffix.lower()
    if options.format is None and ending not in _ENDINGS:
        raise ConfigError(
            f"format: say which by --format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or by the "
            f"ending of --output{f', got {printable(options.output)}' if options.output else ''}"
        )
    kind = options.format or _ENDINGS[ending]
    if kind not in FORMATS:
        from npnet.base.checks import unknown_name

        raise ConfigError(unknown_name("format", kind, FORMATS))
    if ending in _ENDINGS and _ENDINGS[ending] != kind:
        raise ConfigError(
            f"format: is {kind}, but --output {printable(options.output or '')} ends as "
            f"{_ENDINGS[ending]} does; leave out one of the two"
        )
    _check_flags(options, kind)
    return kind


def _check_flags(options: Options, kind: str) -> None:
    """Refuse what would have no effect."""
    for flag in ("model", "model_args", "input_size", "with_softmax", "with_preprocessing"):
        if not getattr(options, flag) or kind == "onnx" or (kind == "html" and flag == "model"):
            continue
        why = "a page is of a run's checkpoint, which says it"
        if kind != "html":
            why = f"{kind} holds weights alone, and no network"
        raise ConfigError(f"{flag}: is for --format onnx; {why}")


def _file(name: str) -> Path:
    """The file of a checkpoint."""
    from npnet.models.checkpoint import BEST

    path = user_path(name)
    if path.is_dir():
        path = path / BEST
    if not path.exists():
        raise ConfigError(
            f"there is no file {printable(path)}; name the {BEST} of a run, or its --checkpoint_dir"
        )
    return path


# ---- weights -------------------------------------------------------------------------------------


def _weights(source: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The weights of a file by name, and the texts beside them that are npnet's facts."""
    from npnet.models.foreign import find_weights, read_foreign

    tree, metadata = read_foreign(source)
    if isinstance(tree, dict) and {"learner", "progress"} <= tree.keys():
        from npnet.models.checkpoint import BEST

        raise ConfigError(
            f"{printable(source)} is the state of a run, for --resume; the weights to export are "
            f"in {BEST}"
        )
    found = [f for f in find_weights(tree) if not f.place]
    if not found:
        raise ConfigError(
            f"{printable(source)} does not hold weights by name; npnet import finds those inside"
        )
    return found[0].weights, {k: v for k, v in metadata.items() if not k.startswith("npnet.")}


def _pth(weights: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """A file for `torch.load(weights_only=True)`."""
    import json

    from npnet.models.foreign import FACTS
    from npnet.serialization.pytorch_writing import pytorch_bytes

    records = {FACTS: json.dumps(facts, indent=1, sort_keys=True).encode()} if facts else {}
    return pytorch_bytes({name: weight.array for name, weight in weights.items()}, records)


def _safetensors(weights: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """A file as `safetensors.torch.save_file` writes it, with the facts in its metadata."""
    from npnet.base import safetensors

    arrays = {name: weight.array for name, weight in weights.items()}
    return safetensors.encode(arrays, {**facts, "format": "pt"})


# ---- the network ---------------------------------------------------------------------------------


def _write_onnx(source: Path, place: Path, options: Options) -> None:
    from npnet import onnx, zeros
    from npnet.cli.bare import bare_network
    from npnet.models import MODELS
    from npnet.models.foreign import read_foreign
    from npnet.prediction.networks import network_of

    tree, metadata = read_foreign(source)
    is_run = isinstance(tree, dict) and {"learner", "progress"} <= tree.keys()  # an error tells
    if is_run or "image_shape" in metadata:
        for flag in ("model_args", "input_size"):
            if getattr(options, flag):
                raise ConfigError(f"{flag}: is for weights alone; this file says it; leave it out")
        named = None if options.model == metadata.get("model") in MODELS else options.model
        model = network_of(str(source), named)
        shape = model.checkpoint.image_shape
    else:
        model, shape = bare_network(tree, metadata.get("model"), options)
    softmax, within = options.with_softmax, options.with_preprocessing
    onnx.export(model, place, zeros(1, *shape), with_softmax=softmax, with_preprocessing=within)


def _write_page(source: Path, place: Path, options: Options) -> None:
    from npnet.cli.explore import made_page

    text, notes = made_page([str(source)], options.model, None)
    for note in notes:
        print(note)
    atomic_write(place, text.encode())


def _how_to_read(kind: str, output: str) -> str:
    name = repr(output)
    return {
        "html": "read it: open it in a browser",
        "pth": f"read it: model.load_state_dict(torch.load({name}, weights_only=True))",
        "safetensors": f"read it: model.load_state_dict(safetensors.torch.load_file({name}))",
        "onnx": f"read it: onnxruntime.InferenceSession({name})",
    }[kind]
