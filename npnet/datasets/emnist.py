"""EMNIST: 28x28 grey handwritten digits and letters, in six splits."""

from __future__ import annotations

import dataclasses
import os
import shutil
import string
import zipfile
import zlib
from pathlib import Path
from typing import Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.datasets._augmentation import characters
from npnet.datasets._errors import DownloadError, damaged
from npnet.datasets.idx import IdxSource
from npnet.datasets.mnist import MNIST

__all__ = ["EMNIST"]

_ARCHIVE = "gzip.zip"
_MERGED = sorted({*string.digits, *string.ascii_letters} - {*"cijklmopsuvwxyz"})
_CLASSES = {
    "byclass": sorted(string.digits + string.ascii_letters),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": ["N/A", *string.ascii_lowercase],
    "digits": list(string.digits),
    "mnist": list(string.digits),
}


class EMNIST(MNIST):
    """One part of EMNIST, as torchvision.datasets.EMNIST.

    Pictures are as the files have them: mirrored along the diagonal, as in torchvision. The files
    are looked for in torchvision's `<root>/EMNIST/raw/`, gzipped or not, and in the archive
    gzip.zip there or in `<root>/`, which is what is downloaded.

    Args:
        root: the data folder.
        split: byclass, bymerge, balanced, letters, digits or mnist.
        train, transform, target_transform, download: as MNIST takes them.

    Raises:
        ValueError: another split.
        DataError: the files are not there, or damaged.

    Source: Cohen et al., "EMNIST: an extension of MNIST to handwritten letters",
    arXiv:1702.05373, 2017.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = tuple(_CLASSES)
    classes_split_dict: ClassVar[dict[str, list[str]]] = _CLASSES

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        if split not in _CLASSES:
            raise ValueError("EMNIST: " + unknown_name("split", split, _CLASSES))
        self.split = split
        self.training_file, self.test_file = f"training_{split}.pt", f"test_{split}.pt"
        self.classes = _CLASSES[split]  # type: ignore[misc]  # of this split
        super().__init__(root, **kwargs)

    def _load(self, split: str, download: bool) -> None:
        try:
            super()._load(split, download=False)
        except DownloadError as error:
            archive, folder = self._archive(download, error), Path(self.raw_folder)
            folder.mkdir(parents=True, exist_ok=True)
            for name in self._files.files[split]:
                _unpack(archive, name, folder / name)
            super()._load(split, download=False)

    @property
    def _files(self) -> IdxSource:
        """The source of this part."""
        names = {
            split: tuple(
                f"emnist-{self.split}-{split}-{kind}-ubyte.gz"
                for kind in ("images-idx3", "labels-idx1")
            )
            for split in ("train", "test")
        }
        return IdxSource(
            name="emnist",
            classes=tuple(self.classes),
            mirrors=(self.url.removesuffix(_ARCHIVE),),
            checksums={},
            augmentation=characters,
            torchvision_folder="EMNIST",
            files=names,  # type: ignore[arg-type]  # two names each
        )

    @property
    def _folders(self) -> list[Path]:
        root, raw = self._folder, Path(self.raw_folder)
        return [raw, raw / "gzip", root / "emnist", root / "EMNIST" / "raw", root]

    def _archive(self, download: bool, error: DownloadError) -> Path:
        """The archive, where it lies or is downloaded to; else `error`, which tells what lacks."""
        for folder in self._folders:
            if os.path.isfile(folder / _ARCHIVE):
                return folder / _ARCHIVE
        if not download:
            raise error
        source = dataclasses.replace(self._files, checksums={_ARCHIVE: f"md5:{self.md5}"})
        return source.fetch([_ARCHIVE], self._folders, "the files that it holds", download)[0]


def _unpack(archive: Path, name: str, path: Path) -> None:
    """Take one file out of the archive, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(archive) as opened:
            member = next((m for m in opened.namelist() if m.rpartition("/")[2] == name), None)
            if member is None:
                raise damaged(archive, f"it has no {name}")
            with opened.open(member) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise damaged(archive, f"its archive is broken ({error})") from error
    part.replace(path)
