"""The finished epochs of a run, for a program that reads them and a notebook that shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from npnet.runs.notebook import page
from npnet.training.checkpoint import Progress
from npnet.training.metrics import Epoch, Score

__all__ = ["History"]


class History(Sequence[Epoch]):
    """The finished epochs, in order: `history[-1].val_accuracy`, and what the test came to.

    An epoch has epoch, learning_rate, seconds, train_loss, train_accuracy, val_loss, val_accuracy
    and val_sampled_accuracy; accuracies are percent, and NaN where nothing is held out.

    Attributes:
        best_epoch: whose weights the network has; from 1.
        test: loss, accuracy, logits and labels of the test data; None where there are none.
        result: what result.json would say of the test; None where there is none.

    Example:
        >>> data = np.eye(2, dtype=np.float32), np.arange(2)
        >>> history = npnet.training.fit(nn.Linear(2, 2), data, val=data, epochs=3, verbose=False)
        >>> [epoch.epoch for epoch in history], history.test
        ([1, 2, 3], None)
    """

    def __init__(
        self, progress: Progress, test: Score, result: Mapping[str, Any] | None = None
    ) -> None:
        self._epochs, self.best_epoch = tuple(progress.history), progress.best_epoch
        self.test, self.result = test if test.total else None, result

    @property
    def best(self) -> Epoch:
        """The epoch whose weights the network has."""
        return self._epochs[self.best_epoch - 1]

    @property
    def test_accuracy(self) -> float:
        """Percent of the test data; NaN where there are none."""
        return float("nan") if self.test is None else self.test.accuracy

    @overload
    def __getitem__(self, index: int) -> Epoch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Epoch]: ...
    def __getitem__(self, index: int | slice) -> Epoch | Sequence[Epoch]:
        return self._epochs[index]

    def __len__(self) -> int:
        return len(self._epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self._epochs)

    def _repr_html_(self) -> str:
        """A table and curves, for notebooks."""
        return page(self, self.best_epoch)

    def __repr__(self) -> str:
        lines = [epoch.line(len(self)) for epoch in self]
        lines[self.best_epoch - 1] += "  best"
        if self.test is not None:
            lines.append(f"test loss {self.test.loss:.4f}  acc {self.test.accuracy:6.2f} %")
        return "\n".join(lines)
