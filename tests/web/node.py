"""JavaScript in Node: the files that a page holds, run on the same numbers as npnet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.base.arrays import Array
from npnet.nn import Module
from npnet.web.graph import Graph, graph_of

NODE = shutil.which("node")
SOURCES = Path(npnet.__file__).parent / "web"
needs_node = pytest.mark.skipif(NODE is None, reason="there is no Node here to run JavaScript")


def run_node(script: Path, *args: str) -> str:
    """What a script says on standard output."""
    assert NODE is not None
    done = subprocess.run([NODE, script, *args], capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    return done.stdout


def computed(
    graph: Graph, picture: Array, folder: Path, unit: int | None = None
) -> tuple[list[Array], Array | None]:
    """All layers' results by JavaScript, and the gradient of an output with respect to the picture.

    Shape: picture (1, C, H, W).
    """
    (folder / "graph.json").write_text(json.dumps(graph.to_json()))
    (folder / "weights.bin").write_bytes(graph.weights())
    (folder / "picture.bin").write_bytes(picture.astype("<f4").tobytes())
    more = [] if unit is None else [str(unit)]
    run_node(Path(__file__).with_name("layers.js"), str(folder), str(SOURCES), *more)
    flat = np.fromfile(folder / "values.bin", "<f4")
    sizes = [int(np.prod(layer["shape"])) for layer in graph.layers]
    assert flat.size == sum(sizes)
    values = np.split(flat, np.cumsum(sizes)[:-1])
    gradient = None
    if unit is not None:
        gradient = np.fromfile(folder / "gradient.bin", "<f4").reshape(picture.shape)
    return [
        v.reshape(layer["shape"]) for v, layer in zip(values, graph.layers, strict=True)
    ], gradient


def traced(model: Module, shape: Sequence[int]) -> tuple[Graph, Any]:
    """The graph of a network, and the record that it was read from."""
    from npnet.backend import by_numpy
    from npnet.tracing import trace

    with by_numpy():
        record = trace(model, [np.zeros((1, *shape), np.float32)], [])
    return graph_of(model, shape), record
