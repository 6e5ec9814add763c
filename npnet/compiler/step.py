"""A training step: by a program where the network is a chain, else by the eager loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from npnet import nn
from npnet._grad_mode import is_grad_enabled
from npnet.compiler.chain import Link, Unsuited
from npnet.compiler.programs import Programs
from npnet.optim import Optimizer
from npnet.tensor import Tensor

__all__ = ["EagerStep", "Step"]


class EagerStep:
    """A training step as it is written by hand, in npnet or, word for word, in PyTorch.

    Attributes:
        output: what the network gave for the last batch, for instance logits (N, classes).
    """

    output: Any = None

    def __init__(self, model: Any, criterion: Callable[..., Any], optimizer: Any) -> None:
        self.model, self.criterion, self.optimizer = model, criterion, optimizer

    def __call__(self, x: Any, y: Any) -> Any:
        """Forward, loss, backward and update on one batch. Returns the loss, without history.

        Args:
            x: images (N, C, H, W) or features (N, F).
            y: what the criterion takes: class numbers (N,), or targets (N, F).
        """
        loss = self.gradients(x, y)
        self.optimizer.step()
        return loss

    def gradients(self, x: Any, y: Any) -> Any:
        """The same without the update: parameters get their gradients, and only this batch's."""
        output = self.model(x)
        loss = self.criterion(output, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.output = output.detach()
        return loss.detach()


class Step(EagerStep):
    """What `compile` returns for training: `step(x, y)` makes one training step."""

    def __init__(
        self, model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer
    ) -> None:
        super().__init__(model, criterion, optimizer)
        self._programs = Programs(model, self._build)

    @property
    def fallback(self) -> str | None:
        """Why the last batch had no program, such as batch norm; None if it had one."""
        return self._programs.fallback

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """The same without the update: parameters get their gradients, and only this batch's.

        A program writes the gradients of each batch into the same memory.
        """
        program = self._programs.of(x) if is_grad_enabled() else None
        loss = None if program is None else program.run(x.array, y.array)
        if program is None or loss is None:
            return super().gradients(x, y)
        for p, g in program.gradients.items():
            p.grad = g if p.requires_grad else None
        self.output = Tensor(program.output.copy())
        return Tensor(np.asarray(loss))

    def _build(self, links: list[Link], shape: tuple[int, ...], slots: int) -> Any:
        # here: NumPy alone needs nothing of it
        from npnet.compiler.build import TrainingProgram
        from npnet.compiler.losses import loss_of

        loss = loss_of(self.criterion)
        if loss is None:
            raise Unsuited(
                "its criterion is neither cross_entropy nor mse_loss with options that have kernels"
            )
        return TrainingProgram(links, shape, slots, loss)
