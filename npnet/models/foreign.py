"""Weights in files that other programs wrote: found, freed of prefixes, and matched to a network.

What PyTorch's users save is a state_dict, or a dict that holds one beside optimizer and epoch, or a
whole module; with the names that its network had in a wrapper (`module.` of DataParallel,
`_orig_mod.` of compile, `model.` of a trainer's class).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet import Tensor
from npnet.base.bfloat16 import FLOATS
from npnet.base.files import open_regular, printable
from npnet.models.named import get_model
from npnet.models.registry import MODELS, create
from npnet.nn import Module
from npnet.serialization import CheckpointError, load_with_metadata
from npnet.serialization.pytorch import Inert, is_pytorchs, pytorch_object, records, unread_kind

__all__ = [
    "FACTS",
    "Found",
    "Match",
    "find_weights",
    "guessed",
    "made",
    "match",
    "match_name",
    "read_foreign",
    "recognised",
    "unread_tensors",
]

FACTS = "npnet.json"  # in npnet's own files of PyTorch's format, what else is known of the network
SHOWN = 3  # names in an error
MOST_CLASSES = 100_000
_DEEPEST = 64  # of containers and modules in one another
# What a state_dict is called beside others, the likeliest first.
_LIKELY = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Found:
    """Tensors by name, somewhere in a file.

    Attributes:
        place: the keys on the way to them, joined by dots; "" for the file itself.
        weights: the tensors.
    """

    place: str
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Match:
    """Weights under the names, and in the order and dtypes, of a network.

    Attributes:
        model: the network's name.
        arguments: what it was made with.
        weights: its state_dict.
        place: where in the file they were.
        prefix: what was taken off their names.
        left_out: names in that place that are not the network's.
    """

    model: str
    arguments: dict[str, Any]
    weights: dict[str, Tensor]
    place: str
    prefix: str
    left_out: tuple[str, ...]


# ---- reading -------------------------------------------------------------------------------------


def read_foreign(path: str | Path) -> tuple[Any, dict[str, str]]:
    """The content of a file of PyTorch's, a safetensors file or one of npnet's, and its metadata.

    Nothing that is in it is run; objects of unknown classes are `Inert`.

    Raises:
        CheckpointError: the file is damaged, or of another kind.
        OSError: it can't be read.
    """
    with open_regular(path) as file:
        data = file.read()
    if not is_pytorchs(data):
        return load_with_metadata(path)
    try:
        return pytorch_object(data, inert=True), _facts(records(data))
    except ValueError as error:
        raise CheckpointError(
            f"{printable(path)} is damaged or incomplete ({printable(str(error))}); copy it again"
        ) from error


def _facts(files: Mapping[str, bytes]) -> dict[str, str]:
    if FACTS not in files:
        return {}
    facts = json.loads(files[FACTS].decode())
    if not isinstance(facts, dict) or not all(isinstance(v, str) for v in facts.values()):
        raise ValueError(f"its {FACTS} must be texts by name")
    return facts


# ---- finding -------------------------------------------------------------------------------------


def find_weights(tree: Any) -> list[Found]:
    """All dicts of tensors by name in what a file holds, the likeliest first.

    An optimizer's are left out: its state goes by numbers. Dicts of a wrapper, which has numbers
    beside tensors, count by their tensors.
    """
    found = [Found(place, weights) for place, node in _walk(tree) if (weights := _weights(node))]
    return sorted((f for f in found if not _is_state_of_optimizer(f)), key=_rank)


def unread_tensors(tree: Any) -> dict[str, str]:
    """The tensors that can't be read here, by their places in a file, with their kinds."""
    kinds = ((place, unread_kind(node)) for place, node in _walk(tree))
    return {place: kind for place, kind in kinds if kind is not None}


