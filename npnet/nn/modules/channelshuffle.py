"""Channels in another order, as a module."""

from __future__ import annotations

from npnet.nn import functional as F
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """The channels of groups taken in turn.  Shape: (N, C, ...), kept.

    Raises:
        ShapeError: groups does not divide the channels.
        ValueError: groups is below 1.

    Example:
        >>> nn.ChannelShuffle(2)(npnet.arange(6).view(1, 6, 1)).flatten()
        tensor([0, 3, 1, 4, 2, 5])

    Source: Zhang et al. (2018), arXiv:1707.01083, section 3.1.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
