"""`npnet predict` and `npnet evaluate` as they are typed: answers, exit codes, and bad input."""

from __future__ import annotations

import csv
import io
import json
import struct
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from npnet import cli
from tests.prediction import Trained, trained
from tests.prediction.photos import on_sheet

__all__ = ["trained"]  # a fixture

Array = np.ndarray[Any, Any]


@pytest.fixture
def seven(trained: Trained, tmp_path: Path) -> Path:
    """A seven on white paper that the network knows."""
    image = trained.images[trained.labels == 7][0, 0]
    ink = on_sheet(image, 200, 150, np.random.default_rng(0))
    path = tmp_path / "seven.png"
    Image.fromarray(np.uint8(250 - 220 * ink)).save(path)
    return path


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(list(map(str, words)))
    said = capsys.readouterr()
    return code, said.out, said.err


def answers(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    code, out, err = asked(capsys, "predict", *words, "--json")
    assert (code, err) == (0, "")
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_table_json_and_csv(
    trained: Trained, seven: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, table, err = asked(capsys, "predict", trained.checkpoint, seven)
    assert (code, err) == (0, "")
    assert table.splitlines()[0].split() == ["picture", "class", "probability", "else"]
    assert table.splitlines()[1].split()[:2] == [str(seven), "7"]
    [found] = answers(capsys, trained.checkpoint.parent, seven)
    assert (found["class"], found["label"], found["prepared"]) == ("7", 7, "digits")
    assert (found["inverted"], found["note"], found["error"]) == (True, None, None)
    assert len(found["top"]) == 3
    assert found["top"][0] == {key: found[key] for key in ("class", "label", "probability")}
    assert 0.5 < found["probability"] <= 1
    _, text, _ = asked(capsys, "predict", trained.checkpoint, seven, "--csv", "--top", 99)
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["class"], len(row)) == ("7", 1 + 2 * 10 + 2)
    assert float(row["probability"]) == pytest.approx(found["probability"], rel=1e-6)


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr", "HSV", "LAB"]


@pytest.mark.parametrize("mode", MODES)
def test_modes(
    trained: Trained, seven: Path, mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = Image.open(seven)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    elif mode in ("HSV", "LAB"):
        picture = picture.convert("RGB").convert(mode) if mode == "HSV" else picture.convert("RGB")
    else:
        picture = picture.convert(mode)
    path = tmp_path / ("it.tif" if mode not in ("HSV",) else "it.png")
    (picture.convert("RGB") if mode == "HSV" else picture).save(path)
    assert answers(capsys, trained.checkpoint, path)[0]["class"] == "7"


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm"])
def test_formats_and_standard_input(
    trained: Trained,
    seven: Path,
    ending: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / f"it.{ending}"
    Image.open(seven).save(path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    found = answers(capsys, trained.checkpoint, path, "-")
    assert [each["class"] for each in found] == ["7", "7"]
    assert found[1]["picture"] == "standard input"


def test_the_first_of_several_pictures_is_read(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, white = Image.open(seven), Image.new("L", (200, 200), "white")
    first.save(tmp_path / "film.gif", save_all=True, append_images=[white, first])
    [found] = answers(capsys, trained.checkpoint, tmp_path / "film.gif")
    assert (found["class"], found["note"]) == ("7", "the first of 3")


def test_transparent_pictures_lie_on_white(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ink = 255 - np.asarray(Image.open(seven))
    black = np.zeros((*ink.shape, 4), np.uint8)
    black[..., 3] = ink
    Image.fromarray(black).save(tmp_path / "transparent.png")
    [found] = answers(capsys, trained.checkpoint, tmp_path / "transparent.png")
    assert (found["class"], found["inverted"]) == ("7", True)


def test_exif_turns(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by 90 degrees
    picture = Image.open(seven).transpose(Image.Transpose.ROTATE_90)
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert answers(capsys, trained.checkpoint, tmp_path / "turned.jpg")[0]["class"] == "7"


def test_folders_are_gone_through_in_order(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.PNG", "a.png", "more/c.png", ".hidden.png", "notes.txt"):
        (folder / name).write_bytes(seven.read_bytes())
    found = answers(capsys, trained.checkpoint, folder)
    names = [Path(each["picture"]).relative_to(folder).as_posix() for each in found]
    assert names == ["a.png", "b.PNG", "more/c.png"]


def test_blank_is_nothing_to_read(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).normal(220, 6, (120, 90)).astype(np.uint8)
    for picture in (Image.new("RGB", (90, 60), "white"), Image.fromarray(noise)):
        picture.save(tmp_path / "blank.png")
        [found] = answers(capsys, trained.checkpoint, tmp_path / "blank.png")
        assert (found["class"], found["label"], found["probability"]) == (None, None, None)
        assert (found["top"], found["note"]) == ([], "nothing to read")
    _, table, _ = asked(capsys, "predict", trained.checkpoint, tmp_path / "blank.png")
    assert table.splitlines()[1].split()[1:] == ["-", "-", "nothing", "to", "read"]


def test_images_of_the_data_are_classified_as_they_are(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k, image in enumerate(trained.images[:, 0]):
        Image.fromarray(image).save(tmp_path / f"{k:03}.png")
    found = answers(capsys, trained.checkpoint, tmp_path)
    labels = [each["label"] for each in found]
    assert (np.array(labels) == trained.labels).sum() == trained.correct


def test_without_preparation(
    trained: Trained, seven: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [found] = answers(capsys, trained.checkpoint, seven, "--prepare", "none")
    assert (found["prepared"], found["inverted"]) == ("none", False)


def test_a_picture_in_colour_becomes_grey_without_preparation(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colour = tmp_path / "colour.png"
    Image.open(seven).convert("RGB").save(colour)
    grey, same = answers(capsys, trained.checkpoint, seven, colour, "--prepare", "none")
    assert (same["error"], same["class"]) == (None, grey["class"])
    assert same["probability"] == pytest.approx(grey["probability"])


def header(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        sum_ = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", sum_)

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


BAD: dict[str, tuple[bytes, str]] = {
    "no picture": (b"hello", "its format is not known"),
    "empty": (b"", "its format is not known"),
    "bomb": (header(10**5, 10**5), "more than"),
    "large": (header(11_000, 10_000), "more than"),
    "without pixels": (header(100, 100), "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_told_and_the_others_are_answered(
    trained: Trained, seven: Path, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, why = BAD[name]
    bad = tmp_path / "bad.png"
    bad.write_bytes(data)
    code, out, err = asked(capsys, "predict", trained.checkpoint, bad, seven, "--json")
    assert code == 2
    assert err.startswith(f"npnet predict: error: {bad} ")
    assert why in err
    assert err.count("\n") == 1
    first, second = json.loads(out)
    assert (first["class"], second["class"], second["error"]) == (None, "7", None)
    assert why in first["error"]


@pytest.mark.parametrize(
    ("value", "dtype", "why"),
    [
        (np.nan, np.float32, "no finite numbers"),
        (np.inf, np.float32, "no finite numbers"),
        (70_000, np.int32, "of 32 bits"),
    ],
)
def test_pixels_that_mean_nothing_are_told_with_the_file(
    trained: Trained,
    value: float,
    dtype: type[Any],
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pixels = np.full((40, 40), 100, dtype)
    pixels[10:30, 20] = value
    path = tmp_path / "it.tif"
    Image.fromarray(pixels).save(path)
    code, out, err = asked(capsys, "predict", trained.checkpoint, path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"npnet predict: error: {path} has ")
    assert why in err


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "bmp", "tif"])
def test_truncated_pictures_are_told_in_a_line(
    trained: Trained, seven: Path, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"it.{ending}"
    Image.open(seven).save(path)
    data = path.read_bytes()
    for length in (1, 20, len(data) // 3, len(data) // 2):
        path.write_bytes(data[:length])
        code, out, err = asked(capsys, "predict", trained.checkpoint, path)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_damaged_pictures_never_end_the_command(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    for ending in ("png", "jpg", "gif", "webp", "bmp", "tif"):
        path = tmp_path / f"it.{ending}"
        Image.open(seven).save(path)
        data = bytearray(path.read_bytes())
        for k in range(8):
            damaged = data.copy()
            for _ in range(1 + k):
                damaged[rng.integers(0, min(len(data), 200))] = rng.integers(0, 256)
            path.write_bytes(damaged)
            code, _, err = asked(capsys, "predict", trained.checkpoint, path)
            assert (code, err.count("\n")) in ((0, 0), (2, 1))


def wrong(trained: Trained, folder: Path) -> dict[str, tuple[Sequence[object], str]]:
    ck = trained.checkpoint
    other = folder / "other.npz"
    np.savez(other, x=np.zeros((30, 8, 8), np.uint8), y=np.arange(30) % 3)
    colour = folder / "colour.npz"
    np.savez(colour, x=np.zeros((60, 3, 8, 8), np.uint8), y=np.arange(60) % 10)
    (folder / "there.png").write_bytes(b"mine")
    (folder / "none").mkdir()
    return {
        "no pictures": (["predict", ck], "Missing PICTURES"),
        "no such picture": (["predict", ck, folder / "x.png"], "No such file"),
        "a folder without": (["predict", ck, folder / "none"], "has no pictures"),
        "no checkpoint": (["predict", folder / "none", "x.png"], "there is no such file"),
        "a picture for a checkpoint": (["predict", folder / "there.png", "x.png"], "there.png"),
        "top": (["predict", ck, "x.png", "--top", 0], "top: must be at least 1"),
        "prepare": (["predict", ck, "x.png", "--prepare", "digit"], "prepare must be one of"),
        "both": (["predict", ck, "x.png", "--json", "--csv"], "give one of the two"),
        "own": (["predict", ck, "x.png", "--model", "no.py:Net"], "there is no file no.py"),
        "evaluate nothing": (["evaluate"], "Missing CHECKPOINT"),
        "unknown place": (["evaluate", ck], "say where it is: --dataset FOLDER/small-mnist.npz"),
        "other classes": (["evaluate", ck, "--dataset", other], "has 3 classes (0, 1, 2)"),
        "colours": (["evaluate", ck, "--dataset", colour], "are coloured; convert them first"),
        "no data": (["evaluate", ck, "--dataset", "nope"], "dataset must be one of"),
        "explain": (["predict", ck, "x.png", "--explain", folder / "x.jpg"], "end in .png or .svg"),
        "no errors": (["evaluate", ck, "--errors", "e.png", "--worst", 0], "worst: must be at lea"),
        "split": (["evaluate", ck, "--split", "val"], "split must be one of test, train"),
        "errors": (
            ["evaluate", ck, "--dataset", trained.data, "--errors", folder / "there.png"],
            "is there already",
        ),
    }


def test_wrong_use_is_one_line_and_nothing_is_written(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (words, said) in wrong(trained, tmp_path).items():
        code, out, err = asked(capsys, *words)
        assert (code, out, err.count("\n")) == (2, "", 1), name
        assert said in err, name
    assert (tmp_path / "there.png").read_bytes() == b"mine"


# ---- --explain -----------------------------------------------------------------------------------


@pytest.mark.pictures
def test_explanations(
    trained: Trained, seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = tmp_path / "why.png", tmp_path / "whys"
    assert asked(capsys, "predict", trained.checkpoint, seven, "--explain", one)[0] == 0
    before = one.read_bytes()
    assert Image.open(io.BytesIO(before)).size[0] > 500
    words = ["predict", trained.checkpoint, seven, "--explain", one]
    assert "is there already" in asked(capsys, *words)[2]
    assert one.read_bytes() == before
    assert asked(capsys, *words, "--overwrite")[0] == 0
    words = ["predict", trained.checkpoint, seven, seven, "--explain"]
    assert "name a folder" in asked(capsys, *words, tmp_path / "two.png")[2]
    assert asked(capsys, *words, many)[0] == 0
    assert sorted(path.name for path in many.iterdir()) == ["1-seven.png", "2-seven.png"]


# ---- evaluate ------------------------------------------------------------------------------------


def test_evaluation_is_the_runs_result(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", trained.checkpoint, "--dataset", trained.data]
    code, out, _ = asked(capsys, *words, "--json", "--worst", 30)
    assert code == 0
    found = json.loads(out)
    result = json.loads((trained.checkpoint.parents[1] / "log" / "result.json").read_text())
    for key in ("per_class", "confusion"):
        assert found[key] == result[key]
    for key in ("accuracy", "correct", "total", "top_k"):
        assert found[key] == result["test"][key]
    assert found["loss"] == pytest.approx(result["test"]["loss"], rel=1e-5)
    for ours, theirs in zip(found["worst_errors"], result["worst_errors"], strict=True):
        for key in ("index", "true", "predicted"):
            assert ours[key] == theirs[key]
        for key in ("probability", "loss"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-4)
    bins = found["calibration"]["bins"]
    assert (len(bins), sum(each["count"] for each in bins)) == (15, found["total"])
    _, text, _ = asked(capsys, *words)
    assert text.startswith(f"accuracy {found['accuracy']:.2f} %  ({found['correct']} of ")
    for part in ("true \\ said", "worst errors", "expected calibration error"):
        assert part in text
    _, text, _ = asked(capsys, *words, "--csv")
    assert len(list(csv.DictReader(io.StringIO(text)))) == 10


def test_errors_are_drawn(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", trained.checkpoint, "--dataset", trained.data, "--worst", 3]
    assert asked(capsys, *words, "--errors", tmp_path / "e.svg")[0] == 0
    assert "<svg" in (tmp_path / "e.svg").read_text()


def test_other_data_of_the_same_classes_are_told(
    trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = asked(capsys, "evaluate", trained.checkpoint, "--dataset", "digits", "--json")
    assert (code, json.loads(out)["total"]) == (0, 299)
    assert "trained on small-mnist.npz, and is tested on digits" in err
