"""Parameter: a tensor that belongs to a module and is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from npnet.tape import Variable
from npnet.tensor import Tensor, as_tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a Module registers when it is assigned as an attribute.

    Args:
        data: a tensor, whose memory is shared, or what `Tensor` takes; default empty.
        requires_grad: whether `backward` shall fill `grad`.
    """

    __slots__ = ()

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        if data is None:
            data = np.empty(0, np.float32)
        Variable.__init__(self, data.array if isinstance(data, Variable) else as_tensor(data).array)
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        copy = Parameter(self.array.copy(), self.requires_grad)  # without grad, as in PyTorch
        memo[id(self)] = copy
        return copy

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
