"""RAdam: Adam that waits for its average of squares to settle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_betas, check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Rectified Adam: with momentum alone until v has seen enough.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g**2
        R = 2 / (1 - beta2) - 1
        r = R - 2 * t * beta2**t / (1 - beta2**t)
        d = m / (1 - beta1**t)
        if r > 5:  d <- d * sqrt((r - 4) * (r - 2) * R / ((R - 4) * (R - 2) * r))
                     * sqrt(1 - beta2**t) / (sqrt(v) + eps)
        p <- p - lr * d

    t counts the steps from 1.

    Args:
        lr: step size.
        betas: (beta1, beta2), how much of m and v is kept.
        eps: added to the denominator, outside the root.
        weight_decay: factor of the L2 penalty's gradient.
        decoupled_weight_decay: instead of the first line, p <- p - lr * weight_decay * p.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        maximize: go up instead of down: g is negated first.
        capturable, differentiable: refused if true.

    State: step (t), exp_avg (m), exp_avg_sq (v).

    Raises:
        ValueError: lr, eps or weight_decay is below 0 or NaN, or a beta is not in [0, 1).
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.RAdam([p], lr=0.5)
        >>> p.grad = npnet.tensor([1.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.5000])

    Source: Liu et al. (2020), algorithm 2, with 5 in place of 4, as in PyTorch.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option("RAdam", name, group[name], least=0)
        check_betas("RAdam", group["betas"])

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        share = _rectified(state["step"], beta2)
        rate = lr / (1 - beta1 ** state["step"]) * (1 if share is None else share)
        decoupled = group["decoupled_weight_decay"]
        if kernels := kernels_for(p, g, m, v):
            adaptive = share is not None
            options = group["betas"], group["eps"], decay, decoupled
            kernels.radam(p, g, m, v, rate, lr, *options, adaptive)
            return
        if decay and decoupled:
            p *= 1 - lr * decay
        elif decay:
            g = g + decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        p -= rate * (m if share is None else m / (np.sqrt(v) + group["eps"]))


def _rectified(t: int, beta2: float) -> float | None:
    """What m / sqrt(v) is multiplied with in step t; None where v is not to be used yet."""
    left = 1 - beta2**t
    most = 2 / (1 - beta2) - 1
    now = most - 2 * t * beta2**t / left
    if now <= 5:
        return None
    share = (now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)
    return math.sqrt(left) * math.sqrt(share)
