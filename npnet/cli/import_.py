"""`npnet import`: the weights of somebody's file of PyTorch as a checkpoint of npnet."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.base.files import atomic_write, printable, user_path
from npnet.models import MODELS, list_models
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.models.checkpoint import Facts
    from npnet.models.foreign import Found, Match

__all__ = ["SETTINGS", "Options", "main"]

# Of the training images, as programs for PyTorch write them out: mean, std, height and width.
_STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...], int]] = {
    "mnist": ((0.1307,), (0.3081,), 28),
    "fashion-mnist": ((0.2860,), (0.3530,), 28),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 32),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224),
}
_SHOWN = 5  # tensors in an error


@dataclass(frozen=True)
class Options:
    """Make a checkpoint of npnet of weights that PyTorch saved.

    FILE is what torch.save wrote (a state_dict, a dict that holds one, or a whole module, in either
    of its formats), or a safetensors file. PyTorch is not needed, and no code in the file is run.
    The network is found out where names and shapes fit one alone. With --dataset, or --mean and
    --std, the result knows what npnet predict must know.
    """

    GROUPS: ClassVar[dict[str, str]] = {
        "network": "model",
        "images that it takes": "dataset",
        "output": "output",
    }
    PATHS: ClassVar[tuple[str, ...]] = ("file", "output")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "dataset": tuple(_STATISTICS),
        "model": tuple(MODELS),
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "a LeNet-5 for the digits of MNIST": "mnist.pth --model lenet5 --dataset mnist",
        "a network for images that ToTensor alone made": "model.pth --mean 0 --std 1",
        "weights alone, of the dict under that key": "run.pth --key ema --output ema.safetensors",
    }

    file: str = positional()
    """the file to read"""
    model: str | None = None
    """network whose weights these are; default: the one that they fit"""
    key: str | None = None
    """where in the file the weights are, such as model or state.net; default: the likeliest"""
    dataset: str | None = None
    """what it was trained on: mnist, fashion-mnist, cifar10 or imagenet; says mean, std, classes
    and size of the images"""
    mean: tuple[float, ...] = ()
    """of each channel, as transforms.Normalize had it (0 without)"""
    std: tuple[float, ...] = ()
    """of each channel, as transforms.Normalize had it (1 without)"""
    classes: tuple[str, ...] = ()
    """the name of each class, in the order of the labels; default: those of --dataset, else 0, 1,
    2 ..."""
    image_size: int | None = None
    """height and width of the images; default: what the network takes that is nearest to
    --dataset's"""
    output: str | None = None
    """file to write; default: FILE's name, with .safetensors, in the current folder"""
    overwrite: bool = False
    """write over a file that is there"""
    json: bool = False
    """print what was found as JSON"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Import the file that `argv` names. Returns the exit code."""

    def work() -> None:
        _import(read_flags(argv, Options(), "npnet import"))

    return run_command(work, "npnet import", "stopped; nothing was written")


def _import(options: Options) -> None:
    from npnet.models.foreign import read_foreign
    from npnet.runs.outputs import new_file
    from npnet.serialization import to_bytes

    source = user_path(options.file)
    if not source.exists():
        raise ConfigError(f"there is no file {printable(options.file)}")
    output = options.output or f"{source.stem}.safetensors"
    place = new_file(output, options.overwrite)
    tree, metadata = read_foreign(source)
    found = _matched(tree, metadata.get("model"), options)
    facts = _facts(found, tree, metadata, options)
    texts = {"format": "npnet", "model": found.model} if facts is None else facts.to_metadata()
    atomic_write(place, to_bytes(found.weights, texts))
    _tell(output, found, facts, options)


# ---- the network ---------------------------------------------------------------------------------


