"""Kuzushiji-MNIST: 28x28 grey cursive Japanese characters, 60,000 and 10,000."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from npnet.datasets._augmentation import characters
from npnet.datasets.idx import IdxSource
from npnet.datasets.mnist import MNIST

__all__ = ["KMNIST", "SOURCE"]

SOURCE = IdxSource(
    name="kmnist",
    torchvision_folder="KMNIST",
    augmentation=characters,
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    checksums={},
)


class KMNIST(MNIST):
    """One split of Kuzushiji-MNIST, as torchvision.datasets.KMNIST; used as MNIST is.

    The files are looked for in torchvision's `<root>/KMNIST/raw/` and in `<root>/kmnist/`, not in
    `<root>/` itself, where files of the same names are MNIST's.

    Source: Clanuwat et al., "Deep Learning for Classical Japanese Literature", arXiv:1812.01718.
    """

    source: ClassVar[IdxSource] = SOURCE
    mirrors: ClassVar[Sequence[str]] = list(SOURCE.mirrors)
    resources: ClassVar[Any] = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes: ClassVar[list[str]] = list(SOURCE.classes)

    @property
    def _folders(self) -> list[Path]:
        root = self._folder
        return [Path(self.raw_folder), root / "kmnist", root / "KMNIST" / "raw"]
