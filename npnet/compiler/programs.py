"""The programs of a model, made when they are first wanted, or why there are none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from npnet import nn
from npnet._threads import get_num_threads
from npnet.backend import lanes_wanted
from npnet.compiler.chain import Layered, Link, Unsuited, trace
from npnet.tensor import Tensor

__all__ = ["Programs"]

Build: TypeAlias = Callable[[list[Link], tuple[int, ...], int], Any]
Modes: TypeAlias = tuple[bool, ...]  # of each module: in training, or not

KEPT = 8  # programs: training has the full batch and the last of an epoch, in two modes


class Programs:
    """Programs by the shape of the batch and the modes of the modules.

    Args:
        build: makes one of the layers of a chain, the shape, and how many threads there are.

    Attributes:
        fallback: why the last batch had none; None if it had one.
    """

    fallback: str | None = None

    def __init__(self, model: nn.Module, build: Build) -> None:
        self.model, self.build = model, build
        self._programs: dict[tuple[tuple[int, ...], Modes], Any] = {}
        self._unsuited: dict[Modes, str] = {}
        self._modules = list(model.modules())
        self._hooks = [h for m in self._modules for h in (m._forward_hooks, m._forward_pre_hooks)]

    def of(self, x: Tensor) -> Any:
        """The program for a batch like `x`, or None."""
        modes = tuple([m.training for m in self._modules])
        self.fallback = self._unsuited.get(modes) or self._reason(x)
        if self.fallback is not None:
            return None
        program = self._programs.get((x.shape, modes))
        if program is None or program.slots < get_num_threads() or not program.fits():
            program = self._new(x, modes)
        return program

    def _reason(self, x: Tensor) -> str | None:
        """Why this batch is left to the eager loop, whatever the layers are."""
        if any(self._hooks):
            return "it has forward hooks"
        if not lanes_wanted():
            return "the numba backend is not in use"
        if x.dtype != np.float32 or not x.numel():
            return f"batches of {x.dtype} {tuple(x.shape)} have no kernels"
        return None

    def _new(self, x: Tensor, modes: Modes) -> Any:
        """A new program; where there can be none, a warning says once why."""
        self._programs.pop((x.shape, modes), None)
        if len(self._programs) >= KEPT:
            self._programs.clear()
        try:
            program = self.build(trace(self.model, x), x.shape, get_num_threads())
        except Unsuited as error:
            self.fallback = self._unsuited[modes] = str(error)
            if not isinstance(error, Layered):
                name = type(self.model).__name__
                warnings.warn(
                    f"compile: {name} runs as an eager loop: {error}", UserWarning, stacklevel=5
                )
            return None
        self._programs[x.shape, modes] = program
        return program
