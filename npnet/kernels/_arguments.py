"""What kernels are handed is looked at here, where Python enters them: they check nothing.

A kernel takes its sizes from one array and walks the others by them, so an array that is too small
is written beyond its end. A `Rule` names the axes of each argument; equal names are equal sizes:

    _CONV2D = Rule("conv2d", x="B C H W 16", weight="O C KH KW", bias="O | None")
    _CONV2D(x, weight, bias)

Arrays are float32 in this machine's byte order, row-major, aligned and writable, as npnet makes
them, unless the pattern says otherwise. What passed once is known by
its shapes, so that the usual call costs a look at each array.

Wrong values are ValueErrors, a ShapeError where it is about sizes; wrong types are TypeErrors.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from npnet.base.arrays import Array
from npnet.base.checks import ShapeError, check_count

__all__ = [
    "Argument",
    "Rule",
    "Sizes",
    "check_apart",
    "check_images",
    "check_numbers",
    "fixed",
    "row_major",
]

Sizes: TypeAlias = dict[str, Any]  # of an axis by its name; of "..." a tuple

FLOAT32 = np.dtype(np.float32)
LANES = 16  # as in simd.py, which needs Numba
KNOWN = 1024  # combinations of shapes that a rule remembers


class Argument(NamedTuple):
    """What one array must be like.

    Attributes:
        axes: a name, a number, or "..." for any axes.
        dtypes: it has one of them; none for floats of any kind, which NumPy converts.
        readable: whether it may be read-only.
        table: whether its values are looked at too; best it is read-only, see `_task`.
        optional: whether it may be None.
    """

    name: str
    axes: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    readable: bool
    table: bool
    optional: bool

    @classmethod
    def of(cls, name: str, pattern: str) -> Argument:
        """From "AXES [: TYPE ...] [readable] [table] [| None]".

        Arrays of type "floats" may lie in any order of memory.
        """
        pattern, _, none = pattern.partition("|")
        axes, _, options = pattern.partition(":")
        words = options.split()
        table = "table" in words
        kinds = [word for word in words if word not in ("readable", "table")] or ["float32"]
        dtypes = () if kinds == ["floats"] else tuple(map(np.dtype, kinds))
        return cls(
            name, tuple(axes.split()), dtypes, table or "readable" in words, table, bool(none)
        )

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.axes)}{',' * (len(self.axes) == 1)})"


class Rule:
    """What the arrays of a kernel must be like, and how their sizes hang together.

    Args:
        op: the kernel's name, for errors.
        given: names of sizes that the caller knows, such as a window's, in their order.
        empty: names of the axes that may have length 0.
        arguments: the pattern of each, in the order of the call.
    """

    def __init__(self, op: str, given: str = "", empty: str = "B ...", **arguments: str) -> None:
        self.op, self.given, self.empty = op, given.split(), empty.split()
        self.arguments = [Argument.of(name, pattern) for name, pattern in arguments.items()]
        self._dtypes = [a.dtypes for a in self.arguments]
        self._known: set[tuple[Any, ...]] = set()

    def __call__(self, *arrays: Any, given: tuple[int, ...] = ()) -> None:
        """Raise unless the arrays are as the rule says."""
        shapes: list[Any] = [given]
        for array, dtypes in zip(arrays, self._dtypes):  # noqa: B905 # `sizes` tells, and this runs for each kernel
            if array is None:
                shapes.append(None)
            elif type(array) is np.ndarray and array.dtype in dtypes and array.flags.carray:
                shapes.append(array.shape)
            else:
                self.sizes(arrays, given)
                return
        key = tuple(shapes)
        if key not in self._known:
            self.sizes(arrays, given)
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known.add(key)

    def sizes(self, arrays: tuple[Any, ...], given: tuple[int, ...] = ()) -> Sizes:
        """The size of each axis by its name, if the arrays are as the rule says."""
        sizes: Sizes = dict(zip(self.given, given, strict=True))
        owner = dict.fromkeys(sizes, "the window")
        for argument, array in zip(self.arguments, arrays, strict=True):
            if array is None and argument.optional:
                continue
            _check_memory(self.op, argument, array)
            for axis, size in self._axes(argument, array.shape):
                if axis not in sizes:
                    sizes[axis], owner[axis] = size, argument.name
                self._compare(argument, array, axis, size, sizes[axis], owner[axis])
        return sizes

    def _axes(self, argument: Argument, shape: tuple[int, ...]) -> list[tuple[str, Any]]:
        """Each axis of the pattern with its size; "..." has those that are left."""
        axes = argument.axes
        if "..." not in axes:
            if len(shape) != len(axes):
                self._refuse(argument, shape, f"{len(axes)} {'axis' if len(axes) == 1 else 'axes'}")
            return list(zip(axes, shape, strict=True))
        at, after = axes.index("..."), len(axes) - axes.index("...") - 1
        if len(shape) < at + after:
            self._refuse(argument, shape, f"{at + after} axes or more")
        middle = len(shape) - after
        sizes = [*shape[:at], shape[at:middle], *shape[middle:]]
        return list(zip(axes, sizes, strict=True))

    def _compare(
        self, argument: Argument, array: Array, axis: str, size: Any, known: Any, owner: str
    ) -> None:
        if axis.isdigit() and size != int(axis):
            self._refuse(argument, array.shape, f"{axis} as the length of axis {axis}")
        if not axis.isdigit() and size != known:
            along = "the axes ..." if axis == "..." else f"axis {axis}"
            self._refuse(argument, array.shape, f"{known} along {along}, as {owner} has")
        if axis not in self.empty and 0 in (size if isinstance(size, tuple) else (size,)):
            self._refuse(argument, array.shape, "at least one element")

    def _refuse(self, argument: Argument, shape: tuple[int, ...], rule: str) -> None:
        raise ShapeError(f"{self.op}: {argument} must have {rule}, got shape {shape}")


def _check_memory(op: str, argument: Argument, array: Any) -> None:
    """Raise unless it is an array whose memory a kernel can walk."""
    name = argument.name
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{op}: {name} must be an ndarray, got {_kind(array)}")
    if not argument.dtypes:
        if array.dtype.kind != "f":
            raise TypeError(f"{op}: {name} must hold floats, got {array.dtype}")
        return
    if array.dtype not in argument.dtypes:
        raise TypeError(
            f"{op}: {name} must be {' or '.join(map(str, argument.dtypes))}, got {_dtype(array)}; "
            f"convert it with {name}.astype(np.{argument.dtypes[0]})"
        )
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        what = "row-major" if not flags.c_contiguous else "aligned to its items"
        raise ValueError(
            f"{op}: {name} must be {what}, got strides {array.strides} of shape {array.shape}; "
            f"pass {name}.copy()"
        )
    if not (flags.writeable or argument.readable):
        raise ValueError(f"{op}: {name} must be writable, got a read-only array; pass a copy()")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _dtype(array: Array) -> str:
    """The dtype, with the byte order where it is not this machine's."""
    return str(array.dtype) if array.dtype.isnative else f"{array.dtype} (swapped bytes)"


