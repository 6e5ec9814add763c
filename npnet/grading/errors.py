"""What a layer of a student's does that the protocol of docs/grading.md does not allow."""

from __future__ import annotations

__all__ = ["ProtocolError"]


class ProtocolError(Exception):
    """A layer that can't be made, called or read; says what was expected and what was found."""
