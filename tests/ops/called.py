"""Which kernels run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from npnet.kernels._task import Task

__all__ = ["record_calls"]


def record_calls(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, str]) -> list[str]:
    """A list that grows by the name of each kernel that runs from now on, of those in `names`."""
    made: list[str] = []
    call = Task.__call__

    def called(task: Task, *arguments: Any) -> None:
        if task.__name__ in names:
            made.append(names[task.__name__])
        call(task, *arguments)

    monkeypatch.setattr(Task, "__call__", called)
    return made
