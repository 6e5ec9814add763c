"""Data sets: what has items by number, and what is made of parts of others."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from npnet.base.checks import ShapeError
from npnet.random import Generator
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor
from npnet.utils.data.collate import default_collate, default_convert
from npnet.utils.data.sampler import checked_generator, length_of

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "get_batch",
    "get_items",
    "random_split",
]

Indices: TypeAlias = npt.NDArray[np.intp]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Items(Protocol[T_co]):
    """What has items by number: a data set, but also a list or a user's own class."""

    def __getitem__(self, index: Any, /) -> T_co: ...


class Dataset(Generic[T_co]):
    """Base of data sets. A subclass defines `__getitem__(index)` and `__len__()`.

    It may also define one of

        take(indices: ndarray (B,)) -> tuple of ndarrays or Tensors, each (B, ...)
        __getitems__(indices: list of int) -> list of items

    and DataLoader then makes each batch by one call. `take` must agree with `__getitem__`; a
    subclass that overrides `__getitem__` alone is read item by item, so that its items count.

    Example:
        >>> class Squares(npnet.utils.data.Dataset):
        ...     def __getitem__(self, index):
        ...         return index, index**2
        ...     def __len__(self):
        ...         return 5
        >>> next(iter(npnet.utils.data.DataLoader(Squares(), batch_size=3)))
        [tensor([0, 1, 2]), tensor([0, 1, 4])]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base of data sets that are only iterated over. A subclass defines `__iter__()`.

    With workers, each iterates over a copy of its own, as in PyTorch: one that deals out its items
    asks `get_worker_info()` which it is; others give each item once for every worker.

    Example:
        >>> class Countdown(npnet.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter([3, 2, 1])
        >>> list(npnet.utils.data.DataLoader(Countdown(), batch_size=2))
        [tensor([3, 2]), tensor([1])]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")

    def __add__(self, other: Any) -> ChainDataset[Any]:  # type: ignore[override] # as in PyTorch
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[T_co]):
    """The items of several data sets that are only iterated over, one set after the other.

    Args:
        datasets: IterableDatasets.

    Example:
        >>> class Numbers(npnet.utils.data.IterableDataset):
        ...     def __init__(self, *numbers):
        ...         self.numbers = numbers
        ...     def __iter__(self):
        ...         return iter(self.numbers)
        >>> list(npnet.utils.data.ChainDataset([Numbers(1, 2), Numbers(3)]))
        [1, 2, 3]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self.datasets:
            _check_iterable(dataset)
            yield from dataset

    def __len__(self) -> int:
        total = 0
        for dataset in self.datasets:
            _check_iterable(dataset)
            total += length_of("ChainDataset", dataset)
        return total


def _check_iterable(dataset: Any) -> None:
    if not isinstance(dataset, IterableDataset):
        raise TypeError(
            f"ChainDataset: only supports IterableDatasets, got {type(dataset).__name__}; "
            "ConcatDataset takes those with items by number"
        )


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Item i is (t[i] for each of the tensors); a batch is one gather from each.

    Args:
        tensors: Tensors, or ndarrays, whose memory is shared; all with the same first size N.

    Shape: tensors (N, ...) -> items (...), batches (B, ...).

    Raises:
        ShapeError: a tensor without axes, or tensors of different length.

    Example:
        >>> x, y = npnet.tensor([[1, 2], [3, 4]]), npnet.tensor([0, 1])
        >>> npnet.utils.data.TensorDataset(x, y)[1]
        (tensor([3, 4]), tensor(1))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(map(as_tensor, tensors))
        shapes = [t.shape for t in self.tensors]
        if not shapes:
            raise ValueError("TensorDataset: needs at least one tensor, got none")
        if () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                "TensorDataset: all tensors must have the same length along the first axis, "
                f"got shapes {', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        if isinstance(index, (int, np.integer)):
            _check_number("TensorDataset", index, len(self))
        return tuple([t[index] for t in self.tensors])

    def take(self, indices: Indices) -> tuple[Tensor, ...]:
        """Several items by one gather.  Shape: indices (B,) -> (B, ...) for each tensor."""
        _check_range("TensorDataset", np.asarray(indices), len(self))
        return tuple(t[indices] for t in self.tensors)


class Subset(Dataset[T_co]):
    """Items of another data set, by number.

    Args:
        dataset: any data set.
        indices: numbers of its items, which may repeat and count from the end.

    Raises:
        IndexError: an index that the data set does not have.
        TypeError: a mask.

    Example:
        >>> data = npnet.utils.data.Subset(["a", "b", "c"], [2, 0, 0])
        >>> list(data)
        ['c', 'a', 'a']
    """

    def __init__(self, dataset: Items[T_co], indices: Sequence[int]) -> None:
        self.dataset: Any = dataset
        self.indices = indices
        numbers = np.asarray(indices)
        if numbers.dtype == np.bool_:
            raise TypeError(
                "Subset: indices must be numbers of items, got a mask; use np.flatnonzero(mask)"
            )
        if isinstance(dataset, Sized) and numbers.dtype.kind in "iu":
            _check_range("Subset", numbers, len(dataset))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def take(self, indices: Indices) -> Any:
        """A batch of items, gathered at once where the data set can.  Shape: indices (B,)."""
        return get_batch(self.dataset, [self.indices[i] for i in indices])


