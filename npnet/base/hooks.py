"""What registering a hook returns."""

from __future__ import annotations

import itertools
from typing import Any

__all__ = ["RemovableHandle"]


class RemovableHandle:
    """What registering a hook returns; `remove()` takes the hook off again.

    Example:
        >>> layer = nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, inputs, output: output + 1)
        >>> layer(npnet.tensor([1.0]))
        tensor([2.])
        >>> handle.remove()
        >>> layer(npnet.tensor([1.0]))
        tensor([1.])
    """

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any, first: bool = False) -> None:
        self._hooks, self.id = hooks, next(self._ids)
        others = list(hooks.items()) if first else []
        for key, _ in others:
            del hooks[key]
        hooks[self.id] = hook
        hooks.update(others)

    def remove(self) -> None:
        """Take the hook off; a second time does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
