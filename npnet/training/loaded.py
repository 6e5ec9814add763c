"""Data sets and loaders of the user's own, taken as they are: no resizing, no standardisation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.models.preprocess import Pixels
from npnet.runs import streams
from npnet.runs.errors import ConfigError
from npnet.tensor import Tensor
from npnet.training.config import Config
from npnet.utils.data import DataLoader, TensorDataset, default_collate

__all__ = ["Loaded", "Samples", "loaded"]

_EVALUATION_BATCH = 256


class Samples:
    """One split: a data set whose items are (sample, class number), or a loader of batches of them.

    Args:
        source: has `__getitem__` and `__len__`, or is a DataLoader.
        at: the items that are of this split; None is all.
    """

    def __init__(self, source: Any, at: Array | None = None) -> None:
        self.source = source
        self.is_loader = isinstance(source, DataLoader)
        self.at = at
        self._known: tuple[Array, Array] | None = None

    def __len__(self) -> int:
        if self.is_loader:
            return len(self.source.dataset)
        return len(self.source) if self.at is None else len(self.at)

    def batches(self, batch_size: int, order: Array | None = None) -> Iterator[tuple[Array, Array]]:
        """Samples (n, ...) float32 and labels (n,) int64; a loader's as it gives them."""
        if self.is_loader:
            for batch in self.source:
                yield _checked(batch)
            return
        at = np.arange(len(self.source)) if self.at is None else self.at
        at = at if order is None else at[order]
        for start in range(0, len(at), batch_size):
            where = at[start : start + batch_size]
            take = getattr(self.source, "take", None)
            batch = take(where) if take else default_collate([self.source[int(i)] for i in where])
            yield _checked(batch)

    @property
    def x(self) -> Array | None:
        """All samples, where they lie in memory as they are."""
        if not isinstance(self.source, TensorDataset):
            return None
        x = self.source.tensors[0].array
        return x if self.at is None else x[self.at]


def _checked(batch: Any) -> tuple[Array, Array]:
    if not isinstance(batch, (list, tuple)) or len(batch) != 2:
        kind = f"{len(batch)} of them" if isinstance(batch, (list, tuple)) else type(batch).__name__
        raise ConfigError(f"data: each batch must be a pair (samples, class numbers), got {kind}")
    x, y = (part.array if isinstance(part, Tensor) else np.asarray(part) for part in batch)
    if x.dtype.kind != "f":
        raise ConfigError(
            f"data: samples must be floats, which a network takes, got {x.dtype}; give the data "
            "set transform=transforms.ToTensor(), or arrays (x, y) of uint8 in its place"
        )
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ConfigError(
            f"data: labels must be class numbers (n,), whole numbers, got {y.dtype} {y.shape}; "
            "npnet.training is for classification"
        )
    return np.ascontiguousarray(x, np.float32), y.astype(np.int64)


class Loaded:
    """What a run reads where the user gives data sets or loaders; as `Data` for the trainer.

    An epoch of a data set has the order that the seed and its number say; a loader keeps its own.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pixels = Pixels()
    is_standardised = False

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        train: Samples,
        val: Samples,
        test: Samples,
        shape: tuple[int, ...],
    ) -> None:
        self.name, self.classes = name, tuple(classes)
        self.train, self.val, self.test = train, val, test
        self.image_shape = shape

    @property
    def identity(self) -> str:
        """What tells these data from others, as far as can be known without reading them."""
        return f"{Path(self.name).name}, {len(self.classes)} classes, {len(self.train)} samples"

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        if self.train.is_loader:
            return len(self.train.source)
        return math.ceil(len(self.train) / batch_size)

    @property
    def total(self) -> int:
        """Samples of an epoch: of a loader those that its sampler draws, whole batches at most."""
        loader = self.train.source
        if not self.train.is_loader or loader.batch_size is None:
            return len(self.train)
        drawn = len(loader.sampler)
        return min(drawn, len(loader) * loader.batch_size)

    def batches(self, split: Samples, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Batches in their stored order."""
        return split.batches(batch_size)

    def epoch(self, seed: int, epoch: int, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Batches of the training split, in the order of an epoch, from 1."""
        order = None
        if not self.train.is_loader:
            order = streams.epoch_order(seed, epoch, len(self.train))
        return self.train.batches(batch_size, order)


def loaded(config: Config, train: Any, val: Any, test: Any) -> Loaded:
    """Data sets or loaders as a run reads them; a part of `train` is held out where `val` is None.

    Raises:
        ConfigError: a split is empty, or no pairs of floats and class numbers.
    """
    for name in ("image_size", "augment", "cutout", "mirror_test"):
        if getattr(config, name):
            raise ConfigError(
                f"{name}: data sets, loaders, and arrays that are no pictures are taken as they "
                "are; do it in the data set's transform, or give arrays of pictures (x, y)"
            )
    training = Samples(train)
    if not len(training):
        raise ConfigError("train: has no samples")
    validation = Samples(TensorDataset(np.zeros((0, 1), np.float32), np.zeros(0, np.int64)))
    if val is not None:
        validation = Samples(val)
    elif not training.is_loader and config.val_ratio:
        kept, held_out = _held_out(config, len(training))
        training, validation = Samples(train, kept), Samples(train, held_out)
    empty = Samples(validation.source, np.arange(0))
    testing = empty if test is None else Samples(test)
    sample = next(iter(training.batches(2)))[0]
    return Loaded(
        type(_dataset(train)).__name__,
        _classes(train, [training, validation, testing]),
        training,
        validation,
        testing,
        tuple(sample.shape[1:]),
    )


def _held_out(config: Config, count: int) -> tuple[Array, Array]:
    held_out = round(count * config.val_ratio)
    if not 0 < held_out < count:
        raise ConfigError(
            f"val_ratio: {config.val_ratio:g} of {count} training samples leaves an empty split; "
            "use a ratio nearer to 0.5, or 0 for no validation"
        )
    shuffled = np.random.default_rng((config.seed, streams.SPLIT)).permutation(count)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def _dataset(source: Any) -> Any:
    return source.dataset if isinstance(source, DataLoader) else source


def _classes(source: Any, splits: Sequence[Samples]) -> tuple[str, ...]:
    """The names of the classes that the data set says, else the numbers that its labels have."""
    named = getattr(_dataset(source), "classes", None)
    if isinstance(named, (list, tuple)) and len(named) > 1:
        return tuple(map(str, named))
    largest = 1
    for split in splits:
        for _, y in split.batches(_EVALUATION_BATCH):
            if len(y) and y.min() < 0:
                raise ConfigError(f"data: labels must be class numbers from 0, got {y.min()}")
            largest = max(largest, int(y.max(initial=0)))
    return tuple(str(label) for label in range(largest + 1))
