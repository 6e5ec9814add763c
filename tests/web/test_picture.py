"""What a page makes of a drawing, in Node, against `npnet.prediction` and `models.Preprocess`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageDraw

from npnet.base.arrays import Array
from npnet.models.preprocess import Preprocess
from npnet.prediction.digits import PLACEMENTS, prepare_digit
from tests.web.node import SOURCES, needs_node, run_node

pytestmark = needs_node

SIDE = 280  # of the pad
COUNT = 60
HALF = 1  # level of a pixel, where a value lies between two: sums in float64 and in float32
ROUNDING = 1e-6  # of standardised pixels: float32 and float64


def _drawing(rng: Generator) -> Array:
    """Up to three strokes, curves of Bezier's, by a round pen, smooth at the edge."""
    picture = Image.new("L", (2 * SIDE, 2 * SIDE))
    pen, size = ImageDraw.Draw(picture), rng.uniform(0.3, 1)
    corner = rng.uniform(-0.1, 1 - 0.8 * size, 2)
    width = 2 * SIDE * size * rng.uniform(0.03, 0.12)
    for _ in range(rng.integers(1, 4)):
        ends = rng.uniform([[0.1, 0.05], [0.1, 0.7]], [[0.9, 0.3], [0.9, 0.95]])  # down, mostly
        points = np.insert(ends, 1, rng.uniform(0.1, 0.9, (2, 2)), axis=0)
        t = np.linspace(0, 1, 80)[:, None]
        n = len(points) - 1
        shares = (math.comb(n, k) * (1 - t) ** (n - k) * t**k * p for k, p in enumerate(points))
        for x, y in (sum(shares) * size + corner) * 2 * SIDE:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def _prepared(drawings: list[Array], facts: dict[str, Any], folder: Path) -> tuple[Array, Array]:
    """Digits and the networks' inputs by JavaScript."""
    (folder / "drawings.bin").write_bytes(b"".join(d.tobytes() for d in drawings))
    said = {"side": SIDE, "count": len(drawings), "image_shape": [1, 32, 32], **facts}
    (folder / "facts.json").write_text(json.dumps(said))
    run_node(Path(__file__).with_name("digits.js"), str(folder), str(SOURCES))
    digits = np.fromfile(folder / "digits.bin", np.uint8).reshape(-1, 1, 28, 28)
    return digits, np.fromfile(folder / "inputs.bin", "<f4").reshape(-1, 1, 32, 32)


@pytest.mark.parametrize("name", ["mnist", "emnist", "digits"])
def test_drawings_are_prepared_as_by_predict(name: str, tmp_path: Path, rng: Generator) -> None:
    drawings = [_drawing(rng) for _ in range(COUNT)]
    facts = {"placement": PLACEMENTS[name]._asdict(), "mean": [0.1307], "std": [0.3081]}
    digits, inputs = _prepared(drawings, facts, tmp_path)
    preprocess = Preprocess((1, 32, 32), (0.1307,), (0.3081,))
    for drawing, digit, given in zip(drawings, digits, inputs, strict=True):
        wanted = prepare_digit(drawing[None], PLACEMENTS[name])
        assert not wanted.inverted
        off = np.abs(digit.astype(int) - wanted.image)
        assert off.max() <= HALF, off.max()
        assert_allclose(given[None], np.asarray(preprocess(digit[None])), rtol=0, atol=ROUNDING)


def test_a_small_digit_in_a_corner_is_cut_out(tmp_path: Path) -> None:
    picture = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(picture).line([(20, 15), (24, 75)], fill=255, width=8)
    drawing = np.asarray(picture)
    facts = {"placement": PLACEMENTS["mnist"]._asdict(), "mean": [0.5], "std": [0.5]}
    digits, _ = _prepared([drawing], facts, tmp_path)
    assert_array_equal(digits[0], prepare_digit(drawing[None]).image)
    rows = np.flatnonzero(digits[0, 0].any(1))
    assert (rows[0], rows[-1]) == (4, 23)  # 20 pixels high, in the middle


# ---- other pictures ------------------------------------------------------------------------------

RESIZE = """
const [folder, sources] = process.argv.slice(2);
const fs = require("fs"), path = require("path");
const Picture = require(path.join(sources, "picture.js"));
const { channels, h, w, ...facts } = JSON.parse(fs.readFileSync(path.join(folder, "facts.json")));
const rgba = new Uint8Array(fs.readFileSync(path.join(folder, "rgba.bin")));
const bytes = Picture.fromCanvas(rgba, h, w, channels);
const y = Picture.standardised(bytes, channels, h, w, facts);
fs.writeFileSync(path.join(folder, "y.bin"), Buffer.from(y.buffer));
"""
LEVEL = 1 / 255  # of a picture of bytes: halves are rounded after other sums


@pytest.mark.parametrize("shape", [(32, 32), (45, 60), (7, 100), (300, 200)])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_resized_as_by_preprocess(
    channels: int, shape: tuple[int, int], tmp_path: Path, rng: Generator
) -> None:
    rgb = rng.integers(0, 256, (*shape, 3), np.uint8)
    alpha = np.full((*shape, 1), 255, np.uint8)
    (tmp_path / "rgba.bin").write_bytes(np.concatenate([rgb, alpha], 2).tobytes())
    mean, std = [0.4, 0.5, 0.6][:channels], [0.2, 0.3, 0.25][:channels]
    facts = {"channels": channels, "h": shape[0], "w": shape[1], "mean": mean, "std": std}
    facts["image_shape"] = [channels, 32, 32]
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "resize.js").write_text(RESIZE)
    run_node(tmp_path / "resize.js", str(tmp_path), str(SOURCES))
    found = np.fromfile(tmp_path / "y.bin", "<f4").reshape(channels, 32, 32)
    wanted = np.asarray(Preprocess((channels, 32, 32), mean, std)(rgb))[0]
    off = np.abs(found - wanted) * np.array(std)[:, None, None]
    assert off.max() < LEVEL * 1.01
    assert (off > LEVEL / 2).mean() < 1e-3


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    (tmp_path / "rgba.bin").write_bytes(bytes(32 * 32 * 4))
    facts = {"channels": 1, "h": 32, "w": 32, "mean": [0], "std": [1], "image_shape": [1, 32, 32]}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "resize.js").write_text(RESIZE)
    run_node(tmp_path / "resize.js", str(tmp_path), str(SOURCES))
    assert (np.fromfile(tmp_path / "y.bin", "<f4") == 1).all()
