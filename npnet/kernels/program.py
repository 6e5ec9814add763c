"""Programs: many kernels over blocks of images, run by one compiled call.

An eager op is one kernel over the whole batch, and what it leaves behind goes through the memory.
A program turns this around: a thread takes one block of sixteen images through all kernels before
it takes the next, so that a block stays in the second-level cache from the first layer to the last
gradient.

A program calls kernels by their addresses. It is a table of numbers that one small compiled
function walks, so a new network needs no compilation: the kernels are those of the eager ops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from npnet.base.checks import ShapeError, check_count
from npnet.kernels._jit import kernel
from npnet.kernels._parallel import CALL_LOOP, POINTER, parallel_for_slots
from npnet.kernels._task import ENDLESS, Task, is_listing

__all__ = ["BLOCK", "SLOT", "Call", "Phase", "Program"]

Table: TypeAlias = npt.NDArray[np.int64]

# What a call's items are counted from: the block of the batch, or the thread's slot, where arrays
# that only live as long as a block have their place.
BLOCK, SLOT = 0, 1


class Call:
    """A task with its arguments.

    Args:
        task: whose kernel does item k with `(*arguments, k)`.
        arguments: arrays, numbers, tile shapes and plans. Arrays are kept, not copied.
        count: how many items a block has, or, in a phase of pieces, how many there are in all.
        by: BLOCK or SLOT: items begin at `count` times the block's or the slot's number.

    Attributes:
        reach: the kernel's items for these arguments, and the threads that there are slots for.

    Raises:
        ShapeError, ValueError, TypeError, IndexError: with these arguments, or on so many items,
            the kernel would read or write outside of an array.
    """

    def __init__(
        self, task: Any, arguments: tuple[Any, ...], count: int = 1, by: int = BLOCK
    ) -> None:
        if not isinstance(task, Task):
            name = getattr(task, "__name__", task)
            raise TypeError(f"Call: {name} is no kernel that programs know, see `task`")
        if by not in (BLOCK, SLOT):
            raise ValueError(f"Call: by must be BLOCK or SLOT, got {by!r}")
        self.task, self.by = task, by
        self.count = check_count("Call", "count", count)
        self.reach = task.reach(arguments)
        if self.count > self.reach.items:
            raise ShapeError(
                f"Call: {task.__name__} has {self.reach.items} items with these arguments, "
                f"got count {count}"
            )
        self._code, leaves = task.code(arguments)
        self._words = np.zeros(self._code.words, np.int64)
        self._code.write(self._words, *leaves)
        self.arguments = arguments  # keeps the arrays alive

    def bind(self, arguments: tuple[Any, ...]) -> None:
        """Take other arrays of the same shapes and types, and the same numbers.

        Raises:
            ShapeError, ValueError, TypeError, IndexError: they are not alike; nothing is changed.
        """
        name = self.task.__name__
        if len(arguments) != len(self.arguments):
            raise TypeError(
                f"Call: {name} has {len(self.arguments)} arguments, got {len(arguments)}"
            )
        for of, new, old in zip(self.task.names, arguments, self.arguments, strict=True):
            if new is not old:
                _check_alike(new, old, f"{of} of {name}", of in self.task.constant)
        self.task.check_values(arguments)
        leaves = self.task.leaves(arguments)
        try:
            self._code.write(self._words, *leaves)
        except TypeError:  # a class of arrays, or a dtype, that equals
            self._code.write(self._words, *self.task.code(arguments)[1])
        self.arguments = arguments

    @property
    def row(self) -> tuple[int, int, int, int]:
        """The call in a program's table."""
        return self._code.loop, self._words.ctypes.data, self.count, self.by


@dataclass(frozen=True)
class Phase:
    """Calls that may begin when all before are finished.

    Attributes:
        calls: they are made in order for each item; with `items` 0 they are independent of one
            another, and their items are shared out among threads.
        items: how many blocks the batch has.
        parts: how many runs of items threads share; a run is gone through in order.
        together: whether it puts together what is there of the whole batch, or of weights alone.
            The items of other phases are in the order of the images that they are of.
        late: whether nothing but the program's result waits for it.
        own: which of the parts, or of the items of a single call, are done: by default all.
    """

    calls: Sequence[Call]
    items: int = 0
    parts: int = 0
    together: bool = False
    late: bool = False
    own: tuple[int, int] | None = None


class _Row(NamedTuple):
    """A phase in a program's table; of pieces, number k * stride % parts is taken as the k-th.

    Of the parts, so many are `done` from `start` on.
    """

    first: int
    last: int
    items: int
    parts: int
    stride: int
    start: int
    done: int


