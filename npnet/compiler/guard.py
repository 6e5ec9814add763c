"""Whether a model is still what it was when it was read: the check before each run of a program.

A program does what the model did in one forward pass. It stays right as long as everything that
this pass read is what it was: the modules and their order, each parameter, buffer and attribute,
the classes and what they define, the globals, closures and defaults of the code that ran. A `Guard`
notes these objects and compares identities, so that no way of writing them goes unnoticed, not even
`vars(module)`. What can change without becoming another object, such as a list, it can't see:
`npnet.compiler.watch` leaves models that read such a thing to the eager loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, repeat
from operator import is_
from types import MappingProxyType
from typing import Any, TypeAlias

from npnet import nn
from npnet.nn.module import GLOBAL_HOOKS

__all__ = ["Guard", "Place"]

# Where a value stands: in the globals of a function (dict), in a class (mappingproxy), or as an
# attribute of any other object, under a name.
Place: TypeAlias = tuple[Any, str]

_MISSING = object()
_TABLES = ("_parameters", "_buffers", "_modules")
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_LOOKUPS = ((dict, dict.get), (MappingProxyType, MappingProxyType.get), (object, getattr))


class Guard:
    """The state of modules, and of what else a forward pass read, as it is now.

    Args:
        modules: all of a model, and perhaps a criterion.
        places: what was read beside their attributes.
    """

    def __init__(self, modules: Iterable[nn.Module], places: Iterable[Place] = ()) -> None:
        self.modules = tuple(modules)
        self._types = [type(m) for m in self.modules]
        tables = [m.__dict__[name] for m in self.modules for name in _TABLES]
        self._dicts = [*(m.__dict__ for m in self.modules), *filter(None, tables)]
        self._empty = [table for table in tables if not table]
        self._names = [*chain.from_iterable(self._dicts)]
        self._values = [*chain.from_iterable(map(dict.values, self._dicts))]
        self._hooks = [m.__dict__[name] for m in self.modules for name in _HOOKS]
        self._hooks += GLOBAL_HOOKS.values()
        self._rows = _rows(places)

    def holds(self) -> bool:
        """Whether all is as it was; hooks count for themselves, see `has_hooks`."""
        return (
            not any(self._empty)
            and all(map(is_, map(type, self.modules), self._types))
            and [*chain.from_iterable(self._dicts)] == self._names
            and all(map(is_, chain.from_iterable(map(dict.values, self._dicts)), self._values))
            and all(all(map(is_, look_up(), values)) for look_up, values in self._rows)
        )

    @property
    def modes(self) -> tuple[bool, ...]:
        """Of each module: in training, or not."""
        return tuple([m.training for m in self.modules])

    @property
    def has_hooks(self) -> bool:
        """Whether any of the modules has hooks now."""
        return any(self._hooks)


def _rows(places: Iterable[Place]) -> list[tuple[Any, list[Any]]]:
    """By the kind of place: what looks all of them up, and the values that are there now."""
    by_kind: dict[Any, dict[tuple[int, str], Any]] = {get: {} for _, get in _LOOKUPS}
    for place, name in places:
        get = next(get for kind, get in _LOOKUPS if isinstance(place, kind))
        by_kind[get][id(place), name] = place
    rows = []
    for get, found in by_kind.items():
        if found:
            look_up = _looker(get, list(found.values()), [name for _, name in found])
            rows.append((look_up, list(look_up())))
    return rows


def _looker(get: Any, places: list[Any], names: list[str]) -> Any:
    return lambda: map(get, places, names, repeat(_MISSING))