class StackDataset(Dataset[Any]):
    """Item i is item i of each of several data sets: a tuple, or a dict where they have names.

    Args:
        args: data sets, all with the same length.
        kwargs: or, instead, by name.

    Raises:
        ValueError: there is none, both kinds are given, or the lengths differ.

    Example:
        >>> data = npnet.utils.data.StackDataset(image=[10, 20], label=[0, 1])
        >>> data[1]
        {'image': 20, 'label': 1}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError("StackDataset: give data sets either in order or by name")
        self.datasets = args or kwargs
        lengths = [length_of("StackDataset", dataset) for dataset in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: all data sets must have one length, got {lengths}")
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])


class ConcatDataset(Dataset[T_co]):
    """The items of several data sets, one set after the other.

    Args:
        datasets: at least one.

    Attributes:
        cumulative_sizes: where each of them ends.

    Example:
        >>> data = npnet.utils.data.ConcatDataset([[1, 2], [3, 4, 5]])
        >>> data[3], len(data), data.cumulative_sizes
        (4, 5, [2, 5])
    """

    def __init__(self, datasets: Iterable[Items[T_co]]) -> None:
        self.datasets: list[Any] = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: needs at least one data set, got none")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise TypeError("ConcatDataset: does not support IterableDatasets; use ChainDataset")
        lengths = [length_of("ConcatDataset", dataset) for dataset in self.datasets]
        self.cumulative_sizes = list(itertools.accumulate(lengths))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        _check_number("ConcatDataset", index, len(self))
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]

    def take(self, indices: Indices) -> Any:
        """A batch of items, gathered at once where the sets are of tensors alike.

        Shape: indices (B,).
        """
        numbers = np.asarray(indices)
        kinds = [_kinds(dataset) for dataset in self.datasets]
        alike = kinds[0] is not None and all(kind == kinds[0] for kind in kinds)
        if type(self) is not ConcatDataset or not alike or not numbers.size:
            return default_collate(get_items(self, numbers.tolist()))
        _check_range("ConcatDataset", numbers, len(self))
        numbers = numbers % len(self)
        which = np.searchsorted(self.cumulative_sizes, numbers, "right")
        starts = [0, *self.cumulative_sizes]
        parts = [
            get_batch(self.datasets[k], numbers[which == k] - starts[k]) for k in np.unique(which)
        ]
        back = np.argsort(np.argsort(which, kind="stable"))
        return tuple(
            [
                result(np.concatenate([t.array for t in part])[back])
                for part in zip(*parts, strict=True)
            ]
        )


def random_split(
    dataset: Items[T], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Deal the items out at random to several subsets; each item goes to one.

    Args:
        dataset: any data set with a length N.
        lengths: whole numbers that add to N, or fractions that add to 1: each is rounded down,
            and what is left goes one by one to the subsets from the first on.
        generator: what to draw the order from; None is the one that `manual_seed` seeds.

    Raises:
        ValueError: the lengths are negative or do not add up.

    Example:
        >>> [len(part) for part in npnet.utils.data.random_split(range(10), [0.75, 0.25])]
        [8, 2]
    """
    count = length_of("random_split", dataset)
    sizes = _split_sizes(count, lengths)
    order = checked_generator("random_split", generator).permutation(count).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[e - n : e]) for e, n in zip(ends, sizes, strict=True)]


def _split_sizes(count: int, lengths: Sequence[float]) -> list[int]:
    total = sum(lengths)
    if any(not length >= 0 for length in lengths):
        raise ValueError(f"random_split: lengths must be >= 0, got {list(lengths)}")
    if math.isclose(total, 1):
        sizes = [math.floor(count * fraction) for fraction in lengths]
        for i in range(count - sum(sizes)):
            sizes[i % len(sizes)] += 1
        if 0 in sizes:
            warnings.warn(
                f"random_split: {list(lengths)} of {count} items leaves a split empty: {sizes}",
                stacklevel=3,
            )
        return sizes
    if total != count or any(length != int(length) for length in lengths):
        raise ValueError(
            f"random_split: lengths must be whole numbers that add to the data set's {count} items "
            f"or fractions that add to 1, got {list(lengths)}, which add to {total:g}"
        )
    return [int(length) for length in lengths]


def get_items(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """The items with these numbers, by one call of `__getitems__` where there is one."""
    if callable(getattr(dataset, "__getitems__", None)):
        return list(dataset.__getitems__(list(indices)))
    return [dataset[i] for i in indices]


def get_batch(dataset: Any, indices: Sequence[int]) -> Any:
    """A batch of Tensors: `take` where the data set has one that speaks for `__getitem__`."""
    if _can_take(dataset):
        return default_convert(dataset.take(np.asarray(indices, np.intp)))
    return default_collate(get_items(dataset, indices))


def _can_take(dataset: Any) -> bool:
    """Whether `take` is defined, and no later than `__getitem__`, which else it would bypass.

    Only in a Dataset: ndarrays have a take as well, which does something else.
    """
    if isinstance(dataset, Dataset):
        for cls in type(dataset).__mro__:
            if "take" in vars(cls) or "__getitem__" in vars(cls):
                return "take" in vars(cls)
    return False


def _kinds(dataset: Any) -> list[tuple[np.dtype[Any], tuple[int, ...]]] | None:
    """Dtype and shape of what a gather gives for an item; None where items are made one by one."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
        return None
    return [(t.dtype, t.shape[1:]) for t in dataset.tensors]


def _check_number(op: str, index: Any, count: int) -> None:
    """`_check_range` of one index."""
    if not -count <= index < count:
        _check_range(op, np.asarray(index), count)


def _check_range(op: str, indices: npt.NDArray[Any], count: int) -> None:
    """IndexError unless every index is that of one of `count` items, from the front or the end."""
    if indices.size and not (-count <= indices.min() and indices.max() < count):
        wrong = indices[(indices < -count) | (indices >= count)].flat[0]
        rule = f"lie in [{-count}, {count - 1}]" if count else "not be used: there are no items"
        raise IndexError(f"{op}: an index must {rule}, got {wrong}")
