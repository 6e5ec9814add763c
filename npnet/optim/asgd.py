"""ASGD: gradient descent that keeps an average of where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Averaged stochastic gradient descent.

        g <- g + weight_decay * p
        p <- (1 - lambd * eta) * p - eta * g
        a <- a + mu * (p - a)                           a <- p while mu is 1
        eta <- lr / (1 + lambd * lr * t)**alpha
        mu <- 1 / max(1, t - t0)

    t counts the steps from 1; eta begins with lr, mu with 1.

    Args:
        lr: step size of the beginning.
        lambd: share of p that a step of eta = 1 takes away.
        alpha: how fast eta falls.
        t0: the step after which the average begins.
        weight_decay: factor of the L2 penalty's gradient.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        maximize: go up instead of down: g is negated first.
        capturable, differentiable: refused if true.

    State: step (t), eta, mu, ax (a, the average, which is the result). eta is a Python float, where
    PyTorch rounds it to its default dtype, float32.

    Raises:
        ValueError: lr or weight_decay is below 0 or NaN.
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.ASGD([p], lr=0.5, lambd=0.0)
        >>> p.grad = npnet.tensor([1.0])
        >>> optimizer.step()
        >>> p.item()
        0.5

    Source: Polyak, Juditsky (1992); eta as in Bottou (2010), section 5.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0, "eta": 0.0, "mu": 1.0}
    arrays = ("ax",)

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "weight_decay"):
            check_option("ASGD", name, group[name], least=0)

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def first_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "eta": float(group["lr"]), "mu": 1.0, "ax": np.zeros_like(p)}

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        lr, lambd, eta, average = group["lr"], group["lambd"], state["eta"], state["ax"]
        state["step"] += 1
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        p *= 1 - lambd * eta
        p -= eta * g
        if state["mu"] == 1:
            average[...] = p
        else:
            average += state["mu"] * (p - average)
        state["eta"] = lr / (1 + lambd * lr * state["step"]) ** group["alpha"]
        state["mu"] = 1 / max(1, state["step"] - group["t0"])
