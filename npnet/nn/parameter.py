"""Parameter: a tensor that belongs to a module and is trained. Buffer: one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.tape import Variable
from npnet.tensor import Tensor, as_tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a Module registers when it is assigned as an attribute.

    Args:
        data: a tensor or an ndarray, whose memory is shared and whose dtype stays, or what `Tensor`
            takes; default empty.
        requires_grad: whether `backward` shall fill `grad`.

    Raises:
        RuntimeError: requires_grad is true, and data are of integers.

    Example:
        >>> layer = nn.Module()
        >>> layer.scale = nn.Parameter(npnet.ones(2))
        >>> [name for name, _ in layer.named_parameters()]
        ['scale']
        >>> layer.scale
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        Variable.__init__(self, _values(data))
        if requires_grad:
            self.requires_grad = True

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy = type(self)(self.array.copy(), self.requires_grad)  # without grad, as in PyTorch
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a Module registers as a buffer when it is assigned as an attribute.

    Args:
        data: as of `Parameter`.
        persistent: whether it is part of the module's state_dict.

    Example:
        >>> layer = nn.Module()
        >>> layer.mean = nn.Buffer(npnet.zeros(2))
        >>> layer.state_dict()
        OrderedDict([('mean', tensor([0., 0.]))])
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        Variable.__init__(self, _values(data))
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        copy = type(self)(self.array.copy(), persistent=self.persistent)
        memo[id(self)] = copy
        return copy


def _values(data: Any) -> Any:
    if data is None:
        return np.empty(0, np.float32)
    if isinstance(data, Variable):
        return data.array
    return data if type(data) is np.ndarray and data.dtype.kind in "fiub" else as_tensor(data).array
