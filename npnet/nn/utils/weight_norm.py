"""Weights as a direction and a length, by a hook before forward."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from npnet.nn.module import Module
from npnet.nn.parameter import Parameter
from npnet.ops import arithmetic, norms
from npnet.tensor import Tensor

__all__ = ["WeightNorm", "norm_except", "remove_weight_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over all axes but one, which are kept with size 1; over all for None or -1."""
    if dim is None or dim == -1:
        return norms.norm(v)
    axes = [axis for axis in range(v.ndim) if axis != dim % v.ndim]
    return norms.norm(v, 2, axes, keepdim=True)


class WeightNorm:
    """The hook: weight = g * v / |v|."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight of the parameters as they are."""
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return arithmetic.mul(v, arithmetic.div(g, norm_except(v, self.dim)))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def _hook_of(module: Module, kind: type[Any], name: str) -> int | None:
    """Where in a module's hooks the one for a parameter stands."""
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key
    return None


def weight_norm(module: M, name: str = "weight", dim: int = 0) -> M:
    """Make a parameter w = g * v / |v|, with g and v trained; PyTorch advises parametrizations'.

    Args:
        dim: the axis that |v| is kept for; None takes one norm of all.

    Shape: v as the parameter; g the same with all axes but `dim` 1.

    Raises:
        RuntimeError: the parameter has one already.
        AttributeError: the module has no such parameter.

    Source: Salimans and Kingma (2016), arXiv:1602.07868, eq. 2.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if _hook_of(module, WeightNorm, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook, weight = WeightNorm(name, dim), module.get_parameter(name)
    del module._parameters[name]
    g = norm_except(weight.detach(), hook.dim)
    module.register_parameter(f"{name}_g", Parameter(g))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make what `weight_norm` took apart one parameter again.

    Raises:
        ValueError: the parameter has none.
    """
    key = _hook_of(module, WeightNorm, name)
    if key is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    hook, _ = module._forward_pre_hooks.pop(key)
    weight = hook.compute_weight(module).detach()
    delattr(module, name)
    del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"]
    setattr(module, name, Parameter(weight))
    return module
