"""PyTorch's old classes of tensors of one dtype: `FloatTensor(2, 3)`, `LongTensor([1, 2])`.

No tensor is of such a class; `isinstance` asks for the dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.base.bfloat16 import FLOATS, dtype_named
from npnet.ops.dtypes import set_default_dtype
from npnet.tensor import TYPE_NAMES, Tensor

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "set_default_tensor_type",
]


class _TensorType(type):
    """The class of these classes: a call gives a Tensor, and isinstance goes by the dtype."""

    _dtype_name: str

    @property
    def dtype(cls) -> np.dtype[Any]:
        """The dtype of its tensors."""
        return dtype_named(cls._dtype_name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return Tensor._of_dtype(cls.dtype, *args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == cls.dtype

    def __str__(cls) -> str:
        return f"torch.{cls.__name__}"


def _tensor_type(name: str) -> Any:
    of = next(dtype for dtype, known in TYPE_NAMES.items() if known == f"torch.{name}")
    doc = f"""A tensor of {of}: of a list, an array, or sizes, whose values are whatever was there.

    Example:
        >>> npnet.{name}([1, 0, 1]).type(), npnet.{name}(2, 3).shape
        ('torch.{name}', (2, 3))
    """
    return _TensorType(name, (), {"__doc__": doc, "_dtype_name": of, "__module__": "npnet"})


BFloat16Tensor = _tensor_type("BFloat16Tensor")
BoolTensor = _tensor_type("BoolTensor")
ByteTensor = _tensor_type("ByteTensor")
CharTensor = _tensor_type("CharTensor")
DoubleTensor = _tensor_type("DoubleTensor")
FloatTensor = _tensor_type("FloatTensor")
HalfTensor = _tensor_type("HalfTensor")
IntTensor = _tensor_type("IntTensor")
LongTensor = _tensor_type("LongTensor")
ShortTensor = _tensor_type("ShortTensor")


def set_default_tensor_type(t: Any) -> None:
    """`set_default_dtype` by one of these classes or its name, such as "torch.DoubleTensor".

    Example:
        >>> npnet.set_default_tensor_type(npnet.DoubleTensor)
        >>> npnet.zeros(1).dtype
        dtype('float64')
        >>> npnet.set_default_tensor_type("torch.FloatTensor")
    """
    if isinstance(t, str) and "cuda" in t:
        raise TypeError(f"type {t} not available: npnet runs on the CPU, without CUDA")
    names = {known: name for name, known in TYPE_NAMES.items()}
    if isinstance(t, str):
        dtype = dtype_named(names[t]) if t in names else None
    else:
        dtype = getattr(t, "dtype", None)
    if dtype is None or np.dtype(dtype).kind not in FLOATS:
        raise TypeError(f"set_default_tensor_type: must be of floating point, got {t}")
    set_default_dtype(dtype)
