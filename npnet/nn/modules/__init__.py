"""The layers, in files of PyTorch's names; `npnet.nn` has all of them, and so has this package."""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    from npnet import nn

    kind = getattr(nn, name, None)
    if not isinstance(kind, type):
        raise AttributeError(f"module 'npnet.nn.modules' has no attribute '{name}'")
    return kind
