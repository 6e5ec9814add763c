"""Learning-rate schedules: the names of `torch.optim.lr_scheduler`.

A schedule is a function of the epoch: `step()` computes the learning rate from the one that
training began with, so that a run is resumed from the number of its epoch, without the rounding of
the steps before. Where something else has changed `param_groups[i]["lr"]`, by hand or by a second
schedule on the same optimizer, it goes on from there by its factor, as PyTorch's does.
"""

from npnet.optim.lr_scheduler.chained import ChainedScheduler
from npnet.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from npnet.optim.lr_scheduler.cyclic import CyclicLR
from npnet.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from npnet.optim.lr_scheduler.one_cycle import OneCycleLR
from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.scheduler import LRScheduler
from npnet.optim.lr_scheduler.sequential import SequentialLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

_LRScheduler = LRScheduler  # its old name, by which programs derive from it
