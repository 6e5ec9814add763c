"""How a model is served: its program at a call, whether it was compiled or is called as it is.

Under `no_grad` and in evaluation, an ordinary `model(x)` finds the program that `compile` would
run, by the same checks, and gives the same values; nobody need say so. What differs is when a
program is made, for here nobody asked for one:

- After FIRST_WAIT calls with batches of one shape. A model that is called once, or each time with
  another shape, is never read. That takes some 10 ms, the first time in a process 100, for code and
  kernels to be loaded, and seconds where kernels are not compiled yet. It is calls that count, not
  their time, so that two runs alike give the same bits.
- Where there is none, or what there was went out of date before it was of use, twice as many calls
  pass before the next attempt, and so on up to LONGEST_WAIT. So what is tried in vain costs a few
  thousandths of all calls.
- Not of more than UNASKED bytes, and not under a profiler or a debugger, who want to see layers.
- No warning says why there is none, and no error, but for the model's own, leaves the attempt.

A program has one set of buffers. Python threads take turns; one that would wait for long, because
another reads the model, runs the model itself.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from npnet import nn
from npnet.base.threads import new_lock
from npnet.compiler.cache import Programs, Shape, unasked
from npnet.compiler.trace import Link
from npnet.lanes.unsuited import Unsuited
from npnet.nn.module import SERVING, has_ordinary_call
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["Serving", "serve"]

FIRST_WAIT, LONGEST_WAIT = 16, 1024  # calls of one shape
COUNTED = 64  # shapes whose calls are counted; then all counts begin anew
UNASKED = 2**26  # bytes of one program
LONG = 0.1  # seconds that a thread waits for its turn: a program of a large batch may take them


def serve(model: nn.Module, x: Any) -> Any:
    """What an ordinary call gives; NotImplemented where the model itself is to be run.

    Example:
        >>> npnet.compiler.serve(nn.Linear(3, 2), npnet.zeros(4, 3))
        NotImplemented
    """
    return Serving.of(model).call(model, x) if type(x) is Tensor else NotImplemented


class Serving:
    """The programs of a model's forward pass, kept by the model itself, and whose turn it is.

    Attributes:
        fallback: why the last batch that a compiled model was called with had no program, or None.
    """

    fallback: str | None = None

    def __init__(self, model: nn.Module) -> None:
        self._programs = Programs(model, _build)
        self._turn: Any = new_lock()
        self._busy = False  # by the thread whose turn it is
        self._wait = FIRST_WAIT  # how many calls of a shape pass before a program is looked for
        self._left: dict[Shape, int] = {}  # of them
        self._served = 0  # ordinary calls, by the programs that there are now
        self._shapes: set[Shape] = set()  # of these programs

    @staticmethod
    def of(model: nn.Module) -> Serving:
        """That of a model; a copy of the model that has the same attributes gets its own."""
        own = model.__dict__
        known = own.get(SERVING)
        if type(known) is not Serving or known._programs.model is not model:
            known = own[SERVING] = Serving(model)
        return known

    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        """Nothing: another model begins anew."""

    def __reduce__(self) -> Any:
        return type(None), ()

    def begin_again(self) -> None:
        """Take a model that was given up for one that may have changed."""
        self._programs.begin_again()

    def ask(self, model: nn.Module, x: Any) -> Any:
        """What a program gives for a batch, made now if need be; else NotImplemented."""
        with self._turn:
            if self._busy:  # this thread is within a run: something that Python calls in between
                return NotImplemented
            self._busy = True
            try:
                program = self._programs.of(model, x)
                self.fallback = self._programs.fallback
                output = self._programs.output
                return output if program is None else result(program.infer(x.array))
            finally:
                self._busy = False

    def call(self, model: nn.Module, x: Tensor) -> Any:
        """What a program gives for the batch of an ordinary call; else NotImplemented."""
        shape = x._values.shape
        left = self._left.get(shape)
        if left != 0:
            self._count(shape, left)
            return NotImplemented
        if _is_observed() or not self._turn.acquire(timeout=LONG):
            return NotImplemented
        try:
            if self._busy:
                return NotImplemented
            self._busy = True
            try:
                return self._call(model, x, shape)
            finally:
                self._busy = False
        finally:
            self._turn.release()

    def _count(self, shape: Shape, left: int | None) -> None:
        if left is None and len(self._left) >= COUNTED:
            self._begin_again()
        self._left[shape] = (self._wait if left is None else left) - 1

    def _call(self, model: nn.Module, x: Tensor, shape: Shape) -> Any:
        program, output = self._programs.known(model, x), NotImplemented
        if program is None:
            if shape in self._shapes:
                self._give_up(self._served >= self._wait)
                return NotImplemented
            program, output = self._make(model, x)
        if program is None:
            self._give_up(False)
            return output
        self._shapes.add(shape)
        self._served += 1
        return result(program.infer(x.array))

    def _make(self, model: nn.Module, x: Tensor) -> tuple[Any, Any]:
        """A program, if it can be had for little; and what the model gave, if it was run."""
        if not has_ordinary_call(model):
            return None, NotImplemented
        with unasked():
            program = self._programs.of(model, x)
        if program is not None and program.nbytes > UNASKED:
            self._programs.drop(x.shape)
            program = None
        return program, self._programs.output

    def _give_up(self, of_use: bool) -> None:
        """Wait for the next attempt, the longer the less use the last was of."""
        self._wait = FIRST_WAIT if of_use else min(2 * self._wait, LONGEST_WAIT)
        self._begin_again()

    def _begin_again(self) -> None:
        self._left, self._shapes, self._served = {}, set(), 0


def _is_observed() -> bool:
    """Whether a profiler or a debugger looks at what runs."""
    if sys.getprofile() is not None or sys.gettrace() is not None:
        return True
    monitoring: Any = getattr(sys, "monitoring", None)  # new in Python 3.12
    return monitoring is not None and any(map(monitoring.get_tool, range(6)))


def _build(links: list[Link], shape: tuple[int, ...], slots: int) -> Any:
    # here: NumPy alone needs nothing of it
    from npnet.compiler.build import InferenceProgram
    from npnet.compiler.channels import FEW_IMAGES, FewImages

    if shape[0] <= FEW_IMAGES:
        with contextlib.suppress(Unsuited):
            return FewImages(links, shape, slots)
    return InferenceProgram(links, shape, slots)
