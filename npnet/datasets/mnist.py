"""MNIST: 28x28 grey handwritten digits, 60,000 for training and 10,000 for testing."""

from __future__ import annotations

from typing import ClassVar

from npnet.datasets._augmentation import characters
from npnet.datasets._files import Bytes
from npnet.datasets._source import Source
from npnet.datasets._vision import VisionDataset
from npnet.datasets.idx import IdxSource

__all__ = ["MNIST", "SOURCE"]

SOURCE = IdxSource(
    name="mnist",
    torchvision_folder="MNIST",
    augmentation=characters,
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    checksums={
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)


class MNIST(VisionDataset):
    """One split of MNIST, as torchvision.datasets.MNIST; `data` is (N, 28, 28) uint8.

    The files are looked for in `<root>/mnist/`, `<root>/` and torchvision's `<root>/MNIST/raw/`,
    gzipped or not; arguments and items are VisionDataset's.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """

    source: ClassVar[Source] = SOURCE
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    @staticmethod
    def _data_of(images: Bytes) -> Bytes:
        return images[:, 0]

    @property
    def images(self) -> Bytes:
        """The images as (N, 1, 28, 28), a view."""
        return self.data[:, None]
