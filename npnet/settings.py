"""Switches of PyTorch's that programs set at their start, and what they mean on one CPU."""

from __future__ import annotations

from typing import Any

from npnet.devices.cpu import CPU, check_device
from npnet.devices.cpu import device as Device

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_default_device",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "set_default_device",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "use_deterministic_algorithms",
]


class _Settings:
    deterministic = False
    warn_only = False
    precision = "highest"
    interop_threads = 1


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for results that are the same in every run: they always are, on one CPU.

    Args:
        mode, warn_only: remembered for those who ask, and change nothing.

    Example:
        >>> npnet.use_deterministic_algorithms(True)
    """
    _Settings.deterministic, _Settings.warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told.

    Example:
        >>> npnet.use_deterministic_algorithms(True)
        >>> npnet.are_deterministic_algorithms_enabled()
        True
    """
    return _Settings.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` was last told as `warn_only`.

    Example:
        >>> npnet.use_deterministic_algorithms(True, warn_only=True)
        >>> npnet.is_deterministic_algorithms_warn_only_enabled()
        True
    """
    return _Settings.deterministic and _Settings.warn_only


def set_float32_matmul_precision(precision: str) -> None:
    """How exact products of float32 must be: always the highest here, which any of them allows.

    Args:
        precision: "highest", "high" or "medium"; remembered, and changes nothing.

    Example:
        >>> npnet.set_float32_matmul_precision("high")
        >>> npnet.get_float32_matmul_precision()
        'high'
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            "set_float32_matmul_precision: must be 'highest', 'high' or 'medium', "
            f"got {precision!r}"
        )
    _Settings.precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was last told.

    Example:
        >>> npnet.get_float32_matmul_precision()
        'highest'
    """
    return _Settings.precision


def set_num_interop_threads(num: int) -> None:
    """How many ops may run side by side: one after the other here, whatever is said.

    Example:
        >>> npnet.set_num_interop_threads(1)
    """
    if num <= 0:
        raise RuntimeError(f"set_num_interop_threads: must be > 0, got {num}")
    _Settings.interop_threads = num


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` was last told.

    Example:
        >>> npnet.get_num_interop_threads() >= 1
        True
    """
    return _Settings.interop_threads


def set_flush_denormal(mode: bool) -> bool:
    """Whether numbers below the smallest normal one are made 0: False, since they can't be.

    Example:
        >>> npnet.set_flush_denormal(True)
        False
    """
    return False


def set_default_device(device: Any) -> None:
    """Accepted if it is the CPU, or None.

    Example:
        >>> npnet.set_default_device("cpu")
    """
    if device is not None:
        check_device(device)


def get_default_device() -> Device:
    """The CPU.

    Example:
        >>> npnet.get_default_device()
        device(type='cpu')
    """
    return CPU
