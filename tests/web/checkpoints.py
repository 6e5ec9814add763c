"""Checkpoints of networks that were never trained, as runs write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import npnet
from npnet import models
from npnet.models.checkpoint import BEST, Facts
from npnet.models.preprocess import Pixels
from npnet.serialization import to_bytes

DIGITS = tuple("0123456789")
PLANES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def checkpoint(folder: Path, name: str = "lenet5", seed: int = 1, **changes: Any) -> Path:
    """best.safetensors of a network of `models.MODELS` in a folder, which is made."""
    spec = models.MODELS[name]
    size, c = spec.size_for(28 if spec.in_channels == 1 else 32), spec.in_channels
    facts: dict[str, Any] = {
        "model": name,
        "arguments": {"in_channels": c, "num_classes": 10},
        "dataset": "mnist" if c == 1 else "cifar10",
        "classes": DIGITS if c == 1 else PLANES,
        "image_shape": (c, size, size),
        "mean": (0.1307,) if c == 1 else (0.49, 0.48, 0.45),
        "std": (0.3081,) if c == 1 else (0.25, 0.24, 0.26),
        "pixels": Pixels(),
        "epoch": 3,
        "val_accuracy": 90.0,
    }
    npnet.manual_seed(seed)
    model = models.create(name)
    metadata = Facts(**{**facts, **changes}).to_metadata()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BEST).write_bytes(to_bytes(model.state_dict(), metadata))
    return folder / BEST
