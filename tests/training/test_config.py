"""Settings: checked when made, read from the command line and from JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from npnet.runs.errors import ConfigError
from npnet.training.command_line import parse
from npnet.training.config import Config

PROG = "python -m npnet.train"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "lent5"}, "model must be one of .*; got 'lent5'; did you mean 'lenet5'?"),
        ({"dataset": "minst"}, "did you mean 'mnist'"),
        ({"criterion": "cross-entropy"}, "did you mean 'cross_entropy'"),
        ({"optimizer": "adma"}, "did you mean 'adam"),
        ({"scheduler": "cosin"}, "did you mean 'cosine'"),
        ({"learning_rate": float("nan")}, "learning_rate must be > 0, got nan"),
        ({"learning_rate": -1.0}, "learning_rate must be > 0, got -1"),
        ({"momentum": 1.0}, "momentum must be >= 0 and < 1, got 1"),
        ({"weight_decay": float("inf")}, "weight_decay must be >= 0 and finite, got inf"),
        ({"val_ratio": 1.0}, "val_ratio must be >= 0 and < 1, got 1"),
        ({"epochs": 0}, "epochs must be >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"patience": 0}, "patience must be >= 1, got 0"),
        ({"threads": 0}, "threads must be >= 1 and <= 1024, got 0"),
        ({"clip_grad_norm": float("nan")}, "clip_grad_norm must be > 0, got nan"),
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"use_scheduler": True, "scheduler": "cosine"}, "leave one of them out"),
        ({"scheduler": "multistep"}, "needs at least one epoch"),
        ({"scheduler": "multistep", "milestones": (5, 10)}, "needs at least 11 epochs, got 10"),
        ({"scheduler": "step", "step_size": 10}, "needs at least 11 epochs, got 10"),
        ({"scheduler": "warmup_cosine", "warmup_epochs": 10}, "needs at least 11 epochs, got 10"),
        (
            {"scheduler": "warmup_exponential", "warmup_epochs": 3.0, "epochs": 1},
            "raise --epochs, or choose another",
        ),
        ({"scheduler": "plateau", "plateau_patience": 8}, "needs at least 11 epochs, got 10"),
        ({"scheduler": "plateau", "gamma": 1.0}, "needs one below 1, got 1"),
        ({"scheduler": "cosine", "min_learning_rate": 0.01}, "must be below learning_rate, 0.01"),
        ({"min_learning_rate": -1.0}, "min_learning_rate must be >= 0, got -1"),
        ({"warmup_epochs": 0}, "warmup_epochs must be > 0, got 0"),
        ({"pct_start": 1.0}, "pct_start must be > 0 and < 1, got 1"),
        ({"div_factor": 0.0}, "div_factor must be > 0, got 0"),
        ({"final_div_factor": float("inf")}, "final_div_factor must be > 0 and finite, got inf"),
        ({"label_smoothing": 1.0}, "label_smoothing must be >= 0 and < 1, got 1"),
        ({"label_smoothing": 0.1, "criterion": "mse"}, "only the criterion cross_entropy has it"),
        ({"ema": 1.0}, "ema must be > 0 and < 1, got 1"),
        ({"bias_lr_factor": 0.0}, "bias_lr_factor must be > 0"),
        ({"batch_norm": "shards"}, "must be one of batch, shard; got 'shards'"),
        ({"batch_norm": "shard", "criterion": "a.py:Loss"}, "shard takes the mean of the shards'"),
        ({"batch_norm_momentum": 1.1}, "batch_norm_momentum must be > 0 and <= 1, got 1.1"),
        ({"alternating_flip": True}, "of how --augment mirrors images; add --augment"),
        ({"weight_decay_on": "weight"}, "did you mean 'weights'"),
        ({"scheduler": "multistep", "milestones": (4, 2)}, "must be rising"),
        ({"scheduler": "multistep", "milestones": (2, 2)}, "must be rising"),
        ({"learning_rate": float("inf")}, "must be > 0 and finite, got inf"),
        ({"threads": 100_000}, "threads must be >= 1 and <= 1024"),
        ({"nesterov": True, "momentum": 0.0}, "momentum above 0"),
        ({"nesterov": True, "optimizer": "adam"}, "needs the optimizer sgd"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(**settings)  # type: ignore[arg-type]


def test_defaults_are_the_documented_ones() -> None:
    config = Config()
    assert (config.model, config.dataset, config.criterion) == ("lenet4", "auto", "cross_entropy")
    assert (config.optimizer, config.learning_rate, config.momentum) == ("sgd", 1e-2, 0.9)
    assert (config.batch_size, config.epochs, config.val_ratio, config.seed) == (128, 10, 0.2, 0)
    assert config.checkpoint_dir == "./checkpoint"
    assert config.schedule == "none"
    assert dataclasses.replace(config, use_scheduler=True).schedule == "poly"


def test_settings_of_other_schedules_are_known() -> None:
    config = Config(scheduler="step", gamma=0.5, milestones=(3,), pct_start=0.2)
    assert config.unused == ["milestones", "pct_start"]
    assert Config(use_scheduler=True, gamma=0.5).unused == ["gamma"]
    assert Config(optimizer="adam", momentum=0.5).unused == ["momentum"]
    assert Config(weight_decay_on="weights").unused == ["weight_decay_on"]
    assert Config(weight_decay_on="weights", weight_decay=0.1).unused == []


@pytest.mark.parametrize("flag", ["--learning_rate", "--learning-rate"])
@pytest.mark.parametrize("joined", [False, True])
def test_flags_take_both_spellings(flag: str, joined: bool) -> None:
    argv = [f"{flag}=0.5"] if joined else [flag, "0.5"]
    assert parse(argv, PROG).learning_rate == 0.5


def test_flags_of_every_kind() -> None:
    argv = ["--use_scheduler", "--patience", "3", "--model", "lenet5", "--milestones", "2", "5"]
    config = parse(argv, PROG)
    assert (config.use_scheduler, config.patience, config.model) == (True, 3, "lenet5")
    assert config.milestones == (2, 5)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--lerning_rate", "0.1"], "Unrecognized .*--lerning_rate.*did you mean --learning_rate"),
        (["--epochs", "many"], "--epochs.*'many'"),
        (["--epochs"], "[Mm]issing.*--epochs"),
        (["lenet5"], "Unrecognized options: lenet5"),
        (["--config"], "config"),
    ],
)
def test_usage_errors_are_one_line(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(argv, PROG)
    assert "\n" not in str(caught.value)


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--help"], PROG)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for field in dataclasses.fields(Config):
        assert f"--{field.name}" in shown


def test_json_round_trip(tmp_path: Path) -> None:
    config = Config(model="lenet5", patience=4, milestones=(1, 2), scheduler="multistep")
    path = tmp_path / "run.json"
    path.write_text(config.to_json())
    assert Config.from_json(path) == config
    assert parse(["--config", str(path), "--epochs", "3"], PROG) == dataclasses.replace(
        config, epochs=3, config=str(path)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold settings as an object"),
        (json.dumps({"epoch": 3}), "got 'epoch'; did you mean 'epochs'"),
        (json.dumps({"epochs": "3"}), "epochs must be int, got '3'"),
        (json.dumps({"epochs": True}), "epochs must be int, got True"),
        (json.dumps({"learning_rate": None}), "learning_rate must be float, got None"),
        (json.dumps({"milestones": [1.5]}), "milestones must be tuple"),
        (json.dumps({"learning_rate": -1}), "learning_rate must be > 0"),
    ],
)
def test_wrong_json_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Config.from_json(path)


def test_missing_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read .*No such file"):
        Config.from_json(tmp_path / "none.json")
