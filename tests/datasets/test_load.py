"""load: names, folders, and what happens where the data cannot be had."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from npnet import datasets
from npnet.datasets import MNIST, DataError, DownloadError, digits, load, mnist
from tests.datasets.idx_files import write_idx_files

NOWHERE = ("http://127.0.0.1:9/first/", "http://127.0.0.1:9/second/")  # nothing listens there


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(mnist, "SOURCE", dataclasses.replace(mnist.SOURCE, mirrors=NOWHERE))


@pytest.mark.usefixtures("offline")
def test_auto_takes_the_digits_and_says_so_in_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    data = load("auto", tmp_path, notice=lines.append)
    assert data.name == "digits"
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert lines[0].startswith(
        f"MNIST is not in {tmp_path}, so npnet's own digits are used instead: "
        "train-images-idx3-ubyte.gz could not be downloaded: "
    )
    for part in (*NOWHERE, "Connection refused"):
        assert part in lines[0]


def test_auto_without_download(tmp_path: Path) -> None:
    lines: list[str] = []
    assert load("auto", tmp_path, download=False, notice=lines.append).name == "digits"
    assert "downloading was switched off" in lines[0]


@pytest.mark.usefixtures("offline")
def test_auto_takes_mnist_where_it_is(tmp_path: Path) -> None:
    write_idx_files(tmp_path / "mnist")
    lines: list[str] = []
    assert load("auto", tmp_path, notice=lines.append).name == "mnist"
    assert lines == []


@pytest.mark.usefixtures("offline")
def test_a_named_data_set_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NPNET_DATA", raising=False)
    write_idx_files(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DownloadError, match=r"mnist: needs t10k-labels-idx1-ubyte\.gz \(or ") as e:
        load("mnist", tmp_path)
    for part in (*NOWHERE, "Connection refused", str(tmp_path / "MNIST" / "raw"), "data_dir"):
        assert part in str(e.value)
    with pytest.raises(DataError, match="downloading was switched off"):
        load("mnist", tmp_path, download=False)


def test_advice_looks_where_it_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$NPNET_DATA is named where the files are there, or where it names the folder; else not."""
    there = tmp_path / "there"
    write_idx_files(there / "mnist")

    def advice(root: Path) -> str:
        with pytest.raises(DataError) as error:
            MNIST(root)
        return str(error.value)

    monkeypatch.delenv("NPNET_DATA", raising=False)
    assert "NPNET_DATA" not in advice(tmp_path / "data")
    monkeypatch.setenv("NPNET_DATA", str(there))
    assert f"They are in {there / 'mnist'}: name {there} in" in advice(tmp_path / "data")
    assert len(MNIST(there)) > 0  # as it was told
    monkeypatch.setenv("NPNET_DATA", str(tmp_path / "data"))
    assert "$NPNET_DATA names the folder" in advice(tmp_path / "data")


def test_downloads_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three files that are there stay; the one that is not is fetched, then all are read."""
    write_idx_files(tmp_path / "there")
    folder = tmp_path / "data" / "mnist"
    write_idx_files(folder)
    lost = "t10k-labels-idx1-ubyte.gz"
    (folder / lost).unlink()

    def copy(wanted: dict[str, str], mirrors: tuple[str, ...], to: Path) -> list[Path]:
        assert (list(wanted), mirrors, to) == ([lost], mnist.SOURCE.mirrors, folder)
        (to / lost).write_bytes((tmp_path / "there" / lost).read_bytes())
        return [to / lost]

    monkeypatch.setattr("npnet.datasets._source.fetch", copy)
    assert len(load("mnist", tmp_path / "data").y_test) == 10


def test_data_dir_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx_files(tmp_path / "fashion-mnist")
    monkeypatch.setenv("NPNET_DATA", str(tmp_path))
    assert load("fashion-mnist", download=False).classes[9] == "Ankle boot"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NPNET_DATA", "~/fashion-mnist")
    assert datasets.default_data_dir() == tmp_path / "fashion-mnist"
    monkeypatch.delenv("NPNET_DATA")
    assert datasets.default_data_dir().name == "npnet"


def test_names() -> None:
    with pytest.raises(ValueError, match=r"auto, mnist, .* got 'minst'; did you mean 'mnist'"):
        load("minst")
    with pytest.raises(ValueError, match="did you mean 'mnist'"):
        load("MNIST")
    with pytest.raises(ValueError, match="did you mean 'cifar10'"):
        load("cifar-10")


def test_digits() -> None:
    data = load("digits")
    assert data.x_train.shape == (1498, 1, 28, 28)
    assert data.x_test.shape == (299, 1, 28, 28)
    assert data.x_train.dtype == np.uint8
    assert data.x_train.max() == 255
    assert data.y_test.dtype == np.int64
    counts = np.bincount(data.y_test, minlength=10)
    assert counts.min() >= 29
    assert counts.max() <= 30
    assert data.classes == tuple("0123456789")


def test_import_needs_numpy_alone() -> None:
    code = (
        "import sys\n"
        "for name in ('sklearn', 'pooch', 'rich', 'requests', 'filelock', 'numba', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "import npnet.datasets, npnet.transforms"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_digits_are_those_of_scikit_learn() -> None:
    theirs = sklearn.datasets.load_digits()
    with np.load(digits.FILE) as ours:
        assert sorted(ours.files) == ["images", "target"]
        np.testing.assert_array_equal(ours["images"], theirs.images)
        np.testing.assert_array_equal(ours["target"], theirs.target)
    assert digits.FILE.stat().st_size < 50_000
