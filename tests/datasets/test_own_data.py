"""Data of one's own: a folder of class folders of pictures, and a CSV of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npnet import train
from npnet.datasets import DataError, load

ENDINGS = ("png", "jpg", "bmp", "gif", "webp", "tif")


def grey(label: int, index: int, size: int = 12) -> Any:
    """A picture that its class can be told of: a bright band."""
    x = np.random.default_rng(index).integers(0, 60, (size, size)).astype(np.uint8)
    x[label * size // 3 : (label + 1) * size // 3] = 220
    return x


def pictures(folder: Path, classes: Sequence[str] = ("ant", "bee", "cat"), each: int = 12) -> Path:
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            picture = Image.fromarray(grey(label, i, 12 + i % 3))
            picture.save(folder / name / f"{i}.{ENDINGS[i % len(ENDINGS)]}")
    return folder


# ---- folders -------------------------------------------------------------------------------------


def test_a_folder_of_class_folders(tmp_path: Path) -> None:
    root = pictures(tmp_path / "animals")
    (root / ".ipynb_checkpoints").mkdir()
    (root / "ant/notes.txt").write_text("no picture")
    data = load(str(root))
    assert data.classes == ("ant", "bee", "cat")
    assert data.name == "animals/"
    assert data.x_train.shape == (30, 1, 13, 13)  # grey, the median size; a sixth is for testing
    assert data.x_train.dtype == np.uint8
    assert np.bincount(data.y_test).tolist() == [2, 2, 2]
    assert data.x_val is None
    for x, y in zip(data.x_train[:, 0], data.y_train, strict=True):
        assert x[int(13 * y / 3) + 2].mean() > 150
    assert load(str(root), size=(20, 24)).x_train.shape == (30, 1, 20, 24)


def test_pictures_of_one_size_stay_as_they_are(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        for label, name in enumerate("ab"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(grey(label, i)).save(tmp_path / split / name / f"{i}.png")
    data = load(f"{tmp_path}/")
    assert (len(data.y_train), len(data.y_test)) == (8, 6)
    assert data.x_val is not None
    assert len(data.x_val) == 4
    np.testing.assert_array_equal(data.x_train[4, 0], grey(1, 0))


def test_colour_is_decided_from_the_pictures(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    red = np.zeros((12, 12, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(root / "ant/red.png")
    x = load(str(root), size=(12, 12)).x_train
    assert x.shape[1] == 3
    greys = (x[:, 0] == x[:, 1]).all((1, 2))
    assert (~greys).sum() <= 1


def test_modes(tmp_path: Path) -> None:
    """Sixteen bits, palettes, and what is transparent: it lies on white."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            deep = (grey(0, i).astype(np.uint16) * 257).astype(np.uint16)
            Image.fromarray(deep).save(tmp_path / name / f"deep{i}.png")
            Image.fromarray(grey(0, i)).convert("P").save(tmp_path / name / f"palette{i}.png")
            clear = Image.new("LA", (12, 12), (0, 0))
            clear.save(tmp_path / name / f"z{i}.png")
    data = load(str(tmp_path))
    everything = np.concatenate([data.x_train, data.x_test])
    assert everything.shape == (18, 1, 12, 12)
    assert sum((x == 255).all() for x in everything) == 6
    assert sum((x == grey(0, 0)).all() for x in everything) == 4


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "dog").mkdir(), r"dog: has no pictures .*remove the folder"),
        (lambda root: (root / "ant/x.png").write_bytes(b"no"), r"1 of 37 .*ant/x.png \(no picture"),
        (lambda root: (root / "ant/x.jpg").write_bytes((root / "ant/1.jpg").read_bytes()[:300]),
         r"ant/x.jpg \("),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_folder(spoil: Any, said: str, tmp_path: Path) -> None:
    root = pictures(tmp_path / "p")
    spoil(root)
    with pytest.raises(DataError, match=said):
        load(str(root))


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        load(f"{tmp_path}/none")
    with pytest.raises(DataError, match=r"needs a folder of pictures for each class.*it has none"):
        load(f"{tmp_path}")
    Image.fromarray(grey(0, 0)).save(tmp_path / "1.png")
    with pytest.raises(DataError, match="its pictures lie in it side by side"):
        load(f"{tmp_path}")
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="at least 2 classes, got a"):
        load(f"{tmp_path}")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="there are no pictures"):
        load(f"{tmp_path}")


def test_a_class_that_training_lacks(tmp_path: Path) -> None:
    pictures(tmp_path / "train", ("a", "b"))
    pictures(tmp_path / "test", ("a", "c"))
    with pytest.raises(DataError, match="its class c has no folder in train, which has a, b"):
        load(str(tmp_path))


# ---- CSV -----------------------------------------------------------------------------------------


