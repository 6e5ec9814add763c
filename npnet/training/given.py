"""Data that a program gives: arrays, data sets, loaders, or the name of some."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from npnet import datasets, transforms
from npnet.base.arrays import Array
from npnet.runs.errors import ConfigError
from npnet.tensor import Tensor
from npnet.training.config import GIVEN, Config
from npnet.training.data import Data, Split, load_data, split_up
from npnet.training.loaded import Loaded, Samples, loaded
from npnet.training.metrics import Score
from npnet.training.trainer import EVALUATION_BATCH, Training, evaluate
from npnet.utils.data import DataLoader, TensorDataset

__all__ = ["Source", "evaluated", "given_data", "name_of", "predicted"]

Source: TypeAlias = Any
"""A name or a path, a pair of arrays (x, y), a data set, or a DataLoader."""

_KINDS = (
    'a name ("mnist"), a path, a pair of arrays (x, y), a data set (with __getitem__ and __len__) '
    "or a DataLoader"
)


def name_of(train: Source) -> str:
    """The setting `dataset` of a run on these data."""
    return os.fspath(train) if isinstance(train, (str, os.PathLike)) else GIVEN


def given_data(
    config: Config, train: Source, val: Source, test: Source, say: Callable[[str], None]
) -> Data | Loaded:
    """What a run reads of the data that a program gives.

    Pictures as arrays (N, H, W), (N, C, H, W) or (N, H, W, C), and named data, are treated as
    `npnet train` does: resized and standardised. Data sets, loaders, and arrays of other shapes
    are taken as they are.

    Raises:
        ConfigError, DataError: they can't be used.
    """
    if train is None:
        raise ConfigError(f"train: must be {_KINDS}, got None")
    given = [source for source in (train, val, test) if source is not None]
    if isinstance(train, (str, os.PathLike)):
        if all(_is_pictures(source) for source in given[1:]):
            named = load_data(config, say)
            if val is None and named.x_val is not None:
                val = named.x_val, named.y_val
            return _of_arrays(config, named, val, test)
        raise ConfigError("val, test: beside a name, give pairs of arrays of pictures (x, y)")
    if all(_is_pictures(source) for source in given):
        x, y = _pair("train", train)
        arrays = datasets.from_arrays(x, y, *_pair("test", test), split_off=False, name=GIVEN)
        return _of_arrays(config, arrays, val, None)
    return loaded(config, _dataset("train", train), *_datasets(val=val, test=test))


def evaluated(training: Training, source: Source) -> Score:
    """Loss and accuracy of other data, of the kind that a run was on; None is its test data.

    Raises:
        ConfigError, DataError: they can't be used.
    """
    learner, data = training.learner, training.data
    if source is None:
        if not len(data.test):
            raise ConfigError("evaluate: the run has no test data; give some")
        return evaluate(learner, data, data.test)
    if isinstance(data, Loaded):
        return evaluate(learner, data, Samples(_dataset("data", source)))
    return evaluate(learner, data, _stored(data, *_pair("data", source)))


def predicted(training: Training, x: Any) -> Array:
    """Logits (N, classes) of samples of the kind that a run was on."""
    learner, data, array = training.learner, training.data, _array(x)
    y = np.zeros(len(array), np.int64)
    if isinstance(data, Loaded):
        split: Any = Samples(TensorDataset(array.astype(np.float32), y))
    else:
        split = _stored(data, array, y)
    logits = [learner.predict(images) for images, _ in data.batches(split, EVALUATION_BATCH)]
    return np.concatenate(logits)


def _stored(data: Data, x: Any, y: Any) -> Split:
    """Pictures as the splits of a run have them."""
    classes = len(data.classes)
    blank = np.repeat(np.zeros_like(x[:1]), classes, 0)  # so that only x and y can be wrong
    images = datasets.from_arrays(blank, np.arange(classes), x, y, split_off=False, name="data")
    stored = data.train.x
    if images.channels != stored.shape[1] or images.x_test.dtype != stored.dtype:
        raise ConfigError(
            f"data: pictures must be as those of the training, {stored.shape[1]} channels of "
            f"{stored.dtype}, got {images.channels} of {images.x_test.dtype}"
        )
    return Split(transforms.Resize(stored.shape[2:]).transform(images.x_test), images.y_test)


def _of_arrays(config: Config, data: datasets.ImageData, val: Source, test: Source) -> Data:
    """Named data or arrays as a run reads them, other splits in place of their own."""
    if test is not None:
        x, y = _like("test", data, test)
        data = dataclasses.replace(data, x_test=x, y_test=y)
    held_out = None if val is None else Split(*_like("val", data, val))
    return split_up(config, data, held_out)


def _like(what: str, data: datasets.ImageData, source: Source) -> tuple[Any, Any]:
    """A pair of arrays as the training images are."""
    both = datasets.from_arrays(
        data.x_train, data.y_train, *_pair(what, source), split_off=False, name=what
    )
    return both.x_test, both.y_test


def _is_pictures(source: Source) -> bool:
    """Whether a source is a pair of arrays of pictures."""
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        return False
    shape = np.shape(_array(source[0]))
    return len(shape) == 3 or (len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3)))


def _pair(what: str, source: Source) -> tuple[Any, Any]:
    if source is None:
        return None, None
    if not isinstance(source, (tuple, list)) or len(source) != 2:
        raise ConfigError(f"{what}: must be {_KINDS}, got a {type(source).__name__}")
    x, y = _array(source[0]), _array(source[1])
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        raise ConfigError(f"{what}: x has values that are NaN or infinite")
    return x, y


def _array(value: Any) -> Any:
    try:
        return value.array if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise ConfigError(f"data: x and y must be arrays; {error}") from None


def _datasets(**sources: Source) -> list[Any]:
    return [None if s is None else _dataset(name, s) for name, s in sources.items()]


def _dataset(what: str, source: Source) -> Any:
    """A source that is taken as it is."""
    if isinstance(source, DataLoader):
        return source
    if isinstance(source, (tuple, list)) and len(source) == 2:
        x, y = _pair(what, source)
        if x.dtype.kind not in "fiub":
            raise ConfigError(f"{what}: x must be numbers, got {x.dtype}")
        if y.dtype.kind not in "fiub":
            raise ConfigError(
                f"{what}: y must be class numbers from 0, got {y.dtype}; of names make them by "
                "names, y = np.unique(y, return_inverse=True)"
            )
        if y.ndim != 1 or len(x) != len(y):
            raise ConfigError(
                f"{what}: x and y must be of one length, y with one axis, got {x.shape}, {y.shape}"
            )
        return TensorDataset(x.astype(np.float32), y)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        return source
    raise ConfigError(f"{what}: must be {_KINDS}, got a {type(source).__name__}")
