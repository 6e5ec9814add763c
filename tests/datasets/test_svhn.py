"""SVHN from MATLAB's files, as scipy writes and torchvision reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from npnet.datasets import SVHN
from npnet.datasets._errors import DataError, DownloadError
from npnet.datasets._mat import read_mat
from npnet.transforms import ToTensor


def write(folder: Path, name: str = "train_32x32.mat", *, compressed: bool = True) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (32, 32, 3, 5), np.uint8)
    labels = np.array([[1], [10], [3], [9], [10]], np.uint8)
    arrays = {"X": images, "y": labels}
    scipy.io.savemat(folder / name, arrays, do_compression=compressed)


@pytest.mark.parametrize("compressed", [True, False])
def test_pictures_and_labels(compressed: bool, tmp_path: Path) -> None:
    write(tmp_path, compressed=compressed)
    read = scipy.io.loadmat(tmp_path / "train_32x32.mat")
    data = SVHN(tmp_path, transform=ToTensor())
    assert len(data) == 5
    assert data.labels.tolist() == [1, 0, 3, 9, 0]
    np.testing.assert_array_equal(data.data, read["X"].transpose(3, 2, 0, 1))
    image, label = data[1]
    assert label == 0
    np.testing.assert_array_equal(image.numpy(), data.data[1].astype(np.float32) / 255)
    assert SVHN(str(tmp_path))[0][0].size == (32, 32)
    assert "Split: train" in repr(data)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_numbers_of_a_mat_file(dtype: str, tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3).astype(dtype), "tiny": np.ones((1, 1), dtype)}
    scipy.io.savemat(tmp_path / "a.mat", arrays)
    for name, array in read_mat(tmp_path / "a.mat").items():
        np.testing.assert_array_equal(array, arrays[name])


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"needs test_32x32\.mat"):
        SVHN(tmp_path, "test")
    with pytest.raises(ValueError, match="split must be train, test or extra, got 'all'"):
        SVHN(tmp_path, "all")
    write(tmp_path)
    whole = (tmp_path / "train_32x32.mat").read_bytes()
    (tmp_path / "test_32x32.mat").write_bytes(whole[:-500])
    with pytest.raises(DataError, match="an element of it is broken"):
        SVHN(tmp_path, "test")
    (tmp_path / "test_32x32.mat").write_bytes(b"no MAT file")
    with pytest.raises(DataError, match="no MAT file of version 5"):
        SVHN(tmp_path, "test")
    scipy.io.savemat(tmp_path / "test_32x32.mat", {"X": np.ones((2, 2))})
    with pytest.raises(DataError, match="must hold X"):
        SVHN(tmp_path, "test")
