"""Workers of a DataLoader, one after the other in the calling thread, with what PyTorch's show."""

from __future__ import annotations

import copy
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.random import Generator, default_generator, numpy_generator

__all__ = ["Worker", "WorkerInfo", "get_worker_info", "make_workers"]


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info` says in a worker.

    Attributes:
        id: from 0 to num_workers - 1.
        num_workers: how many there are.
        seed: of its random numbers, another one in each pass.
        dataset: the data set, its own copy where that is only iterated over.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _State(threading.local):
    info: WorkerInfo | None = None


_state = _State()


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a DataLoader calls, for a data set that deals its items; None outside.

    Example:
        >>> class Shared(npnet.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         worker = npnet.utils.data.get_worker_info()
        ...         return iter(range(worker.id, 4, worker.num_workers))
        >>> [int(x) for x in npnet.utils.data.DataLoader(Shared(), num_workers=2)]
        [0, 1, 2, 3]
    """
    return _state.info


class Worker:
    """A worker with random numbers of its own: Python's, NumPy's and npnet's, as PyTorch's have.

    They are seeded when it begins, and put in place while it works, where there is a
    `worker_init_fn` that may seed them; without one all draw from the same as the program.
    """

    def __init__(self, info: WorkerInfo, init: Callable[[int], None] | None) -> None:
        self.info = info
        self._numbers: tuple[Any, ...] | None = None
        if init is not None:
            self._numbers = _numbers()
            with self.at_work():
                random.seed(info.seed)
                np.random.seed(info.seed % 2**32)  # noqa: NPY002 # the one that users' code draws from
                default_generator.manual_seed(info.seed)
                init(info.id)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the data set is asked for items."""
        before, _state.info = _state.info, self.info
        outside = None if self._numbers is None else _numbers()
        try:
            if self._numbers is not None:
                _set_numbers(self._numbers)
            yield
        finally:
            _state.info = before
            if outside is not None:
                self._numbers = _numbers()
                _set_numbers(outside)


def _numbers() -> tuple[Any, ...]:
    """Where the random numbers of the process stand; programs draw NumPy's global ones too."""
    return random.getstate(), np.random.get_state(), default_generator.get_state()  # noqa: NPY002


def _set_numbers(state: tuple[Any, ...]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])  # noqa: NPY002 # the global ones
    default_generator.set_state(state[2])


def make_workers(
    count: int,
    dataset: Any,
    init: Callable[[int], None] | None,
    generator: Generator | None,
    own_copies: bool,
) -> list[Worker]:
    """The workers of a pass."""
    # drawn for those that are seeded alone: other passes leave the generator where it is
    base = 0 if init is None else int(numpy_generator(generator).integers(2**62))
    return [
        Worker(
            WorkerInfo(i, count, base + i, copy.deepcopy(dataset) if own_copies else dataset), init
        )
        for i in range(count)
    ]
