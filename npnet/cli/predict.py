"""`npnet predict`: what pictures show, by the network of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.runs.commands import USAGE_ERROR, complain, leave_kernels_out, run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.nn import Module
    from npnet.prediction.predictor import Prediction

__all__ = ["SETTINGS", "Options", "main"]

_PROG = "npnet predict"
_DRAWN = (".png", ".svg")


@dataclass(frozen=True)
class Options:
    """Say what pictures show, by the network of a run.

    PICTURES are files (PNG, JPEG, BMP, GIF, WebP, TIFF, ...), folders of them and of folders of
    them, and - for standard input. A network that was trained on digits is given each as MNIST has
    it: grey, a light digit on black, cut out, 20 pixels high or wide, centred in 28 x 28. Any other
    network is given the whole picture, stretched to its size.

    A picture without anything on it is "nothing to read". Where one can't be read, the others are
    told, and the exit code is 2. docs/predict.md says more.
    """

    GROUPS: ClassVar[dict[str, str]] = {"options": "top", "output": "json"}
    PATHS: ClassVar[tuple[str, ...]] = ("checkpoint", "pictures", "explain")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"prepare": ("auto", "digits", "none")}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "one picture": "checkpoint seven.png",
        "a folder, for a program": "checkpoint/best.safetensors photos/ --json",
        "where the network looked": "checkpoint seven.png --explain seven-explained.png",
    }

    checkpoint: str = positional()
    """best.safetensors of a run, or the folder that it is in"""
    pictures: tuple[str, ...] = positional(())
    """files, folders, or - for standard input"""
    top: int = 3
    """classes to tell of each picture, the likeliest first"""
    prepare: str = "auto"
    """make digits like MNIST's of the pictures (digits), or take them as they are (none); default:
    as the data were that the network was trained on"""
    model: str | None = None
    """of a network of your own, its class: my_file.py:Net, as it was trained by"""
    json: bool = False
    """print a list of objects"""
    csv: bool = False
    """print a line of comma separated values for each picture"""
    explain: str | None = None
    """.png or .svg to write, or a folder of them for several pictures: what the network saw, its
    maps layer by layer, and where it looked"""
    overwrite: bool = False
    """let --explain write over files that are there"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Predict as `argv` says. Returns the exit code."""
    leave_kernels_out()
    failed: list[str] = []

    def work() -> None:
        failed.extend(_predict(read_flags(argv, Options(), _PROG)))

    code = run_command(work, _PROG, "stopped")
    for error in failed:
        complain(_PROG, error, USAGE_ERROR)
    return code or (USAGE_ERROR if failed else 0)


def _predict(options: Options) -> list[str]:
    """Print what the network says. Returns why some pictures could not be read."""
    _check(options)
    from npnet.prediction import text
    from npnet.prediction.networks import network_of
    from npnet.prediction.predictor import Predictor
    from npnet.prediction.sources import find_sources
    from npnet.runs.files import to_json

    model = network_of(options.checkpoint, options.model)
    top = min(options.top, len(model.classes))
    predictor = Predictor(model, options.prepare, top, keep=options.explain is not None)
    predictions = list(predictor(find_sources(options.pictures)))
    if options.explain is not None:
        _explain(model, predictions, options)
    if options.json:
        sys.stdout.write(to_json(text.predictions_tree(predictions, predictor.prepared)))
    elif options.csv:
        sys.stdout.write(text.predictions_csv(predictions, top))
    else:
        sys.stdout.write(text.predictions_table(predictions))
    return [each.error for each in predictions if each.error]


def _check(options: Options) -> None:
    from npnet.base.checks import unknown_name

    if options.top < 1:
        raise ConfigError(f"top: must be at least 1, got {options.top}")
    known = Options.CHOICES["prepare"]
    if options.prepare not in known:
        raise ConfigError(unknown_name("prepare", options.prepare, known))
    if options.json and options.csv:
        raise ConfigError("json, csv: give one of the two")
    if options.explain is not None:
        _check_place(options.explain)


def _check_place(explain: str) -> None:
    """Refuse what looks like a file of another kind, which would become a folder."""
    from npnet.base.files import user_path
    from npnet.prediction.sources import ENDINGS

    place = user_path(explain)
    ending = place.suffix.lower()
    if ending[1:] in ENDINGS | {"pdf"} and ending not in _DRAWN and not place.is_dir():
        raise ConfigError(f"explain: must end in .png or .svg, or be a folder, got {explain}")


# ---- --explain -----------------------------------------------------------------------------------


def _explain(model: Module, predictions: Sequence[Prediction], options: Options) -> None:
    """Draw every picture that the network has seen."""
    from npnet.plots import explanation, save

    seen = [each for each in predictions if each.image is not None]
    for each, place in zip(seen, _places(seen, options), strict=True):
        best = each.top[0]
        said = f"{Path(each.picture).name}: {best.name}, {100 * best.probability:.2f} %"
        figure = explanation(model, _image(each), model.classes, each.picture_array, title=said)
        save(figure, place)


def _image(each: Prediction) -> Any:
    assert each.image is not None
    return each.image


def _places(seen: Sequence[Prediction], options: Options) -> Iterator[Path]:
    """A file for each picture, which is not there yet or may be written over."""
    from npnet.base.files import user_path
    from npnet.runs.folders import make_folder
    from npnet.runs.outputs import new_file

    assert options.explain is not None
    target = user_path(options.explain)
    if target.suffix.lower() in _DRAWN:
        if len(seen) > 1:
            raise ConfigError(
                f"explain: there are {len(seen)} pictures to explain, and {target} is one file; "
                "name a folder"
            )
        names = [str(target)] if seen else []
    else:
        folder = make_folder(options.explain, "explain") if seen else target
        digits = len(str(len(seen)))
        stems = [Path(each.picture).stem for each in seen]
        many = len(seen) > 1
        names = [
            str(folder / (f"{k:0{digits}}-{stem}.png" if many else f"{stem}.png"))
            for k, stem in enumerate(stems, 1)
        ]
    return iter([new_file(name, options.overwrite, "explain") for name in names])
