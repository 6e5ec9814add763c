"""Early stopping, a callback."""

from __future__ import annotations

from typing import Any

from npnet.runs.callbacks import Callback

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop after `patience` epochs without a better checkpoint; `--patience` is this.

    It keeps nothing: how long the run has waited follows from its history, so that a run that is
    resumed with more patience goes on.

    Example:
        >>> data = np.eye(2, dtype=np.float32), np.arange(2)
        >>> options = {"val": data, "epochs": 30, "learning_rate": 1e-30, "verbose": False}
        >>> patient = npnet.training.EarlyStopping(patience=2)
        >>> len(npnet.training.fit(nn.Linear(2, 2), data, callbacks=[patient], **options))
        3
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_train_start(self, trainer: Any) -> None:
        self._look(trainer)

    def on_epoch_end(self, trainer: Any) -> None:
        self._look(trainer)

    def _look(self, trainer: Any) -> None:
        if len(trainer.history) - trainer.best_epoch >= self.patience:
            trainer.patience_is_out = f"no better validation accuracy for {self.patience} epochs"
