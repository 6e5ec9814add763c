"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from npnet.base.checks import ShapeError, check_writable
from npnet.ops.shape import cat
from npnet.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, a copy of shape (count,).

    Raises:
        ValueError: there are no parameters.

    Example:
        >>> nn.utils.parameters_to_vector(nn.Linear(3, 2).parameters()).shape
        (8,)
    """
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Take the values of all parameters from a vector, as `parameters_to_vector` laid them.

    Shape: vec (count,), as many values as the parameters have.

    Raises:
        ShapeError: vec has more or less.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> nn.utils.vector_to_parameters(npnet.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.bias.tolist()
        [3.0]
    """
    tensors = list(parameters)
    count = sum(p.numel() for p in tensors)
    if vec.shape != (count,):
        raise ShapeError(f"vector_to_parameters: vec must be ({count},), got {vec.shape}")
    for p in tensors:
        check_writable("vector_to_parameters", "a parameter", p.array)
    start = 0
    for p in tensors:
        p.data.copy_(vec.detach()[start : start + p.numel()].view_as(p))
        start += p.numel()
