"""DataLoader: batches of a data set."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, ClassVar

from npnet.base.checks import check_number
from npnet.random import Generator
from npnet.utils.data.collate import default_collate, default_convert
from npnet.utils.data.dataset import get_batch, get_items
from npnet.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    check_count,
    checked_generator,
    length_of,
)

__all__ = ["DataLoader"]


class DataLoader:
    """Batches of a data set, as npnet Tensors.

    A batch of a data set that has `take` (see Dataset) is one gather; otherwise its items are
    read one by one and collated by `default_collate`. Everything happens in the calling thread
    when a batch is asked for: memory that is already there is faster than workers.

    The order of a shuffled pass depends only on where the generator stands when its first batch
    is asked for. To resume a run, keep `generator.get_state()` from before each pass (of
    `npnet.random.default_generator` where none was given), and `set_state` it before the pass
    that is to be repeated.

    Args:
        dataset: has `__getitem__` and `__len__`.
        batch_size: items in a batch; None gives single items, not batched.
        shuffle: visit the items in a fresh random order in each pass; default False.
        sampler: gives the order instead; any iterable of indices.
        batch_sampler: gives lists of indices, one for each batch; any iterable.
        collate_fn: makes a batch of a list of items; `take` is then not used. With
            batch_size=None it is called with each item.
        drop_last: leave the last batch out if it is smaller.
        generator: what shuffle draws from; None is the one that `manual_seed` seeds.
        num_workers, timeout, worker_init_fn, multiprocessing_context, prefetch_factor,
            persistent_workers: accepted and without effect, as there are no workers.
        pin_memory, pin_memory_device: accepted and without effect, as there is no GPU.
        in_order: accepted; batches always come in order.

    Raises:
        ValueError: sizes out of range, or arguments that exclude each other.
        TypeError: a data set or a generator of the wrong kind.

    Warns:
        UserWarning: drop_last leaves no batch at all.
    """

    _fixed: ClassVar[frozenset[str]] = frozenset(
        {"batch_sampler", "batch_size", "dataset", "drop_last", "sampler"}
    )

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        check_number("DataLoader", "num_workers", num_workers, least=0)
        check_number("DataLoader", "timeout", timeout, least=0)
        checked_generator("DataLoader", generator)
        _check_dataset(dataset)
        _check_exclusive(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            sampler = SequentialSampler(dataset)
            if shuffle:
                sampler = RandomSampler(dataset, generator=generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            check_count("DataLoader", "batch_size", batch_size)
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
            _warn_if_empty(sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.sampler, self.batch_sampler, self.generator = sampler, batch_sampler, generator
        self._default = collate_fn is None
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.num_workers, self.pin_memory, self.timeout = num_workers, pin_memory, timeout
        self.worker_init_fn, self.prefetch_factor = worker_init_fn, prefetch_factor
        self.multiprocessing_context = multiprocessing_context
        self.persistent_workers, self.in_order = persistent_workers, in_order
        self.pin_memory_device = pin_memory_device

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and name in self.__dict__:
            raise ValueError(f"DataLoader: {name} is fixed once it is made; make another loader")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            return (self.collate_fn(self.dataset[index]) for index in self.sampler)
        if self._default:
            return (get_batch(self.dataset, indices) for indices in self.batch_sampler)
        return (self.collate_fn(get_items(self.dataset, indices)) for indices in self.batch_sampler)

    def __len__(self) -> int:
        source = self.sampler if self.batch_sampler is None else self.batch_sampler
        return length_of("DataLoader", source)


def _check_dataset(dataset: Any) -> None:
    if not hasattr(dataset, "__getitem__"):
        raise TypeError(
            "DataLoader: a data set must have __getitem__(index) and __len__(), got "
            f"{type(dataset).__name__}; data sets that are only iterated over are not supported, "
            "list(...) makes one that is"
        )


def _check_exclusive(
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Iterable[Any] | None,
    batch_sampler: Iterable[Any] | None,
    drop_last: bool,
) -> None:
    """ValueError where two arguments each say how the batches are made."""
    given = {
        "batch_size": batch_size != 1,
        "shuffle": bool(shuffle),
        "sampler": sampler is not None,
        "drop_last": drop_last,
    }
    if batch_sampler is not None and any(given.values()):
        names = ", ".join(name for name, is_given in given.items() if is_given)
        raise ValueError(f"DataLoader: batch_sampler makes whole batches; leave out {names}")
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler gives the order; leave out shuffle")
    if batch_size is None and batch_sampler is None and drop_last:
        raise ValueError("DataLoader: batch_size=None makes no batches; leave out drop_last")


def _warn_if_empty(sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
    if drop_last and isinstance(sampler, Sized) and len(sampler) < batch_size:
        warnings.warn(
            f"DataLoader: drop_last leaves no batch, as there are {len(sampler)} items and "
            f"batch_size is {batch_size}; make batch_size smaller or leave out drop_last",
            stacklevel=3,
        )
