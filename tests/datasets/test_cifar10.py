"""CIFAR-10's files: where they are found, what is checked, what the data set class gives."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npnet import transforms
from npnet.datasets import CIFAR10, DataError, DownloadError, cifar10, load
from tests.datasets.cifar_files import (
    ARCHIVE,
    FILES,
    FOLDER,
    RECORDS,
    write_archive,
    write_cifar_files,
)
from tests.torchvision_import import import_torchvision

META = "batches.meta.txt"


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "_RECORDS", RECORDS)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", [".", "cifar10"])
def test_found_files(tmp_path: Path, folder: str, packed: bool) -> None:
    records = write_cifar_files(tmp_path / folder)
    (tmp_path / folder / FOLDER / META).write_text("\n".join(cifar10.SOURCE.classes) + "\n\n")
    if packed:
        write_archive(tmp_path / folder)
    data = load("cifar10", tmp_path, download=False)
    assert (data.name, data.channels, data.size) == ("cifar10", 3, (32, 32))
    assert data.classes[:3] == ("airplane", "automobile", "bird")
    assert (data.x_train.dtype, data.y_train.dtype) == (np.uint8, np.int64)
    flat = records.reshape(-1, 3073)
    assert_array_equal(data.x_train.reshape(-1, 3072), flat[: 5 * RECORDS, 1:])
    assert_array_equal(data.y_train, flat[: 5 * RECORDS, 0])
    assert_array_equal(data.x_test.reshape(-1, 3072), flat[5 * RECORDS :, 1:])
    assert_array_equal(data.y_test, flat[5 * RECORDS :, 0])
    assert data.x_train.flags.c_contiguous
    data.x_train[0] = 0  # the arrays are the caller's own


def test_one_split_needs_its_own_files_alone(tmp_path: Path) -> None:
    records = write_cifar_files(tmp_path)
    for name in FILES[:5]:
        (tmp_path / FOLDER / name).unlink()
    assert_array_equal(CIFAR10(tmp_path, train=False).targets, records[5, :, 0])
    with pytest.raises(DataError, match=r"it has no data_batch_1\.bin, data_batch_2\.bin, "):
        CIFAR10(tmp_path)


def test_missing_batch(tmp_path: Path) -> None:
    write_cifar_files(tmp_path)
    (tmp_path / FOLDER / FILES[2]).unlink()
    with pytest.raises(DataError, match=rf"{FOLDER} is damaged: it has no data_batch_3\.bin;"):
        load("cifar10", tmp_path)
    path = write_archive(tmp_path)
    with pytest.raises(DataError, match=rf"{ARCHIVE} is damaged: it has no data_batch_3\.bin;"):
        load("cifar10", tmp_path)
    assert path.exists()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        (FILES[1], lambda c: c[:-1], "must have 61460 bytes, 20 records of 3073, not 61459"),
        (FILES[5], lambda c: c + c, "must have 61460 bytes, 20 records of 3073, not 122920"),
        (FILES[0], lambda c: b"", "must have 61460 bytes, 20 records of 3073, not 0"),
        (FILES[5], lambda c: c[:3073] + b"\x0a" + c[3074:], "labels .* record 1 has 10"),
        (META, lambda c: b"apple\nfish\n", "must name airplane, .*; it has apple, fish"),
        (META, lambda c: b"\xff", "must name airplane"),
    ],
)
def test_damaged_files_are_named_and_kept(
    tmp_path: Path, packed: bool, name: str, spoil: Callable[[bytes], bytes], message: str
) -> None:
    write_cifar_files(tmp_path)
    path = tmp_path / FOLDER / name
    path.write_bytes(spoil(path.read_bytes() if path.exists() else b""))
    place = write_archive(tmp_path) if packed else tmp_path / FOLDER
    with pytest.raises(DataError, match=message) as caught:
        load("cifar10", tmp_path)
    assert str(caught.value).startswith(str(place))
    assert name in str(caught.value)
    assert "is damaged: " in str(caught.value)
    assert "delete it" in str(caught.value)
    assert place.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: b"",
        lambda c: c[: len(c) // 2],
        lambda c: c[:-8],
        lambda c: c[:-8] + bytes([c[-8] ^ 1]) + c[-7:],
        lambda c: c[:3000] + bytes([c[3000] ^ 1]) + c[3001:],  # a pixel of the first record
        lambda c: b"<!DOCTYPE html><html>log in to this network</html>",
    ],
    ids=["empty", "half", "no end", "wrong crc", "bit flipped", "web page"],
)
def test_broken_archives(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    write_cifar_files(tmp_path)
    path = write_archive(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    for read in (load, lambda name, root: CIFAR10(root, train=False)):
        with pytest.raises(DataError) as caught:
            read("cifar10", tmp_path)
        assert str(caught.value).startswith(f"{path} is damaged: its archive is broken (")
    assert path.exists()


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).mkdir()
    with pytest.raises(DataError, match="it has no data_batch_1"):
        load("cifar10", tmp_path)
    write_cifar_files(tmp_path)
    path = tmp_path / FOLDER / FILES[0]
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(DataError, match="cannot be read: Too many levels"):
        load("cifar10", tmp_path)


def test_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPNET_DATA", raising=False)
    with pytest.raises(DownloadError, match="downloading was switched off") as caught:
        load("cifar10", tmp_path, download=False)
    for part in (ARCHIVE, FOLDER, f"{tmp_path}/cifar10, {tmp_path};", "data_dir"):
        assert part in str(caught.value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    nowhere = dataclasses.replace(cifar10.SOURCE, mirrors=("http://127.0.0.1:9/",))
    monkeypatch.setattr(cifar10, "SOURCE", nowhere)
    with pytest.raises(DownloadError, match=r"127.0.0.1:9/ \(Connection refused\)"):
        load("cifar10", tmp_path)


def test_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is fetched into <data_dir>/cifar10, and read from there the next time."""
    served = tmp_path / "served"
    records = write_cifar_files(served)
    archive = write_archive(served)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *args: None)
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        source = dataclasses.replace(
            cifar10.SOURCE,
            mirrors=(f"http://127.0.0.1:{http.server_port}/",),
            checksums={ARCHIVE: f"md5:{hashlib.md5(archive.read_bytes()).hexdigest()}"},
        )
        try:
            [(_, first)] = source.read(tmp_path / "data", ["train"], download=True)
        finally:
            http.shutdown()
            thread.join()
    assert_array_equal(first, records[:5, :, 0].ravel())
    assert (tmp_path / "data" / "cifar10" / ARCHIVE).exists()
    assert len(CIFAR10(tmp_path / "data", train=False)) == RECORDS


