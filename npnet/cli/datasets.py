"""`npnet datasets`: which there are, where they are, to have them, and whether they are whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from npnet import datasets
from npnet.base import extras
from npnet.base.checks import unknown_name
from npnet.base.files import user_path
from npnet.datasets.catalogue import CATALOGUE, Known
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError, FailedError
from npnet.runs.flags import positional, read_flags

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet datasets"
MEGABYTE = 1e6


@dataclass(frozen=True)
class Options:
    """The data sets that --dataset of npnet train takes by name.

    list shows all of them, and which are here. path prints the folder of the data, or of one data
    set. download fetches, goes on where a download broke off, and checks. verify looks at
    checksums, images and labels of what is here.

    Exit code 1: NAME is not here, is damaged, or could not be downloaded.
    """

    PATHS: ClassVar[tuple[str, ...]] = ("data_dir",)
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "action": ("list", "path", "download", "verify"),
        "names": tuple(CATALOGUE),
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "which there are": "list",
        "have two of them": "download mnist cifar10",
    }

    action: str = positional()
    """list, path, download or verify"""
    names: tuple[str, ...] = positional((), required=False)
    """data sets; default: all, or, of verify, those that are here"""
    data_dir: str | None = None
    """where data sets are, or are put; default: $NPNET_DATA, else your cache folder"""
    json: bool = False
    """print the answer for a program to read"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Do what the command line says. Returns the exit code."""
    stopped = "stopped; what was downloaded is kept, the same command goes on from there"
    return run_command(lambda: _work(argv), PROG, stopped)


def _work(argv: Sequence[str]) -> None:
    options = read_flags(argv, Options(), PROG)
    if options.action not in _ACTIONS:
        raise ConfigError(unknown_name("action", options.action, _ACTIONS))
    for name in options.names:
        if name not in CATALOGUE:
            raise ConfigError(unknown_name("data set", name, CATALOGUE))
    named = options.data_dir
    folder = datasets.default_data_dir() if named is None else user_path(named)
    _ACTIONS[options.action](options, folder)


# ---- the actions ---------------------------------------------------------------------------------


def _list(options: Options, folder: Path) -> None:
    shown = [CATALOGUE[name] for name in options.names or CATALOGUE]
    if options.json:
        print(json.dumps([_described(known, folder) for known in shown], indent=2))
        return
    rows = [("name", "images", "size", "classes", "files", "where")]
    for known in shown:
        train, test = known.images
        rows.append(
            (
                known.name,
                f"{train:,} + {test:,}",
                " x ".join(map(str, known.shape)),
                str(known.classes),
                _size(known.bytes),
                _place(known, folder) or f"not here: {PROG} download {known.name}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    print(f"\nimages: for training + for testing. Data folder: {folder}")
    print("More, as classes under torchvision's names: KMNIST, EMNIST, QMNIST, USPS, SVHN, STL10,")
    print("CIFAR100, ImageFolder, FakeData of npnet.datasets.")


def _size(count: int) -> str:
    return f"{count / MEGABYTE:.1f} MB" if count >= MEGABYTE else f"{count / 1e3:.0f} kB"


def _path(options: Options, folder: Path) -> None:
    if len(options.names) > 1:
        raise ConfigError(f"path takes one NAME, got {' '.join(options.names)}")
    if not options.names:
        print(json.dumps({"data_dir": str(folder)}) if options.json else folder)
        return
    known = CATALOGUE[options.names[0]]
    if options.json:
        print(json.dumps(_described(known, folder), indent=2))
    place = _place(known, folder)
    if not place:
        raise FailedError(_absent(known, folder))
    if not options.json:
        print(place)


def _download(options: Options, folder: Path) -> None:
    if not options.names:
        raise ConfigError(f"download needs a NAME: {', '.join(CATALOGUE)}")
    done = []
    for name in options.names:
        known = CATALOGUE[name]
        had = bool(known.files(folder))
        if not had:
            extras.check("datasets", f"{PROG} download")
            try:
                known.load(folder, download=True)
            except datasets.DataError as error:
                raise FailedError(str(error)) from error
        done.append({"downloaded": not had, **_described(known, folder)})
        if not options.json:
            print(f"{name}: {'is in' if had else 'downloaded to'} {_place(known, folder)}")
    if options.json:
        print(json.dumps(done, indent=2))


def _verify(options: Options, folder: Path) -> None:
    """Raise FailedError where anything is wrong, after all was looked at."""
    verdicts = [_verdict(CATALOGUE[name], folder) for name in options.names or CATALOGUE]
    if not options.names:
        verdicts = [verdict for verdict in verdicts if verdict["files"]]
    if options.json:
        print(json.dumps(verdicts, indent=2))
    wrong = [verdict for verdict in verdicts if verdict["wrong"]]
    for verdict in () if options.json else verdicts:
        for file, said in verdict["files"].items():
            print(f"{verdict['name']}: {file}: {_CHECKSUM[said]}")
        if not verdict["wrong"]:
            train, test = CATALOGUE[verdict["name"]].images
            print(f"{verdict['name']}: ok, {train:,} images for training and {test:,} for testing")
    if wrong:
        raise FailedError("; ".join(f"{verdict['name']}: {verdict['wrong']}" for verdict in wrong))


_ACTIONS = {"list": _list, "path": _path, "download": _download, "verify": _verify}

_CHECKSUM = {
    "ok": "checksum ok",
    "wrong checksum": "wrong checksum",
    "unknown": "no checksum is known of files in this form",
}


# ---- a data set ----------------------------------------------------------------------------------


def _described(known: Known, folder: Path) -> dict[str, Any]:
    """What --json says of a data set."""
    train, test = known.images
    files = known.files(folder)
    return {
        "name": known.name,
        "about": known.about,
        "train": train,
        "test": test,
        "shape": list(known.shape),
        "classes": known.classes,
        "bytes": known.bytes,
        "here": bool(files),
        "folder": _place(known, folder) or None,
        "files": [str(file) for file in files],
    }


def _place(known: Known, folder: Path) -> str:
    """The folder of its files, "" where they are not here."""
    files = known.files(folder)
    return str(files[0].parent) if files else ""


def _absent(known: Known, folder: Path) -> str:
    return f"{known.name} is not in {folder}: {PROG} download {known.name}"


def _verdict(known: Known, folder: Path) -> dict[str, Any]:
    """The files with what is said of their checksums, and what is wrong, or ""."""
    try:
        files = {str(path): said for path, said in known.check(folder)}
    except datasets.DataError as error:
        return {"name": known.name, "files": {}, "wrong": str(error)}
    wrong = known.counted(folder) if files else _absent(known, folder)
    if not wrong and "wrong checksum" in files.values():
        names = ", ".join(name for name, said in files.items() if said == "wrong checksum")
        wrong = f"{names}: it can be read, but is not the file that the mirrors have"
    return {"name": known.name, "files": files, "wrong": wrong}
