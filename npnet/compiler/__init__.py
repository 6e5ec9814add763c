"""`compile`: a network, or its training step, as one program over blocks of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

from npnet import nn
from npnet.compiler.inference import CompiledModel
from npnet.compiler.step import EagerStep, Step
from npnet.optim import Optimizer
from npnet.tensor import Tensor

__all__ = ["CompiledModel", "EagerStep", "Step", "compile"]


@overload
def compile(model: nn.Module) -> CompiledModel: ...


@overload
def compile(model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer) -> Step: ...


def compile(
    model: nn.Module,
    criterion: Callable[..., Tensor] | None = None,
    optimizer: Optimizer | None = None,
) -> CompiledModel | Step:
    """A training step `step(x, y)` that is faster than the eager loop and does the same:

        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    or, of a model alone, the model with a faster forward pass under `no_grad`.

    A network that is a chain of convolutions, pools, linear layers, activations and norms of each
    image by itself (the LeNets, an MLP, an autoencoder) becomes a program: each thread takes
    sixteen images through all layers, forward, loss and backward, before it takes the next, so that
    they stay in the cache. Where batch norm needs the whole batch, or Winograd's algorithm is
    faster, the layers run one after the other as in the eager loop, whose kernels are fused with
    their neighbours. Anything else runs as the eager loop too, and a warning says once what it is.

    The program is read off one forward pass, so `forward` must do the same for all images; one of
    the user's own that branches or loops is left to the eager loop. Parameters stay where they are:
    the optimizer, `state_dict` and the user see them change. The gradients of a step are in `grad`,
    in the same memory at every step.

    Args:
        criterion: `F.cross_entropy`, `F.mse_loss`, their modules, or anything that gives a scalar.

    Raises:
        TypeError: an argument is of another kind, or only one of criterion and optimizer is given.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"compile: model must be a Module, got a {type(model).__name__}")
    if criterion is None and optimizer is None:
        return CompiledModel._compiled_form(model)
    if not callable(criterion):
        raise TypeError(f"compile: criterion must be callable, got a {type(criterion).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"compile: optimizer must be an Optimizer, got a {type(optimizer).__name__}"
        )
    return Step(model, criterion, optimizer)
