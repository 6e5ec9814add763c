"""Signatures as a reader wants them: no quotes around types, defaults that can be read."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable
from typing import Any

__all__ = ["signature"]


class _Raw:
    """Text that `inspect` shall print as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def signature(value: Any, full_name: Callable[[str], str | None], is_method: bool = False) -> str:
    """The signature of a function or class; "" where Python knows none.

    Args:
        full_name: the full name of a class that a type names by its own, for the link.
        is_method: leave out the first argument.
    """
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = list(found.parameters.values())[1 if is_method else 0 :]
    shown = [
        parameter.replace(
            annotation=_annotation(parameter.annotation, full_name),
            default=_default(parameter.default),
        )
        for parameter in parameters
    ]
    result = _annotation(found.return_annotation, full_name)
    if inspect.isclass(value) or str(result) == "None":
        result = inspect.Signature.empty
    return str(found.replace(parameters=shown, return_annotation=result))


def _annotation(value: Any, full_name: Callable[[str], str | None]) -> Any:
    if value is inspect.Parameter.empty:
        return value
    text = value if isinstance(value, str) else inspect.formatannotation(value)
    return _Raw(re.sub(r"(?<![\w.'])[A-Z]\w+", lambda m: full_name(m[0]) or m[0], text))


def _default(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return value
    if isinstance(value, enum.Enum):
        return _Raw(f"{type(value).__name__}.{value.name}")
    if inspect.isroutine(value) or inspect.isclass(value):
        return _Raw(value.__name__)
    text = repr(value)
    return _Raw("...") if "<" in text or len(text) > 60 else value
