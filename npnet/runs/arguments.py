"""Arguments of a class of the user's own, out of words such as `width=32`."""

from __future__ import annotations

import ast
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npnet.base.checks import unknown_name
from npnet.runs.errors import ConfigError

__all__ = ["arguments", "parameters"]

_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_TRUTHS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def parameters(build: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a class or a function takes by name, without what it is called with first."""
    try:
        signature = inspect.signature(build, eval_str=True)
    except (NameError, SyntaxError, TypeError):  # an annotation that is no type
        signature = inspect.signature(build)
    except ValueError:  # of a class in C
        return {}
    return signature.parameters


def arguments(
    build: Callable[..., Any], words: Sequence[str], given: Mapping[str, Any], flag: str, what: str
) -> dict[str, Any]:
    """What `build` is called with: `words`, and of `given` what it takes and nobody has said.

    A value is of the type that the parameter's annotation says, else its default; else it is the
    literal of Python that it looks like, else a text.

    Args:
        words: each `name=value`.
        flag: the setting that the words are of, such as model_args.
        what: is built, for errors.

    Raises:
        ConfigError: a word is no `name=value`, or not of its type; `build` takes no such name, or
            needs one more.
    """
    known = parameters(build)
    takes = [name for name, parameter in known.items() if parameter.kind in _KINDS]
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    values: dict[str, Any] = {}
    for word in words:
        name, separator, text = word.partition("=")
        if not separator or not name.isidentifier():
            raise ConfigError(f"{flag}: write NAME=VALUE, as width=32, got {word!r}")
        if name in values:
            raise ConfigError(f"{flag}: {name} stands there twice; leave one out")
        if name not in takes and not takes_any:
            raise ConfigError(f"{flag}: {unknown_name(f'argument of {what}', name, takes)}")
        values[name] = _value(known.get(name), name, text, flag, what)
    said = {name: value for name, value in given.items() if name in takes and name not in values}
    missing = [
        name
        for name in takes
        if known[name].default is inspect.Parameter.empty and name not in (values | said)
    ]
    if missing:
        fix = "give it a default, or name a function that makes it"
        if flag == "model_args":
            fix = f"add --{flag} {missing[0]}=VALUE, or give it a default"
        raise ConfigError(f"{flag}: {what} needs {', '.join(missing)}; {fix}")
    return said | values


def _value(parameter: inspect.Parameter | None, name: str, text: str, flag: str, what: str) -> Any:
    kind: Any = inspect.Parameter.empty if parameter is None else parameter.annotation
    if kind is inspect.Parameter.empty and parameter is not None:
        default = parameter.default
        known = (bool, int, float, str, list, tuple)
        kind = type(default) if isinstance(default, known) else inspect.Parameter.empty
    try:
        return _typed(kind, text)
    except (ValueError, KeyError):
        said = getattr(kind, "__name__", None) if isinstance(kind, type) else None
        raise ConfigError(
            f"{flag}: {name} of {what} must be {said or kind}, got {text!r}"
        ) from None


def _typed(kind: Any, text: str) -> Any:
    """`text` as a value of a type. ValueError or KeyError if it is none."""
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _of_either(typing.get_args(kind), text)
    if origin is typing.Literal:
        return {str(value): value for value in typing.get_args(kind)}[text]
    if kind is str:
        return text
    if kind is bool:
        return _TRUTHS[text.lower()]
    if kind is int:
        return int(text)
    if kind is float:
        return float(text)
    value = _literal(text)
    if (origin or kind) in (list, tuple, typing.Sequence) or kind in (list, tuple):
        items = value if isinstance(value, (list, tuple)) else (value,)
        return list(items) if (origin or kind) is list else tuple(items)
    return value


def _of_either(kinds: Sequence[Any], text: str) -> Any:
    if type(None) in kinds and text.lower() == "none":
        return None
    for kind in sorted((k for k in kinds if k is not type(None)), key=lambda k: k is str):
        try:
            return _typed(kind, text)
        except (ValueError, KeyError):
            continue
    raise ValueError


def _literal(text: str) -> Any:
    """The literal of Python that a text is: 32, 1e-3, (2, 3), None, True; else the text.

    JSON must hold it, so that a checkpoint can say it: no bytes, sets or complex numbers.
    """
    try:
        value = ast.literal_eval(text)
        json.dumps(value)
        return value
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return _TRUTHS.get(text.lower(), text) if text.lower() in ("true", "false") else text
