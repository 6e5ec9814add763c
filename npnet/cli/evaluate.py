"""`npnet evaluate`: what the network of a run makes of a data set."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.datasets import ImageData
    from npnet.prediction.evaluation import Evaluation

__all__ = ["SETTINGS", "Options", "main"]

_PROG = "npnet evaluate"


@dataclass(frozen=True)
class Options:
    """Test the network of a run on a data set.

    Told are accuracy and loss, precision, recall and F1 of each class, which classes are taken for
    which, the worst errors, and calibration: whether it is as often right as it is sure.
    """

    GROUPS: ClassVar[dict[str, str]] = {"data": "dataset", "output": "worst"}
    PATHS: ClassVar[tuple[str, ...]] = ("checkpoint", "data_dir", "errors")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "dataset": ("mnist", "fashion-mnist", "cifar10", "digits"),
        "split": ("test", "train"),
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "on the data that it was trained for": "checkpoint",
        "on others of the same classes": "checkpoint --dataset digits",
        "for a program": "checkpoint --json",
    }

    checkpoint: str = positional()
    """best.safetensors of a run, or the folder that it is in"""
    dataset: str | None = None
    """as npnet train --dataset takes it; default: the one that the network was trained on"""
    data_dir: str | None = None
    """folder where data sets are, or are put; default: $NPNET_DATA, else the user's cache"""
    split: str = "test"
    """test, or train: all training images, those that a run held out for validation too"""
    model: str | None = None
    """of a network of your own, its class: my_file.py:Net, as it was trained by"""
    worst: int = 10
    """errors to list, those of largest loss first"""
    errors: str | None = None
    """.png or .svg to write: the errors that are listed, as pictures"""
    overwrite: bool = False
    """let --errors write over a file that is there"""
    json: bool = False
    """print one object"""
    csv: bool = False
    """print the table of classes, comma separated"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Evaluate as `argv` says. Returns the exit code."""
    return run_command(lambda: _evaluate(read_flags(argv, Options(), _PROG)), _PROG, "stopped")


def _evaluate(options: Options) -> None:
    _check(options)
    from npnet.prediction import report
    from npnet.prediction.evaluation import check_data, evaluate
    from npnet.prediction.networks import network_of
    from npnet.runs.files import to_json
    from npnet.runs.outputs import new_file

    model = network_of(options.checkpoint, options.model)
    place = None
    if options.errors is not None:
        place = new_file(options.errors, options.overwrite, "errors")
    data = _data(options, model.checkpoint.dataset)
    notice = check_data(model.checkpoint, model.classes, data)
    if notice:
        print(f"{_PROG}: {notice}", file=sys.stderr)
    x, y = (data.x_test, data.y_test) if options.split == "test" else (data.x_train, data.y_train)
    found = evaluate(model, x, y, options.worst)
    if place is not None:
        _draw(found, x, f"{data.name}, {options.split} images", place)
    if options.json:
        facts = model.checkpoint
        about = {"model": facts.model, "dataset": data.name, "split": options.split}
        sys.stdout.write(to_json(report.evaluation_tree(found, **about)))
    elif options.csv:
        sys.stdout.write(report.evaluation_csv(found))
    else:
        sys.stdout.write(report.evaluation_text(found))


def _check(options: Options) -> None:
    splits = Options.CHOICES["split"]
    if options.split not in splits:
        raise ConfigError(unknown_name("split", options.split, splits))
    if options.worst < 0:
        raise ConfigError(f"worst: must be at least 0, got {options.worst}")
    if options.worst == 0 and options.errors is not None:
        raise ConfigError("worst: must be at least 1, as many errors as --errors is to draw")
    if options.json and options.csv:
        raise ConfigError("json, csv: give one of the two")
    if options.errors is not None and not options.errors.lower().endswith((".png", ".svg")):
        raise ConfigError(f"errors: must end in .png or .svg, got {options.errors}")


def _data(options: Options, trained_on: str) -> ImageData:
    """The data that are asked for, or that the network was trained on."""
    from npnet import datasets

    name = options.dataset
    if name is None:
        if trained_on not in datasets.NAMES:
            raise ConfigError(
                f"dataset: the network was trained on {trained_on}, a file whose place is not "
                f"known; say where it is: --dataset FOLDER/{trained_on}"
            )
        name = trained_on
    try:
        return datasets.load(name, options.data_dir)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _draw(found: Evaluation, x: Any, title: str, place: Any) -> None:
    from npnet.plots import plot_errors, save

    images = [x[error.index] for error in found.worst]
    wrong = found.total - found.correct
    said = f"{title}: {found.accuracy:.2f} % of {found.total}, {wrong} errors"
    save(plot_errors(images, found.worst, found.classes, title=said), place)
