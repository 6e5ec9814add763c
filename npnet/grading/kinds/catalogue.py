"""The kinds of layers that can be graded, by name, and which of them a class is by its name."""

from __future__ import annotations

from npnet.grading.kinds.activation import RELU, SIGMOID, TANH
from npnet.grading.kinds.adam import ADAM
from npnet.grading.kinds.avg_pool import AVG_POOL2D
from npnet.grading.kinds.base import Kind
from npnet.grading.kinds.conv import CONV2D
from npnet.grading.kinds.dropout import DROPOUT
from npnet.grading.kinds.lenet import LENET, LENET5
from npnet.grading.kinds.linear import LINEAR
from npnet.grading.kinds.loss import CROSS_ENTROPY
from npnet.grading.kinds.max_pool import MAX_POOL2D
from npnet.grading.kinds.norm import BATCH_NORM1D, BATCH_NORM2D
from npnet.grading.kinds.sgd import SGD
from npnet.grading.spellings import plain

__all__ = ["KINDS", "kind_of"]

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        LINEAR,
        RELU,
        SIGMOID,
        TANH,
        CONV2D,
        MAX_POOL2D,
        AVG_POOL2D,
        BATCH_NORM1D,
        BATCH_NORM2D,
        CROSS_ENTROPY,
        DROPOUT,
        LENET,
        LENET5,
        SGD,
        ADAM,
    )
}


def kind_of(name: str) -> str | None:
    """The kind of a class of this name: the longest word that is in it; None of no, or of two."""
    base = plain(name)
    found = {word: kind.name for kind in KINDS.values() for word in kind.words if word in base}
    longest = max(map(len, found), default=0)
    kinds = {kind for word, kind in found.items() if len(word) == longest}
    return kinds.pop() if len(kinds) == 1 else None
