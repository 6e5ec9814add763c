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
    check_undefined_grad: bool = False,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
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
        check_grad_dtypes: gradients have their input's dtype here by themselves; either will do.
        fast_mode: compare along one random direction of inputs and outputs, v and u, alone:
            sum of u * (f(x + eps * v) - f(x - eps * v)) / (2 * eps) with sum of v * gradient.
        check_undefined_grad, check_batched_grad, check_batched_forward_grad, check_forward_ad,
            masked: PyTorch's checks of what npnet has not; must be off.
        check_backward_ad: must be on.

    Raises:
        GradcheckError: they differ; says where.
        ValueError: no input requires a gradient.
        NotImplementedError: a check is asked for that there is not.

    Example:
        >>> x = npnet.tensor([0.5, 2.0], dtype=npnet.float64, requires_grad=True)
        >>> npnet.autograd.gradcheck(lambda x: x.sin(), x)
        True
    """
    asked = {
        "check_undefined_grad": check_undefined_grad,
        "check_batched_grad": check_batched_grad,
        "check_batched_forward_grad": check_batched_forward_grad,
        "check_forward_ad": check_forward_ad,
        "check_backward_ad=False": not check_backward_ad,
        "masked": masked,
    }
    for name, value in asked.items():
        if value:
            raise NotImplementedError(f"gradcheck: there is no {name}; leave it out")
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    wanted = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck: at least one input must require a gradient")
    try:
        for place, y in enumerate(_outputs(func(*args))):
            if y.requires_grad:
                compare = _check_along if fast_mode else _check
                compare(func, args, wanted, place, (eps, atol, rtol, nondet_tol))
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


def _check_along(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    wanted: list[Tensor],
    place: int,
    bounds: tuple[float, float, float, float],
) -> None:
    """Compare one output along a random direction of it, and one of each input in turn."""
    eps, atol, rtol, nondet = bounds
    rng = np.random.default_rng(0)
    shape = _outputs(func(*args))[place].shape
    u = rng.standard_normal(shape)
    twice = []
    for _ in range(2):
        y = _outputs(func(*args))[place]
        weights = result(u.astype(y.dtype))
        twice.append(grad(y, wanted, weights, allow_unused=True, materialize_grads=True))
    for i, x in enumerate(wanted):
        first, again = (gradients[i].array for gradients in twice)
        if np.abs(first - again).max(initial=0) > nondet:
            raise GradcheckError(f"gradcheck: backward is not the same twice, for input {i}")
        v = rng.standard_normal(x.shape)
        analytical = float(np.vdot(v, first))
        numerical = float(np.vdot(u, _moved(func, args, x, place, eps * v))) / (2 * eps)
        if not np.allclose(analytical, numerical, rtol, atol):
            raise GradcheckError(
                f"gradcheck: derivatives along a random direction differ for output {place} with "
                f"respect to input {i},\nnumerical:{numerical}\nanalytical:{analytical}"
            )


def _moved(
    func: Callable[..., Any], args: tuple[Any, ...], x: Tensor, place: int, step: Array
) -> Array:
    """f(x + step) - f(x - step); x is put back."""
    before, sides = x.array.copy(), []
    with no_grad():
        for sign in (1, -1):
            x.array[...] = before + sign * step
            sides.append(_outputs(func(*args))[place].array.copy())
        x.array[...] = before
    return sides[0] - sides[1]


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
