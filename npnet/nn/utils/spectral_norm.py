"""Weights divided by their largest singular value, by a hook before forward."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from npnet.base.arrays import Array
from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops import arithmetic, products, shape
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "SpectralNorm",
    "as_matrix",
    "iterated",
    "largest",
    "remove_spectral_norm",
    "spectral_norm",
    "unit",
    "usual_dim",
]

M = TypeVar("M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """The weight with axis `dim` first and all others made one."""
    axes = [dim, *(axis for axis in range(weight.ndim) if axis != dim)]
    return shape.reshape(shape.permute(weight, axes), (weight.shape[dim], -1))


def unit(x: Array, dtype: np.dtype[Any], eps: float) -> Array:
    """A vector of length 1."""
    return np.asarray(x / max(float(np.linalg.norm(x)), eps), dtype)


def iterated(matrix: Array, u: Array, v: Array, times: int, eps: float) -> tuple[Array, Array]:
    """Closer singular vectors, by the power method."""
    for _ in range(times):
        v = unit(matrix.T @ u, matrix.dtype, eps)
        u = unit(matrix @ v, matrix.dtype, eps)
    return u, v


def largest(matrix: Tensor, u: Array, v: Array) -> Tensor:
    """u^T W v, the singular value of its vectors; they count as constants."""
    return products.dot(result(u.copy()), products.mv(matrix, result(v.copy())))


class SpectralNorm:
    """The hook: weight = W / sigma(W)."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def compute_weight(self, module: Module, iterate: bool) -> Tensor:
        """The weight of the parameters as they are, after a step of the power method if asked."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = as_matrix(weight, self.dim)
        if iterate:
            times = self.n_power_iterations
            new = iterated(matrix.detach().array, u.array, v.array, times, self.eps)
            u.array[...], v.array[...] = new
        return arithmetic.div(weight, largest(matrix, u.array, v.array))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def _hook_of(module: Module, name: str) -> int | None:
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            return key
    return None


def usual_dim(module: Module) -> int:
    """The axis of outputs: 1 of transposed convolutions, else 0."""
    return int(type(module).__name__.startswith("ConvTranspose"))


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divide a parameter by its largest singular value, estimated by the power method.

    Args:
        n_power_iterations: steps of it for each forward in training.
        dim: the axis of outputs; default 0, or 1 of transposed convolutions.

    Raises:
        ValueError: n_power_iterations is not above 0.
        RuntimeError: the parameter has one already.
        AttributeError: the module has no such parameter.

    Example:
        >>> layer = nn.utils.spectral_norm(nn.Linear(3, 2))
        >>> sorted(layer.state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']

    Source: Miyato et al. (2018), arXiv:1802.05957, algorithm 1.
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    axis = usual_dim(module) if dim is None else dim
    hook, weight = SpectralNorm(name, n_power_iterations, axis, eps), module.get_parameter(name)
    matrix, rng = as_matrix(weight.detach(), axis), default_generator.numpy
    u, v = (unit(rng.standard_normal((n,)), weight.dtype, eps) for n in matrix.shape)
    del module._parameters[name]
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", result(u))
    module.register_buffer(f"{name}_v", result(v))
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Keep the weight that `spectral_norm` computes last as a parameter.

    Raises:
        ValueError: the parameter has none.

    Example:
        >>> layer = nn.utils.spectral_norm(nn.Linear(3, 2))
        >>> list(nn.utils.remove_spectral_norm(layer).state_dict())
        ['bias', 'weight']
    """
    key = _hook_of(module, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    hook, _ = module._forward_pre_hooks.pop(key)
    weight = hook.compute_weight(module, iterate=False).detach()
    delattr(module, name)
    for part in ("orig", "u", "v"):
        delattr(module, f"{name}_{part}")
    module.register_parameter(name, Parameter(weight))
    return module
