"""Settings out of files: read, and checked against the dataclass that declares them."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npnet.base.checks import is_finite, unknown_name
from npnet.base.files import open_regular, printable, user_path
from npnet.runs.errors import ConfigError

__all__ = ["check_path", "checked_values", "read_settings"]

MOST_SETTINGS = 1 << 20  # bytes of a file of settings, which has some thousand


def read_settings(path: Path) -> dict[str, Any]:
    """The values that a JSON file gives by name.

    Raises:
        ConfigError: no such file, or no JSON object, or a name is there twice.
    """
    try:
        with open_regular(path) as file:
            text = file.read(MOST_SETTINGS)
        values = json.loads(text.decode(), object_pairs_hook=_unique)
    except OSError as error:
        raise ConfigError(f"config: can't read {printable(path)}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"config: {printable(path)} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"config: {path} must hold settings as an object, {{name: value}}")
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. ValueError where a name stands twice: which value is meant?"""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice} stands there twice; leave one out")
    return values


def check_path(name: str, path: str) -> None:
    """Raise ValueError where no file can have this path; `name` is that of the setting."""
    if not path:
        raise ValueError(f"{name}: must be a path, got none; write . for the current folder")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{name}: must be text that files of settings can hold, got {printable(path)}; rename "
            "the file or folder, or name it by a link"
        ) from None
    try:
        os.stat(user_path(path))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENAMETOOLONG):
            raise ValueError(f"{name}: {printable(path)}: {error.strerror}") from None


def checked_values(settings: type, values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Values out of JSON or YAML in the types that the fields of the dataclass declare.

    Raises:
        ConfigError: a setting that is not known or of a wrong type; `source` says where it is from.
    """
    fields = {field.name: field for field in dataclasses.fields(settings)}
    checked = {}
    for name, value in values.items():
        if name not in fields:
            raise ConfigError(f"config: {source}: {unknown_name('a setting', name, fields)}")
        checked[name] = _converted(name, value, str(fields[name].type), source)
    return checked


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
}


def _converted(name: str, value: Any, declared: str, source: str) -> Any:
    """A value out of JSON in the type that the field declares."""
    plain = declared.removesuffix(" | None")
    if value is None and plain != declared:
        return None
    if plain.startswith("tuple["):
        kinds = plain.removeprefix("tuple[").removesuffix("]").split(", ")
        if isinstance(value, (list, tuple)) and kinds[-1] == "...":
            kinds = kinds[:1] * len(value)
        if isinstance(value, (list, tuple)) and len(value) == len(kinds):
            pairs = list(zip(value, kinds, strict=True))
            if all(_is_a(item, kind) for item, kind in pairs):
                return tuple(_plain(item, kind) for item, kind in pairs)
    elif _is_a(value, plain):
        return _plain(value, plain)
    raise ConfigError(f"config: {source}: {name} must be {declared}, got {value!r}")


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))


def _plain(value: Any, kind: str) -> Any:
    return float(value) if kind == "float" and is_finite(value) else value
