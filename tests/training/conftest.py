"""The fixtures of short runs."""

from tests.runs import small, stripes

__all__ = ["small", "stripes"]
