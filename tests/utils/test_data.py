"""Data sets, samplers and the loader: what PyTorch gives, but for the order of shuffled items."""

from __future__ import annotations

import inspect
import re
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data as torch_data
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet._checks import ShapeError
from npnet.tensor import Tensor
from npnet.utils import data
from npnet.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    random_split,
)

X = np.arange(30, dtype=np.float32).reshape(10, 3)
Y = np.arange(10)
Point = namedtuple("Point", ["x", "y"])


class Squares(Dataset):
    """Item i is (i, i * i), without take."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[int, int]:
        if index >= self.count:
            raise IndexError(index)
        return index, index * index


class Taken(Squares):
    """Squares with a take that counts its calls."""

    calls = 0

    def take(self, indices: Any) -> tuple[Any, Any]:
        self.calls += 1
        return indices, indices * indices


def _numbers(loader: DataLoader) -> list[list[int]]:
    """The batches of the last tensor of each."""
    return [batch[-1].tolist() for batch in loader]


def _order(loader: DataLoader) -> list[int]:
    return [number for batch in _numbers(loader) for number in batch]


def _same(ours: Any, theirs: Any) -> None:
    """Ours is what PyTorch gave, tensor for tensor."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor)
        assert ours.dtype == theirs.numpy().dtype
        np.testing.assert_array_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            _same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs)
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b)
    else:
        assert ours == theirs


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.__all__)
def test_arguments_are_torchs(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (data, torch_data))
    assert list(ours) == list(theirs)
    for key in ours:
        assert ours[key].kind == theirs[key].kind
        if key != "generator":  # random_split's is an object, here None
            assert ours[key].default == theirs[key].default


# ---- data sets -----------------------------------------------------------------------------------


def test_tensor_dataset() -> None:
    dataset = TensorDataset(npnet.from_numpy(X), Y)
    assert len(dataset) == 10
    assert [t.tolist() for t in dataset[3]] == [[9, 10, 11], 3]
    assert [t.tolist() for t in dataset[-1]] == [[27, 28, 29], 9]
    assert [t.tolist() for t in dataset.take(np.array([1, 1, 0]))][1] == [1, 1, 0]
    assert [y.item() for _, y in dataset] == list(range(10))
    assert np.shares_memory(dataset.tensors[0].array, X)


