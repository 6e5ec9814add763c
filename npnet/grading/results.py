"""What a grader found: checks, layers, a submission."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from npnet.grading.compare import Diagnosis

__all__ = ["Check", "LayerResult", "Submission"]

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Check:
    """One line of a grade.

    Attributes:
        name: as a rubric has it.
        title: in words.
        state: passed, failed or skipped.
        message: why it failed, or was skipped.
        points, of: what it has, and can have.

    Example:
        >>> from npnet.grading import Check
        >>> Check("forward", "forward", "passed", points=2.0, of=2.0).state
        'passed'
    """

    name: str
    title: str
    state: str
    message: str = ""
    points: float = 0.0
    of: float = 0.0


@dataclass(frozen=True)
class LayerResult:
    """A class with its checks.

    Attributes:
        kind: by name; "" where it is not known.
        found: how it was understood: its form, where weights are.
        printed: what its code printed, as far as it was kept.

    Example:
        >>> from npnet.grading import Check, LayerResult
        >>> checks = Check("forward", "forward", "passed"), Check("backward", "backward", "failed")
        >>> LayerResult("ReLU", "relu", "forward and backward", checks).passed
        False
    """

    name: str
    kind: str
    found: str
    checks: tuple[Check, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    printed: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something passed."""
        states = [check.state for check in self.checks]
        return FAILED not in states and PASSED in states


@dataclass(frozen=True)
class Submission:
    """A file with its layers.

    Attributes:
        error: why it could not be read; "" if it could.
        ungraded: classes that were not taken for layers.

    Example:
        >>> from npnet.grading import Check, LayerResult, Submission
        >>> check = Check("forward", "forward", "passed", points=2.0, of=2.0)
        >>> submission = Submission("relu.py", (LayerResult("ReLU", "relu", "", (check,)),))
        >>> submission.passed, submission.points, submission.of
        (True, 2.0, 2.0)
    """

    file: str
    layers: tuple[LayerResult, ...] = ()
    error: str = ""
    printed: str = ""
    ungraded: tuple[str, ...] = ()
    title: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every layer passed."""
        return not self.error and bool(self.layers) and all(x.passed for x in self.layers)

    @property
    def points(self) -> float:
        """What was reached."""
        return sum(check.points for layer in self.layers for check in layer.checks)

    @property
    def of(self) -> float:
        """What could be reached."""
        return sum(check.of for layer in self.layers for check in layer.checks)

    def facts(self) -> dict[str, Any]:
        """It for JSON."""
        found = asdict(self)
        for layer, made in zip(self.layers, found["layers"], strict=True):
            made["passed"] = layer.passed
        return {**found, "passed": self.passed, "points": self.points, "of": self.of}
