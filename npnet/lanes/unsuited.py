"""Why a network is left to the loop."""

from __future__ import annotations

__all__ = ["Layered", "Unsuited"]


class Unsuited(Exception):
    """Why calls can't be kept in a program: the network is left to the eager loop."""


class Layered(Unsuited):
    """Why a network of kernels is run layer by layer: there is nothing to mend."""
