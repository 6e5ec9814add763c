"""Axes made one, and one made several, as modules."""

from __future__ import annotations

from collections.abc import Sequence

from npnet.base.checks import check_count
from npnet.nn.module import Module
from npnet.ops import shape
from npnet.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """The axes from start_dim to end_dim made one.  Shape: (N, ...) -> (N, -1) by default.

    Raises:
        IndexError: there is no such axis.
        ValueError: start_dim comes after end_dim.

    Example:
        >>> nn.Flatten()(npnet.zeros(8, 16, 5, 5)).shape
        (8, 400)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis made several.  Shape: (..., A * B, ...) -> (..., A, B, ...).

    Args:
        dim: the axis, a number.
        unflattened_size: what it becomes; one size may be -1.

    Raises:
        TypeError: dim, or a size, is no int.
        IndexError: there is no axis `dim`.
        ShapeError: the sizes do not multiply to that of the axis.

    Example:
        >>> nn.Unflatten(1, (16, 5, 5))(npnet.zeros(8, 400)).shape
        (8, 16, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(dim, int):
            raise TypeError(f"Unflatten: dim must be a number of an axis, got {dim!r}")
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"Unflatten: unflattened_size must be a tuple of ints, got {unflattened_size!r}"
            )
        for size in unflattened_size:
            check_count("Unflatten", "each size", size, least=-1)
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        axis = shape.axis("Unflatten", self.dim, input.ndim)
        size = (*input.shape[:axis], *self.unflattened_size, *input.shape[axis + 1 :])
        return input.reshape(size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
