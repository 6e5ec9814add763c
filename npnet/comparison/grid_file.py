"""A grid file's YAML as Python's dicts, lists and values, within bounds and without code.

A few bytes of YAML can stand for gigabytes: each alias repeats what its anchor names, aliases among
it. What they stand for is counted before any of it is made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from npnet.base.files import open_regular, printable
from npnet.runs.errors import ConfigError

__all__ = ["parse", "read"]

MOST_GRID = 1 << 18  # of a file
MOST_PARTS = 50_000  # keys and values, as often as aliases repeat them
MOST_DIGITS = 1000  # of a whole number
MOST_DEPTH = 20  # lists and settings inside each other; a grid has four


def read(path: Path) -> str:
    """The text of a grid file.

    Raises:
        ConfigError: it can't be read, or is no text, or longer than any grid.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MOST_GRID + 1)
        text = data.decode()
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"compare: can't read {printable(path)}: {why}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"compare: can't read {printable(path)}: {error}") from None
    if len(data) > MOST_GRID:
        raise ConfigError(
            f"compare: {printable(path)} has more than {MOST_GRID:,} bytes, which no grid needs"
        )
    return text


def parse(text: str, source: str) -> Any:
    """The tree of values that YAML says.

    Raises:
        ConfigError: it is not YAML, names a setting twice, stands for too much, or asks for
            objects of Python, which are never made; `source` says in errors where it is from.
    """
    import yaml

    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {}, set())
        return loader.construct_document(node)
    except _RefusedError as error:
        raise ConfigError(f"compare: {source}: {error}") from None
    except RecursionError:
        raise ConfigError(f"compare: {source} is nested too deeply for a grid") from None
    except Exception as error:  # YAMLError, and whatever Python says of a wrong date or number
        raise ConfigError(f"compare: {source} is not YAML: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()


class _RefusedError(ValueError):
    """YAML that no grid needs; says which, and where."""


def _measure(node: Any, known: dict[int, tuple[int, int]], open_: set[int]) -> tuple[int, int]:
    """How many parts a node stands for, aliases written out, and how deep they lie.

    Args:
        known: what was measured already, by the node's id.
        open_: the nodes that this one is in.

    Raises:
        _RefusedError: too many, too deep, in itself, a key twice, or a number of too many digits.
    """
    import yaml

    if id(node) in open_:
        raise _RefusedError(f"an alias repeats what it is in{_place(node)}")
    if id(node) not in known:
        inner: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        elif node.tag.endswith(":int") and len(node.value) > MOST_DIGITS:
            raise _RefusedError(f"a number has more than {MOST_DIGITS} digits{_place(node)}")
        open_.add(id(node))
        sizes = [_measure(part, known, open_) for part in inner]
        open_.remove(id(node))
        count = 1 + sum(count for count, _ in sizes)
        depth = 1 + max((depth for _, depth in sizes), default=0)
        if count > MOST_PARTS:
            raise _RefusedError(f"it stands for more than {MOST_PARTS:,} values{_place(node)}")
        if depth > MOST_DEPTH:
            raise _RefusedError(f"it is nested more than {MOST_DEPTH} deep{_place(node)}")
        known[id(node)] = count, depth
    return known[id(node)]


def _check_keys(node: Any) -> None:
    """Raise _RefusedError where a key stands twice: the first value would be forgotten."""
    seen = set()
    for key, _ in node.value:
        if isinstance(key.value, str):
            if (key.tag, key.value) in seen:
                raise _RefusedError(f"{key.value} stands there twice{_place(key)}; leave one out")
            seen.add((key.tag, key.value))


def _place(node: Any) -> str:
    return f" (line {node.start_mark.line + 1})"
