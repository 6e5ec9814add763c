"""Adagrad: steps scaled by the root of the sum of all squared gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad: coordinates that moved much move less.

        g <- g + weight_decay * p
        s <- s + g**2
        p <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    t counts the steps from 1.

    Args:
        lr: step size.
        lr_decay: how fast it falls.
        weight_decay: factor of the L2 penalty's gradient.
        initial_accumulator_value: what s begins with.
        eps: added to the denominator, outside the root.
        foreach, fused: how PyTorch loops over the parameters; change nothing here.
        maximize: go up instead of down: g is negated first.
        differentiable: refused if true.

    State, from the beginning: step (t), sum (s).

    Raises:
        ValueError: a number is below 0 or NaN.
        NotImplementedError: differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(2))
        >>> optimizer = optim.Adagrad([p], lr=0.5)
        >>> p.grad = npnet.tensor([1.0, -100.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.5000, 1.5000])

    Source: Duchi, Hazan, Singer (2011), figure 1, with the diagonal alone.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self.first_state(p.array, group))

    def check(self, group: Group) -> None:
        for name in ("lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value"):
            check_option("Adagrad", name, group[name], least=0)

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def first_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "sum": np.full_like(p, group["initial_accumulator_value"])}

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        eps, decay, s = group["eps"], group["weight_decay"], state["sum"]
        state["step"] += 1
        rate = group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        if kernels := kernels_for(p, g, s):
            kernels.adagrad(p, g, s, rate, eps, decay)
            return
        if decay:
            g = g + decay * p
        s += g * g
        p -= rate * (g / (np.sqrt(s) + eps))
