"""MNIST's files: where they are found, what is checked, what the data set classes give."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npnet import transforms
from npnet.datasets import MNIST, DataError, FashionMNIST, idx, load
from npnet.datasets.idx import read_idx
from tests.datasets.idx_files import FILES, idx_bytes, write_idx_files
from tests.torchvision_import import import_torchvision

TRAIN_IMAGES, TRAIN_LABELS = FILES["train"]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "mnist"),
        ("mnist", "."),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
    ],
)
def test_found_files(tmp_path: Path, name: str, folder: str, zipped: bool) -> None:
    arrays = write_idx_files(tmp_path / folder, zipped=zipped)
    data = load(name, tmp_path, download=False)
    assert data.name == name
    assert data.x_train.dtype == np.uint8
    assert data.y_train.dtype == np.int64
    assert len(data.classes) == 10
    assert (data.channels, data.size) == (1, (28, 28))
    for split, x, y in (
        ("train", data.x_train, data.y_train),
        ("test", data.x_test, data.y_test),
    ):
        images, labels = FILES[split]
        assert_array_equal(x, arrays[images][:, None])
        assert_array_equal(y, arrays[labels])
    data.x_train[0] = 0  # the arrays are the caller's own


def test_a_file_unzipped_under_its_zipped_name_is_read(tmp_path: Path) -> None:
    arrays = write_idx_files(tmp_path, zipped=False)
    (tmp_path / TRAIN_IMAGES).rename(tmp_path / f"{TRAIN_IMAGES}.gz")
    assert_array_equal(MNIST(tmp_path).data, arrays[TRAIN_IMAGES])


def damage(content: bytes, how: str) -> bytes:
    """A gzipped file of 30 images, spoilt."""
    plain = gzip.decompress(content)
    return {
        "empty": b"",
        "truncated gzip": content[:-100],
        "no end of gzip": content[:-8],
        "bit flipped": content[:500] + bytes([content[500] ^ 1]) + content[501:],
        "wrong crc": content[:-8] + bytes([content[-8] ^ 1]) + content[-7:],
        "web page": b"<!DOCTYPE html><html>log in to this network</html>",
        "truncated": plain[:-1],
        "too long": plain + b"\0",
        "header only": plain[:7],
        "labels": idx_bytes(np.zeros(30)),
        "wrong size": idx_bytes(np.zeros((30, 32, 32))),
        "no images": idx_bytes(np.zeros((0, 28, 28))),
        "huge": plain[:4] + b"\xff" * 12 + plain[16:],
    }[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("empty", "this one with nothing"),
        ("truncated gzip", "gzip stream is broken"),
        ("no end of gzip", "gzip stream is broken"),
        ("bit flipped", "gzip stream is broken"),
        ("wrong crc", "gzip stream is broken .*CRC"),
        ("web page", "begins with 00 00 08 03 and 3 sizes, this one with 3c 21 44 4f"),
        ("truncated", r"shape \(30, 28, 28\), asks for 23536 bytes, not 23535"),
        ("too long", "asks for 23536 bytes, not 23537"),
        ("header only", "this one with 00 00 08 03 00 00 00"),
        ("labels", "this one with 00 00 08 01"),
        ("wrong size", r"images must be \(N, 28, 28\), it has \(30, 32, 32\)"),
        ("no images", r"it has \(0, 28, 28\)"),
        ("huge", "asks for 79228162458924105385300197391 bytes"),
    ],
)
@pytest.mark.parametrize("name", ["mnist", "auto"])
def test_damaged_images_are_named_and_kept(
    tmp_path: Path, how: str, message: str, name: str
) -> None:
    write_idx_files(tmp_path / "mnist")
    path = tmp_path / "mnist" / f"{TRAIN_IMAGES}.gz"
    spoilt = damage(path.read_bytes(), how)
    path.write_bytes(spoilt)
    with pytest.raises(DataError, match=message) as caught:
        load(name, tmp_path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert "delete it" in str(caught.value)
    assert path.read_bytes() == spoilt


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(30) % 10 + 1, "labels must be 0 to 9, it has 10"),
        (np.arange(29) % 10, "it has 29 labels, but .* has 30 images"),
    ],
)
def test_labels_that_do_not_fit(
    tmp_path: Path, labels: np.ndarray[tuple[int], np.dtype[np.int64]], message: str
) -> None:
    write_idx_files(tmp_path, zipped=False)
    (tmp_path / TRAIN_LABELS).write_bytes(idx_bytes(labels))
    with pytest.raises(DataError, match=f"{TRAIN_LABELS} is damaged: {message}"):
        MNIST(tmp_path)


def test_files_of_another_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = write_idx_files(tmp_path)
    digest = hashlib.sha256(arrays[TRAIN_LABELS].tobytes()).hexdigest()
    monkeypatch.setitem(idx._LABEL_OWNERS, digest, "fashion-mnist")
    with pytest.raises(DataError, match="is of fashion-mnist, but mnist was asked for"):
        load("mnist", tmp_path)
    assert load("fashion-mnist", tmp_path).name == "fashion-mnist"


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_idx(tmp_path, 3)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_classes_agree_with_torchvisions(tmp_path: Path, name: str, train: bool) -> None:
    write_idx_files(tmp_path / name / "raw", zipped=False)
    theirs = getattr(import_torchvision().datasets, name)(tmp_path, train=train)
    ours = {"MNIST": MNIST, "FashionMNIST": FashionMNIST}[name](tmp_path, train=train)
    assert len(ours) == len(theirs)
    assert ours.classes == theirs.classes
    assert ours.class_to_idx == theirs.class_to_idx
    assert_array_equal(ours.data, theirs.data.numpy())
    assert_array_equal(ours.targets, theirs.targets.numpy())
    image, label = ours[-3]
    their_image, their_label = theirs[-3]
    assert type(label) is int
    assert label == their_label
    assert type(image) is type(their_image)
    assert image.mode == their_image.mode
    assert_array_equal(image, np.asarray(their_image))
    assert repr(ours) == repr(theirs)
    assert (ours.raw_folder, ours.processed_folder) == (theirs.raw_folder, theirs.processed_folder)


def test_transforms_see_batches_and_give_images(tmp_path: Path) -> None:
    write_idx_files(tmp_path / "mnist")
    pipeline = transforms.Compose([transforms.Resize(32), transforms.ToTensor()])
    dataset = MNIST(tmp_path, transform=pipeline, target_transform=lambda label: label % 2)
    image, label = dataset[13]
    assert (image.shape, image.dtype, label) == ((1, 32, 32), np.float32, 1)
    images, labels = dataset.take([13, 2, 2])
    assert images.shape == (3, 1, 32, 32)
    assert_array_equal(images[0], image)
    assert_array_equal(images[1], images[2])
    assert_array_equal(labels, [1, 0, 0])


def test_take_without_transform(tmp_path: Path) -> None:
    write_idx_files(tmp_path / "mnist")
    images, labels = MNIST(tmp_path, train=False).take(np.array([9, 0]))
    assert (images.shape, images.dtype) == ((2, 1, 28, 28), np.uint8)
    assert labels.dtype == np.int64
    assert_array_equal(labels, [9, 0])
    with pytest.raises(IndexError):
        MNIST(tmp_path)[30]


@pytest.mark.skipif("NPNET_DATA" not in os.environ, reason="NPNET_DATA names no data folder")
def test_real_mnist() -> None:
    data = load("mnist", download=False)
    assert data.x_train.shape == (60000, 1, 28, 28)
    assert data.x_test.shape == (10000, 1, 28, 28)
    assert_array_equal(data.y_train[:5], [5, 0, 4, 1, 9])
    assert data.x_train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
