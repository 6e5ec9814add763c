"""A training step: by a program where the network is a chain, else by the eager loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from npnet import nn
from npnet._grad_mode import is_grad_enabled
from npnet._threads import get_num_threads
from npnet.backend import lanes_wanted
from npnet.compiler.chain import Layered, Unsuited, trace
from npnet.optim import Optimizer
from npnet.tensor import Tensor

__all__ = ["EagerStep", "Step", "compile"]

KEPT = 8  # programs, one for each batch shape: training has the full batch and the last of an epoch


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
    """What `compile` returns: `step(x, y)` makes one training step.

    Attributes:
        fallback: why there is no program, such as batch norm; None before the first step, and
            where there is one.
    """

    def __init__(
        self, model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer
    ) -> None:
        super().__init__(model, criterion, optimizer)
        self.fallback: str | None = None
        self._programs: dict[tuple[int, ...], Any] = {}
        self._hooks: list[dict[int, Any]] = []

    def gradients(self, x: Tensor, y: Tensor) -> Tensor:
        """The same without the update: parameters get their gradients, and only this batch's.

        A program writes the gradients of each batch into the same memory.
        """
        program = self._program(x)
        loss = None if program is None else program.run(x.array, y.array)
        if loss is None:
            return super().gradients(x, y)
        for p, g in program.gradients.items():
            p.grad = g
        self.output = Tensor(program.logits.copy())
        return Tensor(np.asarray(loss))

    # ---- the program ---------------------------------------------------------------------------

    def _program(self, x: Tensor) -> Any:
        """The program for batches like `x`, made at the first of them; None for the eager loop."""
        if self.fallback is not None or not is_grad_enabled() or any(self._hooks):
            return None
        program = self._programs.get(x.shape)
        if program is None or program.slots < get_num_threads() or not program.fits():
            program = self._new_program(x)
        return program

    def _new_program(self, x: Tensor) -> Any:
        self._programs.pop(x.shape, None)
        if len(self._programs) >= KEPT:
            self._programs.clear()
        try:
            program = self._programs[x.shape] = self._build(x)
            return program
        except Layered as error:
            self.fallback = str(error)
        except Unsuited as error:
            self.fallback = str(error)
            warnings.warn(
                f"compile: {type(self.model).__name__} runs as an eager loop: {error}",
                UserWarning,
                stacklevel=5,
            )
        return None

    def _build(self, x: Tensor) -> Any:
        if not lanes_wanted():
            raise Layered("the numba backend is not in use")
        if x.dtype != np.float32 or x.numel() == 0:
            raise Layered(f"batches of {x.dtype} {x.shape} have no kernels")
        # here: NumPy alone needs nothing of it
        from npnet.compiler.build import TrainingProgram, known
        from npnet.compiler.losses import loss_of

        loss = loss_of(self.criterion)
        links = trace(self.model, x, known)
        if loss is None:
            raise Unsuited(
                "its criterion is neither cross_entropy nor mse_loss with their defaults"
            )
        self._hooks = [
            hooks
            for module in self.model.modules()
            for hooks in (module._forward_hooks, module._forward_pre_hooks)
        ]
        return TrainingProgram(links, loss, x.shape, get_num_threads())


def compile(model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer) -> Step:
    """A training step `step(x, y)` that is faster than the eager loop and does the same.

        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    A network that is a chain of convolutions, pools, linear layers and activations (the LeNets, an
    MLP) becomes a program: each thread takes sixteen images through all layers, forward, loss and
    backward, before it takes the next, so that they stay in the cache. Where batch norm needs the
    whole batch, or Winograd's algorithm is faster, the layers run one after the other as in the
    eager loop, whose kernels are fused with their neighbours. Anything else runs as the eager loop
    too, and a warning says once what it is.

    The program is read off one forward pass, so `forward` must do the same for all images; one of
    the user's own that branches or loops is left to the eager loop. Parameters stay where they are:
    the optimizer, `state_dict` and the user see them change. The gradients of a step are in `grad`,
    in the same memory at every step.

    Args:
        criterion: `F.cross_entropy`, `F.mse_loss`, their modules, or anything that gives a scalar.

    Raises:
        TypeError: the model is no Module, or the optimizer no Optimizer.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"compile: model must be a Module, got a {type(model).__name__}")
    if not callable(criterion):
        raise TypeError(f"compile: criterion must be callable, got a {type(criterion).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"compile: optimizer must be an Optimizer, got a {type(optimizer).__name__}"
        )
    return Step(model, criterion, optimizer)
