"""What `dataset: auto` came to is recorded, repeated by --config and kept by --resume."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from npnet import datasets, train
from npnet.datasets import ImageData
from npnet.runs.errors import ConfigError
from npnet.runs.tensorboard import EventFile
from npnet.training import plots, report
from npnet.training.config import Config
from tests.datasets.idx_files import write_idx_files
from tests.runs import run_npnet

Told = dict[str, Any]


@pytest.fixture
def auto(small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A run of one epoch on `auto`: on 60 "digits", as long as `tmp_path/data` has no MNIST."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 1, 28, 28), np.uint8), np.arange(60) % 10
    names = tuple("0123456789")
    digits = ImageData("digits", x[:40], y[:40], x[40:], y[40:], names)
    load = datasets._LOADERS["mnist"]
    loaders = datasets._LOADERS | {
        "mnist": lambda folder, download: load(folder, False),
        "digits": lambda folder, download: digits,
    }
    monkeypatch.setattr(datasets, "_LOADERS", loaders)
    monkeypatch.setattr(datasets, "load_digits", lambda: digits)
    (tmp_path / "data").mkdir()
    return dataclasses.replace(
        small, dataset="auto", data_dir=str(tmp_path / "data"), epochs=1, batch_size=8
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """The titles of pictures, and what TensorBoard is told."""
    told: Told = {"titles": []}

    def watch(owner: Any, name: str, take: Callable[..., None]) -> None:
        real = getattr(owner, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            take(*args)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, called)

    pictures = ((plots, "curves_png"), (report, "confusion_png"), (plots, "errors_png"))
    for owner, name in pictures:
        watch(owner, name, lambda *args: told["titles"].append(_title(args)))
    watch(EventFile, "settings", lambda self, settings: told.update(settings=settings))
    watch(EventFile, "hparams", lambda self, settings, _: told.update(hparams=settings))
    return told


def _title(args: tuple[Any, ...]) -> str:
    """The first text: of curves the name of the loss follows."""
    return next(arg for arg in args if isinstance(arg, str))


def recorded(config: Config) -> str:
    """The data set that config.json names."""
    text = (Path(config.checkpoint_dir) / "config.json").read_text()
    return str(json.loads(text)["dataset"])


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_everything_says_what_was_taken(
    auto: Config, told: Told, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "mnist":
        write_idx_files(Path(str(auto.data_dir)) / "mnist")
    run_npnet(auto)
    assert recorded(auto) == name
    assert told["settings"]["dataset"] == told["hparams"]["dataset"] == name
    assert len(told["titles"]) == 3
    assert all(title.startswith(f"lenet4 on {name}, ") for title in told["titles"])
    result = json.loads((Path(str(auto.log_dir)) / "result.json").read_text())
    assert result["dataset"] == name
    with safe_open(Path(auto.checkpoint_dir) / "best.safetensors", "numpy") as file:
        assert file.metadata()["dataset"] == name
    said = capsys.readouterr().out
    assert f": lenet4 on {name}, " in said
    assert f" on {name}; loss" in said


def test_config_of_a_run_on_digits_repeats_it_where_mnist_is(auto: Config, tmp_path: Path) -> None:
    run_npnet(auto)
    write_idx_files(Path(str(auto.data_dir)) / "mnist")
    again = str(tmp_path / "again")
    argv = ["--config", f"{auto.checkpoint_dir}/config.json", "--checkpoint_dir", again]
    assert train.main([*argv, "--log_dir", again]) == 0
    paths = (Path(str(auto.log_dir)) / "result.json", Path(again) / "result.json")
    first, second = (json.loads(path.read_text()) | {"seconds": 0} for path in paths)
    assert first == second


@pytest.mark.parametrize(
    ("how", "version"),
    [
        ("the same settings", "earlier"),
        ("command line", "this"),
        ("command line, auto again", "this"),
    ],
)
def test_resuming_goes_on_with_the_digits(auto: Config, how: str, version: str) -> None:
    run_npnet(auto)
    saved = Path(auto.checkpoint_dir) / "config.json"
    if version == "earlier":  # recorded what was asked for
        saved.write_text(saved.read_text().replace('"digits"', '"auto"'))
    write_idx_files(Path(str(auto.data_dir)) / "mnist")
    if how == "the same settings":
        result = run_npnet(dataclasses.replace(auto, epochs=2, resume=True))
        assert result.progress.epoch == 2
        assert result.progress.data.startswith("digits, ")
    else:
        argv = ["--resume", "--checkpoint_dir", auto.checkpoint_dir, "--epochs", "2"]
        assert train.main([*argv, *(["--dataset", "auto"] if "again" in how else [])]) == 0
    assert recorded(auto) == "digits"


def test_resuming_on_the_other_is_refused(auto: Config) -> None:
    run_npnet(auto)
    write_idx_files(Path(str(auto.data_dir)) / "mnist")
    with pytest.raises(ConfigError, match="dataset was 'digits' and is 'mnist'"):
        run_npnet(dataclasses.replace(auto, epochs=2, resume=True, dataset="mnist"))


@pytest.mark.parametrize("name", ["a$b$ {c} 数据.NPZ", "é" * 100 + ".npz"])
def test_names_of_all_kinds(small: Config, tmp_path: Path, told: Told, name: str) -> None:
    """Pictures, logs and metadata take what a file system takes as a name."""
    path = tmp_path / name
    path.write_bytes(Path(small.dataset).read_bytes())
    run_npnet(dataclasses.replace(small, dataset=str(path), epochs=1))
    assert recorded(small) == str(path)
    assert all(len(title) < 140 for title in told["titles"])
