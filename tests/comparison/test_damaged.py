"""Runs whose files were damaged: named, made again, and no hindrance to the others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.cli.compare import main
from npnet.comparison.outcome import FIT, MOST_READ, DamagedError, Outcome
from npnet.runs.files import METRICS, RESULT
from tests.campaign import trials
from tests.comparison import fake_run
from tests.comparison.conftest import FakeRuns

FLAGS = ["--model", "lenet4", "lenet5", "--epochs", "3", "--threads", "1"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    fake_run.write(tmp_path, 3)
    return tmp_path


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    """The folder of a finished fit."""
    fake_run.write(tmp_path, 3, kind="function")
    return tmp_path


def edited(**values: Any) -> Callable[[bytes], bytes]:
    """result.json with other values; ... leaves a name out."""

    def edit(data: bytes) -> bytes:
        tree = json.loads(data) | values
        return json.dumps({k: v for k, v in tree.items() if v is not ...}).encode()

    return edit


RESULTS: dict[str, Callable[[bytes], bytes]] = {
    "no UTF-8": lambda data: data[:9] + b"\xff\xfe" + data[9:],
    "empty": lambda data: b"",
    "torn": lambda data: data[:50],
    "zeros": lambda data: bytes(1000),
    "deep": lambda data: b"[" * 100_000,
    "deep within": lambda data: data[:-1] + b', "x": ' + b'{"a":' * 100_000,
    "list": lambda data: b"[]",
    "no format": edited(format=...),
    "other format": edited(format=["npnet result"]),
    "no kind": edited(kind=...),
    "other kind": edited(kind="dance"),
    "unhashable kind": edited(kind=[]),
    "no test": edited(test=...),
    "test is a number": edited(test=3),
    "test without accuracy": edited(test={"loss": 1.0}),
    "text for a number": edited(test={"loss": "1.0", "accuracy": 90.0}),
    "bool for a number": edited(test={"loss": True, "accuracy": 90.0}),
    "NaN": lambda data: data.replace(b"0.25", b"NaN"),
    "Infinity": lambda data: data.replace(b"0.25", b"-Infinity"),
    "too large": lambda data: data.replace(b"0.25", b"1" + b"0" * 400),
    "too many digits": lambda data: data.replace(b"0.25", b"1" * 5000),
    "overflow": lambda data: data.replace(b"0.25", b"1e999"),
    "val is a list": edited(val=[]),
    "no train": edited(train=None),
    "epochs as text": edited(epochs="3"),
    "no epochs": edited(epochs=0),
    "best epoch too late": edited(best_epoch=4),
    "best epoch null": edited(best_epoch=None),
    "parameters of a float": edited(parameters=1.5),
    "seconds null": edited(seconds=None),
    "no classes": edited(classes=[]),
    "classes of numbers": edited(classes=[1, 2]),
    "half a surrogate pair": edited(classes=["a", "\ud800"]),
    "no confusion": edited(confusion=None),
    "ragged confusion": edited(confusion=[[1, 2], [3]]),
    "negative confusion": edited(confusion=[[1, -2], [3, 4]]),
    "huge confusion": edited(confusion=[[1, 10**30], [3, 4]]),
    "more epochs than lines": edited(epochs=5),
}

LINES: dict[str, Callable[[bytes], bytes]] = {
    "no UTF-8": lambda data: data[:90] + b"\xff\xfe" + data[90:],
    "other digits": lambda data: data.replace(b"\n1,", "\n\u0661,".encode()),
    "empty": lambda data: b"",
    "header alone": lambda data: data.splitlines()[0],
    "zeros": lambda data: bytes(1000),
    "a cell": lambda data: data.replace(b"\n2,", b"\nx2,"),
    "an underscore": lambda data: data.replace(b"\n2,", b"\n2_,"),
    "a NUL": lambda data: data.replace(b"\n2,", b"\n\0,"),
    "a cell too many": lambda data: data.replace(b"\n2,", b"\n2,2,"),
    "a quote": lambda data: data.replace(b"\n2,", b'\n"2,'),
    "a column lost": lambda data: data.replace(b"val_loss", b"vol_loss"),
    "a column twice": lambda data: data.replace(b"val_accuracy", b"val_loss"),
    "an epoch twice": lambda data: data.replace(b"\n2,", b"\n1,"),
    "a broken epoch": lambda data: data.replace(b"\n2,", b"\n1.5,"),
    "no epoch": lambda data: data.replace(b"\n2,", b"\nnan,"),
    "an endless epoch": lambda data: data.replace(b"\n2,", b"\ninf,"),
    "a negative rate": lambda data: data.replace(b"2,0.01", b"2,-0.01"),
    "no rate": lambda data: data.replace(b"2,0.01", b"2,"),
    "a line lost": lambda data: b"\n".join(data.splitlines()[:-1]),
    "a long cell": lambda data: data.replace(b"\n2,", b"\n" + b"2" * 200_000 + b","),
}


@pytest.mark.parametrize(
    ("name", "what"), [*((RESULT, w) for w in RESULTS), *((METRICS, w) for w in LINES)]
)
def test_damage_is_told_with_the_file(run: Path, name: str, what: str) -> None:
    path, change = run / name, (RESULTS if name == RESULT else LINES)[what]
    before = path.read_bytes()
    assert Outcome.read(run) is not None
    path.write_bytes(change(before))
    assert path.read_bytes() != before
    with pytest.raises(DamagedError, match=r"^(result.json|metrics.csv) is damaged: ."):
        Outcome.read(run)


def test_what_is_no_file_is_told(run: Path) -> None:
    path = run / METRICS
    for make in (Path.mkdir, os.mkfifo, lambda place: place.symlink_to(place.name)):
        path.unlink()
        make(path)
        with pytest.raises(DamagedError, match=r"metrics.csv is damaged"):
            Outcome.read(run)
        if path.is_dir():
            path.rmdir()
            path.touch()


def test_enormous_file_is_not_read(run: Path) -> None:
    with (run / RESULT).open("wb") as file:
        file.truncate(MOST_READ + 1)  # a hole, which takes no room on the disk
    with pytest.raises(DamagedError, match="more than 268,435,456 bytes"):
        Outcome.read(run)


@pytest.mark.parametrize("cut", [0, 4, 30, -1])
def test_damaged_picture_of_a_fit_is_told(fit: Path, cut: int) -> None:
    assert Outcome.read(fit) is not None
    data = (fit / FIT).read_bytes()
    (fit / FIT).write_bytes(data[:cut])
    with pytest.raises(DamagedError, match=r"fit.png is damaged"):
        Outcome.read(fit)
    (fit / FIT).write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    with pytest.raises(DamagedError, match="another checksum"):
        Outcome.read(fit)
    (fit / FIT).unlink()
    with pytest.raises(DamagedError, match="no such file"):
        Outcome.read(fit)


def test_damaged_run_is_made_again(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*FLAGS, "--output", str(tmp_path / "out")]
    assert main(argv) == 0
    capsys.readouterr()
    (tmp_path / "out/runs/lenet5/metrics.csv").write_bytes(b"\xff")
    (tmp_path / "out/report.html").unlink()
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert "2 runs, 1 of them done already" in said
    assert "lenet5: metrics.csv is damaged: 'ascii' codec can't decode byte 0xff" in said
    assert "the run is made again" in said
    assert "2 runs, 2 configurations" in (tmp_path / "out/report.html").read_text()


def test_run_that_can_not_be_made_again_is_listed(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [*FLAGS, "--output", str(tmp_path / "out")]
    assert main(argv) == 0
    folder = tmp_path / "out/runs/lenet5"
    (folder / RESULT).write_bytes(b"{")
    (folder / "last.safetensors").unlink()
    kept = tmp_path / "elsewhere"
    folder.rename(kept)
    folder.symlink_to(kept)  # which the comparison does not remove
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert "error: 1 of 2 runs failed: lenet5" in shown.err
    assert shown.err.count("\n") == 1
    for name in ("report.html", "report.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "1 of 2 runs are done" in text
        assert "symbolic link" in text
    folder.unlink()
    shutil.move(kept, folder)
    assert main(argv) == 0


@pytest.mark.campaign
def test_campaign_of_damaged_runs(
    fake: FakeRuns, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bytes changed, cut out, put in or cut off in any file that a comparison reads."""
    from npnet.comparison import report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_curves", lambda *_: [])  # half a second each
        patch.setattr(report, "_matrices", lambda *_: [])
        argv = [*FLAGS, "--output", str(tmp_path / "out")]
        assert main(argv) == 0
        folder = tmp_path / "out/runs/lenet5"
        files = {name: (folder / name).read_bytes() for name in (RESULT, METRICS, "run.json")}
        rng = np.random.default_rng(11)
        for _ in range(trials(6, 100)):
            name = list(files)[rng.integers(len(files))]
            (folder / name).write_bytes(damaged(files[name], rng))
            assert main(argv) in (0, 1), (folder / name).read_bytes()
            shown = capsys.readouterr()
            assert "runs, 2 configurations" in (tmp_path / "out/report.html").read_text()
            assert not shown.err
            shutil.rmtree(tmp_path / "out/runs/lenet5-2", ignore_errors=True)
            for kept, data in files.items():
                (folder / kept).write_bytes(data)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    at, count = int(rng.integers(len(data))), int(rng.integers(1, 9))
    noise = rng.bytes(count)
    return (
        data[:at] + noise + data[at + count :],
        data[:at] + noise + data[at:],
        data[:at] + data[at + count :],
        data[:at],
        data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :],
    )[rng.integers(5)]