def _check_alike(new: Any, old: Any, what: str, constant: bool) -> None:
    """Raise unless an argument can be taken in the place of another."""
    if constant or not isinstance(old, np.ndarray):
        if constant or type(new) is not type(old) or new != old:
            raise ValueError(f"Call: {what} must stay {old!r}, as it was built for, got {new!r}")
    elif not isinstance(new, np.ndarray) or new.dtype != old.dtype:
        raise TypeError(
            f"Call: {what} must be an array of {old.dtype}, as it was built for, "
            f"got {getattr(new, 'dtype', new)}"
        )
    elif new.shape != old.shape:
        raise ShapeError(
            f"Call: {what} must be of shape {old.shape}, as it was built for, got {new.shape}"
        )
    elif not new.flags.carray:
        raise ValueError(f"Call: {what} must be row-major, aligned and writable; pass a copy()")


class Program:
    """Phases, run one after the other.

    Raises:
        ShapeError: a call has not as many items as its phase asks for.
    """

    def __init__(self, phases: Sequence[Phase]) -> None:
        self._slots = min([_check_phase(phase) for phase in phases], default=ENDLESS)
        self._calls = [call for phase in phases for call in phase.calls]
        self._table = np.array([call.row for call in self._calls], np.int64).reshape(-1, 4)
        rows, first = [], 0
        for phase in phases:
            last = first + len(phase.calls)
            parts, stride = phase.parts, 1
            if not phase.items:
                counts = self._table[first:last, 2]
                self._table[first:last, 3] = np.cumsum(counts) - counts  # a call's first piece
                parts = int(counts.sum())
                stride = _spreading(parts) if len(phase.calls) > 1 else 1
            start, end = (0, parts) if phase.own is None else phase.own
            rows.append(_Row(first, last, phase.items, parts, stride, start, end - start))
            first = last
        self._phases = np.array(rows, np.int64).reshape(-1, len(_Row._fields))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that the calls work on, each piece of memory once."""
        sizes: dict[int, int] = {}
        for a in (a for call in self._calls for a in call.task.arrays(call.arguments)):
            sizes[a.ctypes.data] = max(a.nbytes, sizes.get(a.ctypes.data, 0))
        return sum(sizes.values())

    def run(self) -> None:
        """Make all calls, on as many threads as the arrays have slots for, if there are more."""
        if not is_listing():
            _run(self._table, self._phases, self._slots)


def _spreading(parts: int) -> int:
    """A stride by which each run of pieces has some of all calls, whose pieces are not alike."""
    stride = round(parts * (math.sqrt(5) - 1) / 2)
    while math.gcd(stride, parts) > 1:
        stride += 1
    return stride


def _check_phase(phase: Phase) -> int:
    """How many threads may run a phase, if its calls have the items that it asks for."""
    for name in ("items", "parts"):
        check_count("Phase", name, getattr(phase, name), 0)
    _check_own(phase)
    slots = ENDLESS
    for call in phase.calls:
        slots = min(slots, call.reach.slots)
        most = call.reach.items // call.count  # blocks, or slots
        if phase.items and call.by == SLOT:
            slots = min(slots, most)
        elif phase.items > most:
            raise ShapeError(
                f"Phase: {call.task.__name__} has items for {most} blocks, got items {phase.items}"
            )
    return slots


def _check_own(phase: Phase) -> None:
    """A part of a phase is some of its parts, or of the items of its only call."""
    if phase.own is None:
        return
    start, end = phase.own
    parts = phase.parts if phase.items else sum(call.count for call in phase.calls)
    if not 0 <= start <= end <= parts or not (phase.items or len(phase.calls) == 1):
        raise ValueError(
            f"Phase: own must be within the {parts} parts of blocks, or of one call, got {start} "
            f"to {end} of {len(phase.calls)} calls"
        )


@kernel
def _run(table, phases, slots):
    for p in range(phases.shape[0]):
        first, last, items, parts, stride, start, count = phases[p]
        if items > 0:
            parallel_for_slots(run_part, count, (table, first, last, items, parts, start), slots)
        else:
            parallel_for_slots(run_piece, count, (table, first, last, parts, stride, start), slots)


@kernel
def run_part(table, first, last, items, parts, start, k):
    """All calls on the items of the k-th part from `start` on."""
    slot, part = np.intp(numba.get_thread_id()), start + k
    for item in range(part * items // parts, (part + 1) * items // parts):
        for i in range(first, last):
            loop, words, count, by = table[i]
            start = slot if by == SLOT else item
            call_loop(loop, words, start * count, count)


@kernel
def run_piece(table, first, last, parts, stride, start, k):
    """The item of one call that is the k-th piece from `start` on."""
    i, piece = first, (start + k) * stride % parts
    while i + 1 < last and piece >= table[i + 1, 3]:
        i += 1
    loop, words, _, before = table[i]
    call_loop(loop, words, piece - before, 1)


@intrinsic
def call_loop(typing, loop, words, first, count):
    """Let a kernel's loop, see `_entry`, do some items."""

    def code(context, builder, sig, args):
        loop, words, first, count = args
        function = builder.inttoptr(loop, CALL_LOOP.as_pointer())
        builder.call(function, [builder.inttoptr(words, POINTER), first, count])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), code
