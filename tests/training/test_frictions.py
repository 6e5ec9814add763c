"""What a newcomer meets first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npnet import train
from npnet.runs.files import CONFIG, METRICS
from npnet.training.command_line import parse
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
    metrics = (tmp_path / "mine" / METRICS).read_bytes()
    assert train.main(["--config", f"b/{CONFIG}", "--checkpoint_dir", "c", "--seed", "1"]) == 0
    assert Config.from_json(tmp_path / "c" / CONFIG).log_dir != "mine"
    assert (tmp_path / "mine" / METRICS).read_bytes() == metrics
    assert not list((tmp_path / "mine").glob("earlier-*"))


def test_where_a_run_by_config_writes_its_logs(argv: list[str], tmp_path: Path) -> None:
    def chosen(*words: str) -> str | None:
        return parse(words, "npnet train").log_dir

    assert train.main([*argv, "--epochs", "1", "--checkpoint_dir", "a", "--log_dir", "la"]) == 0
    assert chosen("--config", f"a/{CONFIG}") is None
    assert chosen("--config", f"a/{CONFIG}", "--log-dir", "x") == "x"
    assert chosen("--config", f"a/{CONFIG}", "--checkpoint_dir", "a", "--resume") == "la"
    (tmp_path / "written.json").write_bytes((tmp_path / "a" / CONFIG).read_bytes())
    assert chosen("--config", "written.json") == "la"  # by hand, and not of a run
    # Weights and logs in one folder stay together, and are set aside together.
    assert train.main([*argv, "--epochs", "1", "--checkpoint_dir", "b", "--log_dir", "b"]) == 0
    assert chosen("--config", f"b/{CONFIG}") == "b"
    assert chosen("--config", f"b/{CONFIG}", "--checkpoint-dir", "c") is None


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
