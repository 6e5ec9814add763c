"""The command: its output, its exit codes, and that a wrong use is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from npnet import cli, fit_function
from npnet.runs import commands

SMALL = ["--epochs", "20", "--samples", "20", "--widths", "8", "4"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [*SMALL, "--range", "-1", "1", "--expression", "-x^2", "--log_dir", str(tmp_path)]
    assert cli.main(["fit-function", *argv]) == 0
    out = capsys.readouterr().out
    assert "-x^2 from -1 to 1" in out
    assert "1-8-4-1 tanh, 57 parameters" in out
    assert "epoch 20/20  samples " in out
    outcome = json.loads((tmp_path / "result.json").read_text())
    last = out.splitlines()[-1]
    assert last.startswith(f"mean squared error {outcome['test']['loss']:.2e} (")
    assert outcome["dataset"] == "-x^2"


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit_function.main(SMALL) == fit_function.main(SMALL) == 0
    assert len(list(tmp_path.glob("runs/*-fit-function*/result.json"))) == 2


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--expression", "2 sni x"], "did you mean 'sin'"),
        (["--expression", "log x"], "no finite value at x = -5"),
        (["--activaton", "relu"], "did you mean --activation"),
        (["--epochs", "0"], "epochs must be >= 1"),
        (["--samples", "1" + "0" * 400], "<= 1e+06, got more than any float"),
        (["--noise", "1e308"], "too large to be squared"),
        (["--range", "1"], "--range"),
        (["--log_dir", "FILE/x"], "log_dir: can't make the folder"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    tmp_path: Path, extra: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    extra = [arg.replace("FILE", str(tmp_path / "file")) for arg in extra]
    argv = [*SMALL, "--log_dir", str(tmp_path / "fit"), *extra]
    assert fit_function.main(argv) == commands.USAGE_ERROR
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("python -m npnet.fit_function: error: ")
    assert message in error


def test_divergence_is_one_line_and_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*SMALL, "--optimizer", "sgd", "--learning_rate", "1e30", "--log_dir", str(tmp_path)]
    assert fit_function.main(argv) == commands.FAILED
    assert capsys.readouterr().err.count("\n") == 1


def test_ctrl_c_is_one_line_and_code_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from npnet.fitting.learner import Fitter

    def stop(self: Fitter, epoch: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Fitter, "train_epoch", stop)
    assert fit_function.main([*SMALL, "--log_dir", str(tmp_path)]) == 130
    assert "stopped; what was finished is in the folder" in capsys.readouterr().err
