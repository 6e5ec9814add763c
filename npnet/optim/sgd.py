"""Gradient descent with momentum."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from npnet.backend import uses_kernels
from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["SGD"]


def _nothing() -> None:
    """In the place of a reference to the gradient of a step before."""


class SGD(Optimizer):
    """Gradient descent with momentum: lr stays outside v, so a schedule acts at once.

        g <- g + weight_decay * p
        v <- momentum * v + (1 - dampening) * g         at the first step v <- g
        p <- p - lr * v                                 without momentum, v is g
        p <- p - lr * (g + momentum * v)                with nesterov

    Args:
        lr: step size; a number, or a tensor of one, which may be written to.
        momentum: how much of the last step is kept.
        dampening: how much of the gradient is left out of v.
        weight_decay: factor of the L2 penalty's gradient.
        nesterov: look ahead along v; needs momentum and no dampening.
        maximize: go up instead of down: g is negated first.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        fused: accepted; one fused pass is how it is done anyway.
        differentiable: refused if true.

    State: momentum_buffer (v).

    Raises:
        ValueError: lr, momentum, dampening or weight_decay is below 0 or NaN; or nesterov has no
            momentum, or dampening.
        NotImplementedError: differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.SGD([p], lr=0.5, momentum=0.5)
        >>> for _ in range(2):
        ...     p.grad = npnet.tensor([1.0])
        ...     optimizer.step()
        >>> p.item()
        -0.25

    Source: Sutskever et al. (2013), eqs. 1-2, for nesterov 3-4, who keep lr inside v.
    """

    arrays = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "momentum", "dampening", "weight_decay"):
            check_option("SGD", name, group[name], least=0)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs momentum > 0 and dampening 0, got momentum "
                f"{group['momentum']:g} and dampening {group['dampening']:g}"
            )

    def used_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays if group["momentum"] else ()

    def _update_jointly(self, group: Group, options: Group) -> bool:
        """Where the gradients lie where those of the step before did, as in a compiled step."""
        params = [p for p in group["params"] if p.grad is not None]
        if not (params and options["momentum"]) or options["maximize"]:
            return False
        known = self.__dict__.setdefault("_joint", {})
        first, update = known.get(id(group), (_nothing, None))
        if first() is not params[0].grad.array:
            known[id(group)] = weakref.ref(params[0].grad.array), None
            return False
        arrays: list[Any] = []
        for p in params:
            arrays += p.array, p.grad.array, self.state[p].get("momentum_buffer")
        if update is None or not (update.takes(arrays) and uses_kernels()):
            update = self._joint_update(arrays)
            known[id(group)] = first, update
            if update is None:
                return False
        rates = options["lr"], options["momentum"], 1.0 - options["dampening"]
        update.run(*rates, options["weight_decay"], options["nesterov"])
        for p in params:
            p._version.writes += 1
        return True

    def _joint_update(self, arrays: list[Any]) -> Any:
        """The update of all arrays by one kernel, if it takes them."""
        if type(self).update is not SGD.update or any(a is None for a in arrays):
            return None
        if kernels_for(*arrays) is None:
            return None
        from npnet.kernels import joint_update

        return joint_update.JointSGD(arrays) if joint_update.are_apart(arrays) else None

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        momentum = group["momentum"]
        v = state.get("momentum_buffer") if momentum else None
        if kernels := kernels_for(p, g, *(() if v is None else (v,))):
            dampening = 0.0 if v is None else group["dampening"]
            if momentum and v is None:
                v = state["momentum_buffer"] = np.zeros_like(p)
            options = group["lr"], momentum, dampening, group["weight_decay"], group["nesterov"]
            kernels.sgd(p, g, v if momentum else None, *options)
            return
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p  # a new array: the gradient is not ours to change
        if momentum:
            if v is None:
                v = state["momentum_buffer"] = np.array(g)
            else:
                v *= momentum
                v += (1 - group["dampening"]) * g
            g = g + momentum * v if group["nesterov"] else v
        p -= group["lr"] * g