def row_major(op: str, name: str, array: Any) -> Array:
    """A float32 array as kernels take it: itself, or a copy where its memory lies otherwise.

    Raises:
        TypeError: it is no array of float32; in which order its bytes stand does not matter.
    """
    if type(array) is np.ndarray and array.dtype is FLOAT32 and array.flags.carray:
        return array
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{op}: {name} must be an ndarray, got {_kind(array)}")
    if array.dtype.newbyteorder("=") != FLOAT32:
        raise TypeError(f"{op}: {name} must be float32, got {array.dtype}")
    return np.require(array, FLOAT32, ("C", "W", "A"))


def fixed(table: Array) -> Array:
    """The table itself, which from now on nobody can write to."""
    table.setflags(write=False)
    return table


def check_numbers(op: str, name: str, numbers: Array, count: int) -> None:
    """Raise IndexError unless all of an integer array's numbers are from 0 to below `count`."""
    if not numbers.size:
        return
    least, most = numbers.min(), numbers.max()
    if least < 0 or most >= count:
        raise IndexError(
            f"{op}: {name} must be numbers from 0 to {count - 1}, "
            f"got {least if least < 0 else most}"
        )


def check_images(op: str, n: Any, blocks: int, least: int = 0) -> None:
    """Raise unless `n` images, `least` or more, fill so many blocks, the last at least in part."""
    if type(n) is not int:
        n = check_count(op, "n", n, least)
    if n < least or -(-n // LANES) != blocks:
        raise ShapeError(
            f"{op}: n must be a number of images that fill {blocks} blocks of {LANES}, got {n}"
        )


def check_apart(op: str, **arrays: Array | None) -> None:
    """Raise ValueError if two row-major arrays, of which one or both are written, overlap."""
    for (name, a), (other, b) in itertools.combinations(arrays.items(), 2):
        if a is not None and b is not None and np.may_share_memory(a, b):
            raise ValueError(
                f"{op}: {name} and {other} must not share memory, one is written while the "
                "other is read; pass a copy()"
            )
