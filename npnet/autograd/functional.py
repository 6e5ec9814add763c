"""Derivatives of functions: the names of `torch.autograd.functional` that need no second ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.autograd.gradients import grad
from npnet.base.grad_mode import enable_grad
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["jacobian", "vjp"]


def vjp(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Tensor],
    v: Tensor | Sequence[Tensor] | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """What a function gives, and the product of a vector with its Jacobian.

    Args:
        func: takes tensors, gives one or a tuple of them.
        inputs: one tensor or several; the second result is of the same form.
        v: like what the function gives; may be left out for a single value.
        strict: raise where the outputs do not depend on an input, instead of giving zeros.

    Raises:
        NotImplementedError: create_graph is asked for.

    Example:
        >>> x, v = npnet.tensor([1.0, 3.0]), npnet.tensor([1.0, 10.0])
        >>> npnet.autograd.functional.vjp(lambda x: x * x, x, v)
        (tensor([1., 9.]), tensor([ 2., 60.]))
    """
    single, args, outputs = _applied("vjp", func, inputs, create_graph)
    several = isinstance(outputs, (tuple, list))
    gradients = grad(outputs, args, v, allow_unused=not strict, materialize_grads=not strict)
    values = tuple([y.detach() for y in outputs]) if several else outputs.detach()
    return values, gradients[0] if single else gradients


def jacobian(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Tensor],
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every value that a function gives by every value of its inputs.

    Args:
        func: takes tensors, gives one or a tuple of them.
        inputs: one tensor, or several.
        strict: raise where the outputs do not depend on an input, instead of giving zeros.
        vectorize: changes nothing.
        strategy: "reverse-mode" alone.

    Returns:
        For one input x and one output y a tensor (*y.shape, *x.shape); for several inputs a tuple
        of these, and for several outputs a tuple of what there would be for each.

    Raises:
        NotImplementedError: create_graph or another strategy is asked for.

    Example:
        >>> x = npnet.tensor([1.0, 3.0])
        >>> npnet.autograd.functional.jacobian(lambda x: x * x, x)
        tensor([[2., 0.],
                [0., 6.]])
    """
    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: only 'reverse-mode' is supported, got {strategy!r}")
    single, args, outputs = _applied("jacobian", func, inputs, create_graph)
    several = isinstance(outputs, (tuple, list))
    parts = [_jacobians(y, args, strict) for y in (outputs if several else (outputs,))]
    chosen = [part[0] if single else part for part in parts]
    return tuple(chosen) if several else chosen[0]


def _applied(
    op: str, func: Callable[..., Any], inputs: Tensor | Sequence[Tensor], create_graph: bool
) -> tuple[bool, tuple[Tensor, ...], Any]:
    if create_graph:
        raise NotImplementedError(f"{op}: create_graph is not supported")
    single = isinstance(inputs, Tensor)
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    args = tuple([x.detach().requires_grad_() for x in given])
    with enable_grad():
        return single, args, func(*args)


def _jacobians(y: Tensor, args: tuple[Tensor, ...], strict: bool) -> tuple[Tensor, ...]:
    rows = []
    for index in np.ndindex(y.shape):
        unit = np.zeros(y.shape, y.dtype)
        unit[index] = 1
        rows.append(
            grad(
                y, args, result(unit), retain_graph=True, allow_unused=not strict,
                materialize_grads=not strict,
            )
        )  # fmt: skip
    return tuple(
        [
            result(np.stack([row[i].array for row in rows]).reshape(*y.shape, *x.shape))
            if rows
            else result(np.zeros((*y.shape, *x.shape), x.dtype))
            for i, x in enumerate(args)
        ]
    )
