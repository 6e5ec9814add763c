"""A run that is killed anywhere and resumed ends with the weights of one that never stopped."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.runs.errors import ConfigError
from npnet.runs.files import LAST
from npnet.training.config import Config
from tests.runs import run_npnet
from tests.training.test_trainer import assert_same_weights, weights_of

EPOCHS = 4
# Momentum, the schedule and the order of images carry state from epoch to epoch.
SETTINGS = {"model": "lenet5", "epochs": EPOCHS, "scheduler": "poly", "seed": 3}
# Schedules that step after each batch, averages, groups of the optimizer, augmented images.
OTHERS: list[dict[str, object]] = [
    {"scheduler": "warmup_cosine", "ema": 0.9, "label_smoothing": 0.1, "augment": True},
    {"scheduler": "onecycle", "optimizer": "adam", "ema": 0.99},
    {"scheduler": "warmup_exponential", "weight_decay": 1e-2, "weight_decay_on": "weights"},
    {"scheduler": "plateau", "plateau_patience": 0, "optimizer": "nadam"},
    {"scheduler": "multistep", "milestones": (1, 3), "nesterov": True},
    {"bias_lr_factor": 4.0, "weight_decay": 1e-2, "weight_decay_on": "weights"},
]


def whole(small: Config, tmp_path: Path, **settings: object) -> Config:
    """The run that is never stopped."""
    return dataclasses.replace(
        small,
        **SETTINGS | settings,  # type: ignore[arg-type]
        checkpoint_dir=str(tmp_path / "whole"),
        log_dir=str(tmp_path / "whole-log"),
    )


def command(config: Config) -> list[str]:
    path = Path(config.checkpoint_dir).parent / "killed.json"
    path.write_text(config.to_json())
    return [sys.executable, "-m", "npnet.train", "--config", str(path)]


def kill_after(config: Config, lines: int, delay: float) -> None:
    """Start the command, wait for `lines` finished epochs and `delay` seconds, and SIGKILL it."""
    process = subprocess.Popen(
        command(config),
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    seen = 0
    while seen < lines:
        line = process.stdout.readline()
        assert line, "the run ended before it was killed"
        seen += line.startswith("epoch ")
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "delay", "settings"),
    [
        (1, 0.0, {}),
        (1, 0.03, {}),
        (2, 0.01, OTHERS[0]),
        (3, 0.02, OTHERS[1]),
    ],
)
def test_killed_and_resumed_is_the_same(
    small: Config, tmp_path: Path, lines: int, delay: float, settings: dict[str, object]
) -> None:
    config = whole(small, tmp_path, **settings)
    run_npnet(config)
    killed = dataclasses.replace(
        config, checkpoint_dir=str(tmp_path / "killed"), log_dir=str(tmp_path / "killed-log")
    )
    kill_after(killed, lines, delay)
    resumed = subprocess.run(
        [
            sys.executable,
            "-m",
            "npnet.train",
            "--resume",
            "--checkpoint_dir",
            str(tmp_path / "killed"),
        ],
        capture_output=True,
        text=True,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming after epoch" in resumed.stdout
    assert_same_weights(weights_of(config.checkpoint_dir), weights_of(killed.checkpoint_dir))
    metrics = [Path(str(c.log_dir)) / "metrics.csv" for c in (config, killed)]
    seconds = -1  # the last column is time, which differs
    kept = [[row.split(",")[:seconds] for row in path.read_text().splitlines()] for path in metrics]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("settings", [{}, *OTHERS])
def test_stopped_between_epochs_and_resumed(
    small: Config, tmp_path: Path, settings: dict[str, object]
) -> None:
    config = whole(small, tmp_path, **settings)
    whole_result = run_npnet(config)
    stopped = dataclasses.replace(
        config, checkpoint_dir=str(tmp_path / "s"), log_dir=str(tmp_path / "l")
    )
    run_interrupted(stopped, epoch=2)
    resumed = run_npnet(dataclasses.replace(stopped, resume=True))
    assert_same_weights(weights_of(config.checkpoint_dir), weights_of(stopped.checkpoint_dir))
    plain = [dataclasses.replace(e, seconds=0) for e in resumed.progress.history]
    assert plain == [dataclasses.replace(e, seconds=0) for e in whole_result.progress.history]


def run_interrupted(config: Config, epoch: int) -> None:
    """Run with Ctrl-C in the middle of an epoch."""
    from npnet import train
    from npnet.training import run as job
    from npnet.training.learner import Batch, Learner

    class Interrupted(Learner):
        steps = 0

        def train_step(self, x, y) -> Batch:  # type: ignore[no-untyped-def]
            self.steps += 1
            if self.steps > 6 * epoch + 3:  # 192 images in batches of 32 are 6 steps an epoch
                raise KeyboardInterrupt
            return super().train_step(x, y)

    def build(config, data, parts):  # type: ignore[no-untyped-def]
        learner = train.build(config, data)
        learner.__class__ = Interrupted
        return learner

    with pytest.raises(KeyboardInterrupt):
        job.run(config, build)
    assert (Path(str(config.log_dir)) / "curves.png").exists()


def test_finished_run_tells_its_result_again(small: Config) -> None:
    first = run_npnet(small)
    again = run_npnet(dataclasses.replace(small, resume=True))
    assert again.test.accuracy == first.test.accuracy
    assert again.progress.epoch == 2


def test_more_epochs_go_on(small: Config, tmp_path: Path) -> None:
    run_npnet(small)
    run_npnet(dataclasses.replace(small, resume=True, epochs=4))
    long = dataclasses.replace(
        small, epochs=4, checkpoint_dir=str(tmp_path / "long"), log_dir=str(tmp_path / "long-log")
    )
    run_npnet(long)
    assert_same_weights(weights_of(small.checkpoint_dir), weights_of(long.checkpoint_dir))


def test_nothing_to_resume(small: Config) -> None:
    with pytest.raises(ConfigError, match=f"there is no {LAST}"):
        run_npnet(dataclasses.replace(small, resume=True))


def test_other_settings_are_refused(small: Config) -> None:
    run_npnet(small)
    changed = dataclasses.replace(small, resume=True, learning_rate=0.1)
    with pytest.raises(ConfigError, match=r"learning_rate was 0.05 and is 0.1"):
        run_npnet(changed)


@pytest.mark.parametrize("what", ["x", "y"])
def test_other_data_are_refused(small: Config, tmp_path: Path, what: str) -> None:
    path = tmp_path / "mine.npz"
    config = dataclasses.replace(small, dataset=str(path))
    with np.load(small.dataset) as file:
        arrays = dict(file)
    np.savez(path, **arrays)
    run_npnet(config)
    if what == "x":
        arrays["x"][0] = 255 - arrays["x"][0]
    else:
        arrays["y"][arrays["y"] == 3] = 0
        arrays["y_test"][arrays["y_test"] == 3] = 0
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match="resume: the saved run was on other data"):
        run_npnet(dataclasses.replace(config, resume=True))


def scalars(log_dir: str | None) -> dict[str, list[int]]:
    """The steps of each tag, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(log_dir)).Reload()
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize(
    "place", ["runs.watchers.atomic_write", "training.checkpoint.serialization.save"]
)
def test_full_disk_loses_nothing(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The disk is full at the second epoch: once the state is saved, or before."""
    config = whole(small, tmp_path)
    run_npnet(config)
    name = f"npnet.{place}"
    write, calls = pkgutil.resolve_name(name), 0

    def full(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*args)

    stopped = dataclasses.replace(
        config, checkpoint_dir=str(tmp_path / "s"), log_dir=str(tmp_path / "l")
    )
    monkeypatch.setattr(name, full)
    with pytest.raises(OSError, match="No space left"):
        run_npnet(stopped)
    monkeypatch.undo()
    run_npnet(dataclasses.replace(stopped, resume=True))
    assert_same_weights(weights_of(config.checkpoint_dir), weights_of(stopped.checkpoint_dir))
    assert (tmp_path / "l/metrics.csv").read_text().count("\n") == EPOCHS + 1
    assert scalars(stopped.log_dir)["val/loss"] == list(range(1, EPOCHS + 1))


def test_last_epoch_is_told_after_a_resume(small: Config) -> None:
    """Killed after its last epoch was saved, and before anybody was told."""
    run_npnet(small)
    log_dir = Path(str(small.log_dir))
    for path in log_dir.iterdir():
        path.unlink()
    run_npnet(dataclasses.replace(small, resume=True))
    assert (log_dir / "metrics.csv").read_text().count("\n") == 3
    assert scalars(small.log_dir)["train/loss"] == [2]
    assert "resuming after epoch 2/2" in (log_dir / "log.txt").read_text()


def test_tensorboard_has_every_epoch_once(small: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(small, epochs=EPOCHS)
    run_interrupted(config, epoch=2)
    run_npnet(dataclasses.replace(config, resume=True))
    steps = scalars(config.log_dir)
    tags = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/sampled_accuracy"}
    for tag in tags | {"learning_rate", "seconds"}:
        assert steps[tag] == [1, 2, 3, 4], tag
    assert steps["hparam/test_accuracy"] == [0]


@pytest.mark.parametrize("scheduler", ["poly", "cosine", "warmup_cosine", "onecycle"])
def test_schedule_fixes_the_epochs(small: Config, scheduler: str) -> None:
    config = dataclasses.replace(small, scheduler=scheduler)
    run_npnet(config)
    with pytest.raises(ConfigError, match="epochs was 2 and is 4"):
        run_npnet(dataclasses.replace(config, resume=True, epochs=4))


@pytest.mark.parametrize("damage", [b"", b"\x08\x00\x00\x00\x00\x00\x00\x00garbage!"])
def test_torn_checkpoint_is_told(small: Config, damage: bytes) -> None:
    from npnet.serialization import CheckpointError

    run_npnet(small)
    (Path(small.checkpoint_dir) / LAST).write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        run_npnet(dataclasses.replace(small, resume=True))


def test_config_json_repeats_the_run(small: Config, tmp_path: Path) -> None:
    run_npnet(small)
    values = json.loads((Path(small.checkpoint_dir) / "config.json").read_text())
    again = Config.from_dict(
        values | {"checkpoint_dir": str(tmp_path / "a"), "log_dir": str(tmp_path / "b")}, "test"
    )
    run_npnet(again)
    assert_same_weights(weights_of(small.checkpoint_dir), weights_of(again.checkpoint_dir))
