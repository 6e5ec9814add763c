"""The network of a checkpoint, as a command line names it."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any

from npnet.base.files import printable
from npnet.models.checkpoint import opened
from npnet.nn import Module
from npnet.runs.commands import reason
from npnet.runs.errors import ConfigError

__all__ = ["network_of"]


def network_of(checkpoint: str, spelling: str | None) -> Any:
    """The network of a run, ready to be used, see `from_checkpoint`.

    That another class is taken in the place of the run's, or its file was changed since, is told on
    standard error.

    Args:
        checkpoint: its best.safetensors, or the folder that it is in.
        spelling: of somebody's own network its class, as `my_file.py:Net`; the file is executed.

    Raises:
        ConfigError: there is no such file, or the network is another.
        CheckpointError: the file is damaged, or no such checkpoint.
    """
    build = None
    if spelling is not None:
        from npnet.runs.own import load_class

        build = load_class(spelling, "model", Module, "npnet.nn.Module")
    try:
        model, said = opened(checkpoint, build)
    except OSError as error:
        raise ConfigError(reason(error)) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model: {error}".replace("model: from_checkpoint: ", "")) from error
    recorded = model.checkpoint.model
    if spelling is not None and _differs(spelling, recorded):
        said = (
            f"the run's network was {printable(recorded)}, and {printable(spelling)} is taken in "
            "its place; answers are right only where both compute the same"
        )
    if said:
        print(f"npnet: {said}", file=sys.stderr)
    return model


def _differs(spelling: str, recorded: str) -> bool:
    """Whether two spellings name different classes, or files of different names."""
    (place, _, name), (known_place, _, known_name) = (
        text.rpartition(":") for text in (spelling, recorded)
    )
    if name != known_name:
        return True
    are_files = place.endswith(".py") and known_place.endswith(".py")
    return are_files and PurePath(place).name != PurePath(known_place).name
