"""The help of a command: its flags in groups, as wide as the terminal, whole words on each line."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from npnet.runs.declared import Flag, docs_of, flags_of

__all__ = ["examples", "help_text", "rows", "titled", "wrapped"]

NARROWEST, WIDEST = 40, 100  # characters; longer lines are hard to read
COLUMN = 24  # where the help of a flag begins, in a terminal that is wide enough for two columns
_HOW_TO_WRITE = (
    "--flag VALUE and --flag=VALUE are the same, and so are - and _ in a name; --no_flag takes a "
    "switch back."
)
NARROW = 64  # below, it stands on lines of its own


def help_text(defaults: Any, prog: str) -> str:
    """The help of a dataclass of settings, see `npnet.runs.declared`."""
    flags, docs = flags_of(type(defaults)), docs_of(type(defaults))
    places = " ".join(_place(flag) for flag in flags if flag.is_positional)
    has_flags = any(not flag.is_positional for flag in flags)
    usage = ["usage:", prog, "[-h]", places, "[--FLAG VALUE ...]" if has_flags else ""]
    lines = [*wrapped(" ".join(filter(None, usage)), 7), ""]
    for paragraph in (type(defaults).__doc__ or "").split("\n\n"):
        lines += [*wrapped(" ".join(paragraph.split())), ""]
    in_order = sorted(flags, key=lambda flag: not flag.is_positional)
    for group, members in itertools.groupby(in_order, _group):
        lines.append(titled(group))
        for flag in members:
            about = docs.get(flag.name, "")
            lines += _flag(flag, about, getattr(defaults, flag.name))
        lines.append("")
    lines += examples(getattr(type(defaults), "EXAMPLES", {}), prog)
    lines += wrapped(_HOW_TO_WRITE) if has_flags else []
    return "\n".join(lines) + "\n"


def titled(title: str) -> str:
    """The line above a group, bold where the terminal can show that."""
    is_bold = sys.stdout is not None and sys.stdout.isatty()
    is_bold = is_bold and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return f"\x1b[1m{title}:\x1b[0m" if is_bold else f"{title}:"


def wrapped(text: str, indent: int = 0, first: str = "", margin: int = 0) -> list[str]:
    """Lines of whole words, indented from the second on; `first` is what the first begins with."""
    return textwrap.wrap(
        text,
        _width() - margin,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def rows(names_and_texts: Sequence[tuple[str, str]], column: int = COLUMN) -> Iterator[str]:
    """Names with what is to be said of them, in two columns or one below the other."""
    for name, text in names_and_texts:
        head = f"  {name}"
        if _width() < NARROW or len(head) > column - 2:
            yield head.rstrip()
            indent = 6 if _width() < NARROW else column
            yield from wrapped(text, indent, " " * indent) if text else ()
        else:
            yield from wrapped(text, column, head.ljust(column))


def _width() -> int:
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)


def _group(flag: Flag) -> str:
    return "arguments" if flag.is_positional else flag.group


def _place(flag: Flag) -> str:
    shown = f"{flag.shown} ..." if flag.is_tuple else flag.shown
    return shown if flag.is_required else f"[{shown}]"


def _flag(flag: Flag, about: str, default: Any) -> Iterator[str]:
    if flag.is_positional:
        head = flag.shown
    elif flag.kind == "bool":
        head = f"--no_{flag.name}" if default else f"--{flag.name}"
        about = f"switch off: {about}" if default else about
    else:
        head = f"--{flag.name} {flag.metavar}"
    return rows([(head, about + _default(flag, default, about))])


def _default(flag: Flag, default: Any, about: str) -> str:
    """What holds where the flag is not given; nothing where there is none, or the text says it."""
    if flag.is_positional or flag.kind == "bool" or "default: " in about:
        return ""
    if default in (None, (), ""):
        return ""
    values = default if isinstance(default, tuple) else (default,)
    shown = " ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
    return f" (default: {shown})"


def examples(commands: Mapping[str, str], prog: str) -> Iterator[str]:
    """Commands with what they do, and an empty line; nothing where there are none."""
    if commands:
        yield titled("examples")
    for about, words in commands.items():
        yield from wrapped(f"# {about}", 4, "  ")
        yield from _pasteable(wrapped(f"{prog} {words}", 6, "  ", margin=2))
    if commands:
        yield ""


def _pasteable(lines: Sequence[str]) -> Iterator[str]:
    """The lines of one command: the shell wants a backslash where it goes on."""
    *begun, last = lines
    yield from (f"{line} \\" for line in begun)
    yield last
