"""from_checkpoint: the network of a run as the run used it, whatever form a picture comes in."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import npnet
from npnet import datasets, models, train
from npnet.base.checks import ShapeError
from npnet.models.checkpoint import BEST
from npnet.models.preprocess import Pixels, Preprocess
from npnet.runs.files import LAST
from npnet.serialization import CheckpointError, load_with_metadata, to_bytes
from npnet.training.checkpoint import Checkpoints, Progress, best_file
from npnet.training.config import Config
from npnet.training.data import prepare
from npnet.training.metrics import Epoch
from npnet.training.trainer import best_facts, predict
from tests.runs import run_npnet, small, stripes

__all__ = ["small", "stripes"]  # fixtures

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (12, 10), np.uint8)
COLOUR = RNG.integers(0, 256, (12, 10, 3), np.uint8)


def npz(path: Path, x: np.ndarray[Any, Any]) -> str:
    np.savez(path, x=x, y=np.arange(len(x)) % 3)
    return str(path)


def untrained(config: Config) -> tuple[Any, Any]:
    """Data and learner of a run, and in its folder what an epoch would have written."""
    data = prepare(config, print)
    learner = train.build(config, data)
    progress = Progress()
    progress.add(Epoch(1, 0.1, 1.0, 50.0, 1.0, 50.0, 50.0, 1.0))
    folder = Path(config.checkpoint_dir)
    folder.mkdir(parents=True, exist_ok=True)
    best = best_file(learner.weights(), best_facts(learner, data, progress))
    Checkpoints(folder).save_best(best)
    return data, learner


KINDS: dict[str, Any] = {
    "grey": RNG.integers(0, 256, (36, 12, 10), np.uint8),
    "colour": RNG.integers(0, 256, (36, 3, 33, 40), np.uint8),
    "shares": RNG.random((36, 12, 12)),
    "floats": RNG.normal(5, 100, (36, 12, 12)),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "grey") for name in models.MODELS),
        *(("mlp", kind) for kind in (*KINDS, "digits") if kind != "grey"),
        ("resnet20", "colour"),
        ("lenet5", "colour"),
    ],
)
def test_every_network_and_every_kind_of_data(tmp_path: Path, name: str, kind: str) -> None:
    dataset = kind if kind not in KINDS else npz(tmp_path / "mine.npz", KINDS[kind])
    config = Config(
        model=name, dataset=dataset, batch_size=8, checkpoint_dir=str(tmp_path), threads=1
    )
    data, learner = untrained(config)
    model = models.from_checkpoint(tmp_path)
    assert not model.training
    assert type(model) is type(learner.model)
    assert model.classes == data.classes
    assert (model.checkpoint.model, model.checkpoint.dataset) == (name, data.name)
    stored = datasets.load(dataset).x_test[:4]
    ours = model.preprocess(stored)
    (expected, _), *_ = data.batches(data.test, 4)
    np.testing.assert_array_equal(ours, expected)
    one_by_one = model.preprocess(list(stored.transpose(0, 2, 3, 1)))
    np.testing.assert_array_equal(one_by_one, expected)
    with npnet.no_grad():
        logits = model(ours)
    np.testing.assert_allclose(logits, predict(learner, data, data.test.x[:4]), 2e-4, 2e-4)


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"model": "resnet20", "image_size": 36}])
def test_accuracy_is_the_runs(small: Config, tmp_path: Path, settings: dict[str, Any]) -> None:
    config = dataclasses.replace(small, **({"model": "mlp", "epochs": 3} | settings))
    if "image_size" in settings:  # resized batch by batch; of so few images, soon
        dataset = npz(tmp_path / "mine.npz", KINDS["grey"])
        config = dataclasses.replace(config, dataset=dataset, batch_size=12, epochs=1)
    result = run_npnet(config)
    model = models.from_checkpoint(Path(config.checkpoint_dir) / BEST)
    data = datasets.load(config.dataset)
    with npnet.no_grad():
        predicted = model(model.preprocess(data.x_test)).argmax(1).numpy()
    assert int((predicted == data.y_test).sum()) == result.test.correct
    np.testing.assert_array_equal(predicted, result.test.predicted)
    assert model.checkpoint.epoch == result.progress.best_epoch


# ---- pictures ------------------------------------------------------------------------------------


def to_network(channels: int, **options: Any) -> Preprocess:
    return Preprocess((channels, 12, 10), [0.25] * channels, [0.5] * channels, **options)


def expected(pixels: np.ndarray[Any, Any], channels: int) -> np.ndarray[Any, Any]:
    """(H, W) or (H, W, 3) of uint8 as the network's (1, C, H, W)."""
    wanted = Image.fromarray(pixels).convert("L" if channels == 1 else "RGB")
    x = np.asarray(wanted).reshape(12, 10, channels).transpose(2, 0, 1)[None]
    return (x.astype(np.float32) / np.float32(255) - np.float32(0.25)) / np.float32(0.5)


