"""DataLoader: batches of a data set."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, ClassVar, Generic

from npnet.base.checks import check_number
from npnet.random import Generator
from npnet.utils.data.collate import default_collate, default_convert
from npnet.utils.data.dataset import Items, IterableDataset, T_co, get_batch, get_items
from npnet.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    check_count,
    checked_generator,
    length_of,
)
from npnet.utils.data.workers import Worker, get_worker_info, make_workers

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


_NO_MORE = object()


class DataLoader(Generic[T_co]):
    """Batches of a data set, as npnet Tensors.

    A batch of a data set that has `take` (see Dataset) is one gather; otherwise its items are
    read one by one and collated by `default_collate`. Everything happens in the calling thread
    when a batch is asked for: memory that is already there is faster than other processes.

    Workers are no processes either, but give what PyTorch's would: batch i is that of worker
    i % num_workers; `worker_init_fn(id)` is called before its first, `get_worker_info` says which
    it is; each iterates over its own copy of an IterableDataset, and has random numbers of its own
    where there is a worker_init_fn. A data set with items by number is the same for all of them,
    and the program's own: what its `__getitem__` keeps, as `self.n += 1`, the program sees.

    The order of a shuffled pass depends only on where the generator stands when its first batch
    is asked for. To resume a run, keep `generator.get_state()` from before each pass (of
    `npnet.random.default_generator` where none was given), and `set_state` it before the pass
    that is to be repeated.

    Args:
        dataset: has `__getitem__` and `__len__`, or is an IterableDataset, for which shuffle and
            samplers have no meaning.
        batch_size: items in a batch; None gives single items, not batched.
        shuffle: visit the items in a fresh random order in each pass; default False.
        sampler: gives the order instead; any iterable of indices.
        batch_sampler: gives lists of indices, one for each batch; any iterable.
        collate_fn: makes a batch of a list of items; `take` is then not used. With
            batch_size=None it is called with each item.
        drop_last: leave the last batch out if it is smaller.
        generator: what shuffle draws from; None is the one that `manual_seed` seeds.
        num_workers: how many workers deal with the batches, see above; 0 for none.
        worker_init_fn: called with the number of each worker when it begins.
        persistent_workers: keep the workers from one pass to the next, with their numbers.
        timeout, multiprocessing_context, prefetch_factor: without effect, as nothing is waited for.
        pin_memory, pin_memory_device: accepted and without effect, as there is no GPU.
        in_order: accepted; batches always come in order.

    Raises:
        ValueError: sizes out of range, or arguments that exclude each other.
        TypeError: a data set or a generator of the wrong kind.

    Warns:
        UserWarning: drop_last leaves no batch at all.

    Example:
        >>> x, y = npnet.zeros(10, 1, 28, 28), npnet.arange(10)
        >>> data = npnet.utils.data.TensorDataset(x, y)
        >>> for x, y in npnet.utils.data.DataLoader(data, batch_size=4):
        ...     print(x.shape, y)
        (4, 1, 28, 28) tensor([0, 1, 2, 3])
        (4, 1, 28, 28) tensor([4, 5, 6, 7])
        (2, 1, 28, 28) tensor([8, 9])
    """

    _fixed: ClassVar[frozenset[str]] = frozenset(
        {"batch_sampler", "batch_size", "dataset", "drop_last", "sampler"}
    )

    def __init__(
        self,
        dataset: Items[T_co] | Iterable[T_co],
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
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self._iterates = isinstance(dataset, IterableDataset)
        _check_dataset(dataset, shuffle, sampler, batch_sampler)
        _check_exclusive(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if sampler is None:
            sampler = itertools.repeat(None) if self._iterates else SequentialSampler(dataset)
            if shuffle:
                sampler = RandomSampler(dataset, generator=generator)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            check_count("DataLoader", "batch_size", batch_size)
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
            _warn_if_empty(sampler, batch_size, drop_last)
        self.dataset: Any = dataset
        self.batch_size, self.drop_last = batch_size, drop_last
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
        self._workers: list[Worker] | None = None  # those that are kept

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and "_workers" in self.__dict__:  # which __init__ sets last
            raise ValueError(f"DataLoader: {name} is fixed once it is made; make another loader")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.num_workers:
            return self._of_workers()
        if self._iterates:
            return self._batches_of(self.dataset)
        source = self.sampler if self.batch_sampler is None else self.batch_sampler
        return (self._fetch(indices) for indices in source)

    def _fetch(self, indices: Any) -> Any:
        """The batch, or the item, with these numbers."""
        if self.batch_sampler is None:
            return self.collate_fn(self.dataset[indices])
        if self._default:
            return get_batch(self.dataset, indices)
        return self.collate_fn(get_items(self.dataset, indices))

    def _batches_of(self, dataset: Any) -> Iterator[Any]:
        """The batches of a data set that is iterated over."""
        items = iter(dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, items)
            return
        while batch := list(itertools.islice(items, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def _of_workers(self) -> Iterator[Any]:
        """The batches, each of its worker, in turn."""
        workers = self._workers
        if workers is None:
            workers = make_workers(
                self.num_workers, self.dataset, self.worker_init_fn, self.generator, self._iterates
            )
            self._workers = workers if self.persistent_workers else None
        if not self._iterates:
            source = self.sampler if self.batch_sampler is None else self.batch_sampler
            for indices, worker in zip(source, itertools.cycle(workers), strict=False):
                with worker.at_work():
                    batch = self._fetch(indices)
                yield batch
            return
        at_work = [(w, self._batches_of(w.info.dataset)) for w in workers]
        while at_work:
            for pair in tuple(at_work):
                worker, batches = pair
                with worker.at_work():
                    batch = next(batches, _NO_MORE)
                if batch is _NO_MORE:
                    at_work.remove(pair)
                else:
                    yield batch

    def __len__(self) -> int:
        if self._iterates:
            count = length_of("DataLoader", self.dataset)
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        source = self.sampler if self.batch_sampler is None else self.batch_sampler
        return length_of("DataLoader", source)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    """ValueError where PyTorch raises it, though nothing depends on some of them."""
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "DataLoader: prefetch_factor needs workers; let num_workers be > 0, or leave it out"
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"DataLoader: prefetch_factor must be >= 0, got {prefetch_factor}")
    if persistent_workers and num_workers == 0:
        raise ValueError("DataLoader: persistent_workers needs num_workers > 0, got 0")


def _check_dataset(dataset: Any, shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
    if isinstance(dataset, IterableDataset):
        given = {"shuffle": shuffle, "sampler": sampler, "batch_sampler": batch_sampler}
        wrong = [name for name, value in given.items() if value is not None and value is not False]
        if wrong:
            raise ValueError(
                f"DataLoader: an IterableDataset gives its own order; leave out {wrong[0]}"
            )
    elif not hasattr(dataset, "__getitem__"):
        raise TypeError(
            "DataLoader: a data set must have __getitem__(index) and __len__(), got "
            f"{type(dataset).__name__}; one that is only iterated over must be an IterableDataset"
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
