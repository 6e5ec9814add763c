"""Samplers and the loader: PyTorch's batches, but for the order of shuffled items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data

import npnet
from npnet.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from tests.utils.squares import Squares, Taken, X, Y, assert_same, batches_of, order_of

# ---- samplers ------------------------------------------------------------------------------------


def test_random_sampler_gives_a_fresh_order_in_each_pass() -> None:
    sampler = RandomSampler(range(50), generator=npnet.Generator().manual_seed(0))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert all(type(i) is int for i in first)


@pytest.mark.parametrize("num_samples", [1, 5, 12, 20])
def test_number_of_samples(num_samples: int) -> None:
    drawn = list(RandomSampler(range(5), num_samples=num_samples))
    assert len(drawn) == num_samples == len(RandomSampler(range(5), num_samples=num_samples))
    counts = np.bincount(drawn, minlength=5)
    assert counts.max() - counts.min() <= 1
    replaced = list(RandomSampler(range(5), replacement=True, num_samples=num_samples))
    assert len(replaced) == num_samples
    assert set(replaced) <= set(range(5))


def test_subset_random_sampler() -> None:
    sampler = SubsetRandomSampler([3, 5, 8])
    assert sorted(sampler) == [3, 5, 8]
    assert len(sampler) == 3


def test_weighted_sampler() -> None:
    generator = npnet.Generator().manual_seed(0)
    weights = np.array([1.0, 0.0, 3.0, 6.0])
    drawn = list(WeightedRandomSampler(weights.tolist(), 10_000, generator=generator))
    p = weights / weights.sum()
    found = np.bincount(drawn, minlength=4) / 10_000
    assert np.all(np.abs(found - p) <= 5 * np.sqrt(p * (1 - p) / 10_000))  # 5 sigma
    once = WeightedRandomSampler(weights.tolist(), 3, replacement=False, generator=generator)
    assert sorted(once) == [0, 2, 3]
    assert len(once) == 3


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        ([1.0, -1.0], {}, "must be finite, >= 0 and not all 0, got -1 to 1"),
        ([0.0, 0.0], {}, "not all 0, got 0 to 0"),
        ([1.0, np.nan], {}, "must be finite"),
        ([], {}, "not all 0"),
        ([[1.0]], {}, r"1 axis \(N,\), got \(1, 1\)"),
        ([1.0, 0.0], {"replacement": False}, "at most the number of weights .* got 2 of 1"),
        ([1.0], {"replacement": 1}, "replacement must be True or False"),
    ],
)
def test_wrong_weights(weights: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WeightedRandomSampler(weights, 2, **options)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("count", [0, 1, 6, 7, 9])
def test_batch_sampler(count: int, drop_last: bool) -> None:
    ours = BatchSampler(SequentialSampler(range(count)), 3, drop_last)
    theirs = torch_data.BatchSampler(torch_data.SequentialSampler(range(count)), 3, drop_last)
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, None])
def test_wrong_counts(size: Any) -> None:
    with pytest.raises(ValueError, match="batch_size must be a whole number >= 1"):
        BatchSampler([1], size, False)
    if size is not None:
        with pytest.raises(ValueError, match="num_samples must be a whole number >= 1"):
            RandomSampler([1], num_samples=size)


# ---- loader --------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, None])
def test_batches_match_torch(batch_size: int | None, drop_last: bool) -> None:
    if batch_size is None and drop_last:
        return
    ours = DataLoader(TensorDataset(X, Y), batch_size, drop_last=drop_last)
    tensors = torch.from_numpy(X), torch.from_numpy(Y)
    theirs: Any = torch_data.DataLoader(
        torch_data.TensorDataset(*tensors), batch_size, drop_last=drop_last
    )
    assert len(ours) == len(theirs)
    assert_same(list(ours), list(theirs))


def test_a_batch_of_arrays_is_one_call() -> None:
    dataset = Taken(7)
    assert batches_of(DataLoader(dataset, 3)) == [[0, 1, 4], [9, 16, 25], [36]]
    assert dataset.calls == 3


def test_take_and_items_agree() -> None:
    for seed in range(3):
        orders = []
        for dataset in (Taken(20), Squares(20)):
            loader = DataLoader(dataset, 4, True, generator=npnet.Generator().manual_seed(seed))
            orders.append(batches_of(loader))
        assert orders[0] == orders[1]


def test_items_of_a_subclass_count() -> None:
    class Negative(Taken):
        def __getitem__(self, index: int) -> tuple[int, int]:
            return index, -index

    class Part(Subset):
        def __getitem__(self, index: int) -> tuple[int, int]:
            return index, -1

    assert batches_of(DataLoader(Negative(4), 2)) == [[0, -1], [-2, -3]]
    assert batches_of(DataLoader(Subset(Negative(4), [2]), 2)) == [[-2]]
    assert batches_of(DataLoader(Part(Taken(4), [2]), 2)) == [[-1]]


def test_items_read_at_once() -> None:
    class AtOnce(Squares):
        def __getitems__(self, indices: list[int]) -> list[tuple[int, int]]:
            return [(i, 100 + i) for i in indices]

    assert batches_of(DataLoader(AtOnce(3), 2)) == [[100, 101], [102]]


@pytest.mark.parametrize("dataset", [[5, 6, 7], np.array([5, 6, 7]), range(5, 8)], ids=type)
def test_anything_with_items_is_a_data_set(dataset: Any) -> None:
    assert [batch.tolist() for batch in DataLoader(dataset, 2)] == [[5, 6], [7]]


def test_collate_fn() -> None:
    assert list(DataLoader(Taken(3), 2, collate_fn=sum_of)) == [1, 4]
    assert list(DataLoader(range(3), None, collate_fn=lambda item: item + 1)) == [1, 2, 3]


def sum_of(items: list[tuple[int, int]]) -> int:
    """The sum of the squares of a batch."""
    return sum(square for _, square in items)


def test_samplers_given() -> None:
    assert order_of(DataLoader(Squares(9), 2, sampler=[3, 1, 2])) == [9, 1, 4]
    assert batches_of(DataLoader(Squares(9), batch_sampler=[[0, 1], [2]])) == [[0, 1], [4]]
    assert len(DataLoader(Squares(9), batch_sampler=[[0, 1], [2]])) == 2
    batches = BatchSampler(range(5), 2, True)
    whole = DataLoader(TensorDataset(Y), batch_size=None, sampler=batches)  # type: ignore[arg-type]
    assert [batch[0].tolist() for batch in whole] == [[0, 1], [2, 3]]
    assert list(DataLoader(Squares(9), batch_sampler=BatchSampler([], 2, False))) == []


@pytest.mark.parametrize("dataset", [Squares(30), TensorDataset(X[:, 0], Y)], ids=type)
def test_shuffle(dataset: Any) -> None:
    loader = DataLoader(dataset, 4, shuffle=True)
    npnet.manual_seed(3)
    first, second = order_of(loader), order_of(loader)
    npnet.manual_seed(3)
    assert [order_of(loader), order_of(loader)] == [first, second]
    assert first != second
    assert sorted(first) == sorted(order_of(DataLoader(dataset)))


def test_shuffle_by_a_generator_leaves_the_default_alone() -> None:
    npnet.manual_seed(0)
    state = npnet.random.default_generator.get_state()
    generator = npnet.Generator().manual_seed(1)
    loader = DataLoader(Squares(30), 4, True, generator=generator)
    first = order_of(loader)
    assert npnet.random.default_generator.get_state() == state
    assert generator.get_state() != npnet.Generator().manual_seed(1).get_state()
    generator.manual_seed(1)
    assert order_of(loader) == first


def test_resume_from_the_state_of_the_generator() -> None:
    generator = npnet.Generator().manual_seed(1)
    loader = DataLoader(Squares(30), 4, True, generator=generator)
    order_of(loader)
    state = generator.get_state()
    second, third = order_of(loader), order_of(loader)
    resumed = npnet.Generator()
    resumed.set_state(state)
    loader = DataLoader(Squares(30), 4, True, generator=resumed)
    assert [order_of(loader), order_of(loader)] == [second, third]


def test_two_passes_at_once_do_not_disturb_each_other() -> None:
    loader = DataLoader(Squares(6), 2)
    assert [[a[1].tolist(), b[1].tolist()] for a, b in zip(loader, loader, strict=True)] == [
        [[0, 1], [0, 1]],
        [[4, 9], [4, 9]],
        [[16, 25], [16, 25]],
    ]


def test_arguments_without_effect() -> None:
    loader = DataLoader(
        Squares(3),
        2,
        num_workers=4,
        pin_memory=True,
        timeout=1.5,
        worker_init_fn=print,
        multiprocessing_context="spawn",
        prefetch_factor=2,
        persistent_workers=True,
        pin_memory_device="cuda",
        in_order=False,
    )
    assert batches_of(loader) == [[0, 1], [4]]
    assert loader.num_workers == 4


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number >= 1, got 0"),
        ({"batch_size": 2.0}, ValueError, "batch_size must be a whole number >= 1, got 2.0"),
        ({"num_workers": -1}, ValueError, "num_workers must be >= 0, got -1"),
        ({"timeout": -1}, ValueError, "timeout must be >= 0, got -1"),
        ({"sampler": [1], "shuffle": True}, ValueError, "leave out shuffle"),
        (
            {"batch_sampler": [[1]], "batch_size": 2, "shuffle": True},
            ValueError,
            "leave out batch_size, shuffle$",
        ),
        ({"batch_size": None, "drop_last": True}, ValueError, "leave out drop_last"),
        ({"generator": torch.Generator()}, TypeError, "npnet.Generator or None, got torch"),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DataLoader(Squares(3), **options)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ((i for i in range(3)), "only iterated over must be an IterableDataset"),
        (Dataset(), "Dataset has no length"),
    ],
)
def test_data_sets_without_items_or_length(dataset: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        len(DataLoader(dataset))


def test_empty_data_sets() -> None:
    assert list(DataLoader(Squares(0), 2)) == []
    with pytest.raises(ValueError, match="RandomSampler: the data set is empty"):
        DataLoader(Squares(0), 2, shuffle=True)
    with pytest.warns(UserWarning, match="no batch, as there are 3 items and batch_size is 4"):
        assert list(DataLoader(Squares(3), 4, drop_last=True)) == []


def test_what_is_fixed() -> None:
    loader = DataLoader(Squares(3), 2)
    with pytest.raises(ValueError, match="batch_size is fixed"):
        loader.batch_size = 3
    loader.num_workers = 2


@pytest.mark.parametrize("lib", [npnet, torch])
def test_a_loader_of_ones_own_sets_its_parts_first(lib: Any) -> None:
    """Attributes are fixed when `__init__` is through, and not where a subclass has set them."""
    loading = lib.utils.data

    class Halves(loading.DataLoader):  # type: ignore[misc] # of either library
        def __init__(self, count: int, batch_size: int) -> None:
            self.dataset = loading.TensorDataset(lib.arange(count))
            self.sampler = loading.SubsetRandomSampler(range(count // 2))
            self.batch_size = batch_size
            super().__init__(self.dataset, batch_size=batch_size, sampler=self.sampler)

    loader = Halves(8, 2)
    assert sorted(i for (batch,) in loader for i in batch.tolist()) == [0, 1, 2, 3]
    for name in ("dataset", "sampler", "batch_size"):
        with pytest.raises(ValueError, match=name):
            setattr(loader, name, None)
