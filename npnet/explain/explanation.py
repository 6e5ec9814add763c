"""What is kept of each op: how its derivative is derived, and an example of a few numbers.

Equation, backward pass, code and source are not kept here: they are read off the op itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Constant", "Explanation", "Explanations", "explain"]


@dataclass(frozen=True)
class Constant:
    """Numbers of an example that want no gradient, such as targets."""

    values: Any


@dataclass(frozen=True)
class Explanation:
    """How one op is explained.

    Attributes:
        call: the example, as one writes it, of the names in `inputs`; see `example.computed`.
        inputs: their numbers, as nested lists; whole numbers and `Constant` want no gradient.
        steps: the derivation of the backward pass, from the chain rule to what the code does.

    Example:
        >>> from npnet.explain import OPS
        >>> OPS["conv2d"].call
        'F.conv2d(x, weight, bias)'
    """

    call: str
    inputs: dict[str, Any]
    steps: tuple[str, ...]


Explanations = dict[str, Explanation]


def explain(call: str, inputs: dict[str, Any], *steps: str) -> Explanation:
    """An `Explanation`, its steps one after the other."""
    return Explanation(call, inputs, steps)
