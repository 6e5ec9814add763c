"""Dropout as a module."""

from __future__ import annotations

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, values are 0 with probability p and else x / (1 - p).  Shape: any."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must lie in [0, 1], got {p:g}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
