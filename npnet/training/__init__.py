"""The trainer: settings, data, loop, files and reports of a run."""

from npnet.runs.callbacks import Callback
from npnet.training.stopping import EarlyStopping

__all__ = ["Callback", "EarlyStopping"]
