"""`npnet import`: the weights of somebody's file of PyTorch as a checkpoint of npnet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.base.files import atomic_write, printable, user_path
from npnet.cli.facts import STATISTICS, facts_of
from npnet.models import MODELS, list_models
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags
from npnet.runs.own import is_own

if TYPE_CHECKING:
    from npnet.models.checkpoint import Facts
    from npnet.models.foreign import Found, Match

__all__ = ["SETTINGS", "Options", "main", "matched"]

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
        "dataset": tuple(STATISTICS),
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
    """network whose weights these are, or one of your own as my_file.py:Net; default: the one
    that they fit"""
    model_args: tuple[str, ...] = ()
    """what a network of your own is made with, as width=32 depth=3"""
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
    leave_kernels_out()

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
    found = matched(tree, metadata.get("model"), options)
    facts = facts_of(found, tree, metadata, options)
    texts = {"format": "npnet", "model": found.model} if facts is None else facts.to_metadata()
    atomic_write(place, to_bytes(found.weights, texts))
    _tell(output, found, facts, options)


# ---- the network ---------------------------------------------------------------------------------


def matched(tree: Any, said: str | None, options: Options) -> Match:
    """The weights in a file, under the names of the network that they are of.

    Args:
        said: the network that the file itself names.

    Raises:
        ConfigError: there are none, or not of the network that the options name.
    """
    from npnet.models.foreign import find_weights, recognised

    candidates = find_weights(tree)
    if options.key is not None:
        candidates = [found for found in candidates if found.place == options.key]
    if not candidates:
        raise ConfigError(_nothing(tree, options))
    if options.model is not None and is_own(options.model):
        return _of_own(candidates, options.model, options)
    if options.model_args:
        raise ConfigError("model_args: are for a network of your own, as --model my_file.py:Net")
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
    from npnet.models.foreign import match_name

    known = dict.fromkeys((*MODELS, *list_models()))
    if model not in known:
        raise ConfigError(unknown_name("model", model, known))
    return _first(candidates, model, file, lambda found: match_name(found, model))


def _of_own(candidates: Sequence[Found], model: str, options: Options) -> Match:
    """The weights that fit a network of the user's own, whose file is executed."""
    from npnet.models.foreign import guessed, match
    from npnet.nn import Module
    from npnet.runs.arguments import arguments
    from npnet.runs.own import blamed, load_class

    build = load_class(model, "model", Module, "npnet.nn.Module")

    def tried(found: Found) -> Match:
        words = options.model_args
        made_with = arguments(build, words, guessed(found.weights), "model_args", model)
        with blamed(f"model {model}"):
            own = build(**made_with).state_dict()
        return match(found, model, made_with, own)

    return _first(candidates, model, options.file, tried)


def _first(
    candidates: Sequence[Found], model: str, file: str, tried: Callable[[Found], Match]
) -> Match:
    """What is tried with each of the candidates, of the first with which it goes."""
    from npnet.models.foreign import recognised

    reasons = []
    for found in candidates:
        try:
            return tried(found)
        except ValueError as error:
            reasons.append(str(error))
    likely = " or ".join(match.model for match in recognised(candidates[0]))
    raise ConfigError(
        f"model: {_where(candidates[0], file)} are not of a {model}: {reasons[0]}"
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
    from npnet.models.foreign import find_weights, unread_tensors

    places = [printable(found.place) or "the top" for found in find_weights(tree)]
    if places:
        return (
            f"key: there are no weights at {printable(options.key or '')}; there are some at "
            f"{', '.join(places[:_SHOWN])}"
        )
    unread = unread_tensors(tree)
    if unread:
        name, kind = next(iter(unread.items()))
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        return (
            f"{printable(options.file)} has no weights that npnet reads: {printable(name)}{more} "
            f"are of {printable(kind)}; in PyTorch, save {{name: w.to_dense().float() for name, w "
            "in model.state_dict().items()}"
        )
    what = repr(tree)
    if isinstance(tree, dict):
        what = f"a dict with the keys {', '.join(map(str, tree))}" if tree else "an empty dict"
    return (
        f"{printable(options.file)} has no weights by name, but {printable(what)}; in PyTorch, "
        "save model.state_dict()"
    )


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
        own = f" --model {found.model}" if is_own(found.model) else ""
        print(f"use it:  npnet predict {output} PICTURE{own}")
