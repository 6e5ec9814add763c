"""A model whose forward pass is a program where nothing is recorded."""

from __future__ import annotations

import contextlib
from typing import Any

from npnet import nn
from npnet._grad_mode import is_grad_enabled
from npnet._threads import new_lock
from npnet.compiler.chain import Link, Unsuited
from npnet.compiler.programs import Programs
from npnet.tensor import Tensor

__all__ = ["CompiledModel"]


class CompiledModel:
    """What `compile` returns of a model alone: called like it, and with all that it has.

    Under `no_grad` a chain of layers runs as a program, for one Python thread after the other; with
    gradients it is the model itself.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._programs = Programs(model, self._build)
        self._lock = new_lock()  # a program has one set of buffers

    @property
    def fallback(self) -> str | None:
        """Why the last batch had no program, such as batch norm; None if it had one."""
        return self._programs.fallback

    def __call__(self, x: Tensor) -> Tensor:
        """What the model gives for images (N, C, H, W) or features (N, F)."""
        if not is_grad_enabled():
            with self._lock:
                if (program := self._programs.of(x)) is not None:
                    return Tensor(program.infer(x.array))
        return self.model(x)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    @staticmethod
    def _build(links: list[Link], shape: tuple[int, ...], slots: int) -> Any:
        # here: NumPy alone needs nothing of it
        from npnet.compiler.build import InferenceProgram
        from npnet.compiler.few import FEW, FewImages

        if shape[0] <= FEW:
            with contextlib.suppress(Unsuited):
                return FewImages(links, shape, slots)
        return InferenceProgram(links, shape, slots)
