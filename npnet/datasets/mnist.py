"""MNIST: 28x28 grey handwritten digits, 60,000 for training and 10,000 for testing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.datasets.idx import IdxSource
from npnet.utils.data import Dataset

__all__ = ["MNIST", "SOURCE"]

Array: TypeAlias = npt.NDArray[Any]

SOURCE = IdxSource(
    name="mnist",
    torchvision_folder="MNIST",
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sha256={
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


class MNIST(Dataset):
    """One split of MNIST, as torchvision.datasets.MNIST.

    An item is (image, label): without a transform, image is a (1, 28, 28) uint8 array (torchvision
    gives a PIL image) and label an int.

    Args:
        root: the data folder; the files are looked for in `<root>/mnist/`, `<root>/` and
            torchvision's `<root>/MNIST/raw/`, gzipped or not.
        train: the training split, else the test split.
        transform: called with a batch (N, 1, 28, 28) uint8, of one image in `dataset[i]`, and
            returns a batch; see npnet.transforms.
        target_transform: called with each label, an int.
        download: download what is not found, into `<root>/mnist/`.

    Attributes:
        data: (N, 28, 28) uint8.
        targets: (N,) int64.
        classes: the name of each label.

    Raises:
        DataError: the files are not there, or damaged.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """

    source: ClassVar[IdxSource] = SOURCE
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

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Array], Any] | None = None,
        target_transform: Callable[[int], Any] | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        split = "train" if train else "test"
        [(self.data, self.targets)] = self.source.read(self.root, (split,), download=download)

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class name -> label."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.data[index][None]
        target = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image[None])[0]
        return image, target if self.target_transform is None else self.target_transform(target)

    def take(self, indices: npt.ArrayLike) -> tuple[Any, Any]:
        """A batch by one gather and one call of the transform.

        Shape: indices (B,), whole numbers -> images (B, 1, 28, 28) before the transform,
        labels (B,) int64 before the target transform.
        """
        where = np.asarray(indices, np.intp)
        images, targets = self.data[where][:, None], self.targets[where]
        if self.transform is not None:
            images = self.transform(images)
        if self.target_transform is not None:
            targets = np.stack([self.target_transform(int(target)) for target in targets])
        return images, targets

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Root location: {self.root}",
            f"    Split: {'Train' if self.train else 'Test'}",
        ]
        return "\n".join(lines)
