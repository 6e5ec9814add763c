"""What is done to the parameters of a network as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_bound, check_writable
from npnet.ops import _sums
from npnet.ops.shape import cat
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "parameters_to_vector",
    "vector_to_parameters",
]

ROW = 4096  # squares that are added up at a time


@np.errstate(all="ignore")  # infinity and NaN are values, which the caller may ask about
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together so that their norm is at most `max_norm`: g *= min(1, m / |g|).

    Args:
        norm_type: p of the p-norm; infinity takes the largest absolute value.
        error_if_nonfinite: RuntimeError if the norm is NaN or infinite.
        foreach: how PyTorch loops over the parameters; changes nothing here.

    Returns:
        The norm before scaling.

    Source: Pascanu, Mikolov, Bengio (2013), algorithm 1.
    """
    check_bound("clip_grad_norm_", "max_norm", max_norm)
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad.array for p in tensors if p.grad is not None]
    if not gradients:
        return result(np.float32(0))
    for g in gradients:
        check_writable("clip_grad_norm_", "a gradient", g)
    norms = np.array([_norm(g, norm_type) for g in gradients], np.float64)
    total = np.asarray(np.linalg.norm(norms, norm_type), gradients[0].dtype)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is not finite: {total}")
    scale = np.minimum(max_norm / (total + 1e-6), 1)  # 1e-6 and NaN's way through as in PyTorch
    for g in gradients:
        g *= scale.astype(g.dtype)
    return result(total)


def _norm(x: Array, p: float) -> Any:
    """The p-norm of all values."""
    if p != 2 or x.size <= ROW:
        return np.linalg.norm(x.ravel(), p)  # NumPy adds in pairs
    whole, flat = x.size // ROW * ROW, x.ravel()
    rows = flat[:whole].reshape(-1, ROW)
    squares = _sums.add_products(rows, rows, (0, 1)) + np.vdot(flat[whole:], flat[whole:])
    return np.sqrt(squares)


@np.errstate(all="ignore")
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit each gradient to [-clip_value, clip_value]. `foreach` changes nothing here."""
    check_bound("clip_grad_value_", "clip_value", clip_value)
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad.array for p in tensors if p.grad is not None]
    for g in gradients:
        check_writable("clip_grad_value_", "a gradient", g)
    for g in gradients:
        np.clip(g, -clip_value, clip_value, out=g)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, a copy of shape (count,)."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Take the values of all parameters from a vector, as `parameters_to_vector` laid them."""
    tensors = list(parameters)
    count = sum(p.numel() for p in tensors)
    if vec.shape != (count,):
        raise ShapeError(f"vector_to_parameters: vec must be ({count},), got {vec.shape}")
    for p in tensors:
        check_writable("vector_to_parameters", "a parameter", p.array)
    start = 0
    for p in tensors:
        p.data.copy_(vec.detach()[start : start + p.numel()].view_as(p))
        start += p.numel()
