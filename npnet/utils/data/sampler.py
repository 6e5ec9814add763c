"""Samplers: in which order the items of a data set are visited."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from npnet.random import Generator, numpy_generator

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "check_count",
    "checked_generator",
    "length_of",
]


T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of samplers: each pass over it gives the numbers of items, or lists of them.

    Example:
        >>> class Backwards(npnet.utils.data.Sampler):
        ...     def __iter__(self):
        ...         return iter([2, 1, 0])
        >>> next(iter(npnet.utils.data.DataLoader([5, 6, 7], batch_size=3, sampler=Backwards())))
        tensor([7, 6, 5])
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... in order.

    Args:
        data_source: what has a length.

    Example:
        >>> list(npnet.utils.data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return length_of("SequentialSampler", self.data_source)


class RandomSampler(Sampler[int]):
    """A fresh random order in each pass.

    Args:
        data_source: what has a length N.
        replacement: draw each index by itself, so that one may come twice.
        num_samples: how many indices a pass gives; default N. Without replacement every item
            comes once before one comes again.
        generator: what to draw from; None is the one that `manual_seed` seeds. It is used once
            for each pass (twice or more where num_samples > N), when its first index is asked for.

    Example:
        >>> sorted(npnet.utils.data.RandomSampler(range(5)))
        [0, 1, 2, 3, 4]
        >>> len(list(npnet.utils.data.RandomSampler(range(5), replacement=True, num_samples=8)))
        8
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be True or False, got {replacement}")
        checked_generator("RandomSampler", generator)
        if num_samples is not None:
            check_count("RandomSampler", "num_samples", num_samples)
        elif length_of("RandomSampler", data_source) == 0:
            raise ValueError(
                "RandomSampler: the data set is empty, so there is nothing to draw from; check how "
                "it was read or split"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator

    @property
    def num_samples(self) -> int:
        """How many indices a pass gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        rng, n, left = numpy_generator(self.generator), len(self.data_source), self.num_samples
        if self.replacement:
            yield from rng.integers(n, size=left).tolist()
            return
        while left > 0:
            yield from rng.permutation(n)[:left].tolist()
            left -= n

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices, in a fresh random order in each pass.

    Args:
        indices: numbers of items.
        generator: what to draw from; None is the one that `manual_seed` seeds.

    Example:
        >>> sorted(npnet.utils.data.SubsetRandomSampler([3, 5, 8]))
        [3, 5, 8]
    """

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        checked_generator("SubsetRandomSampler", generator)
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in numpy_generator(self.generator).permutation(len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Index i is drawn with probability weights[i] / sum(weights).

    Args:
        weights: (N,) numbers >= 0, not all 0.
        num_samples: how many indices a pass gives.
        replacement: whether an index may come twice; if not, each is drawn among those left.
        generator: what to draw from; None is the one that `manual_seed` seeds.

    Example:
        >>> set(npnet.utils.data.WeightedRandomSampler([0.0, 1.0, 0.0], num_samples=9))
        {1}
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        check_count("WeightedRandomSampler", "num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"WeightedRandomSampler: replacement must be True or False, got {replacement}"
            )
        checked_generator("WeightedRandomSampler", generator)
        self.weights = np.asarray(weights, np.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"WeightedRandomSampler: weights must have 1 axis (N,), got {self.weights.shape}"
            )
        total = self.weights.sum()
        if not (np.all(self.weights >= 0) and 0 < total < np.inf):
            raise ValueError(
                "WeightedRandomSampler: weights must be finite, >= 0 and not all 0, got "
                f"{self.weights.min(initial=np.inf):g} to {self.weights.max(initial=-np.inf):g}"
            )
        nonzero = np.count_nonzero(self.weights)
        if not replacement and num_samples > nonzero:
            raise ValueError(
                "WeightedRandomSampler: without replacement num_samples must be at most the number "
                f"of weights that are not 0, got {num_samples} of {nonzero}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        draw = numpy_generator(self.generator).choice(
            len(self.weights), self.num_samples, self.replacement, self.weights / self.weights.sum()
        )
        return iter(draw.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of batch_size indices of another sampler.

    Args:
        sampler: a Sampler or any iterable of indices.
        batch_size: length of each list.
        drop_last: leave the last list out if it is shorter; else it comes as it is.

    Example:
        >>> list(npnet.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_count("BatchSampler", "batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: drop_last must be True or False, got {drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = length_of("BatchSampler", self.sampler)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def check_count(op: str, name: str, value: Any) -> None:
    """ValueError unless `value` is a whole number >= 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{op}: {name} must be a whole number >= 1, got {value!r}")


def checked_generator(op: str, generator: Any) -> np.random.Generator:
    """The NumPy generator behind `generator`; TypeError if there is none."""
    if generator is not None and not isinstance(generator, (Generator, np.random.Generator)):
        raise TypeError(
            f"{op}: generator must be an npnet.Generator or None, got "
            f"{type(generator).__module__}.{type(generator).__qualname__}"
        )
    return numpy_generator(generator)


def length_of(op: str, source: Any) -> int:
    """`len(source)`; TypeError, saying what to define, if it has none."""
    if not hasattr(source, "__len__"):
        raise TypeError(f"{op}: {type(source).__name__} has no length; define __len__() in it")
    return len(source)
