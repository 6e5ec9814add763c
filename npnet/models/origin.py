"""Where somebody's own network comes from: whether its file is still the one of the run."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from npnet.base.files import open_regular, printable
from npnet.nn import Module

__all__ = ["code_of", "doubt"]


def code_of(given: Any) -> str:
    """SHA-256 of the file that a network, its class or a function is of; "" of none, as in a shell.

    It is the file as it is on the disk now, and nothing that it imports.
    """
    module = sys.modules.get(getattr(_kind(given), "__module__", None) or "")
    try:
        with open_regular(getattr(module, "__file__", None) or "") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def doubt(model: str, code: str, given: Any) -> str:
    """Why a network given for the weights of a run may be another than they are of; "" if it is.

    Args:
        model: how the run called its network.
        code: the SHA-256 of its file then; "" is not known.
    """
    kind = _kind(given)
    name, now = getattr(kind, "__qualname__", type(kind).__name__), code_of(given)
    end = "answers are right only where both compute the same"
    if code and now and now != code:
        return (
            f"the run's network was {printable(model)}, and the file of {printable(name)} is not "
            f"the file that it was then (changed since, or another one); {end}"
        )
    known = model.rpartition(":")[2]
    module = sys.modules.get(getattr(kind, "__module__", None) or "")
    other = getattr(module, known, None)  # a function may have made it: that is no other class
    if now == code and isinstance(other, type) and isinstance(kind, type) and other is not kind:
        return (
            f"the run's network was {printable(model)}, and {printable(name)} is taken in its "
            f"place; {end}"
        )
    return ""


def _kind(given: Any) -> Any:
    return type(given) if isinstance(given, Module) else given
