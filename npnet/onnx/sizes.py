"""Shapes that a graph computes of shapes, such as x.view(x.size(0), -1): what they come to.

PyTorch writes that as Shape, Gather, Unsqueeze and Concat. Followed by hand, it is the reshape to
(0, -1), where 0 takes over the size that is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from npnet.onnx.reading import Node

__all__ = ["Sizes"]

Entry: TypeAlias = int | tuple[str, int]  # a number, or the size of a value along an axis
_MOST = 16  # entries: of shapes, not of data
_ELEMENTWISE = ("BatchNormalization", "Dropout", "Identity", "LeakyRelu", "Relu", "Sigmoid", "Tanh")
_KEPT = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")


class Sizes:
    """The entries of the shapes that nodes compute, in a row, whatever axes they have."""

    def __init__(self) -> None:
        self._known: dict[str, list[Entry]] = {}

    def note(self, node: Node) -> None:
        """Remember what a node gives, if it is a shape of shapes."""
        entries = self._of(node)
        if entries is not None and len(entries) <= _MOST:
            self._known[node.outputs[0]] = entries

    def _of(self, node: Node) -> list[Entry] | None:
        if node.kind == "Shape":
            rank = node.rank()
            axes = [] if rank is None else list(range(rank))[node.get("start", 0) : node.get("end")]
            return None if rank is None else [(node.inputs[0], axis) for axis in axes]
        if node.kind == "Concat":
            parts = [self._entries(node, i) for i in range(len(node.inputs))]
            return None if None in parts else [e for part in parts for e in part or []]
        if not node.inputs or node.inputs[0] not in self._known:
            return None
        entries = self._known[node.inputs[0]]
        if node.kind in _KEPT:
            return entries
        if node.kind == "Gather" and node.get("axis", 0) == 0:
            places = node.const(1)
            fits = places is not None and all(
                -len(entries) <= i < len(entries) for i in places.flat
            )
            return [entries[int(i)] for i in places.flat] if fits and places is not None else None
        return None

    def _entries(self, node: Node, i: int) -> list[Entry] | None:
        known = node.const(i)
        if known is None:
            return self._known.get(node.inputs[i])
        small = known.dtype.kind in "iu" and known.size <= _MOST
        return [int(n) for n in known.flat] if small else None

    def rank(self, node: Node) -> int | None:
        """How many axes the result has, where onnx can't tell because sizes are not known."""
        if node.kind in ("Gemm", "Flatten"):
            return 2
        if node.kind == "Reshape" and node.has(1):
            entries = self._entries(node, 1)
            return None if entries is None else len(entries)
        return node.rank() if node.kind in _ELEMENTWISE else None

    def target(self, node: Node) -> list[int] | None:
        """The shape of a Reshape, 0 and -1 for what follows its input; None of another."""
        entries = self._known.get(node.inputs[1])
        if entries is None:
            return None
        shape = [
            entry if isinstance(entry, int) else 0 if entry == (node.inputs[0], i) else -1
            for i, entry in enumerate(entries)
        ]
        return shape if shape.count(-1) <= 1 else None
