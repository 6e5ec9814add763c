"""Parameter: a tensor that belongs to a module and is trained."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from npnet.tensor import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a Module registers when it is assigned as an attribute."""

    __slots__ = ()

    def __init__(
        self, data: Any, requires_grad: bool = True, dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(data.array if isinstance(data, Tensor) else data, dtype, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
