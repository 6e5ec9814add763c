"""Data sets, samplers and the loader: what PyTorch gives, but for the order of shuffled items."""

from __future__ import annotations

import inspect
import re
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch.utils.data as torch_data
from hypothesis import given
from hypothesis import strategies as st

import npnet
from npnet.base.checks import ShapeError
from npnet.utils import data
from npnet.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    default_convert,
    random_split,
)
from tests.utils.squares import Squares, Taken, X, Y, assert_same, batches_of, order_of

Point = namedtuple("Point", ["x", "y"])


# ---- signatures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in data.__all__ if callable(getattr(data, n))])
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
    assert batches_of(DataLoader(Subset(subset, np.array([3, 0])), 2)) == [[9, 7]]
    assert batches_of(DataLoader(Subset(Squares(5), [4, 1]), 2)) == [[16, 1]]
    assert subset[[0, 3]][1].tolist() == [7, 9]


def test_subset_of_a_mask() -> None:
    with pytest.raises(TypeError, match=re.escape("np.flatnonzero(mask)")):
        Subset(Squares(3), [True, False, True])


def test_concat() -> None:
    whole = Squares(3) + Taken(2) + TensorDataset(np.arange(2), np.arange(2))
    assert len(whole) == 7
    assert [int(y) for _, y in whole] == [0, 1, 4, 0, 1, 0, 1]
    assert int(whole[-3][1]) == 1
    assert order_of(DataLoader(Squares(2) + Taken(3), 2)) == [0, 1, 0, 1, 4]
    with pytest.raises(ValueError, match="at least one data set"):
        ConcatDataset([])
    with pytest.raises(TypeError, match="ConcatDataset: generator has no length"):
        ConcatDataset([(i for i in range(3))])


@pytest.mark.parametrize(
    "others",
    [
        lambda: [TensorDataset(X + 1, Y + 10), Subset(TensorDataset(X, Y), [4, -1])],  # a gather
        lambda: [[(npnet.tensor(x), npnet.tensor(y)) for x, y in zip(X, Y, strict=True)]],
        lambda: [TensorDataset(X.astype(np.float64), Y.astype(np.float64))],
        lambda: [TensorDataset(X, npnet.ones(10, requires_grad=True))],
    ],
    ids=["alike", "by-item", "of-another-dtype", "with-gradients"],
)
def test_batch_of_concat_is_that_of_its_items(others: Any) -> None:
    whole = ConcatDataset([TensorDataset(X, Y), *others()])
    for indices in ([12, 0, 11, 0, -1, 9, 10], [3], [-1, -2]):
        x, y = data.dataset.get_batch(whole, indices)
        items = default_collate([whole[i] for i in indices])
        assert [x.tolist(), y.tolist()] == [t.tolist() for t in items]
        assert (x.dtype, y.dtype) == (items[0].dtype, items[1].dtype)
        assert (x.requires_grad, y.requires_grad) == tuple(t.requires_grad for t in items)
    with pytest.raises(IndexError, match=rf"must lie in .* got {len(whole)}$"):
        data.dataset.get_batch(whole, [0, len(whole)])


def test_concat_of_another_class_is_read_as_it_says() -> None:
    class Fetched(ConcatDataset):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return [i * i for i in indices]

    batch = data.dataset.get_batch(Fetched([TensorDataset(X, Y)]), [1, 3])
    assert batch.tolist() == [1, 9]


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
    assert_same(default_collate([item, item]), torch_data.default_collate([item, item]))


@pytest.mark.parametrize("item", ITEMS, ids=repr)
def test_convert_matches_torch(item: Any) -> None:
    if not isinstance(item, np.generic):  # PyTorch's is a tensor too, but gives it as an ndarray
        assert_same(default_convert(item), torch_data.default_convert(item))


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


def test_numpy_s_strings_stay_strings() -> None:
    names = np.array(["a.png", "b.png"])
    batch = next(iter(DataLoader([(np.float32(i), names[i]) for i in range(2)], 2)))
    assert list(batch[1]) == ["a.png", "b.png"]
    assert default_collate([np.bytes_(b"a"), np.bytes_(b"b")]) == [b"a", b"b"]


def test_whole_numbers_are_exact_or_refused() -> None:
    largest = 2**63 - 1
    assert default_collate([largest, -(2**63)]).tolist() == [largest, -(2**63)]
    assert default_collate([True, 2]).tolist() == [1, 2]
    assert default_collate([True, False]).dtype == np.bool_
    assert default_collate([1, 0.5]).dtype == np.float64
    for items in ([2**63, 1], [1, 2**64], [-(2**63) - 1, 0], [10**30]):
        with pytest.raises(OverflowError, match=r"must fit into int64, got -?[0-9]+;"):
            default_collate(items)
