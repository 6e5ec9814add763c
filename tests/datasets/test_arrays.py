"""Reading .npz files: what is accepted, and what each wrong file is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from npnet.datasets import DataError, load, read_npz
from npnet.datasets._augmentation import Augmentation, characters, photographs
from npnet.datasets.arrays import from_arrays, stratified_split

LABELS = np.arange(24) % 3
GREY = np.arange(24 * 4 * 5, dtype=np.uint8).reshape(24, 4, 5)


def write(folder: Path, **arrays: Any) -> Path:
    path = folder / "own.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((24, 4, 5), (1, 4, 5)),
        ((24, 3, 4, 5), (3, 4, 5)),
        ((24, 4, 5, 3), (3, 4, 5)),
        ((24, 4, 5, 1), (1, 4, 5)),
        ((24, 3, 5, 3), (3, 5, 3)),  # either way: read as (N, C, H, W)
    ],
)
def test_shapes(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    data = load(str(write(tmp_path, x=x, y=LABELS, x_test=x[:6], y_test=LABELS[:6])))
    assert data.x_train.shape == (24, *expected)
    assert data.x_test.shape == (6, *expected)
    assert (data.channels, data.size) == (expected[0], expected[1:])
    assert data.classes == ("0", "1", "2")
    assert data.name == "own.npz"
    assert data.x_train.flags.c_contiguous
    channels_last = x.ndim == 4 and shape[1] != expected[0]
    planes = x.transpose(0, 3, 1, 2) if channels_last else x.reshape(24, *expected)
    assert_array_equal(data.x_train, planes)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "uint8"), ("float16", "float32"), ("float32", "float32"), ("float64", "float32")],
)
def test_dtypes(tmp_path: Path, dtype: str, expected: str) -> None:
    path = write(tmp_path, x=GREY.astype(dtype), y=LABELS.astype(np.float32))
    data = read_npz(path)
    assert data.x_train.dtype == expected
    assert data.y_train.dtype == np.int64
    assert data.x_train.max() > 1, "floats are not rescaled"


def test_split_is_a_sixth_of_each_class_and_always_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, x=GREY, y=LABELS)
    first, second = read_npz(path), read_npz(path)
    assert_array_equal(np.bincount(first.y_test), [1, 1, 1])
    assert len(first.y_train) == 21
    assert_array_equal(first.x_test, second.x_test)
    both = np.concatenate([first.x_train, first.x_test])
    assert len(np.unique(both, axis=0)) == 24, "no image is lost or in both splits"


@pytest.mark.parametrize(("channels", "standard"), [(1, characters), (3, photographs)])
def test_grey_images_are_augmented_as_characters_and_colour_as_photographs(
    tmp_path: Path, channels: int, standard: Augmentation
) -> None:
    path = tmp_path / "mine.npz"
    x, y = np.zeros((12, channels, 8, 8), np.uint8), np.arange(12) % 2
    np.savez(path, x=x, y=y)
    assert read_npz(path).augmentation is standard
    assert from_arrays(x, y).augmentation is standard


def test_split_keeps_pairs_and_order() -> None:
    y = np.random.default_rng(0).integers(0, 4, 600)
    train, test = stratified_split(y)
    assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(600))
    assert (np.diff(train) > 0).all()
    assert_array_equal(np.bincount(y[test]), np.rint(np.bincount(y) / 6))


NAN = GREY.astype(np.float32)
NAN[5, 1, 2] = NAN[7, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GREY}, "must have x, y, but has no y, only x; name the arrays"),
        ({"x_train": GREY, "y": LABELS}, "has no x, only x_train, y; name the arrays"),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY},
            "must have x, y, x_test, y_test, but has no y_test",
        ),
        ({"x": GREY, "y": LABELS, "y_test": LABELS}, "but has no x_test"),
        ({"x": GREY.reshape(24, -1), "y": LABELS}, r"1 or 3 channels, got \(24, 20\)"),
        ({"x": GREY.reshape(24, 2, 2, 5), "y": LABELS}, r"1 or 3 channels, got \(24, 2, 2, 5\)"),
        ({"x": GREY[:, :0], "y": LABELS}, r"x is empty, its shape is \(24, 0, 5\)"),
        ({"x": GREY[:0], "y": LABELS[:0]}, "x is empty"),
        ({"x": GREY.astype(np.int64), "y": LABELS}, "x must be uint8 .* got int64"),
        ({"x": NAN, "y": LABELS}, "2 of 480 pixels are NaN or infinite, the first in image 5"),
        ({"x": GREY * np.float64(1e300), "y": LABELS}, "478 of 480 pixels are NaN or infinite"),
        ({"x": GREY, "y": LABELS[:-1]}, "one length, got 24 images and 23 labels"),
        ({"x": GREY, "y": LABELS[:, None]}, r"1 axis \(N,\), got shape \(24, 1\); write y\[:, 0\]"),
        ({"x": GREY, "y": LABELS + 0.5}, r"but 24 of 24 are not, such as y\[0\] = 0.5"),
        ({"x": GREY, "y": LABELS * np.nan}, "are not, such as"),
        ({"x": GREY, "y": LABELS.astype(str)}, "whole numbers from 0, got dtype <U"),
        ({"x": GREY, "y": LABELS - 1}, "whole numbers from 0, its least is -1"),
        ({"x": GREY, "y": LABELS * 2}, "every label from 0 to 4, but has no 1, 3; renumber"),
        ({"x": GREY, "y": LABELS + 100}, "from 0 to 102, but has no 0, 1, 2, 3, 4 and 95 more"),
        ({"x": GREY, "y": LABELS * 10**15}, "label as large as"),
        ({"x": GREY, "y": LABELS * 0 + 4}, "at least 2 classes, but every label is 4"),
        ({"x": GREY[:3], "y": LABELS[:3]}, "3 images in 3 classes are too few to split"),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY[:, 1:], "y_test": LABELS},
            r"one shape and dtype, got \(C, H, W\) \(1, 4, 5\) uint8 and \(1, 3, 5\) uint8",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY / 255, "y_test": LABELS},
            "uint8 and .* float32",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY, "y_test": LABELS + 1},
            "y_test has label 3, but the classes of y end at 2",
        ),
        (
            {"x": GREY, "y": LABELS, "x_test": GREY[:2], "y_test": LABELS},
            "x_test and y_test must be of one length, got 2 images and 24 labels",
        ),
        ({"x": np.array([None] * 24), "y": LABELS}, "no object arrays"),
    ],
)
def test_wrong_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = write(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        read_npz(path)
    assert str(path) in str(caught.value)


def test_wrong_files(tmp_path: Path) -> None:
    good = write(tmp_path, x=GREY, y=LABELS).read_bytes()
    path = tmp_path / "bad.npz"
    for content in (b"", b"hello", good[: len(good) // 2], good[:-1], good[:200] + good[230:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.npz is no \.npz file, or a damaged one"):
            read_npz(path)
    damaged = bytearray(good)
    damaged[300] ^= 1  # inside the pixels: the zip's own CRC notices
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="CRC"):
        read_npz(path)
    np.save(tmp_path / "one.npy", GREY)
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(DataError, match="it holds one array"):
        read_npz(path)
    with pytest.raises(DataError, match=r"none\.npz does not exist"):
        load(str(tmp_path / "none.npz"))
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
        read_npz(tmp_path / "folder.npz")
