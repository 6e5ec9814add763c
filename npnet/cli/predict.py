"""The command `npnet predict`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from npnet.backend import set_backend
from npnet.runs.commands import USAGE_ERROR, complain, reason, run_command
from npnet.runs.errors import ConfigError

__all__ = ["main"]

_PROG = "npnet predict"
_DESCRIPTION = """\
Say what pictures show, by the network of a run.

PICTURE is a file that Pillow reads (PNG, JPEG, BMP, GIF, WebP, TIFF, ...), a folder of them and of
folders of them, or - for standard input. For a network that was trained on digits each becomes what
MNIST has: grey, a light digit on black, cut out, 20 pixels high or wide, in the middle of 28 x 28.
Other networks are given the whole picture, stretched to their size."""
_EPILOG = """\
examples:
  npnet predict checkpoint seven.png
  npnet predict checkpoint/best.safetensors photos/ --json
  cat seven.png | npnet predict checkpoint -

exit codes: 0, 2 where a picture could not be read (the others are told); a picture without anything
on it is "nothing to read". docs/predict.md says more."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {_PROG} --help)")


def main(argv: Sequence[str]) -> int:
    """Predict as the command line says. Returns the exit code."""
    if "NPNET_BACKEND" not in os.environ:
        set_backend("numpy")  # the kernels' start costs more than a thousand pictures
    failed: list[str] = []
    code = run_command(lambda: failed.extend(_predict(argv)), _PROG, "stopped")
    for error in failed:
        complain(_PROG, error, USAGE_ERROR)
    return code or (USAGE_ERROR if failed else 0)


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    from npnet.prediction.predictor import AUTO, PREPARATIONS

    parser = _Parser(
        _PROG,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", help="best.safetensors of a run, or the folder it is in")
    parser.add_argument("pictures", nargs="+", metavar="PICTURE")
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="classes to tell; default: 3"
    )
    parser.add_argument(
        "--prepare",
        choices=PREPARATIONS,
        default=AUTO,
        help="make digits of pictures, or take them as they are; default: as the network's data were",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a list of objects")
    form.add_argument("--csv", action="store_true", help="print lines with commas")
    given = parser.parse_args(argv)
    if given.top < 1:
        parser.error(f"--top: must be at least 1, got {given.top}")
    return given


def _predict(argv: Sequence[str]) -> list[str]:
    """Print what the network says. Returns what could not be read, and why."""
    given = _parsed(argv)
    from npnet.models.checkpoint import from_checkpoint
    from npnet.prediction import text
    from npnet.prediction.predictor import Predictor
    from npnet.prediction.sources import find_sources
    from npnet.runs.files import to_json

    try:
        model = from_checkpoint(given.checkpoint)
    except OSError as error:
        raise ConfigError(reason(error)) from error
    top = min(given.top, len(model.classes))
    predictor = Predictor(model, given.prepare, top)
    predictions = list(predictor(find_sources(given.pictures)))
    if given.json:
        sys.stdout.write(to_json(text.predictions_tree(predictions, predictor.prepared)))
    elif given.csv:
        sys.stdout.write(text.predictions_csv(predictions, top))
    else:
        sys.stdout.write(text.predictions_table(predictions))
    return [each.error for each in predictions if each.error]