@pytest.mark.parametrize("index", [10, -11])
def test_index_out_of_range(index: int) -> None:
    dataset = TensorDataset(X, Y)
    for read in (
        lambda: dataset[index],
        lambda: dataset.take(np.array([0, index])),
        lambda: Subset(dataset, [0, index]),
        lambda: ConcatDataset([dataset])[index],
    ):
        with pytest.raises(IndexError, match=rf"must lie in \[-10, 9\], got {index}$"):
            read()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((X, Y[:9]), r"same length along the first axis, got shapes \(10, 3\), \(9,\)"),
        ((X, np.array(1.0)), r"got shapes \(10, 3\), \(\)"),
        ((), "at least one tensor"),
    ],
)
def test_wrong_tensors(tensors: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorDataset(*tensors)


def test_subset() -> None:
    subset = Subset(TensorDataset(X, Y), [7, 2, 2, -1])
    assert len(subset) == 4
    assert [y.item() for _, y in subset] == [7, 2, 2, 9]
    assert _numbers(DataLoader(Subset(subset, np.array([3, 0])), 2)) == [[9, 7]]
    assert _numbers(DataLoader(Subset(Squares(5), [4, 1]), 2)) == [[16, 1]]
    assert subset[[0, 3]][1].tolist() == [7, 9]


def test_subset_of_a_mask() -> None:
    with pytest.raises(TypeError, match=re.escape("np.flatnonzero(mask)")):
        Subset(Squares(3), [True, False, True])


def test_concat() -> None:
    whole = Squares(3) + Taken(2) + TensorDataset(np.arange(2), np.arange(2))
    assert len(whole) == 7
    assert [int(y) for _, y in whole] == [0, 1, 4, 0, 1, 0, 1]
    assert int(whole[-3][1]) == 1
    assert _order(DataLoader(Squares(2) + Taken(3), 2)) == [0, 1, 0, 1, 4]
    with pytest.raises(ValueError, match="at least one data set"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="ConcatDataset: generator has no length"):
        ConcatDataset([(i for i in range(3))])


def test_dataset_with_a_type() -> None:
    class Typed(Dataset[int]):  # type: ignore[type-arg] # what PyTorch's programs write
        pass

    assert issubclass(Typed, Dataset)
    with pytest.raises(NotImplementedError, match="Typed must define __getitem__"):
        Typed()[0]


@given(st.integers(20, 70), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_fractions_deal_every_item_once(count: int, parts: list[int]) -> None:
    fractions = [part / sum(parts) for part in parts]
    split = random_split(Squares(count), fractions)
    assert [len(s) for s in split] == [
        len(s) for s in torch_data.random_split(range(count), fractions)
    ]
    assert sorted(i for s in split for i in s.indices) == list(range(count))


def test_random_split_by_lengths() -> None:
    first = random_split(Squares(10), [7, 3], npnet.Generator().manual_seed(1))
    again = random_split(Squares(10), [7, 3], npnet.Generator().manual_seed(1))
    other = random_split(Squares(10), [7, 3], npnet.Generator().manual_seed(2))
    assert [len(s) for s in first] == [7, 3]
    assert [s.indices for s in first] == [s.indices for s in again]
    assert [s.indices for s in first] != [s.indices for s in other]
    assert first[0].indices != sorted(first[0].indices)


def test_random_split_with_an_empty_part() -> None:
    with pytest.warns(UserWarning, match=r"leaves a split empty: \[3, 0\]"):
        split = random_split(Squares(3), [0.9, 0.1])
    assert [len(s) for s in split] == [3, 0]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([7, 4], r"add to the data set's 10 items or fractions .* got \[7, 4\], which add to 11"),
        ([0.5, 0.4], "which add to 0.9$"),
        ([11, -1], "must be >= 0"),
        ([float("nan"), 1], "must be >= 0"),
        ([9.5, 0.5], "must be whole numbers"),
    ],
)
def test_lengths_that_do_not_add_up(lengths: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        random_split(Squares(10), lengths)


# ---- collating -----------------------------------------------------------------------------------

ITEMS: list[Any] = [
    (1, 2.5),
    (True, "text", b"bytes"),
    [np.arange(3), np.float32(1.5)],
    {"x": np.ones((2, 2)), "y": {"z": 3}},
    ((1, 2), [3.0]),
    np.int32(4),
    0.5,
]


@pytest.mark.parametrize("item", ITEMS, ids=repr)
def test_collate_matches_torch(item: Any) -> None:
    _same(default_collate([item, item]), torch_data.default_collate([item, item]))


@pytest.mark.parametrize("item", ITEMS, ids=repr)
def test_convert_matches_torch(item: Any) -> None:
    if not isinstance(item, np.generic):  # PyTorch's is a tensor too, but gives it as an ndarray
        _same(default_convert(item), torch_data.default_convert(item))


def test_collate_tensors_and_named_tuples() -> None:
    batch = default_collate([Point(npnet.zeros(2), 1), Point(npnet.ones(2), 2)])
    assert type(batch) is Point
    assert batch.x.tolist() == [[0, 0], [1, 1]]
    assert batch.y.tolist() == [1, 2]
    assert type(default_convert(Point(X, 1))) is Point


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        ([np.ones(2), np.ones(3)], ShapeError, r"one shape, got \(2,\) and \(3,\)"),
        ([(1, 2), (1,)], ShapeError, "one length, got 1 and 2"),
        ([object()], TypeError, "got object; convert it in the data set, or pass collate_fn"),
        ([None], TypeError, "got NoneType"),
        ([], ValueError, "at least one item"),
    ],
)
def test_what_is_not_collated(items: list[Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        default_collate(items)


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
    _same(list(ours), list(theirs))


def test_a_batch_of_arrays_is_one_call() -> None:
    dataset = Taken(7)
    assert _numbers(DataLoader(dataset, 3)) == [[0, 1, 4], [9, 16, 25], [36]]
    assert dataset.calls == 3


def test_take_and_items_agree() -> None:
    for seed in range(3):
        orders = []
        for dataset in (Taken(20), Squares(20)):
            loader = DataLoader(dataset, 4, True, generator=npnet.Generator().manual_seed(seed))
            orders.append(_numbers(loader))
        assert orders[0] == orders[1]


def test_items_of_a_subclass_count() -> None:
    class Negative(Taken):
        def __getitem__(self, index: int) -> tuple[int, int]:
            return index, -index

    class Part(Subset):
        def __getitem__(self, index: int) -> tuple[int, int]:
            return index, -1

    assert _numbers(DataLoader(Negative(4), 2)) == [[0, -1], [-2, -3]]
    assert _numbers(DataLoader(Subset(Negative(4), [2]), 2)) == [[-2]]
    assert _numbers(DataLoader(Part(Taken(4), [2]), 2)) == [[-1]]


def test_items_read_at_once() -> None:
    class AtOnce(Squares):
        def __getitems__(self, indices: list[int]) -> list[tuple[int, int]]:
            return [(i, 100 + i) for i in indices]

    assert _numbers(DataLoader(AtOnce(3), 2)) == [[100, 101], [102]]


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
    assert _order(DataLoader(Squares(9), 2, sampler=[3, 1, 2])) == [9, 1, 4]
    assert _numbers(DataLoader(Squares(9), batch_sampler=[[0, 1], [2]])) == [[0, 1], [4]]
    assert len(DataLoader(Squares(9), batch_sampler=[[0, 1], [2]])) == 2
    batches = BatchSampler(range(5), 2, True)
    whole = DataLoader(TensorDataset(Y), batch_size=None, sampler=batches)  # type: ignore[arg-type]
    assert [batch[0].tolist() for batch in whole] == [[0, 1], [2, 3]]
    assert list(DataLoader(Squares(9), batch_sampler=BatchSampler([], 2, False))) == []


@pytest.mark.parametrize("dataset", [Squares(30), TensorDataset(X[:, 0], Y)], ids=type)
def test_shuffle(dataset: Any) -> None:
    loader = DataLoader(dataset, 4, shuffle=True)
    npnet.manual_seed(3)
    first, second = _order(loader), _order(loader)
    npnet.manual_seed(3)
    assert [_order(loader), _order(loader)] == [first, second]
    assert first != second
    assert sorted(first) == sorted(_order(DataLoader(dataset)))


def test_shuffle_by_a_generator_leaves_the_default_alone() -> None:
    npnet.manual_seed(0)
    state = npnet.random.default_generator.get_state()
    generator = npnet.Generator().manual_seed(1)
    loader = DataLoader(Squares(30), 4, True, generator=generator)
    first = _order(loader)
    assert npnet.random.default_generator.get_state() == state
    assert generator.get_state() != npnet.Generator().manual_seed(1).get_state()
    generator.manual_seed(1)
    assert _order(loader) == first


def test_resume_from_the_state_of_the_generator() -> None:
    generator = npnet.Generator().manual_seed(1)
    loader = DataLoader(Squares(30), 4, True, generator=generator)
    _order(loader)
    state = generator.get_state()
    second, third = _order(loader), _order(loader)
    resumed = npnet.Generator()
    resumed.set_state(state)
    loader = DataLoader(Squares(30), 4, True, generator=resumed)
    assert [_order(loader), _order(loader)] == [second, third]


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
    assert _numbers(loader) == [[0, 1], [4]]
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
    [((i for i in range(3)), "list.* makes one that is"), (Dataset(), "Dataset has no length")],
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
