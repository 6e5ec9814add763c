"""NumPy's names of arguments, which PyTorch's functions and methods take too: `x.sum(axis=1)`.

Source: `torch/csrc/utils/python_arg_parser.cpp`, numpy_compatibility_arg_names.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar

__all__ = ["numpy_names", "with_numpy_names"]

F = TypeVar("F", bound=Callable[..., Any])

_NAMES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "a": "input",
    "x": "input",
    "x1": "input",
    "x2": "other",
}


def numpy_names(function: F) -> F:
    """The function, taking its arguments by NumPy's names too, if it has an axis."""
    code = inspect.unwrap(function).__code__
    own = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    if not own & {"dim", "keepdim"}:
        return function
    known = {name: ours for name, ours in _NAMES.items() if ours in own and name not in own}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not known.keys().isdisjoint(kwargs):
            for name in known.keys() & kwargs.keys():
                if known[name] in kwargs:
                    raise TypeError(f"{function.__name__}() got both {name} and {known[name]}")
                kwargs[known[name]] = kwargs.pop(name)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value] # it takes what the function takes


def with_numpy_names(names: Iterable[str], of: dict[str, Any] | type) -> None:
    """Let all functions under these names in a namespace, or methods of a class, take them."""
    space = of if isinstance(of, dict) else vars(of)
    for name in names:
        value = space.get(name)
        if isinstance(value, FunctionType):
            taking = numpy_names(value)
            if taking is value:
                continue
            if isinstance(of, dict):
                of[name] = taking
            else:
                setattr(of, name, taking)
