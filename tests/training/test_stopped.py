"""A run that a signal stops: told, its last epoch kept, and resumed to the same weights."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from npnet import train
from npnet.runs.watchers import LogFile


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_a_run_which_is_resumed(
    number: int, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    argv = ["--dataset", str(stripes), "--model", "mlp", "--epochs", "3", "--val_ratio", "0.25"]

    def folders(name: str) -> list[str]:
        folder = str(tmp_path / name)
        return ["--checkpoint_dir", folder, "--log_dir", folder]

    def press(self: LogFile, trainer: Any) -> None:
        if trainer.epoch == 2:
            signal.raise_signal(number)

    assert train.main([*argv, *folders("whole")]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "on_checkpoint", press)
        assert train.main([*argv, *folders("stopped")]) == 128 + number
    error = capsys.readouterr().err
    assert error.endswith("train: stopped; --resume goes on after the last finished epoch\n")
    assert (tmp_path / "stopped/curves.png").exists()
    assert train.main(["--resume", *folders("stopped")]) == 0
    whole, resumed = (
        (tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("whole", "stopped")
    )
    assert [row.rsplit(",", 1)[0] for row in whole] == [row.rsplit(",", 1)[0] for row in resumed]
