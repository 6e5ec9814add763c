"""Ids of parameters that are the same in every process, as tests on several cores need them."""

from __future__ import annotations

import re

__all__ = ["ADDRESS", "named"]

ADDRESS = re.compile(" at 0x[0-9a-f]+")


def named(value: object) -> str:
    """What `str` says of a value, without the addresses of functions and objects in it."""
    return ADDRESS.sub("", str(value))
