"""Photographs of digits, as a camera and a pen would make them of clean images."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Array = np.ndarray[Any, Any]

__all__ = ["SHADES", "blank", "on_sheet", "photograph", "shaded", "two_colours"]


def on_sheet(digit: Array, side: int, size: int, rng: np.random.Generator) -> Array:
    """How much ink there is, 0 to 1, (side, side), of a digit (28, 28) enlarged to `size`."""
    large = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    sheet = Image.new("L", (side, side), 0)
    sheet.paste(large, tuple(rng.integers(0, side - size + 1, 2).tolist()))
    return np.asarray(sheet, np.float32) / 255


def two_colours(ink: Array, pen: Any, paper: Any, rng: np.random.Generator) -> Array:
    """(C, H, W) uint8, with a little noise."""
    picture = np.stack([p * (1 - ink) + i * ink for i, p in zip(pen, paper, strict=True)])
    return np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)


def photograph(digit: Array, rng: np.random.Generator, most: int) -> Array:
    """(1, H, W) uint8: dark ink on light paper, 100 to `most` pixels wide, anywhere on it, under
    uneven light, blurred, with noise, and through JPEG."""
    side = int(np.exp(rng.uniform(np.log(100), np.log(most))))
    ink = on_sheet(digit, side, max(28, int(side * rng.uniform(0.25, 0.8))), rng)
    y, x = np.mgrid[:side, :side] / side - 0.5
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.5)
    light = 1 - slope * (0.5 + 0.7 * (np.cos(angle) * x + np.sin(angle) * y))
    light -= rng.uniform(0, 0.4) * (x * x + y * y)
    picture = light * (rng.uniform(0.75, 1) * (1 - ink) + rng.uniform(0.05, 0.35) * ink)
    blurred = Image.fromarray(np.clip(255 * picture, 0, 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(rng.uniform(0, side / 150))
    )
    noisy = np.asarray(blurred) + rng.normal(0, rng.uniform(2, 16), (side, side))
    return _through_jpeg(noisy, int(rng.integers(40, 95)))


def blank(rng: np.random.Generator, most: int) -> Array:
    """(1, H, W) uint8: paper of any grey under uneven light, with noise, and through JPEG."""
    side = int(rng.integers(28, most))
    y, x = np.mgrid[:side, :side] / side
    grey = rng.uniform(30, 250) * (1 - rng.uniform(0, 0.5) * x - rng.uniform(0, 0.3) * y)
    noise = rng.normal(0, rng.uniform(0, 25), (side, side))
    return _through_jpeg(grey + noise, int(rng.integers(30, 95)))


SHADES: dict[str, Callable[[Array, Array], Array]] = {
    "shadow": lambda y, x: 80.0 * (x + 0.2 * y < 170),
    "round shadow": lambda y, x: 90.0 * (np.hypot(x, y - 300) < 190),
    "corner": lambda y, x: 100.0 * (x + y < 190),
    "crease": lambda y, x: 30 * np.exp(-(((x - 180 - 0.1 * y) / 2) ** 2)),
    "soft spot": lambda y, x: 60 * np.exp(-((x - 200) ** 2 + (y - 150) ** 2) / 3000),
    "stain": lambda y, x: 25.0 * (np.hypot(x - 190, y - 160) < 45),
    "finger": lambda y, x: 70.0 * (np.hypot((x - 400) / 60, (y - 190) / 25) < 1),
}
"""By how much paper is darker at a row and column of 300 x 400."""


def shaded(kind: str) -> Array:
    """(1, 300, 400) uint8: empty paper with a shade on it."""
    y, x = np.mgrid[:300, :400]
    image = Image.fromarray((210 - SHADES[kind](y, x)).astype(np.uint8))
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(2)))
    return _through_jpeg(soft + np.random.default_rng(3).normal(0, 2, soft.shape), 85)


def _through_jpeg(picture: Array, quality: int) -> Array:
    file = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))[None]
