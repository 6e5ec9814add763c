"""Adamax: Adam with the largest gradient in place of the root mean square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_betas, check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1**t) * m / u

    t counts the steps from 1.

    Args:
        lr: step size.
        betas: (beta1, beta2), how much of m and u is kept.
        eps: what keeps u above 0.
        weight_decay: factor of the L2 penalty's gradient.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        maximize: go up instead of down: g is negated first.
        capturable, differentiable: refused if true.

    State: step (t), exp_avg (m), exp_inf (u).

    Raises:
        ValueError: lr, eps or weight_decay is below 0 or NaN, or a beta is not in [0, 1).
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(2))
        >>> optimizer = optim.Adamax([p], lr=0.5)
        >>> p.grad = npnet.tensor([1.0, -100.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.5000, 1.5000])

    Source: Kingma, Ba (2015), algorithm 2, where eps is not needed.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option("Adamax", name, group[name], least=0)
        check_betas("Adamax", group["betas"])

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        (beta1, beta2), eps, decay = group["betas"], group["eps"], group["weight_decay"]
        m, u = state["exp_avg"], state["exp_inf"]
        state["step"] += 1
        rate = group["lr"] / (1 - beta1 ** state["step"])
        if kernels := kernels_for(p, g, m, u):
            kernels.adamax(p, g, m, u, rate, group["betas"], eps, decay)
            return
        if decay:
            g = g + decay * p
        m += (1 - beta1) * (g - m)
        u *= beta2
        np.maximum(u, np.abs(g) + eps, out=u)
        p -= rate * (m / u)
