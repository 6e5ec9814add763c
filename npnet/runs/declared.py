"""Flags as a dataclass of settings declares them; command line, help and completion read it here.

Each field is a flag `--name VALUE`, `--name=VALUE` or `--na-me VALUE`, by its type:

    bool                      --name, --no_name
    str, int, float           one value
    X | None                  one value, or None
    tuple[X, X]               two values
    tuple[X, ...]             as many as there are

A field with the metadata of `positional` is a word without a flag. The docstring below a field is
its help. The class may have `GROUPS` (title of a group of flags -> the field that it begins with),
`CHOICES` (field -> the values that are known; the class itself checks them), `PATHS` (fields that
are paths) and `EXAMPLES` (what it does -> the words of a command line).
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from npnet.runs.errors import ConfigError

__all__ = ["Flag", "docs_of", "flags_of", "positional"]

_POSITIONAL, _REQUIRED = "positional", "required"  # in the metadata of a field
_KINDS: dict[str, tuple[type, str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "str": (str, "a text"),
}


@dataclass(frozen=True)
class Flag:
    """One field, as a command line has it.

    Attributes:
        kind: str, int, float or bool.
        least, most: how many values; most is infinite of a tuple of any length.
        takes_none: whether the value may be None.
        group: the title of the group that it is in.
        choices: the values that are known by name; others may be right too.
        is_path: whether it is a file or a folder.
        is_positional: whether it is given without a flag.
        is_required: whether it has to be given.
    """

    name: str
    kind: str
    least: int
    most: float
    is_tuple: bool
    takes_none: bool
    group: str
    choices: tuple[str, ...]
    is_path: bool
    is_positional: bool
    is_required: bool

    @property
    def metavar(self) -> str:
        """What stands for the value in help; "" of a switch."""
        if self.kind == "bool":
            return ""
        word = {"int": "INT", "float": "FLOAT", "str": "NAME" if self.choices else "TEXT"}
        one = "PATH" if self.is_path and not self.choices else word[self.kind]
        return f"{one} ..." if self.most == math.inf else " ".join([one] * int(self.most))

    @property
    def shown(self) -> str:
        """The flag as errors and help name it."""
        return self.name.upper() if self.is_positional else f"--{self.name}"

    def value(self, words: Sequence[str]) -> Any:
        """The words in the type of the field. ConfigError if they can't be."""
        if self.is_tuple:
            return tuple(map(self._one, words))
        return None if self.takes_none and words[0] == "None" else self._one(words[0])

    def _one(self, word: str) -> Any:
        convert, said = _KINDS[self.kind]
        try:
            return convert(word)
        except ValueError:
            raise ConfigError(f"{self.shown}: must be {said}, got '{word}'") from None


def positional(default: Any = "", required: bool = True) -> Any:
    """A field that is given as a word of its own; a tuple takes all words that are left."""
    return dataclasses.field(default=default, metadata={_POSITIONAL: True, _REQUIRED: required})


def flags_of(settings: type) -> list[Flag]:
    """The flags of a dataclass, in the order of its fields."""
    starts = {name: title for title, name in getattr(settings, "GROUPS", {}).items()}
    group, flags = "options", []
    for field in dataclasses.fields(settings):
        group = starts.get(field.name, group)
        declared = str(field.type)
        plain = declared.removesuffix(" | None")
        kinds = plain.removeprefix("tuple[").removesuffix("]").split(", ")
        is_tuple = plain.startswith("tuple[")
        count = 0 if kinds[-1] == "..." else len(kinds)
        flags.append(
            Flag(
                name=field.name,
                kind=kinds[0],
                least=0 if plain == "bool" else count,
                most=0 if plain == "bool" else count or math.inf,
                is_tuple=is_tuple,
                takes_none=plain != declared,
                group=group,
                choices=getattr(settings, "CHOICES", {}).get(field.name, ()),
                is_path=field.name in getattr(settings, "PATHS", ()),
                is_positional=_POSITIONAL in field.metadata,
                is_required=field.metadata.get(_REQUIRED, False),
            )
        )
    return flags


def docs_of(settings: type) -> dict[str, str]:
    """The text below each field, which Python keeps in the source alone."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(tree, ast.ClassDef)
    docs = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(ast.Constant(str(text))):
                docs[name] = " ".join(text.split())
    return docs
