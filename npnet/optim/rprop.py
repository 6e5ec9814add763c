"""Rprop: steps by the sign of the gradient, of a size that each number has for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from npnet.base.arrays import Array
from npnet.optim._options import check_option
from npnet.optim.optimizer import Group, Optimizer, Params, State
from npnet.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient propagation, for gradients of all the data, not of batches.

        s <- clip(etaplus * s)                          where g * last > 0
        s <- clip(etaminus * s), g <- 0                 where g * last < 0
        p <- p - s * sign(g)
        last <- g

    Args:
        lr: what s begins with.
        etas: (etaminus, etaplus), by which s falls and grows.
        step_sizes: the least and the largest s.
        foreach: how PyTorch loops over the parameters; changes nothing here.
        maximize: go up instead of down: g is negated first.
        capturable, differentiable: refused if true.

    State: step, prev (last), step_size (s).

    Raises:
        ValueError: lr is below 0 or NaN, etaminus is not between 0 and 1, or etaplus is not above
            1.
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(2))
        >>> optimizer = optim.Rprop([p], lr=0.5)
        >>> p.grad = npnet.tensor([0.01, -100.0])
        >>> optimizer.step()
        >>> p.detach()
        tensor([0.5000, 1.5000])

    Source: Riedmiller, Braun (1993), without going back; Igel, Huesken (2000) call it iRprop-.
    """

    numbers: ClassVar[Mapping[str, float]] = {"step": 0}
    arrays = ("prev", "step_size")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        check_option("Rprop", "lr", group["lr"], least=0)
        low, high = group["etas"]
        check_option("Rprop", "etas[0]", low, above=0, below=1)
        check_option("Rprop", "etas[1]", high, above=1)

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        return self.arrays

    def first_state(self, p: Array, group: Group) -> State:
        return {"step": 0, "prev": np.zeros_like(p), "step_size": np.full_like(p, group["lr"])}

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        (low, high), (least, most) = group["etas"], group["step_sizes"]
        last, size = state["prev"], state["step_size"]
        state["step"] += 1
        turned = g * last
        np.multiply(size, high, out=size, where=turned > 0)
        np.multiply(size, low, out=size, where=turned < 0)
        np.clip(size, least, most, out=size)
        g = np.where(turned < 0, 0, g).astype(g.dtype, copy=False)
        p -= size * np.sign(g)
        last[...] = g