def _matched(tree: Any, said: str | None, options: Options) -> Match:
    """The weights in a file, under the names of the network that they are of.

    Args:
        said: the network that the file itself names.
    """
    from npnet.models.foreign import find_weights, recognised

    candidates = find_weights(tree)
    if options.key is not None:
        candidates = [found for found in candidates if found.place == options.key]
    if not candidates:
        raise ConfigError(_nothing(tree, options))
    if options.model is not None:
        return _of_model(candidates, options.model, options.file)
    for found in candidates:
        matches = recognised(found)
        matches = [match for match in matches if match.model == said] or matches
        if len(matches) > 1:
            names = " or ".join(match.model for match in matches)
            raise ConfigError(f"model: these may be weights of {names}; say of which by --model")
        if matches:
            return matches[0]
    raise ConfigError(_unknown(candidates[0], options.file))


def _of_model(candidates: Sequence[Found], model: str, file: str) -> Match:
    """The weights that fit the network of this name; of several, the likeliest."""
    from npnet.models.foreign import match_name, recognised

    known = dict.fromkeys((*MODELS, *list_models()))
    if model not in known:
        raise ConfigError(unknown_name("model", model, known))
    reasons = []
    for found in candidates:
        try:
            return match_name(found, model)
        except ValueError as error:
            reasons.append(str(error))
    first = candidates[0]
    likely = " or ".join(match.model for match in recognised(first))
    raise ConfigError(
        f"model: {_where(first, file)} are not of a {model}: {reasons[0]}"
        + (f"; they are of a {likely}" if likely else "")
    )


def _where(found: Found, file: str) -> str:
    at = f" at {printable(found.place)}" if found.place else ""
    return f"the weights in {printable(file)}{at}"


def _unknown(found: Found, file: str) -> str:
    some = [f"{printable(k)} {v.shape}" for k, v in list(found.weights.items())[:_SHOWN]]
    more = f" and {len(found.weights) - _SHOWN} more" if len(found.weights) > _SHOWN else ""
    return (
        f"{_where(found, file)} are of no network that npnet knows: {', '.join(some)}{more}; name "
        "the network by --model, and npnet says what differs; a network of your own takes them by "
        "model.load_state_dict(npnet.load(path))"
    )


def _nothing(tree: Any, options: Options) -> str:
    from npnet.models.foreign import find_weights

    places = [printable(found.place) or "the top" for found in find_weights(tree)]
    if places:
        return (
            f"key: there are no weights at {printable(options.key or '')}; there are some at "
            f"{', '.join(places[:_SHOWN])}"
        )
    what = repr(tree)
    if isinstance(tree, dict):
        what = f"a dict with the keys {', '.join(map(str, tree))}" if tree else "an empty dict"
    return (
        f"{printable(options.file)} has no weights by name, but {printable(what)}; in PyTorch, "
        "save model.state_dict()"
    )


# ---- what else is known of it --------------------------------------------------------------------


