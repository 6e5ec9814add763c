"""RMSprop: steps scaled by a running average of the squared gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._compiled import kernels_for
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["RMSprop"]

_OPTIONAL = {"momentum_buffer": "momentum", "grad_avg": "centered"}  # array -> what it is for


class RMSprop(Optimizer):
    """The gradient over its root mean square.

        g <- g + weight_decay * p
        s <- alpha * s + (1 - alpha) * g**2
        a <- alpha * a + (1 - alpha) * g                centered; otherwise a is 0
        d = g / (sqrt(s - a**2) + eps)
        v <- momentum * v + d                           without momentum, v is d
        p <- p - lr * v

    Args:
        lr: step size; a number, or a tensor of one, which may be written to.
        alpha: how much of s and a is kept.
        eps: added to the denominator, outside the root (TensorFlow adds it inside).
        weight_decay: factor of the L2 penalty's gradient.
        momentum: how much of the last step is kept.
        centered: divide by the standard deviation instead.
        maximize: go up instead of down: g is negated first.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        capturable, differentiable: refused if true.

    State: step, square_avg (s), with momentum momentum_buffer (v), if centered grad_avg (a).

    Raises:
        ValueError: a number is below 0 or NaN.
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.RMSprop([p], lr=0.25, alpha=0.75)
        >>> p.grad = npnet.tensor([100.0])
        >>> optimizer.step()
        >>> p.detach().round(decimals=2)
        tensor([0.5000])

    Source: Tieleman, Hinton (2012), lecture 6.5; centered: Graves (2013), eqs. 38-45.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("square_avg", "momentum_buffer", "grad_avg")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        for name in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            check_option("RMSprop", name, group[name], least=0)

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        optional = tuple(name for name, option in _OPTIONAL.items() if group[option])
        return ("square_avg", *optional)

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        alpha, s = group["alpha"], state["square_avg"]
        state["step"] += 1
        v, a = (state[name] if group[option] else None for name, option in _OPTIONAL.items())
        if kernels := kernels_for(p, g, s, *(x for x in (v, a) if x is not None)):
            options = group["lr"], alpha, group["eps"], group["weight_decay"], group["momentum"]
            kernels.rmsprop(p, g, s, v, a, *options)
            return
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        s *= alpha
        s += (1 - alpha) * (g * g)
        variance = s
        if a is not None:
            a += (1 - alpha) * (g - a)
            variance = s - a * a
        d = g / (np.sqrt(variance) + group["eps"])
        if v is not None:
            v *= group["momentum"]
            v += d
            d = v
        p -= group["lr"] * d
