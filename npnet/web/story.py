"""The story of a run: the snapshots that `npnet train --record` keeps, for a page to play.

They are in float16, which is half as large and shows the same filters and maps; the best weights of
the page are in float32. See `npnet.training.snapshots`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.base.files import printable, user_path
from npnet.runs.errors import ConfigError
from npnet.runs.files import SNAPSHOTS
from npnet.serialization import load_with_metadata
from npnet.web.graph import Graph

__all__ = ["Story", "story_of"]

MOST_FRAMES = 12  # in a page
MOST_BYTES = 6 << 20  # of weights in a page


@dataclass(frozen=True)
class Story:
    """The weights of a network after several epochs.

    Attributes:
        epochs: which.
        history: of each recorded epoch the figures: epoch, train_loss, val_loss, train_accuracy,
            val_accuracy and learning_rate.
        weights: of each of `epochs`: the graph's tensors in a row, float16, little-endian.
    """

    epochs: tuple[int, ...]
    history: tuple[dict[str, Any], ...]
    weights: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """All but the weights."""
        return {"epochs": list(self.epochs), "history": list(self.history)}


def story_of(checkpoint: str, graph: Graph) -> Story | None:
    """The snapshots beside a checkpoint; None where its run has recorded none.

    Raises:
        ConfigError: they are of another network.
    """
    place = user_path(checkpoint)
    folder = (place if place.is_dir() else place.parent) / SNAPSHOTS
    files = sorted(folder.glob("epoch-*.safetensors"))
    if len(files) < 2:
        return None
    frames, history = [], []
    for path in files:
        tree, metadata = load_with_metadata(path)
        try:
            epoch, history = int(metadata["epoch"]), json.loads(metadata["history"])
        except (KeyError, ValueError):
            raise ConfigError(
                f"{printable(path)} is no snapshot of --record: it does not say its epoch; move it "
                "away"
            ) from None
        frames.append((epoch, _in_a_row(path, tree, graph)))
    kept = _thinned(frames, MOST_FRAMES, MOST_BYTES)
    epochs, weights = zip(*kept, strict=True)
    return Story(epochs, tuple(history), weights)


def _thinned(
    frames: Sequence[tuple[int, bytes]], most: int, most_bytes: int
) -> Sequence[tuple[int, bytes]]:
    """As many as may be, evenly, the first and the last among them."""
    count = max(2, min(most, most_bytes // max(len(frames[0][1]), 1), len(frames)))
    places = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int))
    return [frames[k] for k in places]


def _in_a_row(path: Path, tree: Any, graph: Graph) -> bytes:
    """The graph's tensors as they were in a snapshot."""
    parts = []
    for name, tensor in zip(graph.names, graph.tensors, strict=True):
        array: Array = tensor
        if name:
            found = tree.get(name) if isinstance(tree, dict) else None
            if found is None or found.array.size != tensor.size:
                raise ConfigError(
                    f"{printable(path)} is a snapshot of another network: it has no {name} of "
                    f"{tensor.shape}; move the folder away"
                )
            array = found.array
        parts.append(np.ascontiguousarray(array, "<f2").tobytes())
    return b"".join(parts)
