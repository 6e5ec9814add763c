"""Parametrizations of weights: a direction and a length, a largest singular value of 1."""

from __future__ import annotations

import numpy as np

from npnet.nn.module import Module
from npnet.nn.utils.parametrize import register_parametrization
from npnet.nn.utils.spectral_norm import as_matrix, iterated, largest, unit, usual_dim
from npnet.nn.utils.weight_norm import norm_except
from npnet.ops import arithmetic
from npnet.random import default_generator
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """g * v / |v|, of g and v."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return arithmetic.mul(weight_v, arithmetic.div(weight_g, norm_except(weight_v, self.dim)))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(g, v) of a weight."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Make a parameter g * v / |v|, with g and v trained: see `nn.utils.weight_norm`.

    Shape: v as the parameter; g the same with all axes but `dim` 1.

    Raises:
        ValueError: the module has no parameter or buffer of that name.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
        >>> [name for name, _ in layer.named_parameters()]
        ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']

    Source: Salimans and Kingma (2016), arXiv:1602.07868, eq. 2.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """W / sigma(W), with the singular vectors as buffers."""

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if dim >= weight.ndim or dim < -weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, "
                f"{weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but "
                f"got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % weight.ndim, eps
        self.n_power_iterations = n_power_iterations
        if weight.ndim < 2:
            return
        matrix, rng = as_matrix(weight.detach(), self.dim).array, default_generator.numpy
        u, v = (unit(rng.standard_normal((n,)), weight.dtype, eps) for n in matrix.shape)
        v, u = iterated(matrix.T, v, u, 15, eps)  # u first, as in PyTorch
        self.register_buffer("_u", result(u))
        self.register_buffer("_v", result(v))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim < 2:
            return arithmetic.div(weight, max(float(np.linalg.norm(weight.array)), self.eps))
        matrix = as_matrix(weight, self.dim)
        if self.training:
            times = self.n_power_iterations
            new = iterated(matrix.array.T, self._v.array, self._u.array, times, self.eps)
            self._v.array[...], self._u.array[...] = new
        return arithmetic.div(weight, largest(matrix, self._u.array, self._v.array))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself: a weight of that norm."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a parameter by its largest singular value: see `nn.utils.spectral_norm`.

    Raises:
        ValueError: the module has no parameter or buffer of that name, or n_power_iterations is not
            above 0.
        IndexError: there is no axis `dim`.

    Example:
        >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3), n_power_iterations=50)
        >>> npnet.linalg.matrix_norm(layer.weight, 2).detach().round(decimals=2)
        tensor(1.)

    Source: Miyato et al. (2018), arXiv:1802.05957, algorithm 1.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    axis = usual_dim(module) if dim is None else dim
    return register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, axis, eps)
    )
