"""The same run in npnet and in PyTorch: same weights, data and order, hence the same curves."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import npnet
from npnet import datasets
from npnet.training.config import Config
from npnet.training.run import Result, run
from reference import train as reference
from tests.runs import run_npnet

# Losses of two float32 runs drift apart by rounding alone: after 24 steps by about 1e-6.
LOSS_TOLERANCE = 1e-4
# What the issue of reproducing PyTorch allows after an epoch of MNIST, in percent of the images.
ACCURACY_TOLERANCE = 0.3


def in_torch(config: Config, tmp_path: Path) -> Config:
    """The same settings with folders of their own."""
    return dataclasses.replace(
        config, checkpoint_dir=str(tmp_path / "torch"), log_dir=str(tmp_path / "torch-log")
    )


def run_torch(config: Config) -> Result:
    return run(config, reference.build)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "adam", "learning_rate": 1e-3, "criterion": "mse"},
        {"optimizer": "nadam", "learning_rate": 1e-3, "criterion": "softmax_bce"},
        {"nesterov": True, "use_scheduler": True, "clip_grad_norm": 0.5, "weight_decay": 1e-3},
        {"model": "resnet20", "epochs": 1, "learning_rate": 1e-3, "ema": 0.9},
        {"scheduler": "warmup_cosine", "label_smoothing": 0.1, "ema": 0.9},
        {"scheduler": "cosine", "min_learning_rate": 0.01},
        {"scheduler": "onecycle", "optimizer": "adam", "learning_rate": 1e-3, "ema": 0.99},
        {
            "scheduler": "warmup_exponential",
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "weight_decay": 0.1,
            "weight_decay_on": "weights",
        },
    ],
    ids=lambda change: "-".join(map(str, change.values())) or "defaults",
)
def test_curves_lie_over_each_other(
    small: Config, tmp_path: Path, change: dict[str, object]
) -> None:
    config = dataclasses.replace(small, **change)  # type: ignore[arg-type]
    ours, theirs = run_npnet(config), run_torch(in_torch(config, tmp_path))
    for a, b in zip(ours.progress.history, theirs.progress.history, strict=True):
        assert a.learning_rate == pytest.approx(b.learning_rate, rel=1e-12)
        np.testing.assert_allclose(
            [a.train_loss, a.val_loss], [b.train_loss, b.val_loss], rtol=LOSS_TOLERANCE
        )


def test_threads_are_those_of_both_libraries(small: Config, tmp_path: Path) -> None:
    for threads in (2, 1):
        run_torch(dataclasses.replace(in_torch(small, tmp_path), threads=threads, epochs=1))
        assert (npnet.get_num_threads(), torch.get_num_threads()) == (threads, threads)


@pytest.mark.parametrize("change", [{}, {"scheduler": "warmup_exponential", "ema": 0.9}])
def test_reference_resumes(small: Config, tmp_path: Path, change: dict[str, object]) -> None:
    config = dataclasses.replace(in_torch(small, tmp_path), **change)  # type: ignore[arg-type]
    run_torch(config)
    result = run_torch(dataclasses.replace(config, resume=True, epochs=3))
    assert result.progress.epoch == 3


def test_checkpoints_are_exchanged(small: Config, tmp_path: Path) -> None:
    """PyTorch's best.safetensors starts npnet, and the other way round."""
    config = in_torch(small, tmp_path)
    theirs = run_torch(config)
    again = dataclasses.replace(
        small, init_from=f"{config.checkpoint_dir}/best.safetensors", learning_rate=1e-30, epochs=1
    )
    assert run_npnet(again).test.accuracy == theirs.test.accuracy


def test_command(small: Config, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--dataset", small.dataset, "--epochs", "1", "--batch_size", "32"]
    folders = ["--checkpoint_dir", small.checkpoint_dir, "--log_dir", str(small.log_dir)]
    assert reference.main([*argv, *folders]) == 0
    assert "\ntest accuracy " in capsys.readouterr().out
    assert reference.main([*argv, *folders, "--model", "lent5"]) == 2


@pytest.mark.slow
def test_an_epoch_reaches_the_same_accuracy(tmp_path: Path) -> None:
    """On a fifth of MNIST where it is on the machine, else on the digits that ship with npnet."""
    data_dir = os.environ.get("NPNET_DATA", "")
    here = (Path(data_dir) / "mnist").is_dir()
    config = Config(
        model="lenet5",
        dataset=str(fifth_of_mnist(tmp_path)) if here else "digits",
        epochs=1 if here else 5,
        optimizer="adam",
        learning_rate=1e-3,
        checkpoint_dir=str(tmp_path / "npnet"),
        log_dir=str(tmp_path / "npnet-log"),
    )
    ours, theirs = run_npnet(config).test, run_torch(in_torch(config, tmp_path)).test
    one_image = 100 / ours.total
    assert abs(ours.accuracy - theirs.accuracy) <= max(ACCURACY_TOLERANCE, one_image)
    assert ours.accuracy > (85 if here else 60)


def fifth_of_mnist(folder: Path) -> Path:
    """A data file of it: the whole takes PyTorch half a minute on one thread."""
    whole = datasets.load("mnist", download=False)
    parts = {
        name: getattr(whole, name)[::5, 0] if name.startswith("x") else getattr(whole, name)[::5]
        for name in ("x_train", "y_train", "x_test", "y_test")
    }
    path = folder / "fifth.npz"
    np.savez(path, **{name.replace("_train", ""): part for name, part in parts.items()})
    return path
