"""The names of `torch.sparse` that dense tensors have a meaning for; there are no sparse ones."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from npnet.ops import products, reduce

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["mm", "sum"]


def mm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    return products.mm(mat1, mat2)


def sum(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """The sum over all axes, or those in `dim`."""
    return reduce.sum(input, dim)


def __getattr__(name: str) -> Any:
    if name == "torch":  # programs of old write torch.sparse.torch.eye
        return importlib.import_module("npnet")
    raise AttributeError(f"module 'npnet.sparse' has no attribute '{name}': all tensors are dense")
