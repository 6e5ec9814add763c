"""The network of weights alone, and the images that it takes, for `npnet export` and `summary`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from npnet.base.files import printable
from npnet.models import MODELS
from npnet.runs.errors import ConfigError
from npnet.runs.own import is_own

if TYPE_CHECKING:
    from npnet.cli.export import Options
    from npnet.models.foreign import Match
    from npnet.nn import Module

__all__ = ["bare_network", "checked_size", "own_size", "tried_on", "usual_size"]

MOST_VALUES = 1 << 28  # of an image
_USUAL = (3, 224, 224)  # images that torchvision's networks are made for


def bare_network(tree: Any, said: str | None, options: Options) -> tuple[Module, tuple[int, ...]]:
    """The network of weights alone, in evaluation, and the shape of an image.

    Args:
        tree: what the file holds.
        said: the network that the file itself names.

    Raises:
        ConfigError: the weights are not of the network that the options name, or of none or
            several where they name none; or it does not take images of this size.
    """
    from npnet import no_grad, zeros
    from npnet.cli import import_

    file = printable(options.checkpoint)
    if options.with_preprocessing:
        raise ConfigError(
            f"with_preprocessing: {file} does not say how its images were standardised; add it by "
            f"npnet import {file} --dataset NAME --output NEW, and export that"
        )
    flags = import_.Options(options.checkpoint, options.model, options.model_args)
    match = import_.matched(tree, said, flags)
    shape = _size_of(match, options.input_size)
    model = _made(match)
    model.load_state_dict(match.weights)
    with tried_on(shape), no_grad():
        model.eval()(zeros(1, *shape))
    return model, shape


@contextlib.contextmanager
def tried_on(shape: tuple[int, ...]) -> Iterator[None]:
    """Say of what fails within that the network does not take images of this shape.

    Raises:
        ConfigError: so it is.
    """
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        size = " ".join(map(str, shape))
        raise ConfigError(
            f"input_size: the network does not take images of {size}: {error}"
        ) from None


def _made(match: Match) -> Module:
    from npnet.models.foreign import made
    from npnet.nn import Module
    from npnet.runs.own import blamed, load_class

    if not is_own(match.model):
        return made(match.model, match.arguments)
    build = load_class(match.model, "model", Module, "npnet.nn.Module")
    with blamed(f"model {match.model}"):
        model: Module = build(**match.arguments)
    return model


def _size_of(match: Match, size: tuple[int, ...]) -> tuple[int, ...]:
    if is_own(match.model):
        return own_size(size)
    return checked_size(size) or usual_size(match.model, match.arguments.get("in_channels"))


def own_size(size: tuple[int, ...]) -> tuple[int, ...]:
    """The size that was asked for, without which nothing is known of a network of one's own."""
    if not checked_size(size):
        raise ConfigError(
            "input_size: say what a network of your own takes, as --input_size 1 28 28"
        )
    return size


def usual_size(name: str, channels: int | None = None) -> tuple[int, ...]:
    """(C, H, W) of the images that a network of this name is made for; of `channels`, if given."""
    if name not in MODELS:
        return _USUAL
    spec = MODELS[name]
    side = spec.input_size or spec.min_size
    return channels or spec.in_channels, side, side


def checked_size(size: tuple[int, ...]) -> tuple[int, ...]:
    """The size that was asked for; () is the network's own."""
    values = 1
    for side in size:
        if side < 1:
            raise ConfigError(f"input_size: takes whole numbers from 1, got {side}")
        values *= side
    if values > MOST_VALUES:
        raise ConfigError(f"input_size: is more than {MOST_VALUES} values")
    return size
