"""Fine-tuning: runs that begin with the weights of another, and files that are no beginning."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import npnet
from npnet import models
from npnet.models.checkpoint import BEST
from npnet.runs.errors import ConfigError
from npnet.runs.files import LAST
from npnet.serialization import CheckpointError
from npnet.training.config import Config
from tests.runs import run_npnet
from tests.training.test_trainer import assert_same_weights, weights_of


def tuned_from(small: Config, tmp_path: Path, file: str, **settings: object) -> Config:
    """A run of one epoch whose steps are too small to change a weight."""
    return dataclasses.replace(
        small,
        init_from=f"{small.checkpoint_dir}/{file}",
        learning_rate=1e-30,
        epochs=1,
        checkpoint_dir=str(tmp_path / "tuned"),
        log_dir=str(tmp_path / "tuned-log"),
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_starts_from_old_weights(
    small: Config, tmp_path: Path, ema: float | None, optimizer: str
) -> None:
    run_npnet(small)
    tuned = tuned_from(small, tmp_path, BEST, ema=ema, optimizer=optimizer)
    run_npnet(tuned)
    assert_same_weights(weights_of(small.checkpoint_dir), weights_of(tuned.checkpoint_dir))


def test_takes_the_averages_of_a_run_that_has_them(small: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(small, ema=0.9, val_ratio=0.0)  # the last epoch is the best
    run_npnet(config)
    tuned = tuned_from(config, tmp_path, LAST)
    run_npnet(tuned)
    assert_same_weights(weights_of(config.checkpoint_dir), weights_of(tuned.checkpoint_dir))


def test_a_resumed_run_needs_the_file_no_more(small: Config, tmp_path: Path) -> None:
    run_npnet(small)
    tuned = tuned_from(small, tmp_path, BEST)
    run_npnet(tuned)
    (Path(small.checkpoint_dir) / BEST).unlink()
    assert run_npnet(dataclasses.replace(tuned, resume=True, epochs=2)).progress.epoch == 2


def saved(model: str, **options: int) -> Callable[[Path], None]:
    return lambda path: npnet.save(models.create(model, **options).state_dict(), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no file"),
        (lambda path: path.write_bytes(b"torn"), r"w\.safetensors"),
        (saved("resnet20"), r"is missing, .* more; --model must name the network that was saved"),
        (saved("lenet5"), r"conv3\.weight is not known, .*; --model must name the network"),
        (
            saved("lenet4", num_classes=10),
            r"it tells 10 classes apart and the data have 4 .*; take data of as many classes, or "
            "start without --init_from",
        ),
        (
            saved("lenet4", num_classes=4, in_channels=3),
            r"weight is \(\d+, 3, 5, 5\) there and \(\d+, 1, 5, 5\) here; --model and the images'",
        ),
    ],
)
def test_wrong_weights_are_refused(
    small: Config, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "w.safetensors"
    make(path)
    with pytest.raises((ConfigError, CheckpointError), match=message) as caught:
        run_npnet(dataclasses.replace(small, init_from=str(path)))
    assert "\n" not in str(caught.value)
    assert not (Path(small.checkpoint_dir) / BEST).exists()


def test_another_network_is_named(small: Config, tmp_path: Path) -> None:
    run_npnet(small)
    tuned = dataclasses.replace(tuned_from(small, tmp_path, BEST), model="lenet5")
    with pytest.raises(ConfigError, match=r"\(a lenet4\) does not fit the network"):
        run_npnet(tuned)


def with_bias(change: Callable[[npnet.Tensor], npnet.Tensor]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        state = models.create("lenet4", num_classes=4).state_dict()
        npnet.save({**state, "fc2.bias": change(state["fc2.bias"])}, path)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_bias(lambda b: npnet.ones(())), r"fc2\.bias is \(\) there and \(4,\) here"),
        (with_bias(lambda b: b.long()), r"fc2\.bias is int64, where .* quantised"),
        (with_bias(lambda b: b * float("nan")), r"fc2\.bias has values that are NaN, or infinite"),
        (with_bias(lambda b: b.double() + 1e300), r"fc2\.bias has values .* infinite in float32"),
        (lambda path: npnet.save({1: npnet.ones(1)}, path), "does not hold weights by name"),
        (lambda path: npnet.save({"learner": 1, "progress": 2}, path), "does not hold weights by"),
        (lambda path: npnet.save([], path), "does not hold weights by name"),
        (lambda path: path.mkdir(), r"can't read .*: Is a directory, where a file is needed"),
        (lambda path: os.mkfifo(path), "can't read .*: it is a named pipe"),
    ],
)
def test_damaged_weights_are_refused(
    small: Config, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "w.safetensors"
    make(path)
    with pytest.raises(ConfigError, match=message) as caught:
        run_npnet(dataclasses.replace(small, init_from=str(path)))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "~nobody-has-it/w.safetensors"])
def test_paths_that_no_file_has(small: Config, path: str) -> None:
    for flag in ("init_from", "checkpoint_dir", "log_dir"):
        with pytest.raises(ConfigError, match=f"{flag}: .*(NUL|must be text|home folder)"):
            run_npnet(dataclasses.replace(small, **{flag: path}))
