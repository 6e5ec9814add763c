"""The network that a word of the command line names, and the images that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from npnet.base.files import printable, user_path
from npnet.cli.bare import checked_size, own_size, usual_size
from npnet.models import MODELS, list_models
from npnet.runs.errors import ConfigError
from npnet.runs.own import is_own

if TYPE_CHECKING:
    from npnet.nn import Module

__all__ = ["Named", "by_name", "is_named", "network_of"]


@dataclass(frozen=True)
class Named:
    """A network that was named.

    Attributes:
        shape: (C, H, W) of an image, or what else a sample is.
        build, arguments: what it was made by.
    """

    model: Module
    shape: tuple[int, ...]
    build: Callable[..., Module]
    arguments: dict[str, Any]


def is_named(name: str) -> bool:
    """Whether npnet or torchvision has a network of this name."""
    return name in MODELS or name in list_models()


def network_of(
    name: str, model_args: Sequence[str], input_size: tuple[int, ...], command: str
) -> Named:
    """A network by its name, of a file, or of the user's own, whose file is executed.

    Args:
        command: that asks, for errors.

    Raises:
        ConfigError: there is none of this name, or the options do not fit.
    """
    if is_own(name):
        return _own(name, model_args, input_size)
    if model_args:
        raise ConfigError("model_args: are for a network of your own, as my_file.py:Net")
    size = checked_size(input_size)
    if is_named(name):
        return by_name(name, {}, size)
    if user_path(name).exists():
        return _of_file(name, size, command)
    from npnet.base.checks import unknown_name

    known = dict.fromkeys((*MODELS, *list_models()))
    raise ConfigError(f"{unknown_name('MODEL', name, known)}; nor is there a file of this name")


def by_name(name: str, arguments: dict[str, Any], size: tuple[int, ...]) -> Named:
    """A network of npnet's or torchvision's, for images of `size`, or else of its own."""
    from npnet.models import get_model_builder
    from npnet.models.foreign import made

    shape = size or usual_size(name, arguments.get("in_channels"))
    if name not in MODELS:
        return Named(made(name, arguments), shape, get_model_builder(name), arguments)
    arguments = {"in_channels": shape[0], **arguments}
    build = MODELS[name].build
    return Named(made(name, arguments), shape, build, {"num_classes": 10, **arguments})


def _own(name: str, model_args: Sequence[str], input_size: tuple[int, ...]) -> Named:
    """A network of the user's own, whose file is executed."""
    from npnet.nn import Module
    from npnet.runs.arguments import arguments
    from npnet.runs.own import blamed, load_class

    shape = own_size(input_size)
    build = load_class(name, "model", Module, "npnet.nn.Module")
    given = {"in_channels": shape[0], "num_classes": 10}
    made = arguments(build, model_args, given, "model_args", name)
    with blamed(f"model {name}"):
        return Named(build(**made), shape, build, made)


def _of_file(name: str, size: tuple[int, ...], command: str) -> Named:
    """The network of a checkpoint, or of weights that are one network's alone, with its weights."""
    from npnet.models.checkpoint import BEST
    from npnet.models.foreign import find_weights, read_foreign, recognised

    path = user_path(name)
    path = path / BEST if path.is_dir() else path
    if not path.exists():
        raise ConfigError(f"there is no {BEST} in {printable(name)}")
    tree, metadata = read_foreign(path)
    if is_own(metadata.get("model", "")):
        raise ConfigError(
            f"{printable(name)} holds weights of a network that is not npnet's; name it itself: "
            f"{command} {printable(metadata['model'])} --input_size 1 28 28, with --model_args "
            "as it was trained"
        )
    if "image_shape" in metadata:
        from npnet.models import from_checkpoint

        model = from_checkpoint(path)
        facts = model.checkpoint
        build = MODELS[facts.model].build
        return Named(model, size or facts.image_shape, build, dict(facts.arguments))
    for found in find_weights(tree):
        matches = recognised(found)
        if matches:
            named = by_name(matches[0].model, dict(matches[0].arguments), size)
            named.model.load_state_dict(matches[0].weights)
            return named
    raise ConfigError(
        f"{printable(name)} has the weights of no network that npnet knows; name the network itself"
    )
