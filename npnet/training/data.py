"""The data of a run: loaded, resized to the network's size, split by seed, and cut into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet import datasets, models, transforms
from npnet.backend import lanes_wanted
from npnet.training.config import Config, ConfigError

__all__ = ["Data", "Split", "epoch_order", "prepare"]

Array: TypeAlias = npt.NDArray[Any]

# Streams of random numbers that belong to a seed: one for the split, one for each epoch's order.
_SPLIT_STREAM, _ORDER_STREAM = 0, 1


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W), uint8 as stored or float32, and labels (N,) int64."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Data:
    """Everything that a run reads.

    Attributes:
        name: of the data set that was loaded ("mnist" where "auto" was asked for and found it).
        train, val, test: the three splits, images already of the network's size.
        mean, std: of each channel of the training split, in units of `transforms.ToTensor`.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.train.x.shape[1:]
        return c, h, w

    def batches(
        self, split: Split, batch_size: int, order: Array | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """Standardised images (n, C, H, W) float32 and labels (n,), in `order` or as they stand."""
        if order is None:
            order = np.arange(len(split))
        standardised = _by_kernel if _suits_kernel(split.x) else _by_transforms
        for start in range(0, len(split), batch_size):
            at = order[start : start + batch_size]
            yield standardised(split.x, at, self.mean, self.std), split.y[at]


def _suits_kernel(x: Array) -> bool:
    return lanes_wanted() and x.dtype == np.uint8 and x.flags.c_contiguous


# What changes images at random goes between the gathering of a batch and its standardisation: it
# takes x[at], still uint8, and what it gives is standardised with all its images in their order.


def _by_transforms(x: Array, at: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    return transforms.Normalize(mean, std)(transforms.ToTensor()(x[at]))


def _by_kernel(x: Array, at: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    """The same bits as `_by_transforms`."""
    from npnet.kernels import batches

    return batches.gather(x, at, np.asarray(mean, np.float32), np.asarray(std, np.float32))


def epoch_order(seed: int, epoch: int, count: int) -> Array:
    """The order of an epoch: it follows from seed and epoch alone, so resuming is exact."""
    return np.random.default_rng((seed, _ORDER_STREAM, epoch)).permutation(count)


def prepare(config: Config, notice: Callable[[str], None]) -> Data:
    """Load the data that `config` names, resize the images to what its network takes, split them.

    Args:
        notice: receives one line where the data set is not the one that was asked for.

    Raises:
        ConfigError: the splits would be empty, or the batch is larger than the training split.
        datasets.DataError: the data can't be had or are damaged.
    """
    data = datasets.load(config.dataset, config.data_dir, notice=notice)
    x_train, x_test = data.x_train, data.x_test
    size = tuple(models.MODELS[config.model].size_for(n) for n in data.size)
    if size != data.size:
        resize = transforms.Resize(size)
        x_train, x_test = resize(x_train), resize(x_test)
    train, val = _split(config, len(x_train))
    mean, std = _statistics(x_train[train])
    return Data(
        data.name,
        data.classes,
        Split(x_train[train], data.y_train[train]),
        Split(x_train[val], data.y_train[val]),
        Split(x_test, data.y_test),
        mean,
        std,
    )


def _split(config: Config, count: int) -> tuple[Array, Array]:
    """Which images train and which validate, each in their stored order."""
    held_out = round(count * config.val_ratio)
    if config.val_ratio and not 0 < held_out < count:
        raise ConfigError(
            f"val_ratio: {config.val_ratio:g} of {count} training images leaves an empty split; "
            "use a ratio nearer to 0.5, or 0 for no validation"
        )
    if config.batch_size > count - held_out:
        raise ConfigError(
            f"batch_size: must be at most the {count - held_out} training images, "
            f"got {config.batch_size}"
        )
    shuffled = np.random.default_rng((config.seed, _SPLIT_STREAM)).permutation(count)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def _statistics(x: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, summed in float64; std 1 where all are equal."""
    scale = 1 / 255 if x.dtype == np.uint8 else 1.0
    axes = (0, 2, 3)
    mean = x.mean(axes, dtype=np.float64)
    # E[x^2] - mean^2: exact enough in float64, and needs no second array of the data's size.
    squares = np.einsum("nchw,nchw->c", x, x, dtype=np.float64) / (x.size / x.shape[1])
    std = np.sqrt(np.maximum(squares - mean**2, 0))
    std = np.where(std > 0, std, 1 / scale)
    return tuple((mean * scale).tolist()), tuple((std * scale).tolist())
