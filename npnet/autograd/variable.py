"""Variable: PyTorch's old name of a tensor on the tape."""

from __future__ import annotations

import warnings
from typing import Any

from npnet.tensor import Tensor

__all__ = ["Variable"]


class _Kind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_Kind):
    """`Variable(tensor)` is a Tensor on the same memory, a leaf; every Tensor is a Variable.

    Args:
        data: a tensor.
        requires_grad: whether `backward` shall fill its `grad`.
        volatile: without effect but for a warning, as in PyTorch since 0.4; use `no_grad`.

    Example:
        >>> x = npnet.autograd.Variable(npnet.tensor([1.0, 2.0]), requires_grad=True)
        >>> x.is_leaf, x.requires_grad, isinstance(x, npnet.Tensor)
        (True, True, True)
    """

    def __new__(  # type: ignore[misc] # as in PyTorch, it makes a Tensor
        cls, data: Tensor | None = None, requires_grad: bool = False, volatile: bool | None = None
    ) -> Tensor:
        if volatile is not None:
            warnings.warn(
                "volatile was removed and now has no effect. Use `with npnet.no_grad():` instead.",
                stacklevel=2,
            )
        if data is None:
            data = Tensor([])
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Variable: data must be a Tensor, got {type(data).__name__}; from_numpy makes one "
                "of an ndarray, tensor of numbers"
            )
        return data.detach().requires_grad_(requires_grad)
