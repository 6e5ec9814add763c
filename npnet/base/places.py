"""Where a user's own files are kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """npnet's folder in the user's cache, where data sets and kernels are; it need not exist.

    $XDG_CACHE_HOME/npnet or ~/.cache/npnet, ~/Library/Caches/npnet on a Mac,
    %LOCALAPPDATA%\\npnet\\Cache on Windows.
    """
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local, "npnet", "Cache")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "npnet"
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or Path.home() / ".cache", "npnet")
