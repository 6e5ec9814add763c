"""Update rules and learning-rate schedules: the names of `torch.optim`."""

from npnet.optim import lr_scheduler, swa_utils
from npnet.optim.adam import Adam
from npnet.optim.adamw import AdamW
from npnet.optim.nadam import NAdam
from npnet.optim.optimizer import Optimizer
from npnet.optim.rmsprop import RMSprop
from npnet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "NAdam", "Optimizer", "RMSprop", "lr_scheduler", "swa_utils"]
