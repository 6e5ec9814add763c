"""A network as a page holds it: layers in order, each with its options, and weights beside them.

A layer is a JSON object:

    op       by the name that `forward.js` knows
    path     the module that it was applied in, as conv1 or layer1.0.bn2; "" is the network itself
    from     the numbers of the layers whose results it takes; -1 is the picture
    weights  the numbers of its tensors, such as weight and bias
    shape    of its result, whose first axis is the one picture
    ...      the op's own options, see `ops`
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npnet.backend import by_numpy
from npnet.base.arrays import Array
from npnet.nn import Module
from npnet.tracing import Ref, Step, Trace, trace
from npnet.web.ops import options_of

__all__ = ["Graph", "graph_of"]

# Ops whose first input is a value, and all others weights.
_WEIGHTED = {"batch_norm", "conv2d", "group_norm", "layer_norm", "linear", "prelu"}


@dataclass(frozen=True)
class Graph:
    """A network for one picture.

    Attributes:
        shape: (1, C, H, W) of the picture.
        layers: in the order in which they are computed, see above.
        names: of the tensors; those of `state_dict` where they stand there.
        tensors: float32.
        output: the number of the layer that gives the logits.
    """

    shape: tuple[int, ...]
    layers: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    tensors: list[Array] = field(default_factory=list)
    output: int = -1

    def to_json(self) -> dict[str, Any]:
        """All but the weights; `at` says where each begins among them."""
        sizes = [math.prod(t.shape) for t in self.tensors]
        starts = np.cumsum([0, *sizes]).tolist()
        tensors = [
            {"name": name, "shape": list(tensor.shape), "at": at}
            for name, tensor, at in zip(self.names, self.tensors, starts, strict=False)
        ]
        return {
            "shape": list(self.shape),
            "layers": self.layers,
            "tensors": tensors,
            "output": self.output,
        }

    def weights(self) -> bytes:
        """All weights in a row: float32, little-endian."""
        return b"".join(np.ascontiguousarray(t, "<f4").tobytes() for t in self.tensors)


def graph_of(model: Module, shape: Sequence[int]) -> Graph:
    """The layers of `model`, in evaluation, for one picture of `shape` (C, H, W).

    They are read off the tape, from two forward passes on random pictures.

    Raises:
        NotImplementedError: an op that a page does not have; names it and its layer.
        ValueError: what the model does depends on the values of its input, or it gives something
            else than one row of logits.
    """
    with by_numpy():  # one picture is not worth compiling kernels for
        return _read(trace(model, [np.zeros((1, *shape), np.float32)], []))


def _read(traced: Trace) -> Graph:
    _check(traced)
    reader = _Reader(traced)
    for number, step in enumerate(traced.steps):
        reader.add(number, step)
    return Graph(
        reader.graph.shape,
        reader.graph.layers,
        reader.graph.names,
        reader.graph.tensors,
        reader.value(traced.outputs[0]),
    )


def _check(traced: Trace) -> None:
    if traced.reads:
        raise ValueError(
            f"export: forward takes values out of what follows from its input ({traced.reads[0]}), "
            "which would be frozen as they were; say it by ops that are recorded, such as relu, "
            "clamp or maximum, or take it out of forward"
        )
    shapes = [traced.arrays(ref)[0].shape for ref in traced.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][0] != 1:
        raise ValueError(
            "export: a page is for a classifier, which gives logits (N, classes) for pictures (N, "
            f"C, H, W); of one picture this model gives {shapes}"
        )


class _Reader:
    """The layers and tensors that were read so far."""

    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.graph = Graph(traced.inputs[0][0].shape)
        self.layer: dict[Ref, int] = {("input", 0): -1}
        self.tensor: dict[Ref, int] = {}

    def add(self, number: int, step: Step) -> None:
        """A step as a layer, or, if it follows from weights alone, as a tensor by and by."""
        if all(self.is_fixed(ref) for ref in step.inputs):
            return
        said = options_of(step, self.traced.arrays(step.inputs[0])[0].shape)
        values, weights = step.inputs, []
        if said["op"] in _WEIGHTED:
            values, weights = step.inputs[:1], [self.weight(ref, step) for ref in step.inputs[1:]]
        if said["op"] == "batch_norm":
            names = ("running_mean", "running_var")
            for name, array in zip(names, step.op.given, strict=True):
                weights.append(self.keep(f"{step.path}.{name}".strip("."), array))
        places = [self.value(ref) for ref in values]
        shape = list(step.arrays[0].shape)
        self.layer["step", number] = len(self.graph.layers)
        self.graph.layers.append(
            {**said, "path": step.path, "from": places, "weights": weights, "shape": shape}
        )

    def is_fixed(self, ref: Ref) -> bool:
        """Whether a value does not follow from the picture."""
        return ref not in self.layer

    def value(self, ref: Ref) -> int:
        """The number of the layer that gives a value; a constant is a layer too."""
        if ref not in self.layer:
            tensor = self.weight(ref, None)
            shape = list(self.graph.tensors[tensor].shape)
            self.layer[ref] = len(self.graph.layers)
            self.graph.layers.append(
                {"op": "constant", "path": "", "from": [], "weights": [tensor], "shape": shape}
            )
        return self.layer[ref]

    def weight(self, ref: Ref, step: Step | None) -> int:
        """The number of the tensor that a leaf, or a step of leaves alone, is."""
        if step is not None and not self.is_fixed(ref):
            raise NotImplementedError(
                f"export: {step}: its weights follow from the picture, which a page can't do"
            )
        if ref in self.tensor:
            return self.tensor[ref]
        first, second = self.traced.arrays(ref)[:2]
        if not np.array_equal(first, second, equal_nan=True):
            raise ValueError(
                "export: a value that follows from the picture was computed beside the tape (by "
                "detach() or NumPy), and would be frozen; say it by ops that are recorded"
            )
        name = self.traced.leaves[ref[1]].name if ref[0] == "leaf" else None
        self.tensor[ref] = self.keep(name or "", first)
        return self.tensor[ref]

    def keep(self, name: str, array: Array) -> int:
        """Take in a tensor. Returns its number."""
        self.graph.names.append(name)
        self.graph.tensors.append(np.asarray(array, np.float32))
        return len(self.graph.tensors) - 1
