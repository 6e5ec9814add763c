"""What a newcomer meets first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npnet import train
from npnet.runs.files import CONFIG
from npnet.training.config import Config
from tests.runs import run_npnet


@pytest.fixture
def argv(stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    return ["--dataset", str(stripes), "--model", "mlp", "--batch_size", "32"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["--scheduler", "step", "--gamma", "0.9"],
            "step takes no step in 1 epoch: step_size is 2",
        ),
        (["--scheduler", "warmup_cosine"], "warms up for half of the run in 1 epoch"),
        (["--scheduler", "plateau"], "plateau takes no step in 1 epoch: plateau_patience is 2"),
    ],
)
def test_one_epoch_is_enough(
    settings: list[str], said: str, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*argv, *settings, "--epochs", "1"]) == 0
    assert said in capsys.readouterr().out


def test_a_recipe_goes_with_one_epoch() -> None:
    config = Config.from_dict({"recipe": "lenet5-best", "epochs": 1}, "a test")
    assert config.warms_up == 0.5


def test_what_the_output_says(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main([*argv, "--epochs", "1", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert " 1 thread\n" in said
    assert said.count("(with the class drawn by the network's probabilities") == 1
    assert train.main([*argv, "--epochs", "1", "--threads", "99"]) == 0
    assert "99 threads on " in capsys.readouterr().out
    assert train.main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert '"sampled" is the share' in said
    assert "lenet4 (the course's, and the default" in said


def test_a_run_by_config_has_a_log_folder_of_its_own(argv: list[str], tmp_path: Path) -> None:
    assert train.main([*argv, "--epochs", "1", "--checkpoint_dir", "a"]) == 0
    first = Config.from_json(tmp_path / "a" / CONFIG).log_dir
    again = ["--config", f"a/{CONFIG}", "--checkpoint_dir", "b"]
    assert train.main(again) == 0
    second = Config.from_json(tmp_path / "b" / CONFIG).log_dir
    assert second != first
    assert not list(Path(str(first)).glob("earlier-*"))
    assert train.main([*again, "--log_dir", "mine"]) == 0
    assert train.main(["--config", f"b/{CONFIG}", "--checkpoint_dir", "c"]) == 0
    assert Config.from_json(tmp_path / "c" / CONFIG).log_dir == "mine"  # which somebody has named


def test_hparams_are_what_runs_are_compared_by(
    small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(
        "npnet.runs.tensorboard.EventFile.hparams", lambda self, *values: told.append(values)
    )
    run_npnet(small)
    [(settings, metrics)] = told
    assert {"model", "optimizer", "learning_rate", "library"} <= settings.keys()
    assert not {"log_dir", "checkpoint_dir", "data_dir", "step_size", "patience"} & settings.keys()
    assert "hparam/test_accuracy" in metrics
