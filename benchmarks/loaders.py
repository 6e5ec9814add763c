"""Loaders of MNIST and CIFAR-10 beside torchvision's: microseconds a picture.

    python benchmarks/loaders.py --data DIR

DIR has MNIST/raw, unpacked, and CIFAR-10 as npnet finds it; both libraries read the same arrays.
torchvision runs in the calling process (num_workers=0), as npnet does. Items are read in a loop
(dataset[i]); batches are of 64, shuffled. Competitors take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

import npnet
from benchmarks.harness import interleave
from npnet import datasets, transforms
from npnet.utils.data import DataLoader
from tests.torchvision_import import import_torchvision

COUNT = 640  # pictures of one pass

Build = Callable[[Any], Any]


def _standard(ns: Any, channels: int = 1) -> list[Any]:
    return [ns.ToTensor(), ns.Normalize((0.5,) * channels, (0.25,) * channels)]


def _augmented(ns: Any) -> list[Any]:
    return [ns.RandomCrop(32, padding=4), ns.RandomHorizontalFlip(), *_standard(ns, 3)]


def own_cutout(x: Any) -> Any:
    """A user's own transform of one picture."""
    x[:, 8:16, 8:16] = 0
    return x


# name: data set, whether it is read by a loader, and the transform.
ROWS: dict[str, tuple[str, bool, Build]] = {
    "MNIST items, no transform": ("MNIST", False, lambda ns: None),
    "MNIST items, ToTensor": ("MNIST", False, lambda ns: ns.ToTensor()),
    "MNIST items, ToTensor, Normalize": ("MNIST", False, lambda ns: ns.Compose(_standard(ns))),
    "MNIST, ToTensor, Normalize": ("MNIST", True, lambda ns: ns.Compose(_standard(ns))),
    "MNIST, ..., own Lambda": (
        "MNIST",
        True,
        lambda ns: ns.Compose([*_standard(ns), ns.Lambda(lambda x: x.view(-1))]),
    ),
    "MNIST, own function on PIL, ...": (
        "MNIST",
        True,
        lambda ns: ns.Compose([lambda picture: picture.rotate(5), *_standard(ns)]),
    ),
    "CIFAR10, crop, flip, ToTensor, Normalize": (
        "CIFAR10",
        True,
        lambda ns: ns.Compose(_augmented(ns)),
    ),
    "CIFAR10, ..., own cutout": (
        "CIFAR10",
        True,
        lambda ns: ns.Compose([*_augmented(ns), own_cutout]),
    ),
    "CIFAR10, ColorJitter, RandomRotation": (
        "CIFAR10",
        True,
        lambda ns: ns.Compose(
            [ns.ColorJitter(0.2, 0.2, 0.2), ns.RandomRotation(10), ns.ToTensor()]
        ),
    ),
    "CIFAR10, RandomResizedCrop": (
        "CIFAR10",
        True,
        lambda ns: ns.Compose([ns.RandomResizedCrop(32), ns.ToTensor()]),
    ),
}


def _pass(dataset: Any, loader: Any) -> Callable[[], None]:
    """One pass over the data set, by a loader or item by item."""

    def by_loader() -> None:
        for _ in loader(dataset, batch_size=64, shuffle=True):
            pass

    def by_item() -> None:
        for index in range(len(dataset)):
            dataset[index]

    return by_item if loader is None else by_loader


def _data(folder: str) -> dict[str, tuple[Any, Any]]:
    """The first pictures of each data set, in npnet and in torchvision."""
    theirs = import_torchvision().datasets
    mnist, cifar = datasets.MNIST(folder), datasets.CIFAR10(folder)
    for dataset in (mnist, cifar):
        dataset.data, dataset.targets = dataset.data[:COUNT], dataset.targets[:COUNT]
    pairs = {}
    for name, ours in (("MNIST", mnist), ("CIFAR10", cifar)):
        other = getattr(theirs, name).__new__(getattr(theirs, name))
        other.target_transform, other.targets = None, ours.targets
        other.data = ours.data if name == "CIFAR10" else torch.from_numpy(ours.data.numpy())
        pairs[name] = (ours, other)
    return pairs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="the folder with both data sets")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    npnet.set_num_threads(1)
    torch.set_num_threads(1)
    pairs, theirs = _data(args.data), import_torchvision().transforms
    print(f"{'pipeline':42} {'npnet us':>9} {'torchvision us':>15} {'ratio':>6}")
    for name, (which, by_loader, build) in ROWS.items():
        ours, other = pairs[which]
        ours.transform, other.transform = build(transforms), build(theirs)
        timings = interleave(
            {
                "npnet": _pass(ours, DataLoader if by_loader else None),
                "torch": _pass(other, torch.utils.data.DataLoader if by_loader else None),
            },
            args.rounds,
        )
        a, b = (timings[who].median / COUNT * 1e6 for who in ("npnet", "torch"))
        print(f"{name:42} {a:9.1f} {b:15.1f} {a / b:6.2f}", flush=True)


if __name__ == "__main__":
    main()
