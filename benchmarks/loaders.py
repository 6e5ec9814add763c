"""Loaders of MNIST and CIFAR-10 beside torchvision's: microseconds a picture.

DIR has MNIST/raw, unpacked, and CIFAR-10 as npnet finds it; both libraries read the same arrays.
torchvision runs in the calling process (num_workers=0), as npnet does. Items are read in a loop
(dataset[i]); batches are of 64, shuffled. Competitors take turns.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness import Table, Timing, environment, interleave, pytorch, torch_threads

import npnet
from npnet import datasets, transforms
from npnet.utils.data import DataLoader

COUNT = 640  # pictures of one pass

Build = Callable[[Any], Any]


@dataclass(frozen=True)
class Result:
    """One row: seconds of a pass over COUNT pictures, by library."""

    pipeline: str
    seconds: dict[str, Timing]


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
    pairs: dict[str, tuple[Any, Any]] = {}
    for kind in (datasets.MNIST, datasets.CIFAR10):
        try:
            dataset: Any = kind(folder)
        except datasets.DownloadError as error:
            print(f"{kind.__name__} is not there, its rows are missing: {error}", file=sys.stderr)
            continue
        dataset.data, dataset.targets = dataset.data[:COUNT], dataset.targets[:COUNT]
        pairs[kind.__name__] = dataset, None
    vision = torchvision()
    if vision is None:
        return pairs
    for name, (ours, _) in pairs.items():
        kind = getattr(vision.datasets, name)
        other: Any = kind.__new__(kind)
        other.target_transform, other.targets = None, ours.targets
        other.data = ours.data if name == "CIFAR10" else pytorch().from_numpy(ours.data.numpy())
        pairs[name] = (ours, other)
    return pairs


def torchvision() -> Any:
    """The library, or None."""
    if pytorch() is None:
        return None
    from tests.torchvision_import import import_torchvision

    try:
        return import_torchvision()
    except ImportError:
        return None


def row(result: Result) -> list[str]:
    each = [t.median / COUNT * 1e6 for t in result.seconds.values()]
    return [result.pipeline, *[f"{t:.1f}" for t in each], *[f"{each[0] / t:.2f}" for t in each[1:]]]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", default=os.environ.get("NPNET_DATA"), help="the folder with both data sets"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="write the results to this file")
    args = parser.parse_args(argv)
    if args.data is None:
        parser.error("--data, or the environment variable NPNET_DATA, must name the folder")
    npnet.set_num_threads(1)
    torch_threads(1)
    pairs, vision = _data(args.data), torchvision()
    libraries = ["npnet", *["torchvision"] * (vision is not None)]
    columns = ["pipeline", *libraries, *["ratio"] * (vision is not None)]
    table = Table("microseconds a picture: median", environment(threads=1), columns, args.json)
    for name, (which, by_loader, build) in ROWS.items():
        if which not in pairs:
            continue
        ours, other = pairs[which]
        ours.transform = build(transforms)
        passes = {"npnet": _pass(ours, DataLoader if by_loader else None)}
        if vision is not None:
            other.transform = build(vision.transforms)
            loader = pytorch().utils.data.DataLoader if by_loader else None
            passes["torchvision"] = _pass(other, loader)
        result = Result(name, interleave(passes, args.rounds))
        table.add(row(result), result)
    table.close()


if __name__ == "__main__":
    main()
