"""`compile`: a network, or its training step, as one program over blocks of images."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from npnet import nn
from npnet.base.checks import unknown_name
from npnet.compiler.inference import CompiledModel
from npnet.compiler.serving import serve
from npnet.compiler.sharded import ShardedStep
from npnet.compiler.step import EagerStep, Step
from npnet.optim import Optimizer
from npnet.tensor import Tensor

__all__ = ["CompiledModel", "EagerStep", "ShardedStep", "Step", "compile", "serve"]


_COMPILERS_MODES = (
    "default",
    "reduce-overhead",
    "max-autotune",
    "max-autotune-no-cudagraphs",
    "lite",
)

_C = TypeVar("_C", bound=Callable[..., Any])


@overload
def compile(model: nn.Module, criterion: Callable[..., Tensor], optimizer: Optimizer) -> Step: ...


@overload
def compile(  # a compiled model is of the model's class too
    model: _C,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> _C: ...


@overload
def compile(
    model: None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Callable[[_C], _C]: ...


def compile(
    model: Callable[..., Any] | None = None,
    criterion: Callable[..., Tensor] | None = None,
    optimizer: Optimizer | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """A training step `step(x, y)` that is faster than the eager loop and does the same:

        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    or, of a model alone, the model with a faster forward pass under `no_grad`. In evaluation, its
    ordinary calls find the same program after some with batches of one shape, see `serving`;
    `compile` makes it at the first, also in training, and says why where there is none.

    A network that is a chain of convolutions, pools, linear layers, activations and norms of each
    image by itself (the LeNets, an MLP, an autoencoder) becomes a program: each thread takes
    sixteen images through all layers, forward, loss and backward, before it takes the next, so that
    they stay in the cache. Networks with batch norm, which needs the whole batch, with additions,
    as residual networks have them, or with Winograd's convolutions become a program in stages:
    batch norm, addition and ReLU are done where the next convolution loads its pixels, forward and
    backward, and its sums where they are made. Running statistics move as in the loop, when the
    step is done; where a sum of a stage is not finite, nothing has moved, and the loop does the
    step. Anything else runs as the eager loop, and a warning says once what it is.

    The program is read off one forward pass, so `forward` must do the same for all images; one of
    the user's own that branches or loops is left to the eager loop. Parameters stay where they are:
    the optimizer, `state_dict` and the user see them change. The gradients of a step are in `grad`,
    in the same memory at every step.

    PyTorch's arguments say how its compiler goes about it and never what is computed. They are
    taken, so that its programs run, and change nothing but for `disable`. A function, which PyTorch
    compiles too, is returned as it is; without a model, `compile` is a decorator.

    Args:
        criterion: `F.cross_entropy`, `F.mse_loss`, their modules, or anything that gives a scalar.
        fullgraph, dynamic, backend, mode, options: PyTorch's, see above.
        disable: return the model itself; not with a criterion.

    Raises:
        TypeError: an argument is of another kind, or only one of criterion and optimizer is given.
        NotImplementedError: `backend` is a function, to which PyTorch gives its graph.
        RuntimeError: PyTorch has no such mode, or both mode and options are given.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> step = npnet.compile(model, F.mse_loss, optim.SGD(model.parameters(), lr=0.1))
        >>> x, y = npnet.ones(16, 2), npnet.zeros(16, 1)
        >>> float(step(x, y)) > float(step(x, y))
        True
    """
    _check_options(backend, mode, options)
    if model is None:
        return functools.partial(compile, disable=disable)
    if not callable(model):
        raise TypeError(
            f"compile: model must be a Module or a function, got a {type(model).__name__}"
        )
    if criterion is not None or optimizer is not None:
        if disable:
            raise TypeError("compile: disable is for a model alone; use the eager loop instead")
        return _step(model, criterion, optimizer)
    if disable or not isinstance(model, nn.Module):
        return model
    return CompiledModel._compiled_form(model)


def _check_options(backend: Any, mode: str | None, options: dict[str, Any] | None) -> None:
    if callable(backend):
        raise NotImplementedError(
            "compile: backend must be a name; a function is given a graph of PyTorch's, which is "
            "not made here"
        )
    if mode is not None and options is not None:
        raise RuntimeError("compile: mode is a set of options; give one of the two, not both")
    if mode is not None and mode not in _COMPILERS_MODES:
        raise RuntimeError(unknown_name("compile: mode", mode, _COMPILERS_MODES))


def _step(model: Any, criterion: Any, optimizer: Any) -> Step:
    if not isinstance(model, nn.Module):
        raise TypeError(f"compile: model must be a Module, got a {type(model).__name__}")
    if not callable(criterion):
        raise TypeError(f"compile: criterion must be callable, got a {type(criterion).__name__}")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"compile: optimizer must be an Optimizer, got a {type(optimizer).__name__}"
        )
    return Step(model, criterion, optimizer)