def write_python_version(root: Path, records: np.ndarray) -> None:  # type: ignore[type-arg]
    """torchvision reads the pickled version only."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name, content in zip(FILES, records, strict=True):
        batch = {"data": content[:, 1:], "labels": content[:, 0].tolist()}
        (folder / name.removesuffix(".bin")).write_bytes(pickle.dumps(batch))
    meta = {"label_names": list(cifar10.SOURCE.classes)}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))


@pytest.mark.parametrize("train", [True, False])
def test_class_agrees_with_torchvisions(tmp_path: Path, train: bool) -> None:
    write_python_version(tmp_path, write_cifar_files(tmp_path))

    class Unchecked(import_torchvision().datasets.CIFAR10):  # type: ignore[misc]
        train_list = [(name.removesuffix(".bin"), None) for name in FILES[:5]]  # noqa: RUF012
        test_list = [("test_batch", None)]  # noqa: RUF012
        meta = {"filename": "batches.meta", "key": "label_names", "md5": None}  # noqa: RUF012

    Unchecked.__name__ = "CIFAR10"
    ours, theirs = CIFAR10(tmp_path, train=train), Unchecked(tmp_path, train=train)
    assert len(ours) == len(theirs)
    assert ours.classes == theirs.classes
    assert ours.class_to_idx == theirs.class_to_idx
    assert_array_equal(ours.data, theirs.data)
    assert_array_equal(ours.targets, theirs.targets)
    image, label = ours[-3]
    their_image, their_label = theirs[-3]
    assert type(label) is int
    assert label == their_label
    assert image.mode == their_image.mode
    assert_array_equal(image, np.asarray(their_image))
    assert repr(ours) == repr(theirs)


def test_transforms_see_batches(tmp_path: Path) -> None:
    records = write_cifar_files(tmp_path)
    pipeline = transforms.Compose([transforms.ToTensor()])
    dataset = CIFAR10(tmp_path, False, pipeline, lambda label: label + 1)
    images, labels = dataset.take([7, 3])
    assert images.shape == (2, 3, 32, 32)
    assert_array_equal(images[1], dataset[3][0])
    assert_array_equal(labels, records[5, [7, 3], 0].astype(np.int64) + 1)
    dataset.data, dataset.targets = dataset.data[5:], dataset.targets[5:]
    assert_array_equal(dataset.take([2])[0][0], images[0])
    assert len(dataset) == RECORDS - 5
