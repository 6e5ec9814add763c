"""The trainer: settings, data, loop, files and reports of a run.

`Trainer` and `fit` are for programs, `Callback` for what watches a run or changes it; `Training` is
the run that a callback is told of.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from npnet.runs.callbacks import Callback
from npnet.training.stopping import EarlyStopping

if TYPE_CHECKING:
    from npnet.training.api import Trainer, fit
    from npnet.training.history import History
    from npnet.training.trainer import Training

__all__ = ["Callback", "EarlyStopping", "History", "Trainer", "Training", "fit"]

# What is imported when it is asked for: a command that needs the settings alone starts sooner.
_LATER = {
    "History": "npnet.training.history",
    "Trainer": "npnet.training.api",
    "Training": "npnet.training.trainer",
    "fit": "npnet.training.api",
}


def __getattr__(name: str) -> Any:
    """Trainer, Training, fit and History."""
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
