"""A range of numbers, from which a search draws: 1e-4..1e-1, 16..128, 0..0.5:linear."""

from __future__ import annotations

import re
from dataclasses import dataclass

from npnet.base.checks import is_finite
from npnet.base.files import printable
from npnet.runs.errors import ConfigError

__all__ = ["Range", "is_range", "parse_range"]

DOTS = ".."
DECADE = 10  # between the ends of a range, above which it is logarithmic
SCALES = ("log", "linear")
_WRITTEN = re.compile(r"(?P<low>.*?)\.\.(?P<high>.*?)(:(?P<scale>.*))?")


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both among them; whole ones where these are.

    Attributes:
        is_log: whether each factor is as likely as any other, and not each distance.
    """

    low: float
    high: float
    is_log: bool

    @property
    def is_whole(self) -> bool:
        """Whether it has whole numbers alone."""
        return isinstance(self.low, int)

    @property
    def scale(self) -> str:
        """Its scale, as it is written."""
        return SCALES[not self.is_log]

    def __str__(self) -> str:
        return f"{self.low}{DOTS}{self.high}:{self.scale}"


def is_range(value: object, declared: str) -> bool:
    """Whether a word for a setting that is declared so means a range."""
    return isinstance(value, str) and DOTS in value and declared in ("int", "float")


def parse_range(name: str, text: str, declared: str) -> Range:
    """The range that is written LOW..HIGH, LOW..HIGH:log or LOW..HIGH:linear.

    Without a scale it is logarithmic where it begins above 0 and spans more than a factor of ten.

    Args:
        name: of the setting, for errors.
        declared: int or float.

    Raises:
        ConfigError: an end is no such number, or it is not the smaller one that comes first, or a
            logarithmic range does not begin above 0.
    """
    found = _WRITTEN.fullmatch(text.strip())
    scale = found["scale"] if found else None
    if found is None or scale not in (None, *SCALES):
        raise _error(name, "is written LOW..HIGH, LOW..HIGH:log or LOW..HIGH:linear", text)
    low, high = (_number(name, found[end], text, declared) for end in ("low", "high"))
    if low >= high:
        fix = f"write {found['high']}..{found['low']}" if low > high else f"write {found['low']}"
        raise _error(name, "goes from the smaller number to the larger", text, fix)
    if scale == "log" and low <= 0:
        fix = "begin above 0, or write :linear"
        raise _error(name, "is logarithmic only from above 0", text, fix)
    is_log = scale == "log" or (scale is None and low > 0 and high > DECADE * low)
    return Range(low, high, is_log)


def _number(name: str, word: str, text: str, declared: str) -> float:
    kind, said = {"int": (int, "whole numbers"), "float": (float, "numbers")}[declared]
    try:
        number: float = kind(word)
    except ValueError:
        raise _error(name, f"has two {said}, LOW..HIGH", text) from None
    if not is_finite(number):
        raise _error(name, f"has two finite {said}, LOW..HIGH", text)
    return number


def _error(name: str, rule: str, text: str, fix: str = "") -> ConfigError:
    return ConfigError(
        f"compare: {name}: a range {rule}, got {printable(text)}{fix and f'; {fix}'}"
    )