def _walk(node: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """All that is in a file, by its place; containers as dicts, before what they hold."""
    if depth > _DEEPEST:
        return
    if isinstance(node, Inert) and unread_kind(node) is None:
        node = _inside(node, depth) if _is_module(node) else node.state
    if isinstance(node, (list, tuple)):
        node = dict(enumerate(node))
    yield place, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{place}.{key}" if place else str(key), depth + 1)


def _weights(node: Any) -> dict[str, Tensor]:
    items = node.items() if isinstance(node, dict) else ()
    return {k: v for k, v in items if isinstance(k, str) and isinstance(v, Tensor)}


def _is_state_of_optimizer(found: Found) -> bool:
    *_, last = ["", *found.place.split(".")]
    return last.isdigit() and "state" in found.place.split(".")


def _rank(found: Found) -> tuple[int, int, int]:
    names = found.place.split(".")
    likely = [_LIKELY.index(name) for name in names if name in _LIKELY]
    return min(likely, default=len(_LIKELY) * bool(found.place)), len(names), -len(found.weights)


def _is_module(obj: Inert) -> bool:
    return isinstance(obj.state, dict) and {"_parameters", "_modules"} <= obj.state.keys()


def _inside(module: Inert, depth: int) -> dict[str, Any]:
    """What `state_dict` of a module would give that was saved as a whole."""
    weights: dict[str, Any] = {}
    fleeting = module.state.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in dict(module.state.get(kind) or {}).items():
            is_tensor = isinstance(value, Tensor) or unread_kind(value)
            if is_tensor and name not in fleeting:
                weights[name] = value
    for name, inner in dict(module.state["_modules"] or {}).items():
        if isinstance(inner, Inert) and _is_module(inner) and depth < _DEEPEST:
            weights |= {f"{name}.{k}": v for k, v in _inside(inner, depth + 1).items()}
    return weights


# ---- matching ------------------------------------------------------------------------------------


def fitted(weights: Weights, own: Weights) -> tuple[dict[str, Tensor], str]:
    """The weights under the network's names, and the prefix that was taken off.

    Of all prefixes, the one is taken with which most names are the network's; with none of them
    the names stay as they are. What does not bear the prefix is left out. `num_batches_tracked`,
    which old files lack, is filled in by 0.
    """
    best, most = "", sum(name in own for name in weights)
    for prefix in _prefixes(weights):
        count = sum(name.removeprefix(prefix) in own for name in weights if name.startswith(prefix))
        if count > most:
            best, most = prefix, count
    found = {k.removeprefix(best): v for k, v in weights.items() if k.startswith(best)}
    for name, value in own.items():
        if name.endswith("num_batches_tracked") and name not in found and found:
            found[name] = value
    return found, best


def _prefixes(weights: Weights) -> list[str]:
    """All beginnings of names that end in a dot, the shortest first."""
    prefixes = {
        ".".join(parts[:count]) + "."
        for parts in (name.split(".") for name in weights)
        for count in range(1, min(len(parts), 6))
    }
    return sorted(prefixes, key=lambda prefix: (prefix.count("."), prefix))


def misfit(given: Weights, own: Weights) -> str:
    """How weights differ from a network's: missing, unexpected and mis-shaped keys; "" if not."""
    missing = [name for name in own if name not in given]
    unexpected = [printable(name) for name in given if name not in own]
    shapes = [
        f"{name} is {given[name].shape}, not {own[name].shape}"
        for name in own
        if name in given
        and given[name].shape != own[name].shape
        and given[name].numel() * own[name].numel() != 1
    ]
    kinds = [
        f"{name} is {given[name].dtype}"
        for name in own
        if name in given and (given[name].dtype.kind in FLOATS) != (own[name].dtype.kind in FLOATS)
    ]
    said = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    said["of another kind"] = kinds
    return "; ".join(f"{len(v)} {k}: {_some(v)}" for k, v in said.items() if v)


def not_finite(weights: Weights) -> str:
    """The names of weights that are NaN or infinite in float32, "" where there are none."""
    with np.errstate(over="ignore"):
        bad = [
            printable(name)
            for name, w in weights.items()
            if w.dtype.kind in FLOATS and not np.isfinite(w.array.astype(np.float32)).all()
        ]
    return _some(bad)


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return ", ".join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def match(found: Found, name: str, arguments: Mapping[str, Any], own: Weights) -> Match:
    """Found weights as those of a network.

    Args:
        name: of the network.
        arguments: what it was made with.
        own: its state_dict.

    Raises:
        ValueError: they are not its; says how many keys are missing, unexpected and mis-shaped,
            and the first of each.
    """
    weights, prefix = fitted(found.weights, own)
    said = misfit(weights, own)
    if said:
        raise ValueError(said)
    bad = not_finite(weights)
    if bad:
        raise ValueError(f"values are NaN, or infinite in float32: {bad}")
    in_order = {
        key: weights[key].to(value.dtype).reshape(value.shape) for key, value in own.items()
    }
    left = [key for key in found.weights if not key.startswith(prefix)]
    return Match(name, dict(arguments), in_order, found.place, prefix, tuple(left))


def match_name(found: Found, name: str) -> Match:
    """`match` with the network of a name, of as many channels and classes as the weights have."""
    arguments = arguments_for(name, found.weights)
    return match(found, name, arguments or {}, made(name, arguments or {}).state_dict())


def recognised(found: Found) -> list[Match]:
    """The networks of the registry that these are the weights of, to the last name and shape."""
    matches = []
    for name in MODELS:
        arguments = arguments_for(name, found.weights)
        if arguments is not None:
            with contextlib.suppress(ValueError):
                matches.append(match(found, name, arguments, made(name, arguments).state_dict()))
    return matches


def made(name: str, arguments: Mapping[str, int]) -> Module:
    """The network of this name, npnet's own or torchvision's."""
    return create(name, **arguments) if name in MODELS else get_model(name, **arguments)


def arguments_for(name: str, weights: Weights) -> dict[str, int] | None:
    """What a network of this name was made with, if the weights have its names; else None.

    Its first layer has the channels of the images, its last the classes.
    """
    own = made(name, {}).state_dict()
    found, _ = fitted(weights, own)
    if found.keys() != own.keys():
        return None
    matrices = [key for key, value in own.items() if value.ndim in (2, 4)]
    first, last = found[matrices[0]].shape, found[matrices[-1]].shape
    if len(first) < 2 or not 1 < last[0] <= MOST_CLASSES:
        return None
    if name not in MODELS:
        return {"num_classes": last[0]}
    channels = first[1] if len(first) == 4 else first[1] // (MODELS[name].input_size or 1) ** 2
    return {"in_channels": channels, "num_classes": last[0]} if channels in (1, 3) else None


def guessed(weights: Weights) -> dict[str, int]:
    """Channels of the first convolution and classes of the last matrix, where there are these."""
    convolutions = [w.shape for w in weights.values() if w.ndim == 4]
    matrices = [w.shape for w in weights.values() if w.ndim in (2, 4)]
    found = {"in_channels": convolutions[0][1]} if convolutions else {}
    return found | ({"num_classes": matrices[-1][0]} if matrices else {})
