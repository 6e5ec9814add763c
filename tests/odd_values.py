"""Damage: bytes that are altered, and values in a tree in whose place others are put."""

from __future__ import annotations

import copy
import random
from typing import Any

__all__ = ["ODD", "damaged", "mutated"]

# What a place in JSON or in a checkpoint may hold by mistake, or by malice.
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 64, 255, 2**31, 2**62, 2**63, 2**64, -(2**63), 10**30),
    *(0.0, -0.0, 0.5, 1.0, -1.5, 1e30, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", "x", "F32", "BF16", "F4", "é\u2028", "a" * 1000, "../../x", "\0", "nan", "1"),
    *([], [0], [0, 8], [1, 2, 3], [[]], [None], {}, {"a": 1}, {"shape": [1]}, {"tensor": "w"}),
]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The bytes cut short, with some altered, doubled, removed or put in."""
    at = rng.randrange(len(data) + 1)
    match rng.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
        case 2:
            return data[:at] + data[at + rng.randrange(1, 9) :]
        case 3:
            begin = rng.randrange(len(data) + 1)
            return data[:at] + data[begin : begin + rng.randrange(64)] + data[at:]
        case _:
            altered = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                altered[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return bytes(altered)


def mutated(tree: Any, rng: random.Random, odd: list[Any] = ODD) -> Any:
    """A copy in which, at one random place, something odd stands, lacks, or is there twice."""
    tree = copy.deepcopy(tree)
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                collect(node[key])

    collect(tree)
    # Small containers have few places and matter as much: choose the container first.
    node = rng.choice(list({id(node): node for node, _ in places}.values()))
    key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
    match rng.randrange(8):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[rng.choice(["x", "", "weights", "dtype", "__metadata__"])] = rng.choice(odd)
        case 1:
            node.append(rng.choice(odd))
        case 2:
            other, name = rng.choice(places)
            if other is not node or name != key:
                node[key] = copy.deepcopy(other[name])
        case _:
            node[key] = rng.choice(odd)
    return tree
