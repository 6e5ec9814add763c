"""Grading layers that somebody wrote in NumPy, and saying which known mistake a wrong one has."""

from __future__ import annotations

from npnet.grading.grader import grade_class, grade_file
from npnet.grading.kinds import KINDS
from npnet.grading.results import Check, LayerResult, Submission
from npnet.grading.rubric import Rubric, read_rubric

__all__ = [
    "KINDS",
    "Check",
    "LayerResult",
    "Rubric",
    "Submission",
    "grade_class",
    "grade_file",
    "read_rubric",
]
