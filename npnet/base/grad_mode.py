"""Whether ops are being recorded: one switch per thread, as in PyTorch."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
    "state",
]

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    enabled = True
    traced = False  # whether the tape keeps inputs that need no gradient too
    inside = False  # whether this is the forward pass of a model that was called unrecorded


state = _State()


def is_grad_enabled() -> bool:
    """Whether ops called now by this thread are recorded for backward.

    Example:
        >>> with npnet.no_grad():
        ...     npnet.is_grad_enabled()
        False
    """
    return state.enabled


class _GradMode:
    """A context that sets the switch, and a decorator that enters it at each call."""

    mode: bool

    def __enter__(self) -> None:
        self._previous = state.enabled
        state.enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        state.enabled = self._previous

    def __call__(self, function: F) -> F:
        """The function, run in this mode; a generator function between its yields."""
        # One context for each call: a function may call itself, and threads may share it.
        if inspect.isgeneratorfunction(function):
            return cast(F, _wrap_generator(function, self._copy))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._copy():
                return function(*args, **kwargs)

        return cast(F, wrapped)

    def _copy(self) -> _GradMode:
        copy = object.__new__(_GradMode)
        copy.mode = self.mode
        return copy


def _wrap_generator(
    function: Callable[..., Generator[Any, Any, Any]], context: Callable[[], _GradMode]
) -> Callable[..., Generator[Any, Any, Any]]:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, generator)
        try:
            while True:
                try:
                    with context():  # the caller's own mode holds while the generator waits
                        value = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    resume = functools.partial(generator.send, (yield value))
                except GeneratorExit:
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)
        finally:
            with context():
                generator.close()

    return wrapped


class _Decorator(_GradMode):
    """A mode that also decorates without parentheses: `@no_grad`."""

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else _GradMode.__call__(self, function)

    def __init__(self, function: Any = None) -> None:
        pass  # Python calls it for `no_grad()` alone: `no_grad(f)` is a function


class no_grad(_Decorator):
    """Context or decorator in which nothing is recorded: results need no gradient.

    Example:
        >>> x = npnet.tensor(2.0, requires_grad=True)
        >>> with npnet.no_grad():
        ...     y = x * x
        >>> y.requires_grad
        False
    """

    mode = False


class enable_grad(_Decorator):
    """Context or decorator in which ops are recorded, also inside `no_grad`.

    Example:
        >>> x = npnet.tensor(2.0, requires_grad=True)
        >>> with npnet.no_grad(), npnet.enable_grad():
        ...     y = x * x
        >>> y.requires_grad
        True
    """

    mode = True


class inference_mode(_GradMode):
    """The same as `no_grad`; npnet has no separate inference tensors.

    Args:
        mode: False changes nothing.

    Example:
        >>> x = npnet.tensor(2.0, requires_grad=True)
        >>> with npnet.inference_mode():
        ...     y = x * x
        >>> y.requires_grad
        False
    """

    def __new__(cls, mode: Any = True) -> Any:
        return super().__new__(cls) if isinstance(mode, bool) else cls()(mode)

    def __init__(self, mode: Any = True) -> None:
        self._wanted = mode
        self.mode = False

    def __enter__(self) -> None:
        self.mode = state.enabled and not self._wanted
        super().__enter__()

    def _copy(self) -> inference_mode:
        return inference_mode(self._wanted)


class set_grad_enabled(_GradMode):
    """Switch recording on or off at once; as a context, until its end; as a decorator, in calls.

    Args:
        mode: True records ops for backward, False does not.

    Example:
        >>> x = npnet.tensor(2.0, requires_grad=True)
        >>> with npnet.set_grad_enabled(False):
        ...     y = x * x
        >>> y.requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._previous = state.enabled
        state.enabled = self.mode

    def __enter__(self) -> None:
        pass  # switched already; what was before is what the end of the context brings back

    def __call__(self, function: F) -> F:
        state.enabled = self._previous
        return super().__call__(function)
