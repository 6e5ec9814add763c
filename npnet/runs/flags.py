"""Flags: tyro reads them off a dataclass of settings; here its errors become one line."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Sequence
from typing import Any, TypeVar

from npnet import __version__
from npnet.runs.errors import ConfigError

__all__ = ["read_flags"]

Settings = TypeVar("Settings")


def read_flags(argv: Sequence[str], defaults: Settings, prog: str) -> Settings:
    """`defaults`, a dataclass, with what the flags change; `--version` is answered too.

    Raises:
        ConfigError: a wrong setting.
        SystemExit: `--help` or `--version` was answered.
    """
    if "--version" in argv:
        print(f"npnet {__version__}")
        raise SystemExit(0)
    _check_switches(argv, defaults)
    import tyro  # here: a program that trains without a command line need not load it

    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            return tyro.cli(
                type(defaults), args=argv, default=defaults, prog=prog, use_underscores=True
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ConfigError(_one_line(messages.getvalue(), prog)) from None


def _check_switches(argv: Sequence[str], defaults: Any) -> None:
    """Raise ConfigError for --augment=true; tyro would say that true is no option."""
    switches = {field.name for field in dataclasses.fields(defaults) if field.type == "bool"}
    for word in argv:
        flag, is_assigned, value = word.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if is_assigned and flag.startswith("--") and name.removeprefix("no_") in switches:
            raise ConfigError(
                f"{name}: is a switch and takes no value, got {value!r}; write {flag} alone, or "
                f"--{'' if name.startswith('no_') else 'no_'}{name.removeprefix('no_')}"
            )


def _one_line(box: str, prog: str) -> str:
    """What tyro's box says: what is wrong, and the flag that was perhaps meant.

    A box has frames of lines where the terminal has them, else its title above a rule of dashes.
    """
    lines = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    parts: list[list[str]] = [[]]
    for line in lines:
        if line and not line.strip("─-"):
            parts.append([])
        elif line:
            parts[-1].append(line)
    framed = box.startswith("╭")
    said, *rest = parts if framed else parts[1:]
    text = " ".join(said)
    for part in rest:
        if part[0].startswith("Perhaps you meant"):
            text += f"; did you mean {part[1].split()[0]}?"
    return f"{text} (see {prog} --help)"
