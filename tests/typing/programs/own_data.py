"""A data set, transforms, a sampler and a collate function of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

import npnet
from npnet import Tensor, transforms
from npnet.datasets import MNIST
from npnet.utils.data import DataLoader, Dataset, IterableDataset, Sampler, Subset, random_split

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Pictures(Dataset[tuple[Tensor, int]]):
    def __init__(self, x: npt.NDArray[np.uint8], y: Sequence[int]) -> None:
        self.x, self.y = x, y
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
        )

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index])), self.y[index]


class Counter(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from range(3)


class Backwards(Sampler[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        yield from range(self.n - 1, -1, -1)

    def __len__(self) -> int:
        return self.n


def collate(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*items, strict=True)
    return npnet.stack(images), npnet.tensor(labels)


def main(folder: Path) -> None:
    pictures = Pictures(np.zeros((8, 28, 28), np.uint8), [0, 1] * 4)
    training, validation = random_split(pictures, [6, 2], npnet.Generator().manual_seed(0))
    if TYPE_CHECKING:
        assert_type(training[0], tuple[Tensor, int])
    first: Subset[tuple[Tensor, int]] = Subset(pictures, [0, 1])
    loaders = [
        DataLoader(training, batch_size=2, shuffle=True, drop_last=True),
        DataLoader(validation, 2, collate_fn=collate),
        DataLoader(pictures, batch_size=4, sampler=Backwards(len(pictures))),
        DataLoader(first),
    ]
    for loader in loaders:
        for images, labels in loader:
            print(images.shape, labels, len(loader))
    print(list(DataLoader(Counter())))
    if (folder / "MNIST").exists():
        digits = MNIST(folder, train=False, download=False, transform=transforms.ToTensor())
        image, label = digits[0]
        print(image.shape, label, len(digits), digits.classes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
