"""The trainer: settings, data, loop, files and reports of a run.

`Trainer` and `fit` are for programs, `Callback` for what watches a run or changes it.
"""

from npnet.runs.callbacks import Callback
from npnet.training.api import Trainer, fit
from npnet.training.history import History
from npnet.training.stopping import EarlyStopping

__all__ = ["Callback", "EarlyStopping", "History", "Trainer", "fit"]
