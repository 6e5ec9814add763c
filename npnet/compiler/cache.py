"""Programs by the shape of the batch: made when they are first wanted, or why there are none."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeAlias

import numpy as np

from npnet import nn
from npnet.backend import uses_kernels
from npnet.base.arrays import Array
from npnet.base.threads import get_num_threads
from npnet.compiler.guard import Guard
from npnet.compiler.statistics import Statistics, is_counted
from npnet.compiler.trace import Later, Link, trace
from npnet.compiler.watch import Watch
from npnet.lanes.choice import is_few
from npnet.lanes.unsuited import Layered, Unsuited
from npnet.random import default_generator, drawing_apart
from npnet.tensor import Tensor

__all__ = ["OTHER_VALUES", "Programs", "unasked"]

Build: TypeAlias = Callable[[list[Link], tuple[int, ...], int], Any]
Shape: TypeAlias = tuple[int, ...]

OTHER_VALUES = "a program of it gives other values than the model itself"  # a refusal
READINGS = 8  # of a model in several modes; training and evaluation are two
PATIENCE = 3  # readings in a row, or shapes, that are refused; one takes twice as long as a batch

AT_ONCE = 4  # shapes that have programs from their first batch on; later ones from their second
KEPT = 32  # programs of one reading
LARGEST = 2**28  # bytes of all programs of one reading, but for the first
RECENT = 64 * KEPT  # batches after which the uses of each shape count half

_was_asked_for: ContextVar[bool] = ContextVar("_was_asked_for", default=True)

# Of the largest output, what a program's may be away from the model's. Both add up the same
# numbers in another order, some 1e-6; what is further away is another computation.
ALIKE = 1e-4


@contextmanager
def unasked() -> Iterator[None]:
    """Of models that the user did not ask to be compiled, nobody is told what has no program."""
    before = _was_asked_for.set(False)
    try:
        yield
    finally:
        _was_asked_for.reset(before)


class Programs:
    """The programs of a model, each checked by a `Guard` before it runs.

    They do not keep the model alive, which may have them itself.

    Args:
        build: makes one of the layers of a chain, the shape, and how many threads there are.
        others: modules beside the model that a program is made of, such as the criterion.
        chains: whether there are programs of chains alone, whose layers keep no statistics.
        rewinds: whether a program that runs on a batch after the model itself, to be read, was run
            on it draws the same numbers, as its user goes back to `drawn`.

    Attributes:
        fallback: why the last batch had none; None if it had one.
        output: what the model itself gave for the last batch, where it was run to be read; else
            NotImplemented.
        before: the statistics that its layers had kept before, if it was.
        drawn: where the default generator had stood before, if it was.
    """

    fallback: str | None = None
    output: Any = NotImplemented
    before: Statistics | None = None
    drawn: dict[str, Any] | None = None

    def __init__(
        self,
        model: nn.Module,
        build: Build,
        others: Iterable[nn.Module] = (),
        chains: bool = True,
        rewinds: bool = False,
    ) -> None:
        self._model, self.build, self.others = weakref.ref(model), build, tuple(others)
        self.chains, self.rewinds = chains, rewinds
        self._readings: dict[tuple[bool, ...], _Reading] = {}
        self._inside = self._modules_inside(model)
        self._warned: set[str] = set()
        self._refused, self._last_refusal = 0, ""  # readings in a row

    @property
    def model(self) -> nn.Module | None:
        """The model whose programs they are, as long as anybody has it."""
        return self._model()

    def known(self, model: nn.Module, x: Any) -> Any:
        """The program that was made before for batches like `x`, if all is as it was; or None."""
        if _reason(x) is not None:
            return None
        reading = self._readings.get(self._modes(model))
        if reading is None or not reading.guard.holds() or reading.guard.has_hooks:
            return None
        return reading.known(x.shape)

    def of(self, model: nn.Module, x: Any) -> Any:
        """The program for a batch like `x`, made now if need be, or None."""
        self.output, self.before, self.drawn = NotImplemented, None, None
        self.fallback = _reason(x)
        if self.fallback is not None:
            return None
        reading = self._reading(model, x)
        refusal = reading.refusal(x.shape)
        self.fallback = "it has forward hooks" if reading.guard.has_hooks else refusal
        if self.fallback is None:
            try:
                return reading.program(model, x, self.output)
            except Later as error:
                self.fallback = str(error)
            except Unsuited as error:
                of_shape = isinstance(error, Layered) or is_few(x)
                self._leave(reading, error, x.shape if of_shape else None)
            except Exception as error:  # of whatever was done for those who have not asked for it
                if _was_asked_for.get():
                    raise
                self._leave(reading, Unsuited(f"no program can be made of it: {error}"))
        return None

    def begin_again(self) -> None:
        """Read the model once more, even if that has come to nothing several times."""
        self._refused = 0

    def drop(self, shape: Shape) -> None:
        """Forget the programs for batches of this shape, whose memory somebody else holds."""
        for reading in self._readings.values():
            reading.drop(shape)

    # ---- reading -------------------------------------------------------------------------------

    def _modules_inside(self, model: nn.Module) -> list[nn.Module]:
        """All modules but the model itself."""
        found = [m for root in (model, *self.others) for m in root.modules() if m is not model]
        # what a compiled model inside stands for, of whose class it may be no longer
        return [*found, *[m._orig_mod for m in found if hasattr(type(m), "_orig_mod")]]

    def _modes(self, model: nn.Module) -> tuple[bool, ...]:
        return (model.training, *[m.training for m in self._inside])

    def _reading(self, model: nn.Module, x: Tensor) -> _Reading:
        """What is known of the model as it is; if that is nothing, it is run on the batch."""
        reading = self._readings.get(self._modes(model))
        return reading if reading is not None and reading.guard.holds() else self._read(model, x)

    def _read(self, model: nn.Module, x: Tensor) -> _Reading:
        self._inside = self._modules_inside(model)
        guard = Guard(model, self._inside)
        reading = _Reading(self, guard)
        if guard.has_hooks:
            return reading  # it is read when they are gone
        try:
            reading.guard = self._watched(model, x, guard)
        except Unsuited as error:
            self._leave(reading, error)
        known = self._readings
        for modes in [m for m, r in known.items() if r.guard.modules != guard.modules]:
            del known[modes]
        while len(known) >= READINGS:
            del known[next(iter(known))]
        known[reading.guard.modes] = reading
        return reading

    def _watched(self, model: nn.Module, x: Tensor, before: Guard) -> Guard:
        """Run the model on a batch; a guard of all that it read. Unsuited if that can change."""
        for module in model.modules():
            if any(b is not None for b in module._buffers.values()):  # a forward pass may move them
                if not self.chains and is_counted(module):
                    continue
                raise Layered(f"{type(module).__name__} keeps statistics")
        if self._refused >= PATIENCE:
            raise Unsuited(self._last_refusal)
        self._refused += 1
        watch = Watch(before.modules, self.others)
        self.before, self.drawn = Statistics(model), default_generator.get_state()
        self.output = watch.run(model, x)
        places = watch.places()
        if watch.reason is None and not before.holds():
            watch.reason = "its forward pass changes what it is made of"
        if watch.reason is not None:
            self._last_refusal = watch.reason
            raise Unsuited(watch.reason)
        self._refused = 0
        return Guard(model, before.others, places)

    def _leave(self, reading: _Reading, error: Unsuited, shape: Shape | None = None) -> None:
        """Leave the model, or its batches of one shape, to the eager loop; a warning says why."""
        self.fallback = reason = str(error)
        if shape is None:
            reading.fallback = reason
        else:
            reading.refuse(shape, reason)
        told = isinstance(error, Layered) or reason in self._warned
        if not told and _was_asked_for.get():
            self._warned.add(reason)
            warnings.warn(
                f"compile: {type(self.model).__name__} runs as an eager loop: {reason}",
                UserWarning,
                stacklevel=_levels_to_user(),
            )


def _reason(x: Any) -> str | None:
    """Why this batch is left to the eager loop, whatever the layers are."""
    if type(x) is not Tensor:
        return f"a {type(x).__name__} has no kernels"
    if x.requires_grad:
        return "the batch requires a gradient"
    if not uses_kernels():
        return "the numba backend is not in use"
    if x.dtype != np.float32 or not x.ndim or not x.numel():
        return f"batches of {x.dtype} {tuple(x.shape)} have no kernels"
    return None


class _Reading:
    """What is known of a model as long as its guard holds.

    Attributes:
        fallback: why it is left to the eager loop; None if it has programs.
    """

    def __init__(self, owner: Programs, guard: Guard) -> None:
        self.guard = guard
        self.fallback: str | None = None
        self._build, self._chains, self._rewinds = owner.build, owner.chains, owner.rewinds
        self._programs: dict[Shape, Any] = {}
        self._refusals: dict[Shape, str] = {}
        self._uses: dict[Shape, int] = {}  # of late
        self._batches = 0

    def known(self, shape: Shape) -> Any:
        """The program for batches of a shape, if it was made and still fits; or None."""
        self._count(shape)
        program = self._programs.get(shape)
        if program is not None and program.slots >= get_num_threads() and program.fits():
            return program
        return None

    def program(self, model: nn.Module, x: Tensor, output: Any) -> Any:
        """The program for a batch. Unsuited if there can be none, Later if there is none yet."""
        program = self.known(x.shape)
        if program is None:
            self._programs.pop(x.shape, None)
            self._make_room(x.shape)
            program = self._programs[x.shape] = self._new(model, x, output)
        return program

    def refusal(self, shape: Shape) -> str | None:
        """Why batches of a shape are left to the eager loop; None if they may have a program."""
        return self._refusals.get(shape) if self.fallback is None else self.fallback

    def refuse(self, shape: Shape, reason: str) -> None:
        """Leave batches of a shape to the eager loop: those of another may have a program.

        Where none has one, and some were tried, all are left to it.
        """
        if len(self._refusals) >= KEPT:
            self._refusals.clear()
        self._refusals[shape] = reason
        if len(self._refusals) >= PATIENCE and not self._programs:
            self.fallback = reason

    def drop(self, shape: Shape) -> None:
        """Forget the program for batches of this shape."""
        self._programs.pop(shape, None)

    def _count(self, shape: Shape) -> None:
        self._batches += 1
        if self._batches % RECENT == 0:
            self._uses = {s: n // 2 for s, n in self._uses.items() if n > 1}
        self._uses[shape] = self._uses.get(shape, 0) + 1

    def _make_room(self, shape: Shape) -> None:
        """Drop the programs that are used least, where this shape is used more."""
        uses, programs = self._uses, self._programs
        if len(programs) >= AT_ONCE and uses[shape] < 2:
            raise Later("its first batch of this shape")
        while programs and (len(programs) >= KEPT or self._nbytes() > LARGEST):
            least = min(programs, key=lambda s: uses.get(s, 0))
            if uses.get(least, 0) >= uses[shape]:
                raise Later("other shapes of batches are used more, and have all the programs")
            del programs[least]

    def _nbytes(self) -> int:
        return sum([program.nbytes for program in self._programs.values()])

    def _new(self, model: nn.Module, x: Tensor, output: Any) -> Any:
        """A program that was tried on the batch: it gives what the model gave."""
        before = Statistics(model)
        try:
            links, traced = trace(model, x, self._chains)
        finally:
            before.restore()
        draws = any(link.draws for link in links)
        if draws and output is not NotImplemented and not self._rewinds:
            raise Later("the model itself was run on it, and drew its numbers")
        try:
            program = self._build(links, x.shape, get_num_threads())
        except (ValueError, TypeError) as error:  # a view of batches of another size, for instance
            raise Unsuited(f"no program can be made of it: {error}") from error
        with drawing_apart() if draws else nullcontext():  # the same numbers as in the trace
            got = program.infer(x.array)
        if not _are_alike(got, traced if draws or output is NotImplemented else output):
            raise Unsuited(OTHER_VALUES)
        return program


def _are_alike(got: Array, want: Tensor) -> bool:
    """Whether two outputs are equal but for rounding."""
    values = want.detach().array
    if got.shape != values.shape:
        return False
    finite = np.isfinite(values)
    largest = np.abs(values, where=finite, out=np.zeros_like(values)).max(initial=0)
    return np.allclose(got, values, rtol=0, atol=ALIKE * largest, equal_nan=True)


def _levels_to_user() -> int:
    """How many calls up, for `warnings.warn` in the caller, the code outside of npnet is."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("npnet."):
        frame, level = frame.f_back, level + 1
    return level
