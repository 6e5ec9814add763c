"""Which loss of programs a criterion is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from npnet import nn
from npnet.lanes.loss import LOSSES, LaneLoss
from npnet.nn import functional as F

__all__ = ["loss_of"]

# What the modules compute as long as nobody puts something else in place of it.
_FUNCTIONS: dict[type[nn.Module], str] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.MSELoss: "mse_loss",
}
_FORWARDS = {kind: kind.forward for kind in _FUNCTIONS}


def loss_of(criterion: Callable[..., Any]) -> Callable[[int], LaneLoss] | None:
    """What makes the loss of a function or a module for a batch of `n`; None of one whose options
    have no kernel.

    A module is of just the kind: a subclass may compute anything.
    """
    kind: Any = type(criterion)
    if kind not in _FUNCTIONS:
        return LOSSES.get(criterion) if kind is type(F.mse_loss) else None
    assert isinstance(criterion, nn.Module)
    loss = LOSSES.get(getattr(F, _FUNCTIONS[kind]))
    patched = "forward" in vars(criterion) or kind.forward is not _FORWARDS[kind]
    if loss is None or patched or criterion.reduction != "mean":
        return None
    if isinstance(criterion, nn.MSELoss):
        return loss
    smoothing = criterion.label_smoothing
    known = type(smoothing) in (int, float) and 0 <= smoothing <= 1
    # an ignore_index below 0 is seen by `bind` as a class that there is not
    if criterion.weight is not None or criterion.ignore_index >= 0 or not known:
        return None
    return functools.partial(loss, label_smoothing=smoothing)
