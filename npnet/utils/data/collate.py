"""One batch out of many items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from npnet.base.bfloat16 import is_bfloat16
from npnet.base.checks import ShapeError
from npnet.base.pictures import is_picture, picture_to_array
from npnet.ops.shape import stack
from npnet.tape import result
from npnet.tensor import Tensor, as_tensor

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Items put together along a new first axis, by what the first of them is.

    ========================  =================================================
    item                      batch of B
    ========================  =================================================
    Tensor, ndarray (...)     Tensor (B, ...), same dtype; PyTorch's tensors too
    PIL image of C bands      Tensor (B, C, H, W), uint8 in most modes
    bool, int, float          Tensor (B,), bool, int64 and float64
    NumPy number              Tensor (B,), same dtype
    str, bytes                the strings as they are
    mapping                   a dict, each value collated
    named tuple               the same named tuple, each field collated
    tuple, list               a list, each position collated
    ========================  =================================================

    Raises:
        ShapeError: tensors of several shapes, sequences of several lengths.
        TypeError: an item of another type.
        ValueError: no items.
        OverflowError: a whole number beyond int64.

    Example:
        >>> npnet.utils.data.default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ('a', 'b')]
        >>> npnet.utils.data.default_collate([{"x": npnet.zeros(2)}] * 3)["x"].shape
        (3, 2)
    """
    items = list(batch)
    if not items:
        raise ValueError("default_collate: a batch needs at least one item, got none")
    first = items[0]
    if isinstance(first, (str, bytes)):  # NumPy's too, which are numbers of its as well
        return batch
    if isinstance(first, (Tensor, np.ndarray, np.generic)):
        return _stack(items)
    if is_picture(first):
        return _stack(list(map(picture_to_array, items)))
    if hasattr(first, "__array__"):  # a PyTorch tensor, from one of torchvision's transforms
        return _stack(list(map(np.asarray, items)))
    if isinstance(first, (bool, int)):
        return result(_whole_numbers(items))
    if isinstance(first, float):
        return result(np.asarray(items, np.float64))  # a Python float is a double, as in PyTorch
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in items]) for key in first}
    if isinstance(first, Sequence):
        return _collate_sequences(items)
    raise TypeError(
        "default_collate: items must be tensors, ndarrays, numbers, strings, or dicts, tuples and "
        f"lists of these, got {type(first).__name__}; convert it in the data set, or pass "
        "collate_fn to the DataLoader"
    )


def default_convert(data: Any) -> Any:
    """ndarrays and NumPy numbers made Tensors on the same memory, also inside dicts and sequences.

    Everything else stays as it is.

    Example:
        >>> npnet.utils.data.default_convert({"x": np.ones(2), "name": "one"})
        {'x': tensor([1., 1.], dtype=npnet.float64), 'name': 'one'}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        is_number = data.dtype.kind in "fiub" or is_bfloat16(data.dtype)
        return as_tensor(data) if is_number else data
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, (tuple, list)):
        return [default_convert(value) for value in data]
    return data


def _whole_numbers(items: list[Any]) -> npt.NDArray[Any]:
    """bool where all are, else int64; floats among them make all of them floats."""
    if all(isinstance(item, bool) for item in items):
        return np.asarray(items)
    if any(isinstance(item, float) for item in items):
        return np.asarray(items, np.float64)
    try:
        return np.asarray(items, np.int64)
    except OverflowError:
        largest = max(items, key=abs)
        raise OverflowError(
            f"default_collate: whole numbers must fit into int64, got {largest}; make it a float "
            "in the data set, or a string where it is a name"
        ) from None


def _stack(items: list[Any]) -> Tensor:
    tensors = [item if type(item) is Tensor else as_tensor(item) for item in items]
    shapes = list(dict.fromkeys([tensor._values.shape for tensor in tensors]))
    if len(shapes) > 1:
        raise ShapeError(
            "default_collate: the items of a batch must have one shape, got "
            f"{' and '.join(map(str, shapes[:2]))}; resize or crop them in the data set, or pass "
            "collate_fn to the DataLoader"
        )
    first = tensors[0]
    if all(x.dtype == first.dtype and not x.requires_grad for x in tensors):
        arrays = [x.array for x in tensors]  # usually: one copy, without an op for each
        if not first.ndim:
            return result(np.array([a.item() for a in arrays], first.dtype))
        return result(np.concatenate(arrays).reshape(len(arrays), *first.shape))
    return stack(tensors)


def _collate_sequences(items: list[Any]) -> Any:
    lengths = sorted({len(item) for item in items})
    if len(lengths) > 1:
        raise ShapeError(
            f"default_collate: the items of a batch must have one length, got {lengths[0]} and "
            f"{lengths[-1]}; pad them, or pass collate_fn to the DataLoader"
        )
    columns = [default_collate(column) for column in zip(*items, strict=True)]
    return type(items[0])(*columns) if hasattr(items[0], "_fields") else columns
