"""The names of `torch.distributed` that say that there is one process, as `is_available` does."""

from __future__ import annotations

from typing import Any

__all__ = [
    "init_process_group",
    "is_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
]


def is_available() -> bool:
    """False: npnet runs in one process, and shares work among threads by itself."""
    return False


is_initialized = is_torchelastic_launched = is_available
is_gloo_available = is_mpi_available = is_nccl_available = is_available


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """RuntimeError: there are no other processes."""
    raise RuntimeError(
        "distributed: npnet trains in one process, whose threads share the work by themselves; "
        "ask distributed.is_available() first, which is False"
    )


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'npnet.distributed' has no attribute '{name}': npnet trains in one process; ask "
        "distributed.is_available() first, which is False"
    )
