"""`device`, so that programs that ask for one run: npnet has the CPU alone."""

from __future__ import annotations

from typing import Any

__all__ = ["NoAcceleratorError", "check_device", "device"]

# What PyTorch has names of; a device of any of them may be made, but nothing lives there.
_KINDS = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
    "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip


class NoAcceleratorError(NotImplementedError, AssertionError):
    """Something was to live elsewhere than on the CPU; PyTorch's CPU build raises the latter."""


class device:
    """The place where a tensor lives: `device("cpu")`, also `device("cpu", 0)` or `"cpu:0"`.

    One of another kind, such as "cuda", may be made and asked for its type, as in PyTorch without
    a GPU; to use it is an error.

    Attributes:
        type: the kind.
        index: the number that was given, or None.

    Raises:
        RuntimeError: there is no such kind, or the index is no number.

    Example:
        >>> npnet.device("cpu", 0), npnet.device("cuda").type
        (device(type='cpu', index=0), 'cuda')
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            index = type.index
        if isinstance(type, int):
            raise RuntimeError(f"device: there is no accelerator that could have the number {type}")
        kind, _, number = str(type).partition(":")
        if kind not in _KINDS:
            raise RuntimeError(
                f"device: expected one of {', '.join(_KINDS[:2])}, ... at the start, got '{type}'"
            )
        if number and not number.isdigit():
            raise RuntimeError(f"device: the index must be a number, got '{type}'")
        self.type, self.index = kind, int(number) if number and index is None else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((device, self.type, self.index))

    def __enter__(self) -> device:
        check_device(self)
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"


def check_device(place: Any) -> None:
    """NoAcceleratorError unless a device, or what names one, is the CPU."""
    if device(place).type != "cpu":
        raise NoAcceleratorError(
            f"device: npnet runs on the CPU only, got '{place}' (as a PyTorch not compiled with "
            "CUDA enabled); use 'cpu', or ask cuda.is_available() first, which is False"
        )


CPU = device()
