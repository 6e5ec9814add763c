"""What workers, iterable data sets and their like give: the same as PyTorch's."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch.utils.data

import npnet
from npnet.utils import data

LIBRARIES = pytest.mark.parametrize("lib", [data, torch.utils.data], ids=["npnet", "torch"])


def counting(lib: Any, n: int, deals: bool = False, has_length: bool = False) -> Any:
    """0 ... n - 1, by iteration alone; `deals`: each worker has its share."""

    class Counting(lib.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Iterator[int]:
            info = lib.get_worker_info() if deals else None
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(first, n, step))

    if has_length:
        Counting.__len__ = lambda self: n  # type: ignore[attr-defined]
    return Counting()


def lists(loader: Any) -> list[Any]:
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]


@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"batch_size": None}])
@pytest.mark.parametrize("deals", [False, True])
def test_a_data_set_that_is_iterated_over(options: dict[str, Any], deals: bool) -> None:
    found = []
    for lib in (data, torch.utils.data):
        dataset = counting(lib, 7, deals, has_length=True)
        loader = lib.DataLoader(dataset, **{"batch_size": 3, **options})
        found.append((lists(loader), len(loader)))
    assert found[0] == found[1]


# PyTorch's workers are processes, which its own documentation describes; here what they give.
def test_workers_iterate_over_copies_of_their_own() -> None:
    assert lists(data.DataLoader(counting(data, 4), 3, num_workers=2)) == [
        [0, 1, 2],
        [0, 1, 2],
        [3],
        [3],
    ]
    dealt = data.DataLoader(counting(data, 7, deals=True), 2, num_workers=3)
    assert lists(dealt) == [[0, 3], [1, 4], [2, 5], [6]]


class Told(data.Dataset):
    """Which worker reads each item, and what its random numbers are."""

    def __getitem__(self, index: int) -> Any:
        info = data.get_worker_info()
        own = -1 if info is None else info.id
        return index, own, random.random(), np.random.rand(), npnet.rand(1).item()  # noqa: NPY002

    def __len__(self) -> int:
        return 8


def test_a_batch_is_that_of_the_worker_whose_turn_it_is() -> None:
    batches = list(data.DataLoader(Told(), 2, num_workers=3))
    assert [b[1].tolist() for b in batches] == [[0, 0], [1, 1], [2, 2], [0, 0]]
    assert data.get_worker_info() is None
    assert [b[1].tolist() for b in data.DataLoader(Told(), 4)] == [[-1] * 4] * 2


def test_workers_that_are_seeded_have_numbers_of_their_own() -> None:
    def init(worker: int) -> None:  # as PyTorch's page on reproducibility has it
        seeds.append(npnet.initial_seed())
        np.random.seed(npnet.initial_seed() % 2**32)  # noqa: NPY002
        random.seed(npnet.initial_seed())

    seeds: list[int] = []
    npnet.manual_seed(3)
    random.seed(4)
    np.random.seed(5)  # noqa: NPY002
    loader = data.DataLoader(Told(), 2, num_workers=2, worker_init_fn=init)
    first, second = list(loader), list(loader)
    outside = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(4)
    np.random.seed(5)  # noqa: NPY002
    assert outside == (random.random(), np.random.rand()), "the program's are as they were"  # noqa: NPY002
    assert len(set(seeds)) == 4, "other ones in each pass"
    for place in (2, 3, 4):
        drawn = [x for batch in (*first, *second) for x in batch[place].tolist()]
        assert len(set(drawn)) == 16
    npnet.manual_seed(3)
    again = list(loader)
    assert [b[4].tolist() for b in again] == [b[4].tolist() for b in first]


def test_persistent_workers_begin_once() -> None:
    begun: list[int] = []
    options: dict[str, Any] = {"num_workers": 2, "worker_init_fn": begun.append}
    loader = data.DataLoader(Told(), 2, persistent_workers=True, **options)
    list(loader)
    list(loader)
    assert begun == [0, 1]
    loader = data.DataLoader(Told(), 2, **options)
    list(loader)
    list(loader)
    assert begun == [0, 1] * 3


@LIBRARIES
@pytest.mark.parametrize(
    "options",
    [{"persistent_workers": True}, {"prefetch_factor": 2}, {"num_workers": -1}],
    ids=["persistent", "prefetch", "negative"],
)
def test_options_of_workers_without_any(lib: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"workers|prefetch"):
        lib.DataLoader([1, 2], **options)


@LIBRARIES
@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_what_has_no_meaning_for_iteration(lib: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Iterable"):
        lib.DataLoader(counting(lib, 3), **options)
    with pytest.raises(TypeError):
        len(lib.DataLoader(counting(lib, 3)))


@LIBRARIES
def test_chains_and_stacks(lib: Any) -> None:
    chain = counting(lib, 2, has_length=True) + counting(lib, 3, has_length=True)
    assert isinstance(chain, lib.ChainDataset)
    assert list(chain) == [0, 1, 0, 1, 2]
    assert len(chain) == 5
    stack = lib.StackDataset([1, 2, 3], "abc")
    assert (stack[1], len(stack)) == ((2, "b"), 3)
    assert lib.StackDataset(x=[1, 2], y=[3, 4])[0] == {"x": 1, "y": 3}
    for wrong in (lambda: lib.StackDataset([1], [1, 2]), lib.StackDataset):
        with pytest.raises(ValueError):  # noqa: PT011 # each library has its own words
            wrong()
    with pytest.raises((TypeError, AssertionError)):
        lib.ConcatDataset([counting(lib, 2)])
    with pytest.raises((TypeError, AssertionError)):
        list(lib.ChainDataset([[1, 2]]))


@LIBRARIES
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("n", [9, 10])
def test_shares_of_several_processes(lib: Any, drop_last: bool, n: int) -> None:
    kind = lib.distributed.DistributedSampler
    shares = [list(kind(range(n), 4, rank, False, drop_last=drop_last)) for rank in range(4)]
    assert shares[1] == ([1, 5] if drop_last else [1, 5, 9 % n])
    assert {len(share) for share in shares} == {2 if drop_last else 3}
    mixed = kind(range(n), 2, 0, seed=1)
    before = list(mixed)
    assert list(mixed) == before
    mixed.set_epoch(1)
    assert list(mixed) != before
    other = kind(range(n), 2, 1, seed=1)
    other.set_epoch(1)
    assert {*mixed, *other} == set(range(n))
    with pytest.raises(ValueError, match=r"rank|Invalid"):
        kind(range(n), 2, 2)


def test_one_process_is_the_default() -> None:
    sampler = data.DistributedSampler(range(5))
    assert sorted(sampler) == [0, 1, 2, 3, 4]
    assert len(sampler) == 5


def test_names_in_annotations_and_by_path() -> None:
    class Squares(data.Dataset[int]):
        def __getitem__(self, index: Any) -> int:
            return int(index) ** 2

        def __len__(self) -> int:
            return 3

    loader = data.DataLoader[int](Squares(), batch_size=3)
    assert isinstance(loader, data.DataLoader)
    assert next(iter(loader)).tolist() == [0, 1, 4]
    assert data.IterableDataset[int].__origin__ is data.IterableDataset
    from npnet.utils.data.dataloader import DataLoader, default_collate
    from npnet.utils.data.sampler import SubsetRandomSampler

    assert DataLoader is data.DataLoader
    assert default_collate is data.default_collate
    assert SubsetRandomSampler is data.SubsetRandomSampler