def _facts(found: Match, tree: Any, metadata: Mapping[str, str], options: Options) -> Facts | None:
    """What a user of the weights must know; None where nobody said what the images were."""
    from npnet.models.checkpoint import Facts
    from npnet.models.preprocess import Pixels

    if found.model not in MODELS:
        if options.dataset or options.mean or options.std or options.classes:
            raise ConfigError(
                f"dataset: npnet predict takes {', '.join(MODELS)}; of a {found.model}, write the "
                "weights alone, without --dataset, --mean, --std and --classes"
            )
        return None
    told: dict[str, Any] = {}
    if metadata.get("model") == found.model and "mean" in metadata:
        with contextlib.suppress(ValueError):  # a file of npnet's
            told = dict(vars(Facts.from_metadata(metadata)))
    told |= _told(found, options)
    if "mean" not in told or "std" not in told:
        if "mean" in told or "std" in told:
            raise ConfigError("mean: give --mean and --std together, or --dataset")
        if options.classes or options.image_size:
            raise ConfigError(
                "mean: add --mean and --std (0 and 1 without Normalize), or --dataset"
            )
        return None
    epoch = tree.get("epoch") if isinstance(tree, dict) else None
    whole = {
        "dataset": "unknown",
        "classes": tuple(map(str, range(found.arguments["num_classes"]))),
        "image_shape": _shape(found, None),
        "pixels": Pixels(),
        "epoch": epoch if type(epoch) is int and epoch >= 0 else 0,
        "val_accuracy": math.nan,
        **told,
        "model": found.model,
        "arguments": found.arguments,
    }
    try:
        return Facts.from_metadata(Facts(**whole).to_metadata())
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _told(found: Match, options: Options) -> dict[str, Any]:
    """The facts that flags say."""
    channels, count = found.arguments["in_channels"], found.arguments["num_classes"]
    told: dict[str, Any] = {}
    if options.dataset is not None:
        if options.dataset not in _STATISTICS:
            raise ConfigError(unknown_name("dataset", options.dataset, _STATISTICS))
        mean, std, size = _STATISTICS[options.dataset]
        classes = _classes_of(options.dataset)
        if len(mean) != channels:
            raise ConfigError(
                f"dataset: {options.dataset} has {_counted(len(mean), 'channel')} and the network "
                f"takes {channels}; give --mean and --std, with {_counted(channels, 'number')} each"
            )
        if len(classes) != count and not options.classes:
            raise ConfigError(
                f"dataset: {options.dataset} has {len(classes)} classes and the network tells "
                f"{count} apart; name these by --classes"
            )
        told = {"dataset": options.dataset, "mean": mean, "std": std, "classes": classes}
        told["image_shape"] = _shape(found, size)
    for name in ("mean", "std"):
        values = getattr(options, name)
        if values:
            if len(values) not in (1, channels):
                raise ConfigError(
                    f"{name}: takes {_counted(channels, 'number')}, one for each channel, got "
                    f"{len(values)}"
                )
            told[name] = tuple(values) * (channels if len(values) == 1 else 1)
    if options.classes:
        if len(options.classes) != count:
            raise ConfigError(
                f"classes: the network tells {count} apart, got {len(options.classes)} names"
            )
        told["classes"] = options.classes
    if options.image_size is not None:
        told["image_shape"] = _shape(found, options.image_size)
        if told["image_shape"][1] != options.image_size:
            raise ConfigError(
                f"image_size: a {found.model} takes {told['image_shape'][1]} pixels, not "
                f"{options.image_size}"
            )
    return told


def _shape(found: Match, size: int | None) -> tuple[int, int, int]:
    """Of the images that the network takes: those of `size`, or the nearest."""

    spec = MODELS[found.model]
    side = spec.size_for(spec.min_size if size is None else size)
    return found.arguments["in_channels"], side, side


def _classes_of(dataset: str) -> tuple[str, ...]:
    from npnet.datasets import cifar10, fashion_mnist, mnist

    known = {"mnist": mnist, "fashion-mnist": fashion_mnist, "cifar10": cifar10}
    if dataset not in known:
        return tuple(map(str, range(1000)))
    return known[dataset].SOURCE.classes


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# ---- the answer ----------------------------------------------------------------------------------


def _tell(output: str, found: Match, facts: Facts | None, options: Options) -> None:
    if options.json:
        answer = {
            "output": output,
            "model": found.model,
            "arguments": found.arguments,
            "tensors": len(found.weights),
            "parameters": sum(w.numel() for w in found.weights.values()),
            "key": found.place,
            "prefix": found.prefix,
            "left_out": list(found.left_out),
            "facts": None if facts is None else facts.to_metadata(),
        }
        print(json.dumps(answer, indent=1))
        return
    made = ", ".join(f"{name} {value}" for name, value in found.arguments.items())
    print(f"{options.file}: a {found.model} ({made}), {len(found.weights)} tensors")
    if found.place:
        print(f"found at {printable(found.place)}")
    if found.prefix:
        print(f"without the prefix {printable(found.prefix)}")
    if found.left_out:
        print(f"left out: {printable(', '.join(found.left_out))}")
    print(f"written: {output}")
    if facts is None:
        print("weights alone; npnet predict needs more: add --dataset, or --mean and --std")
    else:
        print(f"use it:  npnet predict {output} PICTURE")
