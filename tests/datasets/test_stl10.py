"""STL10 from its files, as torchvision reads them, and what is said where they are bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.datasets import STL10, DataError
from npnet.datasets._errors import DownloadError
from npnet.transforms import ToTensor
from tests.torchvision_import import import_torchvision

COUNTS = {"train": 12, "test": 3, "unlabeled": 4}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "stl10_binary", np.random.default_rng(0)
    folder.mkdir()
    for split, count in COUNTS.items():
        rng.integers(0, 256, count * 3 * 96 * 96, np.uint8).tofile(folder / f"{split}_X.bin")
        if split != "unlabeled":
            rng.integers(1, 11, count, np.uint8).tofile(folder / f"{split}_y.bin")
    folds = [f"{i} {(i + 5) % 12} " for i in range(10)]
    (folder / "fold_indices.txt").write_text("\n".join(folds))
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    return tmp_path


@pytest.mark.parametrize("split", STL10.splits)
@pytest.mark.parametrize("folds", [None, 3])
def test_is_read_as_by_torchvision(
    root: Path, split: str, folds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: Any = import_torchvision().datasets.STL10
    monkeypatch.setattr(theirs, "_check_integrity", lambda self: True)  # of the real files
    expected = theirs(str(root), split, folds if "train" in split else None)
    ours = STL10(root, split, folds if "train" in split else None)
    np.testing.assert_array_equal(ours.data, expected.data)
    np.testing.assert_array_equal(ours.labels, expected.labels)
    assert ours.classes == expected.classes == ["airplane", "bird"]
    assert repr(ours) == repr(expected).replace(str(root), str(ours.root))
    picture, label = ours[1]
    wanted, number = expected[1]
    assert picture.size == wanted.size == (96, 96)
    assert picture.tobytes() == wanted.tobytes()
    assert label == number
    image, _ = STL10(root, split, transform=ToTensor())[0]
    assert image.shape == (3, 96, 96)


def test_what_is_wrong_is_told(root: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of train, "):
        STL10(root, "all")
    with pytest.raises(ValueError, match="folds must be from 0 to 9"):
        STL10(root, folds=10)
    with pytest.raises(DownloadError, match=r"needs train_X\.bin"):
        STL10(root / "elsewhere")
    folder = root / "stl10_binary"
    (folder / "test_y.bin").write_bytes(b"\x01\x0b\x02")
    with pytest.raises(DataError, match=r"test_y\.bin is damaged: it must hold 3 labels"):
        STL10(root, "test")
    (folder / "test_X.bin").write_bytes(b"short")
    with pytest.raises(DataError, match=r"test_X\.bin is damaged: .*27648 bytes"):
        STL10(root, "test")
    (folder / "fold_indices.txt").write_text("1 2\n")
    with pytest.raises(DataError, match="ten lines"):
        STL10(root, folds=2)
    (folder / "fold_indices.txt").write_text("1 99\n")
    with pytest.raises(DataError, match="beyond the 12"):
        STL10(root, folds=0)
