"""A small data set and short runs on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from npnet import train
from npnet.training.config import Config
from npnet.training.run import Result, run


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .npz of 240 training and 60 test images, 12x12: four directions of stripes, with noise."""
    rng = np.random.default_rng(7)
    row, column = np.mgrid[:12, :12]
    patterns = np.stack(
        [row % 4 < 2, column % 4 < 2, (row + column) % 4 < 2, (row - column) % 4 < 2]
    )
    y = np.arange(300) % 4
    x = patterns[y] * 160 + rng.integers(0, 90, (300, 12, 12))
    path = tmp_path_factory.mktemp("data") / "stripes.npz"
    x = x.astype(np.uint8)
    np.savez(path, x=x[:240], y=y[:240], x_test=x[240:], y_test=y[240:])
    return path


@pytest.fixture
def small(stripes: Path, tmp_path: Path) -> Config:
    """Two epochs of LeNet-4 on stripes, all files under tmp_path."""
    return Config(
        model="lenet4",
        dataset=str(stripes),
        epochs=2,
        batch_size=32,
        learning_rate=0.05,
        checkpoint_dir=str(tmp_path / "checkpoint"),
        log_dir=str(tmp_path / "log"),
    )


def run_npnet(config: Config) -> Result:
    """Run in npnet."""
    return run(config, train.build)
