"""Adam: steps scaled by running averages of the gradient and of its square."""

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

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g**2
        p <- p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

    t counts the steps from 1. With amsgrad the largest v so far takes its place in the last line.

    Args:
        lr: step size; a number, or a tensor of one, which may be written to.
        betas: (beta1, beta2), how much of m and v is kept.
        eps: added to the denominator, outside the root.
        weight_decay: factor of the L2 penalty's gradient.
        amsgrad: never let the denominator's v shrink.
        maximize: go up instead of down: g is negated first.
        decoupled_weight_decay: instead of the first line, p <- p - lr * weight_decay * p (AdamW).
        foreach: how PyTorch loops over the parameters; changes nothing here.
        fused: accepted; one fused pass is how it is done anyway.
        capturable, differentiable: refused if true.

    State: step (t), exp_avg (m), exp_avg_sq (v), with amsgrad max_exp_avg_sq.

    Raises:
        ValueError: lr, eps or weight_decay is below 0 or NaN, or a beta is not in [0, 1).
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(2))
        >>> optimizer = optim.Adam([p], lr=0.5)
        >>> p.grad = npnet.tensor([1.0, -100.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.5000, 1.5000])

    Source: Kingma, Ba (2015), algorithm 1; amsgrad: Reddi, Kale, Kumar (2018), algorithm 2, which
    does not correct the bias, where PyTorch does.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_option(type(self).__name__, name, group[name], least=0)
        check_betas(type(self).__name__, group["betas"])

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays if group["amsgrad"] else self.arrays[:2]

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        t = state["step"]
        largest = state["max_exp_avg_sq"] if group["amsgrad"] else None
        if kernels := kernels_for(p, g, m, v, *(() if largest is None else (largest,))):
            decoupled = group["decoupled_weight_decay"]
            kernels.adam(p, g, m, v, largest, t, lr, group["betas"], group["eps"], decay, decoupled)
            return
        if decay and group["decoupled_weight_decay"]:
            p *= 1 - lr * decay
        elif decay:
            g = g + decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        if largest is not None:
            v = np.maximum(largest, v, out=largest)
        p -= lr / (1 - beta1**t) * (m / (np.sqrt(v) / math.sqrt(1 - beta2**t) + group["eps"]))
