"""`from_checkpoint`: the network of a training run, ready to be used."""

from __future__ import annotations

import errno
import json
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet import Tensor
from npnet.base.bfloat16 import FLOATS
from npnet.base.files import printable, user_path
from npnet.models.origin import doubt
from npnet.models.preprocess import Pixels, Preprocess
from npnet.models.registry import MODELS, create
from npnet.nn import Module
from npnet.serialization import CheckpointError, load_with_metadata

__all__ = ["BEST", "Facts", "from_checkpoint", "opened"]

BEST = "best.safetensors"
_MOST_PIXELS = 1 << 14  # of a side
_MOST = float(np.finfo(np.float32).max)
_OWN = (
    "weights without these are given to a network of yours: "
    "model.load_state_dict(npnet.load(path)); or npnet import adds them: npnet import FILE "
    "--dataset NAME --output NEW"
)


@dataclass(frozen=True)
class Facts:
    """What a user of a run's best weights must know; beside them in the file, as metadata.

    Attributes:
        model: the network's name in `models.MODELS`; or, of the user's own, `my_file.py:Net`, or
            the name of its class.
        arguments: what it was made with, as far as JSON holds it.
        dataset: the name of the data that it was trained on.
        classes: the name of each label.
        image_shape: (C, H, W) of the images that the network takes.
        mean, std: of each channel of the training images, in units of `transforms.ToTensor`.
        pixels: what the training images were.
        epoch: whose weights these are.
        val_accuracy: of that epoch, in percent; NaN where nothing was held out.
        code: SHA-256 of the file that the user's own network was made from; "" is not known.
    """

    model: str
    arguments: dict[str, Any]
    dataset: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pixels: Pixels
    epoch: int
    val_accuracy: float
    code: str = ""

    def to_metadata(self) -> dict[str, str]:
        """As texts by name: names as they are, all else as JSON."""
        values = {"format": "npnet", **vars(self)}
        if not self.code:
            del values["code"]
        plain = {name: v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}
        return plain | {"dataset": printable(self.dataset)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Facts:
        """The inverse of `to_metadata`, also of versions that wrote less.

        Raises:
            ValueError: something is missing, or can't be so; names it.
        """
        values: dict[str, Any] = {name: _value(metadata, name) for name in _CHECKS}
        c, classes = values["image_shape"][0], values["classes"]
        if len(values["mean"]) != c or len(values["std"]) != c:
            raise ValueError(f"mean and std must have a number for each of {c} channels")
        spec = MODELS.get(values["model"])
        if spec is None:
            values["arguments"] = values["arguments"] or {}
        elif any(spec.size_for(side) != side for side in values["image_shape"][1:]):
            raise ValueError(
                f"image_shape is {values['image_shape']}, which no {values['model']} takes"
            )
        if values["arguments"] is None:  # of a version that had no other
            values["arguments"] = {"in_channels": c, "num_classes": len(classes)}
        expected = {"in_channels": c, "num_classes": len(classes)}
        are_counts = all(map(_is_count, values["arguments"].values()))
        if spec is not None and not (are_counts and values["arguments"] == expected):
            raise ValueError(f"arguments are not of {c} channels and {len(classes)} classes")
        values["code"] = values["code"] or ""
        if values["pixels"] is None:  # so were nearly all
            values["pixels"] = Pixels()
        frozen: dict[str, Any] = {
            name: _frozen(name, value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**frozen)


def _frozen(name: str, value: list[Any]) -> tuple[Any, ...]:
    return Pixels(*value) if name == "pixels" else tuple(value)


def _is_own(model: str) -> bool:
    """Whether it can be the spelling of somebody's own class, my_file.py:Net or module:Net."""
    place, _, name = model.rpartition(":")
    return bool(place) and name.replace(".", "_").isidentifier()


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= _MOST


def _is_positive(value: Any) -> bool:
    return _is_number(value) and float(np.float32(value)) > 0


def _are(check: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, list) and all(map(check, value))


def _is_image_shape(value: Any) -> bool:
    if not _are(_is_count, value) or len(value) != 3 or value[0] not in (1, 3):
        return False
    return all(1 <= side <= _MOST_PIXELS for side in value[1:])


def _is_pixels(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or value[0] not in ("uint8", "float32"):
        return False
    return _are(_is_number, value[1:]) and value[1] <= value[2]


# Of each fact, what it must be, in words and as a check; a name is no JSON, and None may lack.
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": (
        f"one of {', '.join(MODELS)}, or a name in a file of somebody's own",
        lambda v: v in MODELS or _is_own(v),
    ),
    "arguments": ("values by name", lambda v: v is None or isinstance(v, dict)),
    "dataset": ("a name", lambda v: True),
    "classes": (
        "two names or more",
        lambda v: _are(lambda name: isinstance(name, str), v) and len(v) > 1,
    ),
    "image_shape": ("(C, H, W) with 1 or 3 channels", _is_image_shape),
    "mean": ("numbers", lambda v: _are(_is_number, v)),
    "std": ("numbers above 0", lambda v: _are(_is_positive, v)),
    "pixels": ("a dtype and a range", lambda v: v is None or _is_pixels(v)),
    "epoch": ("a whole number", _is_count),
    "val_accuracy": ("a number", lambda v: type(v) in (int, float)),
    "code": ("a SHA-256", lambda v: v is None or re.fullmatch(r"[0-9a-f]{64}", v) is not None),
}
_NAMES, _LATER = ("model", "dataset", "code"), ("arguments", "pixels", "code")


def _value(metadata: Mapping[str, str], name: str) -> Any:
    """One fact, checked."""
    if name not in metadata:
        if name in _LATER:
            return None
        raise ValueError(f"it does not say its {name}")
    text, (rule, holds) = metadata[name], _CHECKS[name]
    try:
        value = text if name in _NAMES else json.loads(text)
        holds_so = holds(value)
    except (ValueError, RecursionError):
        holds_so = False
    if not holds_so:
        raise ValueError(f"its {name} must be {rule}, got {printable(text)}")
    return value


def from_checkpoint(
    path: str | os.PathLike[str], model: Callable[..., Module] | Module | None = None
) -> Module:
    """The network that a training run found best, in evaluation, with what its use needs.

    `model(model.preprocess(picture))` gives the logits (N, classes) of pictures.

    Args:
        path: a run's best.safetensors, or the folder that it is in (`--checkpoint_dir`).
        model: of a network that is not npnet's, its class, which is made with the arguments that
            the run made it with, or a network that is made already, which takes the weights. No
            code is executed because a file names it. A warning tells where its file is not what it
            was in the run.

    Returns:
        The network, an ordinary Module, with three attributes more: `preprocess`, see `Preprocess`;
        `classes`, the name of each label; and `checkpoint`, all that the file says, see `Facts`.

    Raises:
        CheckpointError: the file is damaged, or no such checkpoint.
        OSError: it can't be read.
        ValueError: the network is somebody's own and `model` is not given, or the other way round.
        TypeError: `model` is no network and makes none.

    Example:
        >>> import tempfile
        >>> x, y = np.zeros((6, 28, 28), np.uint8), np.arange(6) % 2
        >>> options = {"val": (x, y), "epochs": 1, "batch_size": 6, "verbose": False}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history = npnet.training.fit("mlp", (x, y), checkpoint_dir=folder, **options)
        ...     model = npnet.models.from_checkpoint(folder)
        >>> model(model.preprocess(x[0])).shape, model.classes
        ((1, 2), ('0', '1'))
    """
    network, said = opened(path, model)
    if said:
        warnings.warn(f"from_checkpoint: {said}", stacklevel=2)
    return network


def opened(
    path: str | os.PathLike[str], model: Callable[..., Module] | Module | None
) -> tuple[Module, str]:
    """What `from_checkpoint` gives, and what it warns of; "" is nothing."""
    place = user_path(path)
    if place.is_dir():
        place = place / BEST
    if not place.exists():
        raise FileNotFoundError(
            errno.ENOENT,
            f"from_checkpoint: there is no such file; name the {BEST} of a run, or its "
            "--checkpoint_dir",
            printable(place),
        )
    tree, metadata = load_with_metadata(place)
    weights = _weights(place, tree)
    try:
        facts = Facts.from_metadata(metadata)
        _check_classes(weights, len(facts.classes))
    except ValueError as error:
        raise _no_checkpoint(place, f"{error}; {_OWN}") from error
    network = _network(facts, model, place)
    _load(network, weights, place)
    network.preprocess = Preprocess(facts.image_shape, facts.mean, facts.std, facts.pixels)
    network.classes = facts.classes
    network.checkpoint = facts
    return network.eval(), "" if model is None else doubt(facts.model, facts.code, model)


def _network(facts: Facts, given: Callable[..., Module] | Module | None, place: Path) -> Module:
    """The network that the weights are for, npnet's or what the caller has given."""
    said = ", ".join(f"{name}={value!r}" for name, value in facts.arguments.items())
    if given is None:
        if facts.model in MODELS:
            return create(facts.model, **facts.arguments)
        name = facts.model.rpartition(":")[2]
        raise ValueError(
            f"from_checkpoint: {printable(place)} is of a network that is not npnet's, "
            f"{printable(facts.model)}({printable(said)}), and no code is executed because a file "
            f"names it: give its class, from_checkpoint(path, model={printable(name)}), or at the "
            f"command line --model {printable(facts.model)}"
        )
    if isinstance(given, Module):
        return given
    network = given(**facts.arguments)
    if not isinstance(network, Module):
        raise TypeError(
            f"from_checkpoint: model must be a network, or make one, got a {type(network).__name__}"
        )
    return network


def _weights(place: Path, tree: Any) -> dict[str, Tensor]:
    if isinstance(tree, dict) and {"learner", "progress"} <= tree.keys():
        raise _no_checkpoint(
            place, f"it is the state of a run, for --resume; the weights to use are in {BEST}"
        )
    if not isinstance(tree, dict) or not all(isinstance(v, Tensor) for v in tree.values()):
        raise _no_checkpoint(place, "it does not hold weights by name")
    return tree


def _check_classes(weights: Mapping[str, Tensor], classes: int) -> None:
    """Before a network is made, which would take memory for as many as the file claims."""
    if not any(tensor.shape[:1] == (classes,) for tensor in weights.values()):
        raise ValueError(f"none of its weights is of {classes} classes")


def _load(model: Module, weights: Mapping[str, Tensor], place: Path) -> None:
    own = model.state_dict()
    try:
        for name, tensor in weights.items():
            if name in own and (tensor.dtype.kind in FLOATS) != (own[name].dtype.kind in FLOATS):
                raise RuntimeError(f"{name} is {tensor.dtype}")
            if not np.isfinite(tensor.array).all():
                raise RuntimeError(f"{name} has values that are NaN or infinite")
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise _no_checkpoint(place, f"its weights are not the network's: {error}") from error


def _no_checkpoint(place: Path, why: str) -> CheckpointError:
    return CheckpointError(f"from_checkpoint: {printable(place)} is no {BEST} of a run: {why}")
