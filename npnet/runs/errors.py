"""What a command tells in one line: settings that can't be used, and work that went wrong."""

from __future__ import annotations

__all__ = ["ConfigError", "DivergedError", "FailedError"]


class ConfigError(RuntimeError):
    """A setting that can't be used: what was asked, the rule, what arrived, the likely fix."""


class FailedError(RuntimeError):
    """Work that went wrong on its way, by settings that could be used."""


class DivergedError(FailedError):
    """The loss is not finite any more."""
