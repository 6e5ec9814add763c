"""Limits for gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import check_bound, check_writable, kind_of
from npnet.nn.module import Module
from npnet.ops import _sums
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
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

    Raises:
        ValueError: max_norm is below 0 or NaN.
        RuntimeError: the norm is NaN or infinite, and error_if_nonfinite is true.

    Example:
        >>> p = nn.Parameter(npnet.zeros(2))
        >>> p.grad = npnet.tensor([3.0, 4.0])
        >>> nn.utils.clip_grad_norm_([p], max_norm=1.0)
        tensor(5.)
        >>> p.grad.round(decimals=2)
        tensor([0.6000, 0.8000])

    Source: Pascanu, Mikolov, Bengio (2013), algorithm 1.
    """
    check_bound("clip_grad_norm_", "max_norm", max_norm)
    gradients = _gradients(parameters)
    for g in gradients:
        check_writable("clip_grad_norm_", "a gradient", g)
    total = _total("clip_grad_norm_", gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, total)
    return result(total)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    if isinstance(parameters, Module):
        raise TypeError(
            f"clip_grad: takes tensors, got a {kind_of(parameters)}; pass module.parameters()"
        )
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad.array for p in tensors if p.grad is not None]


def _total(op: str, arrays: list[Array], norm_type: float, error_if_nonfinite: bool) -> Array:
    """The norm of all arrays together."""
    if not arrays:
        return np.zeros((), np.float32)
    norms = np.array([_norm(a, norm_type) for a in arrays], np.float64)
    total = np.asarray(np.linalg.norm(norms, norm_type), arrays[0].dtype)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(f"{op}: the norm of the gradients is not finite: {total}")
    return total


def _scale(gradients: list[Array], max_norm: float, total: Array) -> None:
    scale = np.minimum(max_norm / (total + 1e-6), 1)  # 1e-6 and NaN's way through as in PyTorch
    for g in gradients:
        g *= scale.astype(g.dtype)


@np.errstate(all="ignore")
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector. `foreach` changes nothing.

    Shape: any -> ().

    Raises:
        RuntimeError: the norm is NaN or infinite, and error_if_nonfinite is true.

    Example:
        >>> nn.utils.get_total_norm([npnet.tensor([3.0]), npnet.tensor([[4.0]])])
        tensor(5.)
    """
    arrays = [t.array for t in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    return result(_total("get_total_norm", arrays, norm_type, error_if_nonfinite))


@np.errstate(all="ignore")
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients by min(1, max_norm / total_norm). `foreach` changes nothing here.

    Raises:
        ValueError: max_norm is below 0 or NaN.

    Example:
        >>> p = nn.Parameter(npnet.zeros(2))
        >>> p.grad = npnet.tensor([3.0, 4.0])
        >>> nn.utils.clip_grads_with_norm_([p], 1.0, npnet.tensor(10.0))
        >>> p.grad.round(decimals=2)
        tensor([0.3000, 0.4000])
    """
    check_bound("clip_grads_with_norm_", "max_norm", max_norm)
    gradients = _gradients(parameters)
    for g in gradients:
        check_writable("clip_grads_with_norm_", "a gradient", g)
    _scale(gradients, max_norm, total_norm.array)


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """`clip_grad_norm_`, by the name that PyTorch deprecates, with its warning."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


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
    """Limit each gradient to [-clip_value, clip_value]. `foreach` changes nothing here.

    Raises:
        ValueError: clip_value is below 0 or NaN.

    Example:
        >>> p = nn.Parameter(npnet.zeros(2))
        >>> p.grad = npnet.tensor([3.0, -0.5])
        >>> nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        tensor([ 1.0000, -0.5000])
    """
    check_bound("clip_grad_value_", "clip_value", clip_value)
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    gradients = [p.grad.array for p in tensors if p.grad is not None]
    for g in gradients:
        check_writable("clip_grad_value_", "a gradient", g)
    for g in gradients:
        np.clip(g, -clip_value, clip_value, out=g)