FORMS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "ndarray": lambda x: x,
    "ndarray of float64": lambda x: x / 255,
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "with channels": lambda x: x.reshape(12, 10, -1),
    "batch": lambda x: x.reshape(1, 12, 10, -1),
    "channels first": lambda x: x.reshape(1, 12, 10, -1).transpose(0, 3, 1, 2),
    "list": lambda x: [x],
    "PIL": Image.fromarray,
    "PIL RGBA": lambda x: Image.fromarray(x).convert("RGBA"),
    "npnet Tensor": lambda x: npnet.tensor(x.reshape(12, 10, -1).transpose(2, 0, 1)),
    "npnet Tensor in a batch": lambda x: npnet.tensor(
        x.reshape(1, 12, 10, -1).transpose(0, 3, 1, 2) / np.float32(255)
    ),
    "torch Tensor": lambda x: torch.tensor(x.reshape(12, 10, -1).transpose(2, 0, 1)),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture(form: str, colour: bool, channels: int) -> None:
    pixels = COLOUR if colour else GREY
    before = pixels.copy()
    y = to_network(channels)(FORMS[form](pixels))
    assert (y.dtype, y.shape) == (np.float32, (1, channels, 12, 10))
    rounded = colour and channels == 1 and form in ("ndarray of float64", "npnet Tensor in a batch")
    # Bytes are rounded to a byte of grey; floats are not.
    tolerance = 0.5 / 255 / 0.5 + 1e-6 if rounded else 1e-6 if "float" in form else 0
    np.testing.assert_allclose(y, expected(pixels, channels), rtol=0, atol=tolerance)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [(mode, suffix) for mode in ("L", "RGB", "1", "P") for suffix in ("png", "bmp", "tiff")]
    + [(mode, suffix) for mode in ("I;16", "LA") for suffix in ("png", "tiff")],
)
def test_files(tmp_path: Path, mode: str, suffix: str) -> None:
    picture = Image.fromarray(COLOUR if mode in ("RGB", "P") else GREY)
    if mode == "I;16":
        picture = Image.fromarray(GREY.astype(np.uint16) * 257)
    elif mode != picture.mode:
        picture = picture.convert(mode)
    picture.save(tmp_path / f"it.{suffix}")
    grey = to_network(1)
    pixels = GREY if mode == "I;16" else np.asarray(picture.convert("RGB").convert("L"))
    for way in (tmp_path / f"it.{suffix}", str(tmp_path / f"it.{suffix}"), picture):
        np.testing.assert_allclose(grey(way), expected(pixels, 1), rtol=0, atol=1e-6)


def test_pictures_are_turned_as_viewers_turn_them(tmp_path: Path) -> None:
    turned = Image.fromarray(GREY).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270 degrees to see it upright
    turned.save(tmp_path / "it.png", exif=exif)
    np.testing.assert_array_equal(to_network(1)(tmp_path / "it.png"), to_network(1)(GREY))


def test_several_pictures_are_a_batch(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "it.png")
    y = to_network(1)([GREY, COLOUR, tmp_path / "it.png", np.stack([GREY] * 4)])
    assert y.shape == (7, 1, 12, 10)
    np.testing.assert_array_equal(y[1], y[2])
    np.testing.assert_array_equal(y[0], y[6])


def test_bools_are_black_and_white() -> None:
    np.testing.assert_array_equal(to_network(1)(GREY > 99), to_network(1)((GREY > 99) * 1.0))


