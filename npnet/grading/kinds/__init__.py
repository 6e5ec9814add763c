"""The kinds of layers that can be graded: cases, what is right, and known mistakes."""

from __future__ import annotations

from npnet.grading.kinds.base import Case, Kind, Mistake
from npnet.grading.kinds.catalogue import KINDS, kind_of

__all__ = ["KINDS", "Case", "Kind", "Mistake", "kind_of"]
