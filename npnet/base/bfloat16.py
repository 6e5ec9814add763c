"""bfloat16 by its name alone."""

from __future__ import annotations

from typing import Any

__all__ = ["bfloat16"]


class _BFloat16:
    """The dtype that NumPy has not. No tensor is of it, and to ask for one is refused; programs
    and libraries that only ask whether a dtype is bfloat16 (einops does) get their no.
    """

    __slots__ = ()

    is_floating_point = True
    is_complex = False
    itemsize = 2

    @property
    def dtype(self) -> Any:
        """What NumPy looks for, and why it finds none."""
        raise TypeError("bfloat16: NumPy has no such dtype, so no tensor is of it; use float32")

    def __repr__(self) -> str:
        return "npnet.bfloat16"

    def __reduce__(self) -> str:
        return "bfloat16"


bfloat16 = _BFloat16()
