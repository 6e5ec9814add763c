"""A program of which several processes do a part each, with the bits of one process.

Each has the arrays of the whole batch, and does the items that belong to its run of the images;
pages of memory that nobody touches are never there. What kernels put together of all images, such
as the sums of a batch norm, or the gradients of the parts of a batch, is gathered before, and then
put together in every process in the same order as one process does it. Which images belong
together follows from the batch alone: the parts are those that threads have too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npnet.base.arrays import Array
from npnet.base.group import Ends, Group
from npnet.kernels import lanes
from npnet.kernels.program import Call, Phase, Program
from npnet.kernels.simd import LANES
from npnet.lanes.plan import Extent

__all__ = ["Results", "SharedProgram", "Unshared"]


class Unshared(Exception):
    """A program can't be shared out."""


class Results(NamedTuple):
    """What is read of a program when it has run.

    Attributes:
        output: rows (N, ...) of the images.
        others: arrays of blocks or other parts of the batch; those that are of no part are there.
        gradients: by the weights.
        spoiled: those of the others that say whether the program must be left to the loop.
    """

    output: Array
    others: Sequence[Array]
    gradients: Sequence[Array]
    spoiled: Sequence[Array]


class Shares:
    """Which part of a batch each rank has: a run of its parts.

    Raises:
        Unshared: there are fewer parts than ranks.
    """

    def __init__(self, extent: Extent, size: int) -> None:
        self.extent, chunks = extent, extent.chunks
        if chunks < size:
            raise Unshared(f"batches of {extent.n} images have {chunks} parts for {size} ranks")
        if extent.blocks % chunks:
            raise Unshared(
                f"batches of {extent.n} images are {extent.blocks} blocks of {LANES}, which "
                f"{chunks} parts do not share alike; choose a multiple of {chunks * LANES}"
            )
        self.cuts = [(rank + 1) * chunks // size for rank in range(size)]

    def ends(self, count: int) -> Ends:
        """Where the runs of `count` items end. Unshared if parts have no whole number of them."""
        if count % self.extent.chunks:
            raise Unshared(f"{count} items are not shared alike by {self.extent.chunks} parts")
        return tuple(cut * (count // self.extent.chunks) for cut in self.cuts)

    def images(self) -> Ends:
        """Where the runs of images end."""
        return tuple(min(self.extent.n, end * LANES) for end in self.ends(self.extent.blocks))


@dataclass
class _Begin:
    """Begin to gather arrays, of which the rows of other ranks are wanted."""

    arrays: list[tuple[Array, Ends]]


@dataclass
class _Wait:
    """Wait for what was begun."""

    begun: list[_Begin]


@dataclass
class _Late:
    """A phase that waits for what was begun, and for which nothing waits but the end."""

    phase: Phase
    begun: list[_Begin]
    memory: set[int]


@dataclass
class _Sum:
    """Let MPI add up gradients, each rank's own, and tell each of what any rank has spoiled."""

    gradients: list[Array]
    spoiled: list[Array]

    def run(self, group: Group) -> None:
        flat = [g.reshape(-1) for g in self.gradients]
        flags = [np.float32(flag.any()) for flag in self.spoiled]
        sums = np.concatenate([*flat, np.array(flags, np.float32)])
        group.wait([group.begin_sum(sums)])
        start = 0
        for g in flat:
            g[...] = sums[start : start + g.size]
            start += g.size
        for flag, count in zip(self.spoiled, sums[start:], strict=True):
            flag[:1] = count != 0


class SharedProgram:
    """Phases of which this process does its part; takes the place of a `Program`.

    Args:
        phases: of the whole batch.
        constants: arrays that no phase writes, such as weights.
        results: what is read when it has run.

    Raises:
        Unshared: it can't be shared out; nothing was done.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        extent: Extent,
        group: Group,
        constants: Iterable[Array],
        results: Results,
    ) -> None:
        self._group, self._shares = group, Shares(extent, group.size)
        self._whole = Program(phases)
        self._parts: dict[int, bool] = {}  # by memory, whether ranks have parts of it
        self._images: set[int] = set()  # memory whose rows are images
        self._missing: set[int] = set()  # memory of which the parts of other ranks are missing
        for array in constants:
            self._parts[_memory(array)] = False
        self._steps: list[Program | _Begin | _Wait | _Sum] = []
        self._late_results: set[int] = set()  # memory that late phases are the first to work on
        self._open: list[Phase] = []
        self._late: list[_Late] = []
        for phase in phases:
            self._add(phase)
        self._finish(results)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that the calls work on, each piece of memory once."""
        return self._whole.nbytes

    def run(self) -> None:
        """Do this rank's part, and exchange what all need."""
        begun: dict[int, list[Any]] = {}
        for step in self._steps:
            if isinstance(step, Program):
                step.run()
            elif isinstance(step, _Begin):
                begun[id(step)] = [self._group.begin_gather(*pair) for pair in step.arrays]
            elif isinstance(step, _Sum):
                step.run(self._group)
            else:
                self._group.wait([request for b in step.begun for request in begun.pop(id(b))])

    # ---- what is built -------------------------------------------------------------------------

    def _add(self, phase: Phase) -> None:
        if not phase.together:
            self._do_late({_memory(a) for call in phase.calls for a in _lasting(call)})
            self._open.append(replace(phase, own=self._own(phase)))
            self._note(phase, of_parts=True)
            return
        arrays = [a for call in phase.calls for a in _lasting(call)]
        if phase.late and self._group.sums:  # each rank puts together what it has
            self._clear(arrays)
            self._late_results |= {m for m in map(_memory, arrays) if m not in self._parts}
            self._open.append(phase)
            self._note(phase, of_parts=False)
            return
        begin = self._begin(arrays)
        if phase.late:
            self._late.append(_Late(phase, begin, {_memory(a) for a in arrays}))
        else:
            self._wait(begin)
            self._open.append(phase)
        self._note(phase, of_parts=False)

    def _do_late(self, memory: set[int] | None = None) -> None:
        """Do what was put off, up to the last phase that works on this memory; by default all."""
        count = len(self._late)
        if memory is not None:
            last = [i for i, late in enumerate(self._late, 1) if late.memory & memory]
            count = max(last, default=0)
        now, self._late = self._late[:count], self._late[count:]
        if now:
            self._wait([begun for late in now for begun in late.begun])
            self._open += [late.phase for late in now]

    def _note(self, phase: Phase, of_parts: bool) -> None:
        """Remember what memory a phase is the first to work on, and what it may have written."""
        for call in phase.calls:
            for array in _lasting(call):
                memory = _memory(array)
                if self._parts.setdefault(memory, of_parts) and of_parts:
                    self._missing.add(memory)
                    if call.task is lanes.block_from_lanes and array is call.arguments[1]:
                        self._images.add(memory)

    def _own(self, phase: Phase) -> tuple[int, int]:
        """Which of the parts, or items, are this rank's."""
        (call, *others) = phase.calls
        if phase.items:
            self._shares.ends(phase.items)  # a part of the batch has whole items
        elif others:
            raise Unshared("a stage of several layers is shared out by items")
        ends = self._shares.ends(phase.parts if phase.items else call.count)
        rank = self._group.rank
        return (ends[rank - 1] if rank else 0), ends[rank]

    def _begin(self, arrays: Iterable[Array]) -> list[_Begin]:
        """Begin to gather those of the arrays of which parts are missing."""
        wanted = []
        for array in arrays:
            memory = _memory(array)
            if memory in self._missing:
                of_images = memory in self._images
                wanted.append((array, self._shares.images() if of_images else self._ends(array)))
                self._missing.discard(memory)
        if not wanted:
            return []
        self._close()
        begin = _Begin(wanted)
        self._steps.append(begin)
        return [begin]

    def _clear(self, arrays: Iterable[Array]) -> None:
        """Fill with zeros, once, what other ranks have of the arrays, and this one never writes."""
        for array in arrays:
            memory = _memory(array)
            if memory in self._missing:
                ends = self._shares.images() if memory in self._images else self._ends(array)
                rank = self._group.rank
                array[: ends[rank - 1] if rank else 0] = 0
                array[ends[rank] :] = 0

    def _wait(self, begun: list[_Begin]) -> None:
        if begun:
            self._close()
            self._steps.append(_Wait(begun))

    def _ends(self, array: Array) -> Ends:
        if not array.flags.c_contiguous:
            raise Unshared("rows do not lie one behind the other")
        return self._shares.ends(len(array))

    def _close(self) -> None:
        if self._open:
            self._steps.append(Program(self._open))
        self._open = []

    def _finish(self, results: Results) -> None:
        self._images.add(_memory(results.output))
        begin = self._begin([results.output, *results.others])
        self._do_late()
        self._wait(begin)
        self._close()
        sums = [g for g in results.gradients if _memory(g) in self._late_results]
        if sums:
            spoiled = [f for f in results.spoiled if _memory(f) in self._late_results]
            self._steps.append(_Sum(sums, spoiled))


def _lasting(call: Call) -> list[Any]:
    return call.task.lasting(call.arguments)


def _memory(array: Array) -> int:
    """What tells the memory of an array from others."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)
