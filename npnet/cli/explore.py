"""`npnet explore`: a network, or two, in a page in the browser."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from npnet.base.files import atomic_write, user_path
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

__all__ = ["SETTINGS", "Options", "made_page", "main"]

_PROG = "npnet explore"
_MOST = 2  # networks in a page


@dataclass(frozen=True)
class Options:
    """Draw, and see every layer of a network at work: a page in the browser.

    CHECKPOINTS are a run's best.safetensors, or the folder that it is in; two, of the same classes,
    are shown beside each other. The page is one file that needs no other and no network connection:
    the weights are in it. Touch a unit to see the sum that it made and the pixels that it looked
    at. Of a run that was made with --record, the page plays how it learnt. docs/explore.md says
    more.
    """

    GROUPS: ClassVar[dict[str, str]] = {"options": "model", "output": "output"}
    PATHS: ClassVar[tuple[str, ...]] = ("checkpoints", "data_dir", "output")
    EXAMPLES: ClassVar[dict[str, str]] = {
        "a network that reads digits": "checkpoint",
        "early and late": "early/best.safetensors late/best.safetensors",
        "a file to send": "checkpoint --output lenet5.html --no_open",
    }

    checkpoints: tuple[str, ...] = positional()
    """best.safetensors of a run, or the folder that it is in; one or two"""
    model: str | None = None
    """of a network of your own, its class: my_file.py:Net, as it was trained by"""
    data_dir: str | None = None
    """folder where data sets are, for test images; default: $NPNET_DATA, else your cache folder"""
    output: str | None = None
    """file to write; default: a temporary one"""
    overwrite: bool = False
    """write over a file that is there"""
    open: bool = True
    """open the page in the browser"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Explore what `argv` names. Returns the exit code."""
    leave_kernels_out()
    return run_command(lambda: _explore(read_flags(argv, Options(), _PROG)), _PROG, "stopped")


def _explore(options: Options) -> None:
    from npnet.runs.outputs import new_file

    if not options.open and options.output is None:
        raise ConfigError("open: nothing would be left; name a file by --output")
    place = None if options.output is None else new_file(options.output, options.overwrite)
    text, notes = made_page(options.checkpoints, options.model, options.data_dir)
    for note in notes:
        print(note)
    if place is None:
        place = Path(tempfile.mkdtemp(prefix="npnet-explore-")) / "explore.html"
    atomic_write(place, text.encode())
    print(f"written: {options.output or place} ({place.stat().st_size / 1e6:.2f} MB)")
    if options.open and not webbrowser.open(place.resolve().as_uri()):
        print("there is no browser here; open the file in one")


def made_page(
    checkpoints: Sequence[str], model: str | None, data_dir: str | None
) -> tuple[str, list[str]]:
    """The text of a page of one or two checkpoints, and what its reader should know.

    Raises:
        ConfigError: there are more, or a page can't be made of them.
        CheckpointError: a file is damaged, or no checkpoint.
    """
    if not 1 <= len(checkpoints) <= _MOST:
        raise ConfigError(f"checkpoints: name one, or two to compare, got {len(checkpoints)}")
    from npnet.prediction.networks import network_of
    from npnet.web.page import page_of, shown
    from npnet.web.pictures import Pictures, pictures_for
    from npnet.web.story import story_of

    models = [network_of(name, model) for name in checkpoints]
    networks = [shown(m, name) for m, name in zip(models, _names(checkpoints, models), strict=True)]
    found = pictures_for(models[0].checkpoint, checkpoints[0], data_dir)
    pictures = found if isinstance(found, Pictures) else None
    notes = [] if isinstance(found, Pictures) else [f"without test images: {found}"]
    story = story_of(checkpoints[0], networks[0].graph)
    return page_of(networks, pictures, story), notes


def _names(checkpoints: Sequence[str], models: Sequence[Any]) -> list[str]:
    """What each network is called: its kind, and where two are of one, its epoch or its folder."""
    from npnet.web.page import called

    names = [called(str(m.checkpoint.model)) for m in models]
    if len({*names}) == len(names):
        return names
    epochs = [f"epoch {m.checkpoint.epoch}" for m in models]
    if len({*epochs}) == len(epochs):
        return [f"{name}, {epoch}" for name, epoch in zip(names, epochs, strict=True)]
    return [f"{name}, {user_path(place)}" for name, place in zip(names, checkpoints, strict=True)]
