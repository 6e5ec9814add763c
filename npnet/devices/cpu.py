"""`device`, so that programs that ask for one run: npnet has the CPU alone."""

from __future__ import annotations

from typing import Any

__all__ = ["device"]


class device:
    """The place where a tensor lives: `device("cpu")`, also `device("cpu", 0)` or `"cpu:0"`.

    Attributes:
        type: always "cpu".
        index: the number that was given, or None.

    Raises:
        NotImplementedError: for any other kind.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            index = type.index
        kind, _, number = str(type).partition(":")
        if kind != "cpu":
            raise NotImplementedError(
                f"device: npnet runs on the CPU only, got '{type}'; "
                "use 'cpu', or ask cuda.is_available() first, which is False"
            )
        if number and not number.isdigit():
            raise RuntimeError(f"device: the index must be a number, got '{type}'")
        self.type, self.index = kind, int(number) if number and index is None else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.index == other.index

    def __hash__(self) -> int:
        return hash((device, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


CPU = device()
