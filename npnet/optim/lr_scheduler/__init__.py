"""Learning-rate schedules: the names of `torch.optim.lr_scheduler`.

Here a schedule is a function of the epoch alone: `step()` computes the learning rate from the one
that training began with. PyTorch multiplies the current one instead. Both give the same numbers;
they part only where something else has changed `param_groups[i]["lr"]` since the last step, be it
by hand or by a second schedule on the same optimizer: PyTorch's schedule goes on from there, here
the change is overwritten, and a UserWarning says so. In return a run is resumed from the number of
its epoch, without the rounding or the history of the steps before. To combine schedules, give them
to `SequentialLR`, or multiply them in one `LambdaLR`.
"""

from npnet.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from npnet.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from npnet.optim.lr_scheduler.one_cycle import OneCycleLR
from npnet.optim.lr_scheduler.plateau import ReduceLROnPlateau
from npnet.optim.lr_scheduler.scheduler import LRScheduler
from npnet.optim.lr_scheduler.sequential import SequentialLR

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