def transparent() -> Image.Image:
    picture = Image.fromarray(COLOUR).convert("RGBA")
    picture.putpixel((0, 0), (0, 0, 0, 0))
    return picture


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (GREY.astype(np.uint16) * 257, TypeError, r"uint8 or float, got uint16; write \(x / white"),
        (GREY.astype(np.int64), TypeError, r"0 to 255: write x\.astype\(np\.uint8\)"),
        (GREY.astype(np.int64) * 16, TypeError, r"\(x / white\).* 4095 for 12"),
        (GREY.astype(np.int64) - 1, TypeError, r"\(x - black\) / \(white - black\)"),
        ((GREY > 99).astype(np.int64), TypeError, r"they are 0 and 1: write x\.astype\(bool\)"),
        (GREY * 1.0, ValueError, r"from -0\.001 to 1 .* got 0 to 25\d; do not standardise"),
        ((GREY / 255 - 0.3) / 0.3, ValueError, "do not standardise them before"),
        (np.full((12, 10), np.nan), ValueError, "floats must be from"),
        (GREY * 1j, TypeError, "got complex128"),
        (transparent(), ValueError, "transparent pixels.*paste"),
        (Image.new("I", (10, 12)), ValueError, "mode I"),
        (np.stack([GREY] * 3), ShapeError, r"\(3, 12, 10\) can be read in two ways.*x\[:, None\]"),
        (np.zeros((3, 5, 3), np.uint8), ShapeError, "can be read in two ways"),
        (np.zeros((12, 10, 2), np.uint8), ShapeError, "is no picture's"),
        (torch.zeros(4, 12, 10), ShapeError, "is no picture's"),
        (npnet.zeros(2, 12, 10), ShapeError, "is no picture's"),
        (np.zeros(5, np.uint8), ShapeError, r"the shape \(5,\) is no picture's"),
        (np.zeros((0, 10), np.uint8), ShapeError, "has no pixels"),
        ([], ValueError, "the list has no pictures"),
        (3, TypeError, "takes a path, a PIL image, .* got int"),
        ([[1, 2], [3, 4]], TypeError, "got int"),
    ],
)
def test_what_is_refused(picture: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        to_network(1)(picture)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_in_an_array_is_refused_and_no_batch(channels: int) -> None:
    with pytest.raises(ShapeError, match=r"x\[\.\.\., :3\]"):
        to_network(channels)(np.zeros((12, 10, 4), np.uint8))


def test_advice_on_16_bits_keeps_the_picture() -> None:
    wide = GREY.astype(np.uint16) * 257
    y = to_network(1)((wide / 65535).astype(np.float32))
    np.testing.assert_allclose(y, to_network(1)(GREY), rtol=0, atol=1e-6)


def test_networks_trained_on_other_floats() -> None:
    network = to_network(1, pixels=Pixels("float32", -20.0, 30.0))
    with pytest.raises(ValueError, match="trained on float32 from -20 to 30, and nobody knows"):
        network(GREY)
    assert network(np.full((12, 10), 35.0)).shape == (1, 1, 12, 10)
    with pytest.raises(ValueError, match=r"floats must be from -70 to 80 .* got 255 to 255"):
        network(np.full((12, 10), 255.0))


def test_files_that_are_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.fromarray(COLOUR).save(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:100])
    for name in "ab":
        with pytest.raises(ValueError, match=rf"{name}\.png is no picture that Pillow reads"):
            to_network(1)(tmp_path / f"{name}.png")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="named pipe"):
        to_network(1)(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        to_network(1)(tmp_path / "none.png")


# ---- files that are no such checkpoint -----------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str]]:
    folder = tmp_path_factory.mktemp("good")
    dataset = npz(folder / "mine.npz", RNG.integers(0, 256, (36, 12, 10), np.uint8))
    untrained(Config(model="lenet4", dataset=dataset, batch_size=8, checkpoint_dir=str(folder)))
    tree, metadata = load_with_metadata(folder / BEST)
    return tree, {k: v for k, v in metadata.items() if not k.startswith("npnet.")}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model", None, "does not say its model; weights without these are given to a network of"),
        ("mean", None, "does not say its mean"),
        ("model", "lenet7", "its model must be one of lenet4, .*, got lenet7"),
        ("classes", "[]", "its classes must be two names or more"),
        ("classes", '["a", 3, "b"]', "its classes must be"),
        ("classes", json.dumps([str(i) for i in range(10**6)]), "arguments are not of"),
        ("image_shape", "[2, 32, 32]", "with 1 or 3 channels"),
        ("image_shape", "[1, 32, 1e9]", "with 1 or 3 channels"),
        ("image_shape", "[1, 32, 1000000000]", "with 1 or 3 channels"),
        ("image_shape", "[3, 32, 32]", "a number for each of 3 channels"),
        ("mean", "[NaN]", "its mean must be numbers"),
        ("mean", "[true]", "its mean must be numbers"),
        ("std", "[0]", "its std must be numbers above 0"),
        ("std", "[1, 1]", "a number for each of 1 channels"),
        ("std", "0.3", "its std must be"),
        ("epoch", "-1", "its epoch must be"),
        ("val_accuracy", '"high"', "its val_accuracy must be"),
        ("arguments", '{"in_channels": 1, "num_classes": 1000000000}', "arguments are not of 1 ch"),
        ("arguments", '{"in_channels": 1, "hidden": 3}', "arguments are not of"),
        ("pixels", '["uint8", 0]', "its pixels must be"),
        ("mean", "[", "its mean must be numbers, got \\["),
        ("mean", "[" * 100_000, "its mean must be"),
    ],
)
def test_facts_that_cannot_be(
    tmp_path: Path, good: Any, name: str, text: str | None, message: str
) -> None:
    tree, metadata = good
    facts = {**metadata, name: text} if text else {k: v for k, v in metadata.items() if k != name}
    (tmp_path / BEST).write_bytes(to_bytes(tree, facts))
    with pytest.raises(CheckpointError, match=message) as caught:
        models.from_checkpoint(tmp_path)
    assert str(caught.value).startswith(f"from_checkpoint: {tmp_path / BEST} is no {BEST} of a run")
    assert "\n" not in str(caught.value)


