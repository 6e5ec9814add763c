"""npnet datasets: list, path, download and verify, on MNIST's files as a test makes them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet import cli
from npnet.datasets import catalogue
from npnet.datasets.catalogue import CATALOGUE
from npnet.datasets.digits import FILE, load_digits
from tests.datasets.idx_files import write_idx_files
from tests.missing import hide

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a small MNIST, whose checksums and counts are those of the catalogue."""
    write_idx_files(tmp_path / "mnist")
    known = CATALOGUE["mnist"]
    assert known.source is not None
    files = known.source.find(tmp_path)
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    source = dataclasses.replace(known.source, checksums=sums, mirrors=("http://127.0.0.1:9/",))
    data = source.load(tmp_path, download=False)
    counts = len(data.x_train), len(data.x_test)
    small = dataclasses.replace(known, source=source, images=counts)
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", small)
    monkeypatch.setenv("NPNET_DATA", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def run(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    code = cli.main(["datasets", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def answer(capsys: Capture, *argv: str) -> Any:
    code, out, _ = run(capsys, *argv, "--json")
    assert code == 0
    return json.loads(out)


def test_list(folder: Path, capsys: Capture) -> None:
    code, out, _ = run(capsys, "list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert lines["mnist"].endswith(str(folder / "mnist"))
    assert lines["cifar10"].endswith("not here: npnet datasets download cifar10")
    assert lines["digits"].endswith(str(FILE.parent))
    here = {entry["name"]: entry["here"] for entry in answer(capsys, "list")}
    assert here == {"mnist": True, "fashion-mnist": False, "cifar10": False, "digits": True}
    assert [entry["name"] for entry in answer(capsys, "list", "cifar10")] == ["cifar10"]


def test_path(folder: Path, capsys: Capture) -> None:
    assert run(capsys, "path") == (0, f"{folder}\n", "")
    assert run(capsys, "path", "mnist") == (0, f"{folder / 'mnist'}\n", "")
    assert len(answer(capsys, "path", "mnist")["files"]) == 4
    code, out, err = run(capsys, "path", "cifar10")
    assert (code, out) == (1, "")
    assert err.endswith(f"cifar10 is not in {folder}: npnet datasets download cifar10\n")
    other = folder / "other"
    assert run(capsys, "path", "--data-dir", str(other))[1] == f"{other}\n"
    assert run(capsys, "path", "mnist", "digits")[0] == 2


def test_verify(folder: Path, capsys: Capture) -> None:
    code, out, _ = run(capsys, "verify")
    assert code == 0
    assert out.count("checksum ok") == 5
    assert [line.partition(":")[0] for line in out.splitlines()[4::2]] == ["mnist", "digits"]
    code, _, err = run(capsys, "verify", "cifar10")
    assert code == 1
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_verify_what_is_damaged(folder: Path, capsys: Capture, name: str) -> None:
    path = folder / "mnist" / name
    path.write_bytes(path.read_bytes()[:-9])
    code, out, err = run(capsys, "verify")
    assert code == 1
    assert f"{name}: wrong checksum" in out
    assert "digits: ok" in out  # what comes behind is looked at too
    assert "is damaged" in err
    verdict = json.loads(run(capsys, "verify", "mnist", "--json")[1])[0]
    assert verdict["files"][str(path)] == "wrong checksum"


def test_verify_what_was_packed_anew(folder: Path, capsys: Capture) -> None:
    """It reads, and all images are there; but it is not the file that the mirrors have."""
    path = folder / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=1))
    code, _, err = run(capsys, "verify", "mnist")
    assert code == 1
    assert "is not the file that the mirrors have" in err


def test_verify_what_is_of_another_size(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dataclasses.replace(CATALOGUE["mnist"], images=(60_000, 10_000))
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", known)
    code, _, err = run(capsys, "verify", "mnist")
    assert code == 1
    assert "not (60000, 10000) of (1, 28, 28)" in err


def test_files_that_are_unpacked(folder: Path, capsys: Capture) -> None:
    path = folder / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    code, out, _ = run(capsys, "verify", "mnist")
    assert code == 0
    assert out.count("no checksum is known") == 1


def test_download(folder: Path, capsys: Capture) -> None:
    code, out, _ = run(capsys, "download", "mnist", "digits")
    assert code == 0
    assert out.splitlines() == [
        f"mnist: is in {folder / 'mnist'}",
        f"digits: is in {FILE.parent}",
    ]
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    code, _, err = run(capsys, "download", "mnist")
    assert code == 1
    assert "http://127.0.0.1:9/" in err
    assert err.splitlines()[-1].startswith("npnet datasets: error: mnist: needs t10k-labels")


def test_download_without_the_libraries(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "requests")
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    code, _, err = run(capsys, "download", "mnist")
    assert code == 2
    assert err.endswith("npnet datasets download needs requests: pip install 'npnet[datasets]'\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "Missing ACTION"),
        (
            ["lst"],
            "action must be one of list, path, download, verify; got 'lst'; did you mean 'list'?",
        ),
        (["verify", "mnst"], "did you mean 'mnist'?"),
        (["download"], "download needs a NAME"),
        (["list", "--jsn"], "Unrecognized options: --jsn; did you mean --json?"),
    ],
)
def test_wrong_use(capsys: Capture, argv: list[str], said: str) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_help(capsys: Capture) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert out.startswith("usage: npnet datasets [-h] ACTION [NAMES ...]")


def test_the_catalogue_tells_what_the_digits_are() -> None:
    data, known = load_digits(), CATALOGUE["digits"]
    assert known.images == (len(data.x_train), len(data.x_test))
    assert known.shape == data.x_train.shape[1:]
    assert known.classes == len(np.unique(data.y_train)) == len(data.classes)
