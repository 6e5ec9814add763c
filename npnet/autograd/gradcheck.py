"""gradcheck: derivatives by hand against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from npnet.autograd.gradients import grad
from npnet.base.arrays import Array
from npnet.base.grad_mode import no_grad
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["GradcheckError", "gradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is not what finite differences give."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Whether the derivatives of a function agree with finite differences.

        (f(x + eps * e) - f(x - eps * e)) / (2 * eps)

    for each unit vector e, of each input that requires a gradient; they should be float64.

    Args:
        func: gives a Tensor, or a tuple of them.
        inputs: its arguments.
        atol, rtol: |a - n| <= atol + rtol * |n| must hold of each analytical a and numerical n.
        raise_exception: raise where they differ, instead of returning False.
        nondet_tol: how much the derivative may differ if it is computed again.

    Raises:
        GradcheckError: they differ; says where.
        ValueError: no input requires a gradient.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: at least one input must require a gradient")
    try:
        for place, y in enumerate(_outputs(func(*args))):
            if y.requires_grad:
                _check(func, args, wanted, place, (eps, atol, rtol, nondet_tol))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _outputs(output: Any) -> tuple[Tensor, ...]:
    values = output if isinstance(output, (tuple, list)) else (output,)
    return tuple([y for y in values if isinstance(y, Tensor)])


def _check(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    wanted: list[Tensor],
    place: int,
    bounds: tuple[float, float, float, float],
) -> None:
    """Compare the derivatives of one output."""
    eps, atol, rtol, nondet = bounds
    analytical, again = (_analytical(func, args, wanted, place) for _ in range(2))
    for i, x in enumerate(wanted):
        if np.abs(analytical[i] - again[i]).max(initial=0) > nondet:
            raise GradcheckError(f"gradcheck: backward is not the same twice, for input {i}")
        numerical = _numerical(func, args, x, place, eps)
        if not np.allclose(analytical[i], numerical, rtol, atol):
            raise GradcheckError(
                f"gradcheck: Jacobian mismatch for output {place} with respect to input {i},\n"
                f"numerical:{numerical}\nanalytical:{analytical[i]}"
            )


def _analytical(
    func: Callable[..., Any], args: tuple[Any, ...], wanted: list[Tensor], place: int
) -> list[Array]:
    """The Jacobians, each (values of x, values of y), by backward for each value of y."""
    y = _outputs(func(*args))[place]
    rows: list[tuple[Tensor, ...]] = []
    for k in range(y.numel()):
        unit = np.zeros(y.shape, y.dtype)
        unit.reshape(-1)[k] = 1
        rows.append(
            grad(
                y, wanted, result(unit), retain_graph=True, allow_unused=True,
                materialize_grads=True,
            )
        )  # fmt: skip
    return [
        np.stack([row[i].array.reshape(-1) for row in rows], 1)
        if rows
        else np.zeros((x.numel(), 0))
        for i, x in enumerate(wanted)
    ]


def _numerical(
    func: Callable[..., Any], args: tuple[Any, ...], x: Tensor, place: int, eps: float
) -> Array:
    """The Jacobian (values of x, values of y) by differences; x is put back."""
    columns = []
    with no_grad():
        for index in np.ndindex(x.shape):
            before, sides = x.array[index], []
            for step in (eps, -eps):
                x.array[index] = before + step
                sides.append(_outputs(func(*args))[place].array.copy())
            x.array[index] = before
            columns.append(((sides[0] - sides[1]) / (2 * eps)).reshape(-1))
    return np.stack(columns) if columns else np.zeros((0, 0))