def rows(count: int = 24) -> tuple[Any, Any]:
    y = np.arange(count) % 3
    return np.stack([grey(label, i).ravel() for i, label in enumerate(y)]), y


def write(path: Path, table: Any, head: str = "", separator: str = ",") -> str:
    lines = [head] if head else []
    lines += [separator.join(map(str, row)) for row in table]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("place", ["first", "last", "named"])
def test_a_csv_of_pixels(place: str, separator: str, tmp_path: Path) -> None:
    x, y = rows()
    pixels, labels = x.tolist(), y.tolist()
    table = [[n, *p] if place != "last" else [*p, n] for p, n in zip(pixels, labels, strict=True)]
    head = separator.join(["label", *(f"pixel{i}" for i in range(144))]) if place == "named" else ""
    data = load(write(tmp_path / "x.csv", table, head, separator))
    assert data.classes == ("0", "1", "2")
    assert data.x_train.dtype == np.uint8
    assert data.x_train.shape[1:] == (1, 12, 12)
    everything = {a.tobytes(): b for a, b in zip(data.x_train, data.y_train, strict=True)}
    everything |= {a.tobytes(): b for a, b in zip(data.x_test, data.y_test, strict=True)}
    assert everything == {a.tobytes(): b for a, b in zip(x, y, strict=True)}


def test_names_and_gaps_are_classes(tmp_path: Path) -> None:
    x, y = rows()
    names = np.array(["cat", "ant", "bee"])[y]
    table = [[*p, n] for p, n in zip((x / 255).tolist(), names, strict=True)]
    head = ",".join([*(f"p{i}" for i in range(144)), "Class"])
    data = load(write(tmp_path / "x.csv", table, head))
    assert data.classes == ("ant", "bee", "cat")
    assert data.x_train.dtype == np.float32
    table = [[10 * n + 5, *p] for p, n in zip(x.tolist(), y, strict=True)]
    assert load(write(tmp_path / "y.csv", table, "y" + ",p" * 144)).classes == ("5", "15", "25")


def spoiled(x: Any, y: Any, row: int, column: int, value: str) -> list[list[str]]:
    table = [[str(n), *map(str, p)] for p, n in zip(x.tolist(), y.tolist(), strict=True)]
    table[row][column] = value
    return table


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda x, y: spoiled(x, y, 4, 7, "dog"), r"line 5, column 8: a pixel .* got 'dog'"),
        (lambda x, y: spoiled(x, y, 4, 7, "nan"), "line 5 has a pixel that is no number"),
        (lambda x, y: spoiled(x, y, 4, 7, "300"), "line 5: a pixel must be from 0 to 255, got 300"),
        (lambda x, y: spoiled(x, y, 4, 7, "-5"), "line 5: a pixel must be from 0 to 255, got -5"),
        (lambda x, y: spoiled(x, y, 3, 0, "1,2"), "line 4 has 146 columns, and those before 145"),
        (lambda x, y: [[n, *p, 7] for p, n in zip(x.tolist(), y, strict=True)], "no square"),
        (lambda x, y: x.tolist(), "neither the first nor the last column"),
        (lambda x, y: [[n, *p[:142], n] for p, n in zip(x.tolist(), y, strict=True)], "both the f"),
        (lambda x, y: [], "is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_csv(make: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        load(write(tmp_path / "x.csv", make(*rows())))


def test_headers_that_name_no_class(tmp_path: Path) -> None:
    x, y = rows()
    table = [[n, *p] for p, n in zip(x.tolist(), y.tolist(), strict=True)]
    with pytest.raises(DataError, match="line 1 has no column called label"):
        load(write(tmp_path / "x.csv", table, ",".join(["kind", *["p"] * 144])))
    with pytest.raises(DataError, match="several columns that may be the class: y, label"):
        load(write(tmp_path / "x.csv", table, ",".join(["y", "label", *["p"] * 143])))
    with pytest.raises(DataError, match="there is no file"):
        load(str(tmp_path / "none.csv"))


# ---- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "csv"])
def test_whole_runs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, moved elsewhere, and resumed."""
    monkeypatch.chdir(tmp_path)
    if kind == "folder":
        pictures(tmp_path / "mine")
        name, moved = "mine", "other/"
    else:
        x, y = rows(60)
        write(tmp_path / "mine.csv", [[n, *p] for p, n in zip(x.tolist(), y, strict=True)])
        name, moved = "mine.csv", "other.csv"
    argv = ["--model", "mlp", "--batch_size", "8", "--optimizer", "adam"]
    argv += ["--checkpoint_dir", "c", "--log_dir", "c"]
    assert train.main([*argv, "--dataset", name, "--epochs", "2"]) == 0
    (tmp_path / name).rename(tmp_path / moved)
    assert (
        train.main(["--resume", "--dataset", moved, "--epochs", "3", "--checkpoint_dir", "c"]) == 0
    )
