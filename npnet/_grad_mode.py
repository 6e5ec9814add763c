"""Whether ops are being recorded: one switch per thread, as in PyTorch."""

from __future__ import annotations

import contextlib
import threading

__all__ = ["enable_grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled"]


class _State(threading.local):
    enabled = True


_state = _State()


def is_grad_enabled() -> bool:
    """Whether ops called now by this thread are recorded for backward."""
    return _state.enabled


class _GradMode(contextlib.ContextDecorator):
    mode: bool

    def __init__(self) -> None:
        self._previous: list[bool] = []  # a stack: a decorated function may call itself

    def __enter__(self) -> None:
        self._previous.append(_state.enabled)
        _state.enabled = self.mode

    def __exit__(self, *exc: object) -> None:
        _state.enabled = self._previous.pop()


class no_grad(_GradMode):
    """Context or decorator in which nothing is recorded: results need no gradient."""

    mode = False


class inference_mode(no_grad):
    """The same as `no_grad`; npnet has no separate inference tensors."""


class enable_grad(_GradMode):
    """Context or decorator in which ops are recorded, also inside `no_grad`."""

    mode = True


class set_grad_enabled:
    """Switch recording on or off at once; as a context, until its end.

    Args:
        mode: True records ops for backward, False does not.
    """

    def __init__(self, mode: bool) -> None:
        self._previous = _state.enabled
        _state.enabled = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        _state.enabled = self._previous
