"""Adadelta: steps scaled by the ratio of two running averages, so that lr may be 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta: the root mean square of the last steps over that of the gradients.

        g <- g + weight_decay * p
        s <- rho * s + (1 - rho) * g**2
        d = sqrt(a + eps) / sqrt(s + eps) * g
        a <- rho * a + (1 - rho) * d**2
        p <- p - lr * d

    Args:
        lr: what d is multiplied with.
        rho: how much of s and a is kept.
        eps: added inside both roots.
        weight_decay: factor of the L2 penalty's gradient.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        maximize: go up instead of down: g is negated first.
        capturable, differentiable: refused if true.

    State: step, square_avg (s), acc_delta (a).

    Raises:
        ValueError: lr, eps or weight_decay is below 0 or NaN, or rho is not in [0, 1].
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.Adadelta([p], lr=100.0)
        >>> p.grad = npnet.tensor([1.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.6800])

    Source: Zeiler (2012), algorithm 1.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option("Adadelta", name, group[name], least=0)
        check_option("Adadelta", "rho", group["rho"], least=0, most=1)

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, rho, eps, decay = group["lr"], group["rho"], group["eps"], group["weight_decay"]
        s, a = state["square_avg"], state["acc_delta"]
        state["step"] += 1
        if kernels := kernels_for(p, g, s, a):
            kernels.adadelta(p, g, s, a, lr, rho, eps, decay)
            return
        if decay:
            g = g + decay * p
        s *= rho
        s += (1 - rho) * (g * g)
        d = np.sqrt(a + eps) / np.sqrt(s + eps) * g
        a *= rho
        a += (1 - rho) * (d * d)
        p -= lr * d
