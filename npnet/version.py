"""What programs ask for under `torch.version`."""

from __future__ import annotations

__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]

__version__ = "0.1.0"  # as npnet.__version__; a test holds them together
debug = False
cuda: str | None = None  # npnet runs on the CPU
hip: str | None = None
git_version = "Unknown"
