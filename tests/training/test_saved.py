"""What a run saves of itself: its settings, its state, its data; and files that can't be right."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import train
from npnet.models.checkpoint import BEST
from npnet.runs.errors import ConfigError
from npnet.runs.files import CONFIG, LAST
from npnet.serialization import CheckpointError
from npnet.training.checkpoint import Checkpoints, read_seconds, unusable
from npnet.training.config import Config
from npnet.training.data import prepare
from npnet.training.state import restore
from tests.campaign import trials
from tests.odd_values import ODD, damaged, mutated
from tests.runs import run_npnet


@pytest.fixture
def tiny(small: Config) -> Config:
    return dataclasses.replace(small, model="mlp", threads=1)


@pytest.fixture(scope="module")
def finished(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run whose state has everything: an average, a schedule in parts, an optimizer's counts."""
    folder = tmp_path_factory.mktemp("finished")
    config = Config(
        model="mlp",
        dataset=str(stripes),
        epochs=2,
        batch_size=64,
        optimizer="adam",
        learning_rate=0.01,
        scheduler="warmup_cosine",
        ema=0.9,
        threads=1,
        checkpoint_dir=str(folder / "checkpoint"),
        log_dir=str(folder / "log"),
    )
    run_npnet(config)
    return config


def command(config: Config, *flags: str) -> int:
    return train.main([*flags, "--checkpoint_dir", config.checkpoint_dir])


def file(config: Config, name: str) -> Path:
    return Path(config.checkpoint_dir) / name


# ---- equal files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ema", [None, 0.9])
def test_equal_runs_write_equal_files(tiny: Config, tmp_path: Path, ema: float | None) -> None:
    config = dataclasses.replace(tiny, ema=ema)
    twin = dataclasses.replace(
        config, checkpoint_dir=str(tmp_path / "c"), log_dir=str(tmp_path / "l"), threads=2
    )
    for each in (config, twin):
        run_npnet(each)
    for name in (BEST, LAST):
        assert file(config, name).read_bytes() == file(twin, name).read_bytes()


# ---- settings ------------------------------------------------------------------------------------


