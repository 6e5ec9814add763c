"""The names of `torch.jit` that mark code to be compiled: here it runs as the Python that it is.

TorchScript computes what the Python computes, so a function or a module that is marked by `script`
stays what it is. `trace`, `save` and `load` make and read files of TorchScript, which npnet does
not have: `npnet.save` keeps a model, `npnet.compile` makes it faster.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from npnet.nn import Module

__all__ = [
    "Final",
    "ScriptModule",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_method",
    "unused",
]

T = TypeVar("T")

ScriptModule = Module
_ABSENT = "npnet has no TorchScript: npnet.save keeps a model, npnet.compile makes it faster"


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """The function, class or module itself.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> npnet.jit.script(model) is model
        True
    """
    return obj


def script_method(fn: T) -> T:
    """The method itself.

    Example:
        >>> class Net(nn.Module):
        ...     @npnet.jit.script_method
        ...     def forward(self, x):
        ...         return 2 * x
        >>> Net()(npnet.tensor([1, 2]))
        tensor([2, 4])
    """
    return fn


def export(fn: T) -> T:
    """The method itself.

    Example:
        >>> class Net(nn.Module):
        ...     @npnet.jit.export
        ...     def double(self, x):
        ...         return 2 * x
        >>> Net().double(npnet.tensor([1, 2]))
        tensor([2, 4])
    """
    return fn


def unused(fn: T) -> T:
    """The method itself.

    Example:
        >>> @npnet.jit.unused
        ... def double(x):
        ...     return 2 * x
        >>> double(3)
        6
    """
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, as a decorator with and without arguments.

    Example:
        >>> @npnet.jit.ignore
        ... def double(x):
        ...     return 2 * x
        >>> double(3)
        6
    """
    return drop if callable(drop) else unused


def is_scripting() -> bool:
    """Always False.

    Example:
        >>> npnet.jit.is_scripting()
        False
    """
    return False


is_tracing = is_scripting


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'npnet.jit' has no attribute '{name}': {_ABSENT}")
