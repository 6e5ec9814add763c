"""AdamW: Adam with weight decay beside the gradient instead of inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from npnet.optim.adam import Adam
from npnet.optim.optimizer import Group, Params
from npnet.tensor import Tensor

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with decoupled weight decay: the averages see the loss's gradient alone.

        p <- p - lr * weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g**2
        p <- p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

    Arguments and state are Adam's, except that weight_decay is the share of p that a step of
    lr = 1 takes away.

    Raises:
        ValueError: lr, eps or weight_decay is below 0 or NaN, or a beta is not in [0, 1).
        NotImplementedError: capturable or differentiable is true.

    Example:
        >>> p = nn.Parameter(npnet.ones(1))
        >>> optimizer = optim.AdamW([p], lr=0.5, weight_decay=0.5)
        >>> p.grad = npnet.tensor([0.0])
        >>> optimizer.step()
        >>> p.item()
        0.75

    Source: Loshchilov, Hutter (2019), algorithm 2, where lr does not scale the decay, as it does
    in PyTorch.
    """

    always: ClassVar[Mapping[str, Any]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def _check_flags(self, group: Group) -> None:
        super()._check_flags(group)
        if not group["decoupled_weight_decay"]:
            raise ValueError(
                "AdamW: decoupled_weight_decay must be True; without it, use Adam with "
                f"weight_decay={group['weight_decay']:g}, which is 0 by default there"
            )
