"""Flags: a command line read into a dataclass of settings, and what is said of a wrong one."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from npnet import __version__
from npnet.base.files import printable
from npnet.runs.commands import answer
from npnet.runs.declared import Flag, flags_of, positional
from npnet.runs.errors import ConfigError
from npnet.runs.help import help_text
from npnet.runs.others import hint_for

__all__ = ["positional", "read_flags"]

Settings = TypeVar("Settings")


def read_flags(argv: Sequence[str], defaults: Settings, prog: str) -> Settings:
    """`defaults`, a dataclass, with what the flags change; `--version` is answered too.

    Raises:
        ConfigError: a wrong setting.
        SystemExit: `--help` or `--version` was answered.
    """
    if "--version" in argv:
        raise SystemExit(answer(f"npnet {__version__}\n", prog))
    if any(word in ("-h", "--help") for word in argv):
        raise SystemExit(answer(help_text(defaults, prog), prog))
    try:
        given = _Reader(flags_of(type(defaults))).read(argv)
    except ConfigError as error:
        raise ConfigError(f"{error} (see {prog} --help)") from None
    return dataclasses.replace(defaults, **given)  # type: ignore[type-var] # Settings are dataclasses


class _Reader:
    """Reads the words of a command line."""

    def __init__(self, flags: Sequence[Flag]) -> None:
        self.flags = {flag.name: flag for flag in flags if not flag.is_positional}
        self.places = [flag for flag in flags if flag.is_positional]

    def read(self, argv: Sequence[str]) -> dict[str, Any]:
        """Values by the names of the fields. ConfigError of words that can't be read."""
        given: dict[str, Any] = {}
        words, at = list(argv), 0
        free: list[str] = []
        while at < len(words):
            word = words[at]
            at += 1
            if word == "--":
                free += words[at:]
                break
            if not _is_flag(word):
                free.append(word)
                continue
            at += self._read_flag(word, words[at:], given)
        given.update(self._placed(free))
        return given

    def _read_flag(self, word: str, after: Sequence[str], given: dict[str, Any]) -> int:
        """Take the value of a flag from the words after it. Returns how many these were."""
        spelling, is_joined, text = word.partition("=")
        name = spelling.removeprefix("--").replace("-", "_")
        flag = self.flags.get(name)
        positive = self.flags.get(name.removeprefix("no_"))
        if flag is None and name.startswith("no_") and positive and positive.kind == "bool":
            flag = positive
        if flag is None or not spelling.startswith("--"):
            raise ConfigError(self._unknown(word, after))
        if flag.kind == "bool":
            if is_joined:
                raise ConfigError(
                    f"{flag.name}: is a switch and takes no value, got {text!r}; write {spelling} "
                    f"alone, or --{'' if name != flag.name else 'no_'}{flag.name}"
                )
            given[flag.name] = name == flag.name
            return 0
        values = [text] if is_joined else []
        taken = [*_values(after)][: int(min(flag.most - len(values), len(after)))]
        values += taken
        if len(values) < flag.least:
            wanted = f"{flag.least} values" if flag.least > 1 else "a value"
            raise ConfigError(
                f"Missing {wanted} of {flag.shown}: {flag.shown} {flag.metavar}"
                + (f", got {' '.join(values)}" if values else "")
            )
        given[flag.name] = flag.value(values)
        return len(taken)

    def _placed(self, words: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The words without a flag, each for the field whose place it has."""
        left = list(words)
        for flag in self.places:
            count = len(left) if flag.most == math.inf else int(flag.most)
            taken, left = left[:count], left[count:]
            if taken:
                yield flag.name, flag.value(taken)
            elif flag.is_required:
                raise ConfigError(f"Missing {flag.shown}")
        if left:
            raise ConfigError(self._unknown(left[0], left[1:]))

    def _unknown(self, word: str, after: Sequence[str]) -> str:
        spelling = word.partition("=")[0]
        shown = " ".join([word, *[*_values(after)][:1]]) if _is_flag(word) else word
        said = f"Unrecognized options: {printable(shown)}"
        if not _is_flag(word):
            return said
        hint = hint_for(spelling, self.flags)
        return f"{said}; {hint}" if hint else said


def _is_flag(word: str) -> bool:
    """Whether a word is a flag: not a number below 0, nor -, which is standard input."""
    return word.startswith("-") and word != "-" and not re.match(r"-(\.?\d|inf|nan)", word)


def _values(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if _is_flag(word):
            return
        yield word