def test_resume_without_config_goes_on_by_the_settings_of_last(
    tiny: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = dataclasses.replace(
        tiny, epochs=3, checkpoint_dir=str(tmp_path / "w"), log_dir=str(tmp_path / "wl")
    )
    run_npnet(whole)
    run_npnet(tiny)
    file(tiny, CONFIG).unlink()
    log = ["--log_dir", str(tmp_path / "log")]
    assert command(tiny, "--resume", "--seed", "5", "--batch_size", "16", *log) == 2
    error = capsys.readouterr().err
    assert "in last.safetensors: batch_size was 32 and is 16; seed was 0 and is 5" in error
    assert Config.from_json(file(tiny, CONFIG)).batch_size == 32  # which was written again
    file(tiny, CONFIG).unlink()
    assert command(tiny, "--resume", "--model", "lenet_fc", *log) == 2
    assert "model was 'mlp' and is 'lenet_fc'" in capsys.readouterr().err
    assert command(tiny, "--resume", "--epochs", "3", *log) == 0
    assert file(tiny, LAST).read_bytes() == file(whole, LAST).read_bytes()
    assert Config.from_json(file(tiny, CONFIG)).learning_rate == tiny.learning_rate


@pytest.mark.parametrize("flags", [[], ["--learning_rate", "0.05"]])
def test_config_of_another_run_is_refused(
    tiny: Config, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    run_npnet(tiny)
    values = json.loads(file(tiny, CONFIG).read_text())
    file(tiny, CONFIG).write_text(json.dumps(values | {"learning_rate": 0.5, "threads": 2}))
    expected = 0 if flags else 2  # the flag puts right what the file says
    assert command(tiny, "--resume", *flags) == expected
    if expected:
        assert "learning_rate was 0.05 and is 0.5" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"learning_rate": "x"}', '{"new": 1}', "\xff"])
def test_damaged_config_is_told_with_a_way_out(
    tiny: Config, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    run_npnet(tiny)
    file(tiny, CONFIG).write_bytes(damage.encode("latin-1"))
    assert command(tiny, "--resume") == 2
    assert "delete config.json to go on by those" in capsys.readouterr().err
    file(tiny, CONFIG).unlink()
    assert command(tiny, "--resume", "--log_dir", str(tiny.log_dir)) == 0


def test_last_of_earlier_versions(tiny: Config) -> None:
    """They had the settings in config.json alone, and did not name the best file."""
    run_npnet(dataclasses.replace(tiny, epochs=1))
    tree = npnet.load(file(tiny, LAST))
    del tree["settings"], tree["library"], tree["progress"]["best_checksum"]
    tree["progress"]["history"][0]["seconds"] = 3.5
    npnet.save(tree, file(tiny, LAST))
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.05 and is 0\.5"):
        run_npnet(dataclasses.replace(tiny, learning_rate=0.5, resume=True))
    config = file(tiny, CONFIG).read_bytes()
    file(tiny, CONFIG).unlink()
    with pytest.raises(ConfigError, match=r"no config\.json in .* does not hold the settings"):
        run_npnet(dataclasses.replace(tiny, resume=True))
    file(tiny, CONFIG).write_bytes(config)
    assert run_npnet(dataclasses.replace(tiny, resume=True)).progress.epoch == 2


def test_run_of_the_other_library_is_refused(tiny: Config) -> None:
    run_npnet(tiny)
    tree = npnet.load(file(tiny, LAST))
    npnet.save(tree | {"library": "torch"}, file(tiny, LAST))
    with pytest.raises(ConfigError, match="was trained by torch, not by npnet"):
        run_npnet(dataclasses.replace(tiny, resume=True))


# ---- best.safetensors ----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["missing", "torn", "another"])
def test_best_of_the_last_epoch_is_written_again(tiny: Config, loss: str) -> None:
    config = dataclasses.replace(tiny, val_ratio=0.0)  # the last epoch is the best
    run_npnet(config)
    best = file(config, BEST).read_bytes()
    if loss == "missing":
        file(config, BEST).unlink()
    else:
        npnet.save({}, file(config, BEST))
        if loss == "torn":
            file(config, BEST).write_bytes(best[:-1])
    run_npnet(dataclasses.replace(config, resume=True))
    assert file(config, BEST).read_bytes() == best
    assert (
        "best.safetensors was written again" in (Path(str(config.log_dir)) / "log.txt").read_text()
    )


@pytest.mark.parametrize("loss", ["missing", "torn", "another"])
def test_best_of_another_run_is_refused(tiny: Config, loss: str) -> None:
    """The best epoch is not the last, whose weights are the only ones in last.safetensors."""
    config = dataclasses.replace(
        tiny, learning_rate=1e-30, epochs=3
    )  # which moves no weight: none is better than the first
    assert run_npnet(config).progress.best_epoch < 3
    if loss == "missing":
        file(config, BEST).unlink()
    elif loss == "torn":
        file(config, BEST).write_bytes(file(config, BEST).read_bytes()[:-1])
    else:
        tree = npnet.load(file(config, BEST))
        npnet.save({name: tensor + 1 for name, tensor in tree.items()}, file(config, BEST))
    with pytest.raises(
        ConfigError, match=r"last\.safetensors goes with the best\.saf.*--init_from"
    ):
        run_npnet(dataclasses.replace(config, resume=True))


# ---- data ----------------------------------------------------------------------------------------


def test_moved_data_go_on(
    tiny: Config, stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved, other = tmp_path / "moved.npz", tmp_path / "other.npz"
    shutil.copy(stripes, tmp_path / "mine.npz")
    config = dataclasses.replace(tiny, dataset=str(tmp_path / "mine.npz"))
    run_npnet(config)
    (tmp_path / "mine.npz").rename(moved)
    assert command(config, "--resume", "--epochs", "3") == 2
    assert "if the file of the run was moved, say where it is now by --dataset" in (
        capsys.readouterr().err
    )
    with np.load(moved) as arrays:
        np.savez(other, **{**arrays, "y": (arrays["y"] + 1) % 4})
    assert command(config, "--resume", "--epochs", "3", "--dataset", str(other)) == 2
    assert "the saved run was on other data" in capsys.readouterr().err
    assert command(config, "--resume", "--epochs", "3", "--dataset", str(moved)) == 0
    assert command(config, "--resume", "--epochs", "4") == 0  # it remembers


# ---- contents that can't be right, though the checksum is ----------------------------------------

CHANGES: list[tuple[str, Any, str]] = [
    ("progress.history", [], "has no finished epoch"),
    ("progress.history.0.epoch", 2, "says that it is 2"),
    ("progress.history.1.learning_rate", -1.0, "has learning_rate -1"),
    ("progress.history.1.train_loss", float("inf"), "has train_loss inf"),
    ("progress.history.0.val_accuracy", 101.0, "has val_accuracy 101"),
    ("progress.history.0.val_accuracy", "x", "needs numbers"),
    ("progress.best_epoch", 0, "has epoch 0 as the best"),
    ("progress.best_epoch", None, "needs a history"),
    ("progress.data", 3, "is no text"),
    ("settings", {"learning_rate": -1.0}, "learning_rate must be > 0"),
    ("settings", {"new": 1}, "a setting must be one of"),
    ("settings", [1], "its settings are no table"),
    ("library", 3, "library is no text"),
    ("learner", None, "the learner is no table"),
    ("learner.weights", None, "weights is no table"),
    ("learner.weights", {}, "weights lacks layers.0.weight"),
    ("learner.weights.more", npnet.ones(1), "weights has more, which is not known"),
    ("learner.weights.layers\\.0\\.bias", npnet.ones(()), r"has shape \(\) and not \(300,\)"),
    ("learner.weights.layers\\.0\\.bias", npnet.ones(300).long(), "is int64 and not float32"),
    ("learner.weights.layers\\.0\\.bias", npnet.ones(300) * float("nan"), "no number"),
    ("learner.weights.layers\\.0\\.bias", 3, "is no tensor"),
    ("learner.average", None, "average is no table"),
    ("learner.average.n_averaged", -1, "average.n_averaged is -1, and must be 6"),
    ("learner.scheduler", None, "scheduler is no table"),
    ("learner.scheduler.last_epoch", 2**70, "scheduler.last_epoch is 1180591620717411303424"),
    ("learner.scheduler.last_epoch", 5, "scheduler.last_epoch is 5, and must be 6"),
    ("learner.scheduler._schedulers", [], "must have 2 values"),
    ("learner.scheduler.base_lrs", [0.5], r"base_lrs\[0\] is 0.5, and must be 0.01"),
    ("learner.optimizer.state", {}, r"optimizer.state lacks 0"),
    ("learner.optimizer.state.0", {}, r"optimizer.state\[1\] has"),
    ("learner.optimizer.state.0.step", -1.0, r"step is -1.0, and must be a number from 0"),
    ("learner.optimizer.state.1.exp_avg", npnet.ones(2), r"has shape \(2,\) and not \(300,\)"),
    ("learner.optimizer.param_groups", [], "must have 1 values"),
    ("learner.optimizer.param_groups.0.lr", 0.5, "has learning rates"),
    ("learner.optimizer.param_groups.0.lr", "x", "lr is 'x', and must be a number"),
    ("learner.optimizer.param_groups.0.eps", 1.0, "eps is 1.0, and must be 1e-08"),
    ("learner.optimizer.param_groups.0.params", [0, 0], "must have 6 values"),
]


def changed(tree: Any, place: str, value: Any) -> Any:
    """The tree with a value at a place, whose names stand between dots."""
    *way, last = (part.replace("\0", ".") for part in place.replace("\\.", "\0").split("."))
    node = tree
    for part in way:
        node = node[int(part)] if isinstance(node, list) or int_key(node, part) else node[part]
    node[int(last) if isinstance(node, list) or int_key(node, last) else last] = value
    return tree


def int_key(node: Any, part: str) -> bool:
    return part.isdigit() and part not in node


@pytest.mark.parametrize(("place", "value", "message"), CHANGES)
def test_contents_that_cannot_be(
    finished: Config, tmp_path: Path, place: str, value: Any, message: str
) -> None:
    config = dataclasses.replace(
        finished, resume=True, checkpoint_dir=str(tmp_path / "c"), log_dir=str(tmp_path / "l")
    )
    shutil.copytree(finished.checkpoint_dir, config.checkpoint_dir)
    npnet.save(changed(npnet.load(file(config, LAST)), place, value), file(config, LAST))
    with pytest.raises(ConfigError, match=message) as caught:
        run_npnet(config)
    assert str(file(config, LAST)) in str(caught.value)
    assert "\n" not in str(caught.value)


def check_text(error: Exception) -> None:
    assert "\n" not in str(error)
    assert "/" in str(error)  # the file


@pytest.mark.campaign
def test_states_with_odd_values(finished: Config, tmp_path: Path) -> None:
    """The checksum is right: each is refused in one line, or the learner is as it was."""
    rng, data = random.Random(0), prepare(finished, print)
    shutil.copytree(finished.checkpoint_dir, tmp_path / "c")
    checkpoints = Checkpoints(tmp_path / "c")
    tree, learner = npnet.load(tmp_path / "c" / LAST), train.build(finished, data)
    restore(learner, tree["learner"], 2, 3)
    right = npnet.serialization.to_bytes({"state": learner.state()})
    odd = [*ODD, npnet.ones(()), npnet.ones(300), npnet.zeros(0), npnet.ones(300) * float("nan")]
    count, taken = trials(100, 5_000), 0
    for _ in range(count):
        npnet.save(mutated(tree, rng, odd), tmp_path / "c" / LAST)
        try:
            saved = checkpoints.load_last()
            learner = train.build(finished, data)
            restore(learner, saved.learner, saved.progress.epoch, 3)
        except (ConfigError, CheckpointError, ValueError) as error:
            check_text(unusable(tmp_path, str(error)))
            continue
        taken += 1
        state = npnet.serialization.to_bytes({"state": learner.state()})
        assert len(state) == len(right)  # a count or a weight may be another, a form may not
    print(f"{count} states of runs with odd values: {count - taken} refused")


@pytest.mark.campaign
def test_damaged_bytes_beside_a_run(finished: Config, tmp_path: Path) -> None:
    rng = random.Random(1)
    config = Path(finished.checkpoint_dir) / CONFIG
    metrics = Path(str(finished.log_dir)) / "metrics.csv"
    progress = Checkpoints(Path(finished.checkpoint_dir)).load_last().progress
    count, refused = trials(300, 20_000), 0
    for _ in range(count):
        (tmp_path / "it").write_bytes(damaged(config.read_bytes(), rng))
        try:
            Config.from_json(tmp_path / "it")
        except ConfigError as error:
            refused += 1
            check_text(error)
        (tmp_path / "it").write_bytes(damaged(metrics.read_bytes(), rng))
        assert all(s >= 0 for s in read_seconds(tmp_path / "it", progress).values())
    print(f"{count} damaged config.json: {refused} refused; as many metrics.csv: none in the way")
