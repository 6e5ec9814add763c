"""Libraries that are installed, hidden as if they were not."""

from __future__ import annotations

import sys

import pytest

__all__ = ["hide"]


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let imports of these libraries fail, and of their modules that were imported before."""
    for name in names:
        for module in [name, *(m for m in sys.modules if m.startswith(f"{name}."))]:
            monkeypatch.setitem(sys.modules, module, None)