def test_files_of_earlier_versions(tmp_path: Path, good: Any) -> None:
    tree, metadata = good
    facts = {k: v for k, v in metadata.items() if k not in ("arguments", "pixels")}
    (tmp_path / BEST).write_bytes(to_bytes(tree, facts))
    assert models.from_checkpoint(tmp_path).preprocess(GREY).shape == (1, 1, 32, 32)


def test_claims_of_classes_are_checked_before_memory_is_taken(tmp_path: Path, good: Any) -> None:
    tree, metadata = good
    many = [str(i) for i in range(10**6)]
    arguments = json.dumps({"in_channels": 1, "num_classes": len(many)})
    facts = {**metadata, "classes": json.dumps(many), "arguments": arguments}
    (tmp_path / BEST).write_bytes(to_bytes(tree, facts))
    with pytest.raises(CheckpointError, match="none of its weights is of 1000000 classes"):
        models.from_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: {**t, "conv1.bias": npnet.tensor(1.0)}, "size mismatch for conv1.bias"),
        (lambda t: {**t, "conv1.bias": t["conv1.bias"] * float("nan")}, "conv1.bias has values"),
        (lambda t: {**t, "conv1.bias": t["conv1.bias"].long()}, "conv1.bias is int64"),
        (
            lambda t: {k: v for k, v in t.items() if k != "conv1.bias"},
            'Missing key.* "conv1.bias"',
        ),
        (lambda t: {"learner": {"weights": t}, "progress": {}}, "state of a run, for --resume"),
        (lambda t: [*t.values()], "does not hold weights by name"),
    ],
)
def test_weights_that_are_not_the_networks(
    tmp_path: Path, good: Any, change: Callable[[Any], Any], message: str
) -> None:
    tree, metadata = good
    (tmp_path / BEST).write_bytes(to_bytes(change(tree), metadata))
    with pytest.raises(CheckpointError, match=message):
        models.from_checkpoint(tmp_path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"name the {BEST} of a run, or its --checkpoint_d"):
        models.from_checkpoint(tmp_path)
    os.mkfifo(tmp_path / BEST)
    with pytest.raises(OSError, match="named pipe"):
        models.from_checkpoint(tmp_path)
    npnet.save(models.create("mlp").state_dict(), tmp_path / LAST)
    with pytest.raises(CheckpointError, match=r"load_state_dict\(npnet\.load\(path\)\)"):
        models.from_checkpoint(tmp_path / LAST)
    for path in ("a\0b", "~nobody-has-it/best", "\ud800"):
        with pytest.raises(OSError, match=r"NUL|home|surrogate"):
            models.from_checkpoint(path)
