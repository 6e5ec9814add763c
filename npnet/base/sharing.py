"""Arrays on memory that processes share: forked children have it, others are sent its descriptor.

The memory has no name, as that of `multiprocessing.Array`: it is gone with the last process that
has it, however that ends. Source: `multiprocessing.heap`, whose arenas these are.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from npnet.base.arrays import Array

__all__ = ["is_shared", "shared"]


def shared(x: Array) -> Array:
    """A copy of an array on memory that processes share; itself if it is there already."""
    if is_shared(x):
        return x
    from multiprocessing.heap import Arena  # only who shares waits for the import

    strides = np.empty_like(x, subok=False).strides  # the order of its axes in memory
    y = _on(Arena(max(x.nbytes, 1)), x.dtype, 0, x.shape, strides)
    y[...] = x
    return y


def is_shared(x: Array) -> bool:
    """Whether an array lies on memory that processes share."""
    return _arena_of(x) is not None


def _arena_of(x: Array) -> Any:
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    return getattr(base, "npnet_arena", None)


def _on(
    arena: Any, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Array:
    """An array on an arena, which is kept as long as one lies there."""
    _teach_pickling()
    memory: Any = (ctypes.c_char * arena.size).from_buffer(arena.buffer)
    memory.npnet_arena = arena
    return np.ndarray(shape, dtype, memory, offset, strides)


def _reduced(x: Array) -> Any:
    """How an array goes to another process: by its memory if that is shared, else by its values."""
    arena = _arena_of(x)
    if arena is None:
        return x.__reduce__()
    offset = x.ctypes.data - ctypes.addressof(ctypes.c_char.from_buffer(arena.buffer))
    return _on, (arena, x.dtype, offset, x.shape, x.strides)


def _teach_pickling() -> None:
    """Let `multiprocessing` send such arrays, also those that came from another process."""
    from multiprocessing.reduction import ForkingPickler

    ForkingPickler.register(np.ndarray, _reduced)
