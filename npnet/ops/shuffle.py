"""Channels in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from npnet.base.checks import ShapeError, check_count
from npnet.ops import shape
from npnet.ops.broadcasting import check_tensors

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = ["channel_shuffle"]


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The first channels of all groups, then the second ones, and so on.

    Shape: (N, C, ...) -> the same.

    Raises:
        ShapeError: the groups do not divide the channels, or there are fewer than two axes.

    Example:
        >>> npnet.channel_shuffle(npnet.arange(6).reshape(1, 6, 1), 2).flatten()
        tensor([0, 3, 1, 4, 2, 5])

    Source: Zhang et al. (2018), arXiv:1707.01083, section 3.1.
    """
    check_tensors("channel_shuffle", input)
    count = check_count("channel_shuffle", "groups", groups)
    if input.ndim < 3:
        raise ShapeError(f"channel_shuffle: input must have axes (N, C, ...), got {input.shape}")
    n, channels, *pixels = input.shape
    if channels % count:
        raise ShapeError(
            f"channel_shuffle: groups must divide the number of channels, got {groups}; input "
            f"{input.shape}"
        )
    grouped = shape.reshape(input, (n, count, channels // count, *pixels))
    return shape.reshape(shape.transpose(grouped, 1, 2), input.shape)
