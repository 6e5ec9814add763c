"""What a student's layer is asked to do: made by the grader, done where the student's code runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from npnet.base.arrays import Array

__all__ = ["Call", "Job"]


@dataclass(frozen=True)
class Call:
    """One forward pass, and the backward pass after it; of an optimizer, one update.

    Attributes:
        x: the input; of an optimizer None: it goes on from its own last result.
        gy: the gradient of the output, or of an optimizer's parameter; None: no backward pass.
        extra: further arguments by npnet's names: target, lr.
        weights: values that are set before the call, by npnet's names.
    """

    x: Array | None
    gy: Array | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    training: bool = True
    weights: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Calls of one layer that is newly made.

    Attributes:
        kind: by name; see `npnet.grading.kinds`.
        init: arguments of the constructor by npnet's names.
        required: those of them that every layer of the kind needs, in order.
        strided: whether arrays are given as views that do not lie one value after the other.
    """

    kind: str
    init: Mapping[str, Any]
    required: tuple[str, ...]
    calls: tuple[Call, ...]
    strided: bool = False

    def message(self) -> dict[str, Any]:
        """It as JSON and arrays, see `npnet.grading.wire`."""
        return asdict(self)

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Job:
        """The inverse of `message`."""
        calls = tuple(Call(**call) for call in message["calls"])
        return cls(**{**message, "calls": calls, "required": tuple(message["required"])})
