"""Other processes of this Python, which are started to help this one."""

from __future__ import annotations

import os
import sys

from npnet.base import threads

__all__ = ["is_of_use", "module_path"]


def is_of_use() -> bool:
    """Whether there is a core for another process, and a Python that can be it."""
    python = os.path.basename(sys.executable or "").lower()
    return (
        "python" in python and not getattr(sys, "frozen", False) and threads.available_cores() > 1
    )


def module_path() -> str:
    """The PYTHONPATH by which another process finds the modules that this one does."""
    return os.pathsep.join(map(os.path.abspath, sys.path))
