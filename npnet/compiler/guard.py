"""Whether a model is still what it was when it was read: the check before each run of a program.

A program does what the model did in one forward pass. It stays right as long as everything that
this pass read is what it was: the modules and their order, each parameter, buffer and attribute,
the classes and what they define, the globals, closures and defaults of the code that ran. A `Guard`
notes these objects and compares identities, so that no way of writing them goes unnoticed, not even
`vars(module)`. What can change without becoming another object, such as a list, it can't see:
`npnet.compiler.watch` leaves models that read such a thing to the eager loop.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from itertools import chain, repeat
from operator import is_
from types import MappingProxyType
from typing import Any, TypeAlias

from npnet import nn
from npnet.nn.module import GLOBAL_HOOKS, SERVING

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

    The model itself is not kept alive, nor its own attributes: it has what it is served by among
    them, and the guard in there, and shall be gone, with its programs, when nobody else has it.

    Args:
        model: the outermost module.
        others: all modules inside, and perhaps a criterion.
        places: what was read beside their attributes.
    """

    def __init__(
        self, model: nn.Module, others: Iterable[nn.Module], places: Iterable[Place] = ()
    ) -> None:
        self._model, self.others = weakref.ref(model), tuple(others)
        modules = self.modules
        self._types = [type(m) for m in modules]
        tables = [m.__dict__[name] for m in modules for name in _TABLES]
        self._dicts = [*(m.__dict__ for m in self.others), *filter(None, tables)]
        self._empty = [table for table in tables if not table]
        dicts = self._all_dicts(model)
        self._names = [*chain.from_iterable(dicts)]
        self._values = [*chain.from_iterable(map(dict.values, dicts))]
        self._hooks = [m.__dict__[name] for m in modules for name in _HOOKS]
        self._hooks += GLOBAL_HOOKS.values()
        self._rows = _rows(places)

    def _all_dicts(self, model: nn.Module) -> list[dict[str, Any]]:
        own = model.__dict__.copy()
        own.pop(SERVING, None)
        return [own, *self._dicts]

    def holds(self) -> bool:
        """Whether all is as it was; hooks count for themselves, see `has_hooks`."""
        model = self._model()
        if model is None or any(self._empty):
            return False
        dicts = self._all_dicts(model)
        return (
            all(map(is_, map(type, (model, *self.others)), self._types))
            and [*chain.from_iterable(dicts)] == self._names
            and all(map(is_, chain.from_iterable(map(dict.values, dicts)), self._values))
            and all(all(map(is_, look_up(), values)) for look_up, values in self._rows)
        )

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """The model and the others."""
        model = self._model()
        assert model is not None  # who asks has it
        return (model, *self.others)

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
