"""The data of a run: loaded, resized, split by seed, augmented, and cut into batches."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from npnet import datasets, models, transforms
from npnet.backend import uses_kernels
from npnet.base.arrays import Array
from npnet.models.preprocess import Pixels
from npnet.runs import streams
from npnet.runs.errors import ConfigError
from npnet.training.config import Config
from npnet.transforms.flip import hflip

__all__ = ["Data", "Split", "load_data", "prepare", "split_up"]


# Images are resized once, before the first epoch, where that takes at most so many bytes; else
# batch by batch: MNIST at 224x224 would be 3.5 GB.
_RESIZED_MOST = 1 << 30
_STATISTICS_PIXELS = 1 << 20  # of resized images that are summed at once


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
        train, val, test: the three splits.
        mean, std: of each channel of the training split, in units of `transforms.ToTensor`.
        size: (H, W) that each batch is resized to; None where the splits have it already.
        augment: changes the images of the training split at random; None leaves them.
        alternates: whether each image is mirrored in every second epoch, and by `augment` in none.
        digest: CRC-32 of all images and labels as they are stored.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int] | None = None
    augment: transforms.Compose | None = None
    digest: int = 0
    alternates: bool = False

    is_standardised = True  # so that whoever uses the network can do the same

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the batches."""
        c, h, w = self.train.x.shape[1:]
        return (c, h, w) if self.size is None else (c, *self.size)

    @property
    def identity(self) -> str:
        """What tells these data from others: name, classes, and a sum of all bytes."""
        end = "/" if self.name.endswith("/") else ""  # of a folder
        return f"{Path(self.name).name}{end}, {len(self.classes)} classes, CRC-32 {self.digest:08x}"

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.train) / batch_size)

    @property
    def total(self) -> int:
        """Images of an epoch."""
        return len(self.train)

    @functools.cached_property
    def pixels(self) -> Pixels:
        """What the training images are, for whoever gives the network others."""
        if self.train.x.dtype == np.uint8:
            return Pixels()
        return Pixels("float32", float(self.train.x.min()), float(self.train.x.max()))

    def batches(self, split: Split, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Standardised images (n, C, H, W) float32 and labels (n,), in their stored order."""
        order = np.arange(len(split))
        for start in range(0, len(split), batch_size):
            at = order[start : start + batch_size]
            yield self._standardised(split.x, at), split.y[at]

    def epoch(self, seed: int, epoch: int, batch_size: int) -> Iterator[tuple[Array, Array]]:
        """Batches of the training split, in the order of an epoch, from 1, and augmented.

        What an image becomes follows from (seed, epoch, number of the batch, place in it), so that
        a resumed run sees what the unbroken one saw.
        """
        order = streams.epoch_order(seed, epoch, len(self.train))
        for number, start in enumerate(range(0, len(order), batch_size)):
            at = order[start : start + batch_size]
            augment: Callable[[Array], Array] | None = None
            if self.augment is not None:
                rng = np.random.default_rng((seed, streams.AUGMENT, epoch, number))
                augment = functools.partial(self.augment.transform, rng=rng)
            if self.alternates:
                augment = _after_flip(self._mirrored(seed, epoch)[at], augment)
            yield self._standardised(self.train.x, at, augment), self.train.y[at]

    def _mirrored(self, seed: int, epoch: int) -> Array:
        """Which of the training images (N,) are mirrored in an epoch: in the next, the others are.

        Source: Jordan (2024), arXiv:2404.00498, section 3.6, alternating flip.
        """
        coins = np.random.default_rng((seed, streams.FLIP)).random(len(self.train)) < 0.5
        return coins ^ bool(epoch % 2)

    def _standardised(
        self, x: Array, at: Array, augment: Callable[[Array], Array] | None = None
    ) -> Array:
        """The images x[at], resized, augmented, and standardised."""
        if self.size is not None or augment is not None:
            x, at = x[at], np.arange(len(at))
            x = x if self.size is None else transforms.Resize(self.size).transform(x)
            x = x if augment is None else augment(x)
        standardise = _by_kernel if _suits_kernel(x) else _by_transforms
        return standardise(x, at, self.mean, self.std)


def _after_flip(
    mirrored: Array, augment: Callable[[Array], Array] | None
) -> Callable[[Array], Array]:
    """`augment` of images of which some are mirrored first."""

    def change(x: Array) -> Array:
        x = hflip(x, mirrored)
        return x if augment is None else augment(x)

    return change


def _suits_kernel(x: Array) -> bool:
    return uses_kernels() and x.dtype == np.uint8 and x.flags.c_contiguous


def _by_transforms(x: Array, at: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    return transforms.Normalize(mean, std).transform(transforms.ToTensor().transform(x[at]))


def _by_kernel(x: Array, at: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    """The same bits as `_by_transforms`."""
    from npnet.kernels import batches

    return batches.gather(x, at, np.asarray(mean, np.float32), np.asarray(std, np.float32))


def prepare(config: Config, notice: Callable[[str], None]) -> Data:
    """Load the data that `config` names, and split them.

    Args:
        notice: receives one line where the data set is not the one that was asked for.

    Raises:
        ConfigError: the splits would be empty, the batch is larger than the training split, or the
            network does not take images of the size.
        datasets.DataError: the data can't be had or are damaged.
    """
    data = load_data(config, notice)
    if data.x_val is None or data.y_val is None:
        return split_up(config, data)
    return split_up(config, data, Split(data.x_val, data.y_val))


def load_data(config: Config, notice: Callable[[str], None]) -> datasets.ImageData:
    """The data set that `config` names. DataError if it can't be had."""
    size = _wanted_size(config)
    return datasets.load(config.dataset, config.data_dir, notice=notice, size=size)


def split_up(config: Config, data: datasets.ImageData, held_out: Split | None = None) -> Data:
    """Images as a run reads them.

    Args:
        held_out: what validates, as the images are stored; None is a part of the training images.

    Raises:
        ConfigError: see `prepare`.
    """
    count = len(data.x_train)
    if held_out is None:
        train, val = _split(config, count)
    else:
        _check_batch_size(config, count)
        train, val = np.arange(count), np.arange(0)
    size = _size(config, data.size)
    x_train, x_test = data.x_train, data.x_test
    area = size[0] * size[1] / (data.size[0] * data.size[1])
    at_once = size == data.size or (x_train.nbytes + x_test.nbytes) * area <= _RESIZED_MOST
    if at_once:
        x_train, x_test = map(transforms.Resize(size).transform, (x_train, x_test))
    mean, std = _statistics(x_train, train, size)
    validation = Split(x_train[val], data.y_train[val])
    if held_out is not None:
        x_val = transforms.Resize(size).transform(held_out.x) if at_once else held_out.x
        validation = Split(x_val, held_out.y)
    return Data(
        data.name,
        data.classes,
        Split(x_train[train], data.y_train[train]),
        validation,
        Split(x_test, data.y_test),
        mean,
        std,
        None if at_once else size,
        _augmentation(config, data, size, _in_pixels(mean, x_train.dtype)),
        _digest(
            data.x_train,
            data.y_train,
            data.x_test,
            data.y_test,
            *([] if held_out is None else [held_out.x, held_out.y]),
        ),
        config.alternating_flip,
    )


def _augmentation(
    config: Config, data: datasets.ImageData, size: Sequence[int], mean: Array
) -> transforms.Compose | None:
    """What `--augment` and `--cutout` do to training images; None where they leave them alone.

    Args:
        size: (H, W) of the images.
        mean: the colour (C,) that Cutout leaves, in units and dtype of the stored images.

    Raises:
        ConfigError: the square of Cutout would cover whole images, or the set mirrors none that
            could alternate.
    """
    chosen = list(data.augmentation(size).transforms) if config.augment else []
    if config.alternating_flip:
        others = [t for t in chosen if not isinstance(t, transforms.RandomHorizontalFlip)]
        if len(others) == len(chosen):
            raise ConfigError(
                f"alternating_flip: --augment mirrors no images of {data.name}, which would become "
                "others; leave it out"
            )
        chosen = others
    if config.cutout is not None:
        if config.cutout >= min(size):
            raise ConfigError(
                f"cutout: must be below the {min(size)} pixels of a side of the images, got "
                f"{config.cutout}"
            )
        chosen.append(transforms.Cutout(config.cutout, fill=mean.tolist()))
    return transforms.Compose(chosen) if chosen else None


def _digest(*arrays: Array) -> int:
    digest = 0
    for array in arrays:
        digest = zlib.crc32(np.ascontiguousarray(array).data, digest)
    return digest


def _wanted_size(config: Config) -> tuple[int, int] | None:
    """(H, W) that the network is to be given whatever the data have; None where they decide."""
    spec = models.MODELS.get(config.model)
    side = config.image_size or (None if spec is None else spec.input_size)
    return None if side is None else (side, side)


def _size(config: Config, stored: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of the images that the network is to be given."""
    spec = models.MODELS.get(config.model)
    if spec is None:  # the user's own, which is tried with a blank batch
        return stored if config.image_size is None else (config.image_size, config.image_size)
    if config.image_size is None:
        return spec.size_for(stored[0]), spec.size_for(stored[1])
    if spec.size_for(config.image_size) != config.image_size:
        takes = f"{spec.min_size} or more" if spec.input_size is None else f"{spec.input_size}"
        raise ConfigError(
            f"image_size: {config.model} takes images of {takes} pixels a side, got "
            f"{config.image_size}"
        )
    return config.image_size, config.image_size


def _split(config: Config, count: int) -> tuple[Array, Array]:
    """Which images train and which validate, each in their stored order."""
    held_out = round(count * config.val_ratio)
    if config.val_ratio and not 0 < held_out < count:
        raise ConfigError(
            f"val_ratio: {config.val_ratio:g} of {count} training images leaves an empty split; "
            "use a ratio nearer to 0.5, or 0 for no validation"
        )
    _check_batch_size(config, count - held_out)
    shuffled = np.random.default_rng((config.seed, streams.SPLIT)).permutation(count)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def _check_batch_size(config: Config, count: int) -> None:
    if config.batch_size > count:
        raise ConfigError(
            f"batch_size: must be at most the {count} training images, got {config.batch_size}"
        )


def _statistics(
    x: Array, at: Array, size: tuple[int, int]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of the images x[at], once they are of `size`.

    Summed in float64; the deviation counts as 1 where all pixels are equal.
    """
    resize = transforms.Resize(size).transform
    total, squares = np.zeros((2, x.shape[1]))
    batch = max(1, _STATISTICS_PIXELS // (size[0] * size[1]))
    for start in range(0, len(at), batch):
        images = resize(x[at[start : start + batch]])
        total += images.sum((0, 2, 3), dtype=np.float64)
        squares += np.einsum("nchw,nchw->c", images, images, dtype=np.float64)
    count = len(at) * size[0] * size[1]
    mean = total / count
    # E[x^2] - mean^2: exact enough in float64, and needs no second array of the data's size.
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    scale = 1 / 255 if x.dtype == np.uint8 else 1.0
    std = np.where(std > 0, std, 1 / scale)
    return tuple((mean * scale).tolist()), tuple((std * scale).tolist())


def _in_pixels(mean: Sequence[float], dtype: npt.DTypeLike) -> Array:
    """A colour in units of `transforms.ToTensor` as the pixel of that dtype nearest to it."""
    if dtype == np.uint8:
        return np.rint(np.multiply(mean, 255)).astype(dtype)
    return np.asarray(mean, dtype)
