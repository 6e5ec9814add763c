"""What a user of imported weights must know, out of the flags of `npnet import` and the file."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from npnet.base.checks import unknown_name
from npnet.models import MODELS
from npnet.runs.errors import ConfigError
from npnet.runs.own import digest_of, is_own

if TYPE_CHECKING:
    from npnet.cli.import_ import Options
    from npnet.models.checkpoint import Facts
    from npnet.models.foreign import Match

__all__ = ["STATISTICS", "facts_of"]

# Of the training images, as programs for PyTorch write them out: mean, std, height and width.
STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...], int]] = {
    "mnist": ((0.1307,), (0.3081,), 28),
    "fashion-mnist": ((0.2860,), (0.3530,), 28),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616), 32),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224),
}


def facts_of(
    found: Match, tree: Any, metadata: Mapping[str, str], options: Options
) -> Facts | None:
    """What a user of the weights must know; None where nobody said what the images were."""
    from npnet.models.checkpoint import Facts
    from npnet.models.preprocess import Pixels

    if found.model not in MODELS and not is_own(found.model):
        if options.dataset or options.mean or options.std or options.classes:
            raise ConfigError(
                f"dataset: npnet predict takes {', '.join(MODELS)}; of a {found.model}, write the "
                "weights alone, without --dataset, --mean, --std and --classes"
            )
        return None
    told: dict[str, Any] = {}
    if metadata.get("model") == found.model and "mean" in metadata:
        with contextlib.suppress(ValueError):  # a file of npnet's
            told = dict(vars(Facts.from_metadata(metadata)))
    told |= _told(found, options)
    if "mean" not in told or "std" not in told:
        if "mean" in told or "std" in told:
            raise ConfigError("mean: give --mean and --std together, or --dataset")
        if options.classes or options.image_size:
            raise ConfigError(
                "mean: add --mean and --std (0 and 1 without Normalize), or --dataset"
            )
        return None
    if "image_shape" not in told:
        told["image_shape"] = _shape(found, None)
    epoch = tree.get("epoch") if isinstance(tree, dict) else None
    whole = {
        "dataset": "unknown",
        "classes": tuple(map(str, range(_counts(found)[1]))),
        "pixels": Pixels(),
        "epoch": epoch if type(epoch) is int and epoch >= 0 else 0,
        "val_accuracy": math.nan,
        **told,
        "model": found.model,
        "arguments": found.arguments,
        "code": digest_of(found.model) if is_own(found.model) else "",
    }
    try:
        return Facts.from_metadata(Facts(**whole).to_metadata())
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _told(found: Match, options: Options) -> dict[str, Any]:
    """The facts that flags say."""
    channels, count = _counts(found)
    told: dict[str, Any] = {}
    if options.dataset is not None:
        if options.dataset not in STATISTICS:
            raise ConfigError(unknown_name("dataset", options.dataset, STATISTICS))
        mean, std, size = STATISTICS[options.dataset]
        classes = _classes_of(options.dataset)
        if len(mean) != channels:
            raise ConfigError(
                f"dataset: {options.dataset} has {_counted(len(mean), 'channel')} and the network "
                f"takes {channels}; give --mean and --std, with {_counted(channels, 'number')} each"
            )
        if len(classes) != count and not options.classes:
            raise ConfigError(
                f"dataset: {options.dataset} has {len(classes)} classes and the network tells "
                f"{count} apart; name these by --classes"
            )
        told = {"dataset": options.dataset, "mean": mean, "std": std, "classes": classes}
        told["image_shape"] = _shape(found, size)
    for name in ("mean", "std"):
        values = getattr(options, name)
        if values:
            if len(values) not in (1, channels):
                raise ConfigError(
                    f"{name}: takes {_counted(channels, 'number')}, one for each channel, got "
                    f"{len(values)}"
                )
            told[name] = tuple(values) * (channels if len(values) == 1 else 1)
    if options.classes:
        if len(options.classes) != count:
            raise ConfigError(
                f"classes: the network tells {count} apart, got {len(options.classes)} names"
            )
        told["classes"] = options.classes
    if options.image_size is not None:
        if options.image_size < 1:
            raise ConfigError(f"image_size: must be at least 1, got {options.image_size}")
        told["image_shape"] = _shape(found, options.image_size)
        if told["image_shape"][1] != options.image_size:
            raise ConfigError(
                f"image_size: a {found.model} takes {told['image_shape'][1]} pixels, not "
                f"{options.image_size}"
            )
    return told


def _shape(found: Match, size: int | None) -> tuple[int, int, int]:
    """Of the images that the network takes: those of `size`, or the nearest."""

    spec = MODELS.get(found.model)
    if spec is None and size is None:
        raise ConfigError("image_size: say how large the images are that a network of yours takes")
    if spec is not None:
        size = spec.size_for(spec.min_size if size is None else size)
    assert size is not None
    return _counts(found)[0], size, size


def _counts(found: Match) -> tuple[int, int]:
    """The channels and classes of a network."""
    from npnet.models.foreign import guessed

    counts = guessed(found.weights) | found.arguments
    if not {"in_channels", "num_classes"} <= counts.keys():
        raise ConfigError("model: a network for images has a convolution first and a Linear last")
    return counts["in_channels"], counts["num_classes"]


def _classes_of(dataset: str) -> tuple[str, ...]:
    from npnet.datasets import cifar10, fashion_mnist, mnist

    known = {"mnist": mnist, "fashion-mnist": fashion_mnist, "cifar10": cifar10}
    if dataset not in known:
        return tuple(map(str, range(1000)))
    return known[dataset].SOURCE.classes


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
