"""The same fit in npnet and in PyTorch: same weights, samples and order, hence the same losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet import fit_function
from npnet.fitting.config import FitConfig
from npnet.fitting.run import run
from reference import fit_function as reference

# Losses of two float32 runs drift apart by rounding alone.
LOSS_TOLERANCE = 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch_size": 7, "noise": 0.3, "activation": "sigmoid"},
        {"optimizer": "sgd", "scheduler": "poly", "activation": "leaky_relu"},
        {"optimizer": "nadam", "scheduler": "none", "activation": "gelu"},
    ],
)
def test_losses_lie_over_each_other(tmp_path: Path, change: dict[str, Any]) -> None:
    histories = []
    for name, build in (("npnet", fit_function.build), ("torch", reference.build)):
        config = FitConfig(
            epochs=20, samples=40, widths=(16, 8), log_dir=str(tmp_path / name), **change
        )
        histories.append(run(config, build).progress.history)
    for ours, theirs in zip(*histories, strict=True):
        assert ours.learning_rate == pytest.approx(theirs.learning_rate, rel=1e-12)
        np.testing.assert_allclose(
            [ours.train_loss, ours.val_loss],
            [theirs.train_loss, theirs.val_loss],
            rtol=LOSS_TOLERANCE,
        )


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--epochs", "3", "--widths", "4", "--log_dir", str(tmp_path)]
    assert reference.main(argv) == 0
    out = capsys.readouterr().out
    assert out.startswith("torch ")
    assert out.splitlines()[-1].startswith("mean squared error ")
    assert reference.main([*argv, "--epochs", "0"]) == 2
