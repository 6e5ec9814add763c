"""NAdam: Adam that looks ahead along the running average."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_betas, check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, whose strength mu grows with the steps.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g**2
        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        M(t) = mu(1) * ... * mu(t)
        d = (1 - mu(t)) / (1 - M(t)) * g + mu(t + 1) / (1 - M(t + 1)) * m
        p <- p - lr * d / (sqrt(v / (1 - beta2**t)) + eps)

    t counts the steps from 1.

    Args:
        lr: step size; a number, or a tensor of one, which may be written to.
        betas: (beta1, beta2), how much of m and v is kept.
        eps: added to the denominator, outside the root.
        weight_decay: factor of the L2 penalty's gradient.
        momentum_decay: how fast mu rises from beta1 / 2 to beta1.
        decoupled_weight_decay: instead of the first line, p <- p - lr * weight_decay * p.
        maximize: go up instead of down: g is negated first.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        capturable, differentiable: refused if true.

    State: step (t), mu_product (M), exp_avg (m), exp_avg_sq (v). M is a Python float, where
    PyTorch rounds it to its default dtype, float32.

    Raises:
        ValueError: lr, eps, weight_decay or momentum_decay is below 0 or NaN, or a beta is not in
            [0, 1).
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(2))
        >>> optimizer = optim.NAdam([p], lr=0.5)
        >>> p.grad = npnet.tensor([1.0, -100.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=1)
        tensor([0.5000, 1.5000])

    Source: Dozat (2016), algorithm 2; mu as in Keras and PyTorch.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0, "mu_product": 1.0}
    arrays = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum_decay"):
            check_option("NAdam", name, group[name], least=0)
        check_betas("NAdam", group["betas"])

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        t = state["step"]
        mu, mu_next = (beta1 * (1 - 0.96 ** (i * group["momentum_decay"]) / 2) for i in (t, t + 1))
        state["mu_product"] *= mu
        product = state["mu_product"]
        of_g, of_m = (1 - mu) / (1 - product), mu_next / (1 - product * mu_next)
        if kernels := kernels_for(p, g, m, v):
            decoupled = group["decoupled_weight_decay"]
            shares = of_g, of_m
            kernels.nadam(p, g, m, v, t, lr, group["betas"], group["eps"], decay, decoupled, shares)
            return
        if decay and group["decoupled_weight_decay"]:
            p *= 1 - lr * decay
        elif decay:
            g = g + decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        d = of_g * g + of_m * m
        p -= lr * (d / (np.sqrt(v / (1 - beta2**t)) + group["eps"]))
