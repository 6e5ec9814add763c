"""Update rules and learning-rate schedules: the names of `torch.optim`."""

from npnet.optim import lr_scheduler, swa_utils
from npnet.optim.adadelta import Adadelta
from npnet.optim.adagrad import Adagrad
from npnet.optim.adam import Adam
from npnet.optim.adamax import Adamax
from npnet.optim.adamw import AdamW
from npnet.optim.asgd import ASGD
from npnet.optim.lbfgs import LBFGS
from npnet.optim.nadam import NAdam
from npnet.optim.optimizer import Optimizer
from npnet.optim.radam import RAdam
from npnet.optim.rmsprop import RMSprop
from npnet.optim.rprop import Rprop
from npnet.optim.sgd import SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
