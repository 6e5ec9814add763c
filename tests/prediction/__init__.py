"""A network of digits that is trained in a second, and photographs of what it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from npnet import datasets
from npnet.models.checkpoint import BEST
from npnet.training.config import Config
from npnet.transforms import Resize
from tests.runs import run_npnet

__all__ = ["Trained", "trained"]


class Trained(NamedTuple):
    """A run.

    Attributes:
        checkpoint: its best weights.
        data: the file that it was trained on.
        images, labels: (N, 1, 28, 28) and (N,), its test images.
        images_train, labels_train: those that it was trained on.
        correct: of these.
    """

    checkpoint: Path
    data: Path
    images: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    images_train: np.ndarray[Any, Any]
    labels_train: np.ndarray[Any, Any]
    correct: int


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """An MLP that has learnt scikit-learn's digits, put on their pixels as MNIST's are."""
    folder = tmp_path_factory.mktemp("trained")
    digits = datasets.load_digits()
    x_train, x_test = (as_mnist(part) for part in (digits.x_train, digits.x_test))
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
    return Trained(
        checkpoint, data, x_test, digits.y_test, x_train, digits.y_train, result.test.correct
    )


def as_mnist(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Images (N, 1, 28, 28) that their digits fill, made 20 pixels high and centred by mass."""
    images = np.zeros_like(x)
    for image, small in zip(images[:, 0], Resize(20).transform(x)[:, 0], strict=True):
        mass = small.astype(float)
        centre = [mass.sum(1 - axis) @ np.arange(20) / mass.sum() for axis in (0, 1)]
        top, left = (min(max(14 - int(c + 0.5), 0), 8) for c in centre)
        image[top : top + 20, left : left + 20] = small
    return images
