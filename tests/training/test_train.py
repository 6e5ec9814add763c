"""The command: its output, its exit codes, and that a wrong use is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import npnet
from npnet import cli, models, train
from npnet.runs import commands
from npnet.training.config import Config


def arguments(config: Config) -> list[str]:
    """The command line that asks for a small run."""
    return [
        "--model", config.model, "--dataset", config.dataset, "--epochs", "1",
        "--batch_size", "32", "--checkpoint_dir", config.checkpoint_dir,
        "--log_dir", str(config.log_dir),
    ]  # fmt: skip


def test_command_prints_the_network_and_the_result(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main(arguments(small)) == 0
    out = capsys.readouterr().out
    assert "lenet4 on stripes.npz" in out
    assert "192 training, 48 validation, 60 test images of 1 x 32 x 32, 4 classes" in out
    assert "parameters" in out
    assert "MACs" in out
    assert "epoch 1/1  train loss" in out
    assert "\ntest accuracy " in out
    assert small.checkpoint_dir in out
    assert str(small.log_dir) in out
    log = (Path(str(small.log_dir)) / "log.txt").read_text()
    assert "test accuracy" in log
    assert "epoch 1/1" in log


def test_the_npnet_command_is_the_same(small: Config, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *arguments(small)]) == 0
    assert "\ntest accuracy " in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"npnet {npnet.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], ""),
        (["tarin"], "; got 'tarin'; did you mean 'train'?"),
    ],
)
def test_wrong_commands(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == commands.USAGE_ERROR
    assert message in capsys.readouterr().err


def damaged_npz(folder: Path) -> str:
    path = folder / "torn.npz"
    np.savez(path, x=np.zeros((9, 8, 8), np.uint8), y=np.arange(9) % 3)
    path.write_bytes(path.read_bytes()[:100])
    return str(path)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--model", "lent5"], "did you mean 'lenet5'"),
        (["--lr", "1"], "Unrecognized options: --lr"),
        (["--learning_rate", "nan"], "learning_rate must be > 0, got nan"),
        (["--epochs", "0"], "epochs must be >= 1"),
        (["--batch_size", "1000"], "at most the 192 training images"),
        (["--dataset", "nowhere.npz"], "nowhere.npz"),
        (["--dataset", "TORN"], "torn.npz"),
        (["--dataset", "cifar-10"], "did you mean 'cifar10'"),
        (["--init_from", "nowhere.safetensors"], "there is no file nowhere.safetensors"),
        (["--init_from", "OTHER"], "does not fit the network"),
        (["--checkpoint_dir", "FILE/x"], "checkpoint_dir: can't make the folder"),
        (["--log_dir", "FILE/x"], "log_dir: can't make the folder"),
        (["--resume", "--checkpoint_dir", "EMPTY"], "there is no last.safetensors"),
        (["--config", "nowhere.json"], "can't read nowhere.json"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    small: Config,
    tmp_path: Path,
    extra: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    npnet.save(models.create("lenet5").state_dict(), tmp_path / "other.safetensors")
    places = {
        "FILE": str(tmp_path / "file"),
        "OTHER": str(tmp_path / "other.safetensors"),
        "EMPTY": str(tmp_path / "empty"),
        "TORN": damaged_npz(tmp_path),
    }
    for name, path in places.items():
        extra = [arg.replace(name, path) if arg.startswith(name) else arg for arg in extra]
    assert train.main([*arguments(small), *extra]) == commands.USAGE_ERROR
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("python -m npnet.train: error: ")
    assert message in error


def test_divergence_is_one_line_and_code_1(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*arguments(small), "--learning_rate", "1e30", "--criterion", "mse", "--model", "lenet"]
    assert train.main(argv) == commands.FAILED
    assert "diverged: the loss is not finite in step" in capsys.readouterr().err


@pytest.mark.slow
def test_digits_where_there_is_nothing_else(tmp_path: Path) -> None:
    """`auto` without MNIST and without a network trains on the digits that ship with npnet."""
    run = subprocess.run(
        [sys.executable, "-m", "npnet.train", "--model", "lenet5", "--epochs", "1",
         "--data_dir", str(tmp_path / "none")],
        cwd=tmp_path, capture_output=True, text=True, env=without_network(),
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "digits" in run.stdout
    assert "test accuracy" in run.stdout


def without_network() -> dict[str, str]:
    """An environment in which every download fails at once, whatever the machine reaches."""
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    proxies = dict.fromkeys(names, nowhere)
    return os.environ | proxies | {"NO_PROXY": "", "no_proxy": ""}
