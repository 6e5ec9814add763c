"""Tasks: kernels of one item, declared where they stand, and called on all items or by programs.

A kernel does one item of its work, such as one plane of images; its last parameter says which one.
What the others must be like, and how many items they make, is declared once:

    @task(x="M H W 16", y="M OH OW 16", items="M")
    def pool_plane(x, y, m): ...

    pool_plane(x, y)  # looks at the arguments and does all items, on all threads
    pool_plane.do(8, x, y)  # eight items of arguments that a Rule has looked at
    Call(pool_plane, (x, y), count, by)  # the items of a block, in a program

An argument is declared as

- the pattern of an array, as in a `Rule`, all of one task. The axis S is of the threads' slots: no
  more threads than that may do items;
- "int", "number", "flag" or "tile" (a TileShape);
- a plan, which is a NamedTuple class with such declarations as annotations of its fields:
  `rows: Annotated[Array, "OH 3: int64 table"]`. One that has arrays is made once, and used for many
  calls.

What passed once is known by its shapes and numbers; plans that have arrays, and tables that nobody
can write to, are known by their identity. Types are looked at by `_entry`, which has code for those
that passed and for no others. So the usual call costs no more than one of a compiled function.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, get_type_hints

import numpy as np
from numba import types

from npnet.base.checks import ShapeError, check_count
from npnet.kernels._arguments import KNOWN, Rule
from npnet.kernels._entry import Code, ItemsCompiler, Leaf, leaf_of, make_code
from npnet.kernels._jit import kernel
from npnet.kernels.simd import LANES, TileShape

__all__ = [
    "ENDLESS",
    "TASKS",
    "Facts",
    "Reach",
    "Task",
    "images_of_blocks",
    "is_listing",
    "listing",
    "need",
    "spanned",
    "task",
    "wider",
    "windows_inside",
]

# A SimpleNamespace: arguments and the fields of plans by their name, sizes by their axis.
Facts: TypeAlias = Any

ENDLESS = 2**62  # threads, where there are no slots
INT_END = 2**31  # of integers: what is computed of them has no more than 64 bits

MOST_AXES = 5  # of more, Numba does not look at the order of bytes

SCALARS = ("int", "number", "flag", "tile")
NUMBERS = (int, float, np.integer, np.floating)

TASKS: list[Task] = []  # all that are declared


class Reach(NamedTuple):
    """What a task can do with its arguments.

    Attributes:
        items: it may be called on the items 0..items.
        slots: how many threads may call it.
    """

    items: int
    slots: int


class Task:
    """A kernel of one item with what it takes; `task(*arguments)` does all items.

    Args:
        function: the kernel, a function of the arguments and the item's number.
        items: how many there are: axes, whose sizes are multiplied, or a function of the facts.
        also: raises where the facts do not fit, in what axes alone do not tell.
        values: raises where the arguments hold values that it can't take; it is asked each time.
        empty: names of the axes that may have length 0.
        declared: of each argument, in their order: a pattern, a kind or a plan.

    Raises, when called:
        ShapeError, ValueError, TypeError, IndexError: with these arguments the kernel would read
            or write outside of an array.
    """

    def __init__(
        self,
        function: Callable[..., None],
        items: str | Callable[[Facts], int],
        also: Callable[[Facts], None] | None,
        values: Callable[[tuple[Any, ...]], None] | None,
        empty: str,
        declared: dict[str, Any],
    ) -> None:
        self.kernel, self.names = kernel(function, ItemsCompiler), [*declared]
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        if [*inspect.signature(function).parameters][:-1] != self.names:
            raise TypeError(f"{self.__name__}: its parameters are not those that are declared")
        self._items, self._also, self._values = items, also, values
        self._plans: dict[str, Any] = {
            name: kind for name, kind in declared.items() if isinstance(kind, type)
        }
        opened = _opened(declared)
        self._leaf_names = [*opened]
        self._kinds = {name: kind for name, kind in opened.items() if kind in SCALARS}
        arrays = {name: kind for name, kind in opened.items() if kind not in SCALARS}
        self._rule = Rule(self.__name__, empty=empty, **arrays)
        if any(len(argument.axes) > MOST_AXES for argument in self._rule.arguments):
            raise TypeError(f"{self.__name__}: arrays may have {MOST_AXES} axes at most")
        self._has_slots = any("S" in argument.axes for argument in self._rule.arguments)
        tables = {argument.name for argument in self._rule.arguments if argument.table}
        with_arrays = {name for name, plan in self._plans.items() if {*plan._fields} & {*arrays}}
        self.constant = {name for name in self.names if name in tables | with_arrays}
        self._only_read = {argument.name for argument in self._rule.arguments if argument.readable}
        self._codes: dict[tuple[Any, ...], Code] = {}
        self._done_last: Callable[..., None] = _refuse
        self._known: dict[tuple[Any, ...], tuple[Callable[..., None], Reach, list[Any]]] = {}

    @property
    def _numba_type_(self) -> Any:
        """Within compiled code, a task is its kernel."""
        return self.kernel._numba_type_

    def __call__(self, *arguments: Any) -> None:
        try:
            known = self._known.get(self._key(*arguments))
        except (AttributeError, TypeError):  # one has no shape, or there are too many
            known = None
        if known is None:
            self._call_new(arguments)
            return
        call, reach, _ = known
        try:
            if self._values is not None:
                self._values(arguments)
            call(*reach, *(self._flat(*arguments) if self._plans else arguments))
        except Exception:  # they are of other types: kernels raise nothing
            self._call_new(arguments)

    def do(self, items: int, *leaves: Any) -> None:
        """Do items with arguments that were looked at before, of a task without slots.

        The arguments are given one by one, of plans their fields. They are looked at here only if
        their types are new.
        """
        try:
            self._done_last(items, ENDLESS, *leaves)
        except (TypeError, OverflowError):  # they are of other types than the last ones
            self.reach(self._with_plans(leaves))
            code, known = self._compile(leaves)
            if _listed is None:
                self._done_last = code.call
            code.call(items, ENDLESS, *known)

    def _call_new(self, arguments: tuple[Any, ...]) -> None:
        """Look at everything, and remember it, before the call."""
        reach = self.reach(arguments)
        code, leaves = self.code(arguments)
        kept = [a for name, a in zip(self.names, arguments, strict=True) if name in self.constant]
        if all(map(_is_fixed, kept)):  # nothing else may get their identity as long as it is known
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[self._key(*arguments)] = code.call, reach, kept
        code.call(*reach, *leaves)

    def code(self, arguments: tuple[Any, ...]) -> tuple[Code, list[Any]]:
        """The kernel compiled for these arguments, which fit, and they as it takes them."""
        return self._compile(self._flat(*arguments))

    def leaves(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments one by one, of plans their fields."""
        return self._flat(*arguments)

    def _compile(self, given: tuple[Any, ...]) -> tuple[Code, list[Any]]:
        looked = [
            leaf_of(value, name not in self._only_read)
            for name, value in zip(self._leaf_names, given, strict=True)
        ]
        leaves, values = [leaf for leaf, _ in looked], [value for _, value in looked]
        if _listed is not None:
            _listed.setdefault((self, self._signature(leaves)))
            return Code(0, sum(leaf.words for leaf in leaves), _nothing, _nothing, None), values
        code = self._codes.get(key := tuple(leaves))
        if code is None:
            same = [v for leaf, v in looked if not leaf.words]  # known by their addresses
            code = make_code(self.kernel, self._signature(leaves), leaves, same)
            self._codes[key] = code
        return code, values

    def _signature(self, leaves: Iterable[Leaf]) -> tuple[Any, ...]:
        """The kernel's types of arguments, plans put together, and of the item."""
        given = self._with_plans([leaf.type for leaf in leaves])
        plans = [
            types.BaseTuple.from_types(kind, type(kind)) if isinstance(kind, tuple) else kind
            for kind in given
        ]
        return (*plans, types.intp)

    def _with_plans(self, leaves: Iterable[Any]) -> tuple[Any, ...]:
        """The arguments, of whose plans the fields are given."""
        left, arguments = iter(leaves), []
        for name in self.names:
            plan = self._plans.get(name)
            fields = itertools.islice(left, 1 if plan is None else len(plan._fields))
            arguments.append(next(fields) if plan is None else plan(*fields))
        return tuple(arguments)

    def reach(self, arguments: tuple[Any, ...]) -> Reach:
        """What the kernel can do with these arguments; an error if they do not fit."""
        name = self.__name__
        if len(arguments) != len(self.names):
            raise TypeError(
                f"{name}: takes {', '.join(self.names)}; got {len(arguments)} arguments"
            )
        given = dict(zip(self.names, arguments, strict=True))
        for of, plan in self._plans.items():
            if type(given[of]) is not plan:
                raise TypeError(f"{name}: {of} must be a {plan.__name__}, got {given[of]!r}")
        leaves = dict(zip(self._leaf_names, self._flat(*arguments), strict=True))
        for of, kind in self._kinds.items():
            _check_kind(name, of, leaves[of], kind)
        sizes = self._rule.sizes(tuple([leaves[a.name] for a in self._rule.arguments]))
        facts = SimpleNamespace(op=name, **{**given, **leaves, **sizes})
        if self._also is not None:
            self._also(facts)
        self.check_values(arguments)
        return Reach(self._count(facts), sizes.get("S", ENDLESS))

    def check_values(self, arguments: tuple[Any, ...]) -> None:
        """Raise if arrays, of shapes and types that fit, hold values that the kernel can't take."""
        if self._values is not None and _listed is None:
            self._values(arguments)

    def arrays(self, arguments: tuple[Any, ...]) -> list[Any]:
        """The arrays among the arguments and within their plans."""
        return [value for value in self._flat(*arguments) if isinstance(value, np.ndarray)]

    def lasting(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Those of them that are not the room of a thread."""
        slots = {argument.name for argument in self._rule.arguments if argument.axes[:1] == ("S",)}
        leaves = zip(self._leaf_names, self._flat(*arguments), strict=True)
        return [a for name, a in leaves if isinstance(a, np.ndarray) and name not in slots]

    def _count(self, facts: Facts) -> int:
        if callable(self._items):
            return int(self._items(facts))
        return math.prod(getattr(facts, axis) for axis in self._items.split())

    @functools.cached_property
    def _key(self) -> Callable[..., tuple[Any, ...]]:
        """What arguments are known by."""
        optional = {argument.name for argument in self._rule.arguments if argument.optional}

        def part(name: str) -> str:
            if name in self.constant:
                return f"id({name})"
            if name in self._plans:
                fields = [f for f in self._plans[name]._fields if self._kinds[f] != "number"]
                return ", ".join([f"type({name})", *[f"{name}.{field}" for field in fields]])
            if name in optional:
                return f"{name} is not None and {name}.shape"
            return name if name in self._kinds else f"{name}.shape"

        return self._function(part(n) for n in self.names if self._kinds.get(n) != "number")

    @functools.cached_property
    def _flat(self) -> Callable[..., tuple[Any, ...]]:
        """The arguments, of plans their fields, which Numba takes faster one by one."""
        return self._function(f"*{name}" if name in self._plans else name for name in self.names)

    def _function(self, parts: Iterable[str]) -> Callable[..., tuple[Any, ...]]:
        """The function from the arguments to a tuple of expressions of them."""
        function: Callable[..., tuple[Any, ...]] = eval(
            f"lambda {', '.join(self.names)}: ({', '.join(parts)},)"
        )
        return function


def _refuse(*_: Any) -> None:
    raise TypeError("nothing is compiled yet")


def _nothing(*_: Any) -> None:
    pass


# Tasks that were called, in their order, with the types of their arguments and of the item.
Listed: TypeAlias = dict[tuple[Task, tuple[Any, ...]], None]

_listed: Listed | None = None


@contextlib.contextmanager
def listing() -> Iterator[Listed]:
    """List the tasks that are called in this block. They do nothing, nor are they compiled.

    What would be computed holds any values. For a process that does nothing else.
    """
    global _listed
    _listed = {}
    try:
        yield _listed
    finally:
        _listed = None


def is_listing() -> bool:
    """Whether tasks are listed, and do nothing."""
    return _listed is not None


def _opened(declared: dict[str, Any]) -> dict[str, str]:
    """Declarations with those of a plan's fields in its place."""
    opened: dict[str, str] = {}
    for name, kind in declared.items():
        if isinstance(kind, type):
            hints = get_type_hints(kind, include_extras=True)
            opened |= {field: hint.__metadata__[0] for field, hint in hints.items()}
        else:
            opened[name] = kind
    return opened


def _is_fixed(value: Any) -> bool:
    """Whether nobody can write to a table, or to any array of a plan."""
    if isinstance(value, tuple):
        return all(map(_is_fixed, value))
    while isinstance(value, np.ndarray):
        if value.flags.writeable:
            return False
        value = value.base
    return True


def _check_kind(op: str, name: str, value: Any, kind: str) -> None:
    if kind == "int":
        if abs(check_count(op, name, value, -ENDLESS)) >= INT_END:
            raise ValueError(f"{op}: {name} must have 31 bits at most, got {value}")
    elif kind == "tile" and not isinstance(value, TileShape):
        raise TypeError(f"{op}: {name} must be a TileShape, got {value!r}")
    elif kind == "flag" and not isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be a bool, got {value!r}")
    elif kind == "number" and not isinstance(value, NUMBERS):
        raise TypeError(f"{op}: {name} must be a number, got {value!r}")


# ---- the decorators ----------------------------------------------------------------------------


def task(
    *,
    items: str | Callable[[Facts], int],
    also: Callable[[Facts], None] | None = None,
    values: Callable[[tuple[Any, ...]], None] | None = None,
    empty: str = "",
    **declared: Any,
) -> Callable[[Callable[..., None]], Task]:
    """Compile a kernel of one item, and declare what it takes; see `Task` and above."""

    def decorate(function: Callable[..., None]) -> Task:
        made = Task(function, items, also, values, empty, declared)
        TASKS.append(made)
        return made

    return decorate


def spanned(**declared: Any) -> Callable[[Callable[..., None]], Task]:
    """A task whose item `k` is the floats k * length to (k + 1) * length of arrays (L,).

    The function's last parameters are `length`, which is no matter of the declaration, and `k`.
    """
    return task(items=_spans, also=_whole_vectors, empty="L", **declared, length="int")


def _spans(f: Facts) -> int:
    return int(-(-f.L // f.length))


def _whole_vectors(f: Facts) -> None:
    need(f, f.L % LANES == 0, f"the floats must be whole vectors of {LANES}, got {f.L}")
    whole = f.length > 0 and f.length % LANES == 0
    need(f, whole, f"length must be a multiple of {LANES}, got {f.length}")


# ---- what axes alone do not tell, of several kernels -------------------------------------------


def need(facts: Facts, holds: bool, rule: str) -> None:
    """Raise a ShapeError that says the rule, unless it holds."""
    if not holds:
        raise ShapeError(f"{facts.op}: {rule}")


def wider(f: Facts) -> None:
    """A row has room for the features, and perhaps for more."""
    need(f, f.W >= f.F, f"a row must have room for {f.F} numbers, got {f.W}")


def images_of_blocks(f: Facts) -> None:
    """There are as many images `n` as fill the blocks, the last one at least in part."""
    fill = f.n >= 0 and -(-f.n // LANES) == f.B
    need(f, fill, f"n must be a number of images that fill {f.B} blocks of {LANES}, got {f.n}")


def windows_inside(f: Facts) -> None:
    """The taps of windows that are said to be inside the image are there."""
    for name, table, size, step in (
        ("rows", f.rows, f.H, getattr(f, "dh", 1)),
        ("columns", f.columns, f.W, getattr(f, "dw", 1)),
    ):
        first, start, end = table.T
        some = end > start
        low, high = (first + start * step)[some], (first + (end - 1) * step)[some]
        need(
            f,
            step > 0 and (start >= 0).all() and (low >= 0).all() and (high < size).all(),
            f"{name} must name pixels of an axis of {size}",
        )
