"""Flatten as a module."""

from __future__ import annotations

from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["Flatten"]


class Flatten(Module):
    """The axes from start_dim to end_dim made one.  Shape: (N, ...) -> (N, -1) by default."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
