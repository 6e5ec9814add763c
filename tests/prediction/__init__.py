"""A network of digits that is trained in a second, and photographs of what it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from npnet import datasets
from npnet.models.checkpoint import BEST
from npnet.prediction.digits import prepare_digit
from npnet.training.config import Config
from tests.runs import run_npnet

__all__ = ["Trained", "trained"]


class Trained(NamedTuple):
    """A run.

    Attributes:
        checkpoint: its best weights.
        data: the file that it was trained on.
        images, labels: (N, 1, 28, 28) and (N,), its test images.
        correct: of these.
    """

    checkpoint: Path
    data: Path
    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    correct: int


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An MLP that has learnt scikit-learn's digits, put on their pixels as MNIST's are."""
    folder = tmp_path_factory.mktemp("trained")
    digits = datasets.load_digits()
    x_train, x_test = (
        np.stack(
            [prepare_digit(np.pad(image, ((0, 0), (14, 14), (14, 14)))).image for image in part]
        )
        for part in (digits.x_train, digits.x_test)
    )
    data = folder / "small-mnist.npz"
    np.savez(data, x=x_train, y=digits.y_train, x_test=x_test, y_test=digits.y_test)
    config = Config(
        model="mlp",
        dataset=str(data),
        epochs=12,
        batch_size=32,
        learning_rate=0.05,
        checkpoint_dir=str(folder / "checkpoint"),
        log_dir=str(folder / "log"),
        threads=1,
    )
    result = run_npnet(config)
    assert result.test.accuracy > 90
    checkpoint = folder / "checkpoint" / BEST
    return Trained(checkpoint, data, x_test, digits.y_test, result.test.correct)
