"""Tensor, and the tape that its ops are recorded on.

A Tensor wraps an ndarray. An op is a `Function`: applied to tensors that need gradients, it stays
behind as the `grad_fn` of its result and knows its parents. `backward` walks these from the last
applied to the first and adds up what arrives at each leaf.

Tensors on the same memory share a count of writes. What an op saved is compared with it, so that
an in-place write in between is an error and no wrong gradient; a view notices by it that a write
elsewhere became part of its history.

Python threads may share tensors. What changes a tensor's place in memory or on the tape without
being asked to (values in another layout that become an ndarray, a view that takes on its base's
history) happens once and for all threads at once, behind one lock; nothing is computed there, and a
thread that finds it done takes no lock. Gradients from several threads are added up, as in PyTorch.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from npnet.base import printing
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.base.grad_mode import state as _mode
from npnet.base.threads import new_lock
from npnet.devices.cpu import CPU
from npnet.devices.cpu import device as Device
from npnet.random import Generator, numpy_generator

__all__ = [
    "Array",
    "Function",
    "Layout",
    "Number",
    "Operand",
    "Tensor",
    "Values",
    "as_tensor",
    "is_tensor",
    "tensor",
]

Number: TypeAlias = bool | int | float
Operand: TypeAlias = Union["Tensor", Number]
Int: TypeAlias = int  # inside Tensor, `int`, `float` and `bool` are its methods
Bool: TypeAlias = bool
Float: TypeAlias = float
Size: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int] | None
View: TypeAlias = Callable[[Array], Array]


class Layout:
    """Values of a tensor in another order of memory than an ndarray's.

    Kernels may leave their results like this; they become an ndarray when somebody looks. It is
    never written to, so that it may be shared.

    Attributes:
        shape, dtype: those of the ndarray.
    """

    __slots__ = ()
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def to_array(self) -> Array:
        """The values as a new ndarray."""
        raise NotImplementedError

    def plus(self, other: Layout) -> Layout:
        """The sum with values of the same shape in the same layout; there is but one in use."""
        raise NotImplementedError


Values: TypeAlias = Array | Layout


class _Moving(Layout):
    """In place of values that another thread is just making an ndarray of: to be waited for."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Array) -> None:
        self.shape, self.dtype = array.shape, array.dtype


_moving = threading.RLock()  # held where tensors change their memory or their history unasked
_accumulating = new_lock()

if hasattr(os, "register_at_fork"):  # in the child nobody would come to an end with it
    os.register_at_fork(
        before=_moving.acquire, after_in_parent=_moving.release, after_in_child=_moving.release
    )


def _array(values: Values) -> Array:
    return values.to_array() if isinstance(values, Layout) else values


class _Version:
    """How often the memory of a tensor and of its views was written."""

    writes = 0  # every in-place write
    recorded = 0  # those that became part of the tape
    # Views in the base's layout, and how each finds itself in the ndarray that the base becomes.
    aliases: tuple[tuple[weakref.ref[Tensor], View], ...] = ()

    def views(self) -> list[tuple[Tensor, View]]:
        """Those that are still there."""
        return [(y, look) for reference, look in self.aliases if (y := reference()) is not None]


class Function:
    """One op applied once: `forward` on arrays, and its derivative in `backward`.

    A subclass takes the op's options in its constructor and defines

        forward(*inputs: Array) -> Array
        backward(gy: Array) -> tuple[Array | None, ...]    one gradient for each input

    `gy` has the shape and dtype of forward's result, each returned gradient those of its input.
    A returned gradient is gy itself, a view, or new memory that the op does not write again.
    forward keeps what backward needs: inputs and results by `save_for_backward`, so that an
    in-place write to them is noticed; shapes and arrays of its own as plain attributes.
    """

    forward: Callable[..., Any]  # Any: a Function for another layout takes and returns that
    backward: Callable[[Any], tuple[Any, ...]]
    view: ClassVar[bool] = False  # whether the result may lie on the memory of the first input
    look: View  # of a view in another layout: what makes it of the first input's ndarray

    needs_input_grad: tuple[bool, ...] = ()
    parents: tuple[Function | Tensor | None, ...] = ()
    order: int  # of recording; a parent's is smaller
    retained: tuple[weakref.ref[Tensor], ...] = ()  # results that asked to keep their gradient
    freed = False  # whether something that backward needs is gone
    replaced: tuple[tuple[int, ...], np.dtype[Any]] | None = None  # shape, dtype before `data = `
    _counter = itertools.count()
    _saved: tuple[Values | None, ...] = ()
    _versions: tuple[tuple[_Version, int], ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Apply the op; record it if one of the inputs needs a gradient and recording is on."""
        if _mode.enabled:
            needs = tuple([x._wants if x._base is None else x.requires_grad for x in inputs])
        else:
            needs = (False,) * len(inputs)
        self.needs_input_grad = needs
        seen = inputs[0]._values if self.view else None
        with np.errstate(all="ignore"):  # NaN and infinity are values, here and in backward
            y = self.apply(inputs)
        if self.view:
            y._share(inputs[0], self, seen)
        if True in needs:
            self._record(inputs, y)
        return y

    def apply(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The result of `forward`; a Function for another layout hands its values over itself."""
        result = self.forward(*[x.array for x in inputs])
        return Tensor(result if type(result) is np.ndarray else self._as_array(result))

    def differentiate(self, gy: Values) -> tuple[Values | None, ...]:
        """The gradients of the inputs; a Function for another layout takes `gy` in it."""
        return self.backward(_array(gy))

    def _as_array(self, scalar: Any) -> Array:
        """What NumPy's arithmetic on 0-d arrays gives as an array, also among what was saved."""
        array = np.asarray(scalar)
        self._saved = tuple([array if a is scalar else a for a in self._saved])
        return array

    def _record(self, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        """Become the op that made `y` of the inputs."""
        self.order = next(Function._counter)
        needs = (True,) * len(inputs) if _mode.traced else self.needs_input_grad
        self.parents = tuple(
            [x._edge() if needed else None for x, needed in zip(inputs, needs)]  # noqa: B905 # of equal length, and this runs for each op
        )
        versions = []
        for a in self._saved:  # one entry for each, since _move_saved takes them off one by one
            if isinstance(a, Layout):
                continue  # it is never written to
            for x in (*inputs, y):
                if x._values is a:
                    versions.append((x._version, x._version.writes))
                    break
        self._versions = tuple(versions)
        y._wants = True
        y._grad_fn = self

    def save_for_backward(self, *arrays: Values | None) -> None:
        """Keep inputs and results for `backward`; to be called in `forward`."""
        self._saved = arrays

    @property
    def saved(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept. RuntimeError if it was written to since."""
        for version, writes in self._versions:
            if version.writes != writes:
                raise RuntimeError(
                    f"backward: a value that {self.name()} needs was changed in place after it "
                    "was used; write out of place there (x = x + 1 instead of x += 1), or on a "
                    "clone()"
                )
        return self._saved

    def free(self) -> None:
        """Forget all arrays: memory is returned, and a second backward that needs them fails."""
        own = self.__dict__
        names = [n for n, v in own.copy().items() if n not in _TAPE and _holds_values(v)]
        if names:
            self.freed = True  # first, for another thread that finds one of them missing
        for name in names:
            own.pop(name, None)

    def name(self) -> str:
        """The op's name as it stands in the `repr` of its result."""
        return f"{type(self).__name__.lstrip('_')}Backward"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


# They hold no values.
_TAPE = {"needs_input_grad", "order", "parents", "replaced", "retained", "_versions"}


def _holds_values(value: Any) -> bool:
    if isinstance(value, (tuple, list)):  # a NamedTuple of arrays too
        return any(map(_holds_values, value))
    if isinstance(value, dict):
        return any(map(_holds_values, value.values()))
    return isinstance(value, (np.ndarray, Layout))


class _Alias(Function):
    """A view found again in its base, whose history an in-place op has changed since.

    Args:
        places: where in the flattened base the view's values lie.
    """

    def __init__(self, places: Array, base_shape: tuple[int, ...]) -> None:
        self.places, self.base_shape = places, base_shape

    def backward(self, gy: Array) -> tuple[Array]:
        gx = np.zeros(self.base_shape, gy.dtype)
        np.add.at(gx.reshape(-1), self.places, gy)
        return (gx,)


class _Overwrite(_Alias):
    """A base with new values where a view lies: gx is 0 there, and gview what arrives there."""

    def backward(self, gy: Array) -> tuple[Array, Array]:  # type: ignore[override] # two inputs
        gx = np.array(gy, order="C")
        flat = gx.reshape(-1)
        gview = flat[self.places]
        flat[self.places] = 0
        return gx, gview


def _offsets(array: Array) -> Array:
    """The address of each value, in bytes from that of the first, in the array's shape."""
    axes = zip(array.shape, array.strides, strict=True)
    steps = np.ix_(*(np.arange(n) * stride for n, stride in axes))
    return np.broadcast_to(sum(steps, np.zeros((), np.intp)), array.shape)


def _places(view: Array, base: Array) -> Array:
    """Where in `base`, flattened in row-major order, each value of a view on its memory stands."""
    first = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    known, wanted = _offsets(base).reshape(-1), _offsets(view) + first
    order = np.argsort(known, kind="stable")
    found = np.searchsorted(known, wanted, sorter=order)
    places: Array = order[np.minimum(found, known.size - 1)]
    if (known[places] != wanted).any():
        raise RuntimeError(
            "a view no longer lies on the memory of the tensor it was made of, whose data was "
            "replaced; make the view again"
        )
    return places


def _run_backward(root: Tensor, gy: Array, retain_graph: bool) -> None:
    """Walk the tape from `root` to its leaves, adding gradients up in one fixed order."""
    end = root.grad_fn
    if end is None:
        root._accumulate(gy)
        return
    arrived: dict[Function, Values] = {end: gy}
    queue = [(-end.order, end)]
    while queue:
        _, node = heapq.heappop(queue)
        arriving = arrived.pop(node)
        for reference in node.retained:
            if (y := reference()) is not None and not node.freed:
                y._accumulate(_array(arriving))
        if node.freed:
            raise _freed(node)
        if node.replaced is not None:
            arriving = _as_recorded(node, arriving, *node.replaced)
        try:
            gradients = node.differentiate(arriving)
        except Exception as error:
            if node.freed:  # by another thread that goes through the same graph
                raise _freed(node) from error
            raise
        if not retain_graph:
            node.free()
        for parent, g in zip(node.parents, gradients, strict=True):
            if parent is None or g is None:
                continue
            if isinstance(parent, Tensor):
                parent._accumulate(_array(g), _is_new(g, arriving, gradients))
            elif parent in arrived:
                arrived[parent] = _sum(arrived[parent], g)
            else:
                # NumPy's arithmetic on 0-d arrays gives scalars
                arrived[parent] = g if isinstance(g, Layout) else np.asarray(g)
                heapq.heappush(queue, (-parent.order, parent))


def _freed(node: Function) -> RuntimeError:
    return RuntimeError(
        f"backward: {node.name()} was already gone through and what it saved is freed; "
        "call backward(retain_graph=True) the first time to go through it twice"
    )


def _as_recorded(node: Function, gy: Values, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A gradient for a result whose `data` were replaced, as the op that gave it takes it."""
    if gy.shape != shape:
        raise ShapeError(
            f"backward: {node.name()} gave a result of {shape} and takes a gradient of that shape, "
            f"got {gy.shape}; the result's data were replaced since (write into it instead)"
        )
    return _array(gy).astype(dtype, copy=False)


def _sum(a: Values, b: Values) -> Values:
    """a + b in new memory: that of either may be another's too."""
    if isinstance(a, Layout) and isinstance(b, Layout):
        return a.plus(b)
    return np.asarray(_array(a) + _array(b))


def _is_new(g: Values, gy: Values, gradients: tuple[Values | None, ...]) -> bool:
    """Whether a gradient that an op returned lies on memory that nobody else sees."""
    if isinstance(g, Layout):
        return True  # what leaves it is a new ndarray
    if g is gy or not isinstance(g, np.ndarray) or g.base is not None:
        return False
    return sum([other is g for other in gradients]) == 1


def _then(first: View, second: View) -> View:
    return lambda array: second(first(array))


_NOTHING = np.empty(0, np.float32)


class Tensor:
    """An ndarray with a place on the tape.

    Args:
        data: an ndarray, which is shared and not copied and keeps its dtype; or numbers in nested
            lists.
        dtype: default float32 for lists, as in PyTorch; `tensor` goes by what is in them.
        requires_grad: whether `backward` shall fill `grad`; only for floating point.

    Attributes:
        array: the values, an ndarray.
        grad: after `backward`, the gradient of the same shape; None before.
        requires_grad: whether the tensor is a leaf that wants a gradient or depends on one.
        grad_fn: the Function that it is the result of, where that was recorded.
    """

    __array_priority__ = 1000  # NumPy leaves ndarray + Tensor to Tensor
    __slots__ = (
        "__weakref__",
        "_base",
        "_grad_fn",
        "_seen",
        "_values",
        "_version",
        "_wants",
        "grad",
    )

    def __init__(
        self, data: Any, dtype: npt.DTypeLike | None = None, requires_grad: Bool = False
    ) -> None:
        if type(data) is not np.ndarray or dtype is not None or data.dtype.kind not in "fiub":
            data = _constructor_array(data, dtype)
        self._values: Values = data
        self.grad: Tensor | None = None
        self._grad_fn: Function | None = None
        self._version = _Version()
        self._base: Tensor | None = None  # what this is a view of, where it is one
        self._seen = 0  # of the version's recorded writes, those that _grad_fn knows of
        self._wants = False
        if requires_grad:
            self.requires_grad = True

    @classmethod
    def _of_layout(cls, values: Layout) -> Tensor:
        """A tensor of values that a kernel left in another layout."""
        y = cls(_NOTHING)
        y._values = values
        return y

    @property
    def array(self) -> Array:
        """The values as an ndarray; those in another layout become one now."""
        values = self._values
        return self._move() if isinstance(values, Layout) else values

    @array.setter
    def array(self, array: Array) -> None:
        while True:
            if self._version.aliases:
                self.array  # noqa: B018 # the others keep the memory, which they share from now on
            with _moving:
                if not self._version.aliases:
                    self._values = array
                    return

    def _move(self) -> Array:
        """Let this tensor, its base and all views become ndarrays on one memory, at once.

        No thread may see one of them there, and write, while another finds the old values.
        """
        base = self if self._base is None else self._base
        while isinstance(self._values, Layout):
            before = base._values
            array = None if isinstance(before, _Moving) else _array(before)
            with _moving:
                if base._values is not before or not isinstance(before, Layout) or array is None:
                    continue  # another thread was faster, or has written
                places = [(y, look(array)) for y, look in self._version.views()]
                places.append((base, array))
                for y, memory in places:
                    y._values = _Moving(memory)
                for y, memory in places:
                    y._values = memory
                self._version.aliases = ()
        assert isinstance(self._values, np.ndarray)
        return self._values

    @property
    def values(self) -> Values:
        """The values in the layout in which they are."""
        values = self._values
        return self._move() if type(values) is _Moving else values

    # ---- the tape ------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> Bool:
        """Whether the tensor is a leaf that wants a gradient, or depends on one."""
        if self._base is not None and self._seen != self._version.recorded:
            self._follow_base()
        return self._wants

    @requires_grad.setter
    def requires_grad(self, wanted: Bool) -> None:
        self._check_requires_grad(wanted)
        self._wants = bool(wanted)

    def _check_requires_grad(self, wanted: Bool) -> None:
        """Raise unless `requires_grad` may be set to this."""
        if wanted and self._values.dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad: only floating point tensors have gradients, got {self.dtype}"
            )
        if not wanted and self.grad_fn is not None:
            raise RuntimeError(
                "requires_grad: only a leaf's can be switched off; detach() cuts a result off"
            )

    @property
    def grad_fn(self) -> Function | None:
        """The Function that this is the recorded result of; None for a leaf."""
        if self._base is not None and self._seen != self._version.recorded:
            self._follow_base()
        return self._grad_fn

    @grad_fn.setter
    def grad_fn(self, function: Function | None) -> None:
        self._grad_fn = function

    def requires_grad_(self, requires_grad: Bool = True) -> Tensor:
        """Set `requires_grad` in place."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> Bool:
        """Whether no recorded op made this tensor."""
        return self.grad_fn is None

    def retain_grad(self) -> None:
        """Let `backward` fill the `grad` of this tensor although it is no leaf."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor requires no gradient")
        if self.grad_fn is not None and not self.retains_grad:
            self.grad_fn.retained += (weakref.ref(self),)

    @property
    def retains_grad(self) -> Bool:
        """Whether `retain_grad` was called and this is no leaf."""
        node = self.grad_fn
        return node is not None and any(reference() is self for reference in node.retained)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: Bool | None = None,
        create_graph: Bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add the derivative of this tensor to the `grad` of every leaf that it depends on.

        Args:
            gradient: what the derivative is multiplied with from the left, of this tensor's
                shape; may be left out for one single value, where it is 1.
            retain_graph: keep what was saved, so that backward can be called again.

        After an error in an op's derivative, what has reached a leaf stays in its `grad`, as in
        PyTorch, and what was gone through is freed: set the gradients to None and begin at forward.

        Raises:
            RuntimeError: nothing was recorded; a saved value was changed in place; the graph was
                freed by an earlier call; `gradient` is missing.
            ShapeError: `gradient` has another shape.
            NotImplementedError: create_graph (derivatives of derivatives) or inputs is asked for.
        """
        if create_graph or inputs is not None:
            name = "create_graph" if create_graph else "inputs"
            raise NotImplementedError(f"backward: {name} is not supported")
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this tensor depends on nothing that requires a gradient "
                "(was it computed under no_grad, or detached?)"
            )
        with np.errstate(all="ignore"):
            _run_backward(self, self._root_gradient(gradient), bool(retain_graph))

    def _root_gradient(self, gradient: Tensor | None) -> Array:
        if gradient is None:
            if self.array.size != 1:
                raise RuntimeError(
                    "backward: gradient can be left out only for a single value, "
                    f"this tensor has shape {self.shape}; use loss.mean().backward() or pass one"
                )
            return np.ones_like(self.array)
        if gradient.shape != self.shape:
            raise ShapeError(
                f"backward: gradient must have the tensor's shape {self.shape}, "
                f"got {gradient.shape}"
            )
        return gradient.array.astype(self.dtype, copy=False)

    def detach(self) -> Tensor:
        """The same values on the same memory, off the tape; both notice writes to either."""
        y = Tensor(self.array.view())  # an ndarray of its own: ops tell by it what they saved
        y._version = self._version
        return y

    def detach_(self) -> Tensor:
        """Cut this tensor off the tape, in place: it becomes a leaf without gradient."""
        if self._base is not None:
            raise RuntimeError("detach_: a view can't be cut off in place; use detach()")
        self._grad_fn, self._wants = None, False
        return self

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, off the tape, whose writes go unnoticed."""
        return Tensor(self.array)

    @data.setter
    def data(self, values: Tensor) -> None:
        if not isinstance(values, Tensor):
            raise TypeError(f"data: must be a tensor, got {type(values).__name__}")
        if self._wants and not values.is_floating_point():
            raise RuntimeError(f"data: the tensor requires a gradient and can't be {values.dtype}")
        function = self._grad_fn
        if function is not None and function.replaced is None:
            function.replaced = self.shape, self.dtype
        self.array = values.array

    def _edge(self) -> Function | Tensor:
        """Where a gradient for this tensor goes: the op that made it, or the leaf itself."""
        function = self._grad_fn if self._base is None else self.grad_fn
        return self if function is None else function

    def _accumulate(self, g: Array, new: Bool = False) -> None:
        """Add to `grad`. `new`: nobody else sees the memory of g, so it need not be copied."""
        if g.shape != self._values.shape:
            raise ShapeError(
                f"backward: a gradient of {g.shape} arrived for a tensor of {self.shape}, whose "
                "data were replaced since it was used"
            )
        with _accumulating:  # backward may run in several threads, for parameters that they share
            if self.grad is not None:
                total = self.grad.array
                np.add(total, g, out=total, casting="same_kind")
                self.grad._version.writes += 1
                return
            mine = new and g.dtype == self.dtype and g.flags.c_contiguous
            self.grad = Tensor(g if mine else np.array(g, self.dtype, order="C"))

    def _share(self, parent: Tensor, function: Function, seen: Values | None) -> None:
        """Become a view of the input of `function`, if this result lies on its memory.

        Args:
            seen: the input's values before; if they are others now, a thread has moved or written
                them, and what lies in another layout is looked up anew.
        """
        # Made off the tape, it can't know the base's history: negative, it never counts as seen.
        recorded = parent._version.recorded
        self._seen = recorded if _mode.enabled else ~recorded
        in_layout = isinstance(self._values, Layout)
        if in_layout and not self._become_alias_of(parent, function, seen):
            self._values = function.look(parent.array)
        theirs = parent._values
        if not isinstance(self._values, Layout) and (
            isinstance(theirs, Layout) or not np.may_share_memory(self._values, theirs)
        ):
            self._seen = 0
            return
        self._version = parent._version
        self._base = parent if parent._base is None else parent._base

    def _become_alias_of(self, parent: Tensor, function: Function, seen: Values | None) -> Bool:
        """Be known to the base, which moves with its aliases; False if it has values not `seen`."""
        with _moving:
            if parent._values is not seen or not isinstance(seen, Layout):
                return False
            known, look = parent._version.views(), function.look
            for view, before in known:
                if view is parent:
                    look = _then(before, look)
            views = [(weakref.ref(y), of_base) for y, of_base in known]
            parent._version.aliases = (*views, (weakref.ref(self), look))
            return True

    def _follow_base(self) -> None:
        """Take on the history of the base, which an in-place op has changed since."""
        base = self._base
        assert base is not None
        if base.requires_grad:
            self.array  # noqa: B018 # made here: nothing is computed behind the lock
        with _moving:
            recorded, seen = self._version.recorded, self._seen
            if seen in (recorded, ~recorded):
                return  # off the tape, or another thread was faster
            if seen < 0 and base.requires_grad:
                raise RuntimeError(
                    "a view that was made under no_grad is used after its memory was written by a "
                    "recorded in-place op; make the view again"
                )
            if base.requires_grad:
                node = _Alias(_places(self.array, base.array), base.shape)
                node.needs_input_grad = (True,)
                node._record((base,), self)
            self._seen = recorded if seen >= 0 else ~recorded  # last: now it can be used

    # ---- writing in place ----------------------------------------------------------------------

    def _write(self, values: Tensor, op: str) -> Tensor:
        """Take the values, and the history, of a result that an op has just computed beside."""
        if values.shape != self.shape:
            raise ShapeError(f"{op}: the result {values.shape} does not fit into {self.shape}")
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            raise RuntimeError(f"{op}: a result of {values.dtype} can't be kept in {self.dtype}")
        recorded = self._check_write(values.requires_grad, op)
        if not self._replace(values):
            if recorded:
                self._move_saved(values)
            np.copyto(self.array, values.array, casting="same_kind")
        self._version.writes += 1
        if recorded:
            self._take_history(values if values.dtype == self.dtype else values.to(self.dtype))
        return self

    def _replace(self, values: Tensor) -> Bool:
        """Take values in another layout as they are, if nobody else has seen this memory."""
        if not isinstance(self._values, Layout) or self._base is not None:
            return False
        with _moving:
            layouts = isinstance(self._values, Layout) and isinstance(values._values, Layout)
            if layouts and not self._version.views():
                self._values = values._values
                return True
        return False

    def _assign(self, index: Any, value: Operand, op: str) -> Tensor:
        """`self[index] = value`."""
        if self._check_write(isinstance(value, Tensor) and value.requires_grad, op):
            return self._write(indexing.set_item(self, index, value), op)
        indexing.store(self.array, index, value)
        self._version.writes += 1
        return self

    def _check_write(self, by_recorded: Bool, op: str) -> Bool:
        """Raise if this tensor may not be written. Whether the write becomes part of the tape."""
        if not isinstance(self._values, Layout) and not self._values.flags.writeable:
            raise RuntimeError(
                f"{op}: the memory can't be written: it is read-only, or several values of an "
                "expanded tensor share one place; clone() the tensor first"
            )
        if not _mode.enabled:
            return False
        base = self if self._base is None else self._base
        if base.is_leaf and base.requires_grad:
            what = "a leaf" if base is self else "a view of a leaf"
            raise RuntimeError(
                f"{op}: {what} that requires a gradient can't be changed in place while ops are "
                "recorded; do it under no_grad()"
            )
        recorded = by_recorded or self.requires_grad or base.requires_grad
        if recorded and base is not self and self._is_apart_from(base):
            raise RuntimeError(
                f"{op}: the view no longer lies on the memory of the tensor it was made of, whose "
                "data was replaced; make the view again"
            )
        if recorded and self._seen < 0:
            raise RuntimeError(
                f"{op}: the view was made under no_grad but is changed while ops are recorded; "
                "do both under no_grad(), or neither"
            )
        return recorded

    def _is_apart_from(self, base: Tensor) -> Bool:
        """Whether both are ndarrays on different memory."""
        mine, theirs = self._values, base._values
        if isinstance(mine, Layout) or isinstance(theirs, Layout):
            return False
        return mine.size > 0 and not np.may_share_memory(mine, theirs)

    def _move_saved(self, values: Tensor) -> None:
        """Let the op that made `values` find what it saved, once they are copied here.

        What it saved of this tensor is copied away before it is overwritten. What it saved of its
        result stands here from then on, where a later write is noticed.
        """
        node = values.grad_fn
        if node is None or not node._saved:
            return
        versions = list(node._versions)
        before, beside = (self._version, self._version.writes), (values._version, 0)
        if before in versions and any(a is self.array for a in node._saved):
            versions.remove(before)  # once: x.mul_(x) still needs the other x
        saved = [a.copy() if a is self.array and a is not None else a for a in node._saved]
        if beside in versions and values.dtype == self.dtype:
            versions[versions.index(beside)] = (self._version, self._version.writes + 1)
            saved = [self.array if a is values.array else a for a in saved]
        node._saved, node._versions = tuple(saved), tuple(versions)

    def _take_history(self, values: Tensor) -> None:
        retained = self.retains_grad
        if self._base is None:
            if retained and self._grad_fn is not None:
                kept = [r for r in self._grad_fn.retained if r() is not self]
                self._grad_fn.retained = tuple(kept)
            self._wants, self._grad_fn = values.requires_grad, values.grad_fn
            self._version.recorded += 1
        else:
            base = self._base
            node = _Overwrite(_places(self.array, base.array), base.shape)
            node.needs_input_grad = (base.requires_grad, values.requires_grad)
            node._record((base, values), base)
            self._version.recorded += 1
            self._follow_base()
        if retained:
            self.retain_grad()

    def add_(self, other: Operand, *, alpha: Number = 1) -> Tensor:
        """`self += alpha * other`."""
        return self._write(arithmetic.add(self, other, alpha=alpha), "add_")

    def sub_(self, other: Operand, *, alpha: Number = 1) -> Tensor:
        """`self -= alpha * other`."""
        return self._write(arithmetic.sub(self, other, alpha=alpha), "sub_")

    def mul_(self, other: Operand) -> Tensor:
        """`self *= other`."""
        return self._write(arithmetic.mul(self, other), "mul_")

    def div_(self, other: Operand) -> Tensor:
        """`self /= other`."""
        return self._write(arithmetic.div(self, other), "div_")

    def clamp_(self, min: Number | None = None, max: Number | None = None) -> Tensor:
        """Limit the values to the range, in place."""
        return self._write(choices.clamp(self, min, max), "clamp_")

    def relu_(self) -> Tensor:
        """`max(self, 0)`, in place."""
        return self._write(activation.relu(self), "relu_")

    def pow_(self, exponent: Operand) -> Tensor:
        """`self **= exponent`."""
        return self._write(arithmetic.pow(self, exponent), "pow_")

    def sqrt_(self) -> Tensor:
        """The square root, in place."""
        return self._write(functions.sqrt(self), "sqrt_")

    def exp_(self) -> Tensor:
        """e to the power of each value, in place."""
        return self._write(functions.exp(self), "exp_")

    def sigmoid_(self) -> Tensor:
        """`1 / (1 + exp(-self))`, in place."""
        return self._write(activation.sigmoid(self), "sigmoid_")

    def tanh_(self) -> Tensor:
        """The hyperbolic tangent, in place."""
        return self._write(activation.tanh(self), "tanh_")

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """`self += value * tensor1 * tensor2`."""
        product = arithmetic.mul(tensor1, tensor2)
        return self._write(arithmetic.add(self, product, alpha=value), "addcmul_")

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """`self += value * tensor1 / tensor2`."""
        quotient = arithmetic.div(tensor1, tensor2)
        return self._write(arithmetic.add(self, quotient, alpha=value), "addcdiv_")

    def masked_fill_(self, mask: Tensor, value: Operand) -> Tensor:
        """Set the values where the mask holds."""
        return self._write(splitting.masked_fill(self, mask, value), "masked_fill_")

    def copy_(self, src: Tensor, non_blocking: Bool = False) -> Tensor:
        """Take the values of `src`, which is broadcast. `non_blocking` changes nothing here."""
        shape.expand(src, self.shape)  # says so if it does not fit; x[...] would drop leading 1s
        return self._assign(..., src, "copy_")

    def fill_(self, value: Operand) -> Tensor:
        """Set every value."""
        return self._assign(..., value, "fill_")

    def zero_(self) -> Tensor:
        """Set every value to 0."""
        return self._assign(..., 0, "zero_")

    @np.errstate(all="ignore")
    def uniform_(self, a: Float = 0, b: Float = 1, *, generator: Generator | None = None) -> Tensor:
        """Draw every value evenly from [a, b)."""
        self._check_write(False, "uniform_")  # before numbers are drawn
        draw = numpy_generator(generator).uniform(a, b, self.shape)
        return self._assign(..., Tensor(np.asarray(draw, self.dtype)), "uniform_")

    @np.errstate(all="ignore")
    def normal_(
        self, mean: Float = 0, std: Float = 1, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value from the normal distribution."""
        self._check_write(False, "normal_")  # before numbers are drawn
        draw = numpy_generator(generator).normal(mean, std, self.shape)
        return self._assign(..., Tensor(np.asarray(draw, self.dtype)), "normal_")

    __iadd__ = add_
    __isub__ = sub_
    __imul__ = mul_
    __itruediv__ = div_

    def __setitem__(self, index: Any, value: Operand) -> None:
        self._assign(index, value, "x[index] = value")

    # ---- values --------------------------------------------------------------------------------

    def numpy(self) -> Array:
        """The values as an ndarray on the same memory. RuntimeError if a gradient is required."""
        if self.requires_grad:
            raise RuntimeError("numpy: the tensor requires a gradient; use tensor.detach().numpy()")
        return self.array

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The one value, as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"item: the tensor must hold one value, got shape {self.shape}")
        return self.array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return self.array.tolist()

    def __float__(self) -> Float:
        return float(self.item())

    def __int__(self) -> Int:
        return int(self.item())

    def __index__(self) -> Int:
        if np.issubdtype(self.dtype, np.integer):
            return int(self.item())
        raise TypeError(f"only an integer tensor can be an index, got {self.dtype}")

    def __bool__(self) -> Bool:
        if self.array.size != 1:
            raise RuntimeError(
                f"a tensor of shape {self.shape} is neither true nor false; use all() or any()"
            )
        return bool(self.array.item())

    def __len__(self) -> Int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Operand) -> Bool:
        return bool((self == value).array.any())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.array.ndim == 0 else format(repr(self), spec)

    def __repr__(self) -> str:
        return printing.tensor_repr(self.array, self.grad_fn, self.requires_grad)

    def __deepcopy__(self, memo: dict[Int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: only a leaf can be copied; detach() the tensor first")
        copy = type(self)(self.array.copy(), requires_grad=self.requires_grad)
        copy.grad = None if self.grad is None else Tensor(self.grad.array.copy())
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("npnet tensors are not pickled: use npnet.save, which writes safetensors")

    # ---- shape and type ------------------------------------------------------------------------

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values, a NumPy dtype."""
        return self._values.dtype

    @property
    def shape(self) -> tuple[Int, ...]:
        """The size along each axis."""
        return self._values.shape

    @property
    def ndim(self) -> Int:
        """How many axes there are."""
        return len(self._values.shape)

    @property
    def device(self) -> Device:
        """Always the CPU."""
        return CPU

    def size(self, dim: Int | None = None) -> Any:
        """The shape, or the size along one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> Int:
        """How many axes there are."""
        return len(self._values.shape)

    def numel(self) -> Int:
        """How many values there are."""
        return math.prod(self._values.shape)

    nelement = numel

    def stride(self, dim: Int | None = None) -> Any:
        """How many values further in memory the next one along each axis, or along one, lies."""
        steps = tuple(n // self.array.itemsize for n in self.array.strides)
        return steps if dim is None else steps[dim]

    def element_size(self) -> Int:
        """Bytes of one value."""
        return self.array.itemsize

    def is_floating_point(self) -> Bool:
        """Whether the values are floats."""
        return self._values.dtype.kind == "f"

    def is_contiguous(self) -> Bool:
        """Whether the values lie in memory in row-major order without gaps."""
        return self.array.flags.c_contiguous

    def to(
        self,
        *args: Any,
        dtype: npt.DTypeLike | None = None,
        device: Any = None,
        non_blocking: Bool = False,
        copy: Bool = False,
    ) -> Tensor:
        """The tensor in another dtype; a device is accepted if it is the CPU.

        `to(dtype)`, `to(device)`, `to(device, dtype)` and `to(other)` as in PyTorch; then also
        `non_blocking`, which changes nothing, and `copy`: always return new memory.
        """
        rest = list(args)
        if rest and isinstance(rest[0], Tensor):
            dtype = rest.pop(0).dtype
        elif rest and (rest[0] is None or isinstance(rest[0], (str, Device))):
            device = rest.pop(0)
            dtype = rest.pop(0) if rest and not isinstance(rest[0], bool) else dtype
        elif rest:
            dtype = rest.pop(0)
        copy = bool(rest[1]) if len(rest) > 1 else copy
        if device is not None:
            Device(device)
        y = self if dtype is None else shape.cast(self, np.dtype(dtype))
        return shape.clone(y) if copy and y is self else y

    def type(self, dtype: npt.DTypeLike) -> Tensor:
        """The tensor in another dtype. PyTorch's names of tensor types, as strings, are refused."""
        if dtype is None or isinstance(dtype, str):
            raise NotImplementedError(f"type: takes a dtype, such as npnet.float32; got {dtype!r}")
        return self.to(dtype)

    def float(self) -> Tensor:
        """The tensor in float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """The tensor in float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """The tensor in int64."""
        return self.to(np.int64)

    def int(self) -> Tensor:
        """The tensor in int32."""
        return self.to(np.int32)

    def bool(self) -> Tensor:
        """The tensor in bool."""
        return self.to(np.bool_)

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor in the dtype of `other`."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """The tensor itself: it is there already."""
        return self

    def cuda(self, device: Any = None) -> Tensor:
        """NotImplementedError: npnet runs on the CPU."""
        return self.to("cuda" if device is None else device)

    @property
    def is_cuda(self) -> Bool:
        """Always False."""
        return False

    def clone(self) -> Tensor:
        """A copy on memory of its own that stays on the tape."""
        return shape.clone(self)

    def new_zeros(self, *size: Size, dtype: npt.DTypeLike | None = None) -> Tensor:
        """All 0 in a size, in this tensor's dtype."""
        return Tensor(np.zeros(_sizes(size), dtype or self.dtype))

    def new_ones(self, *size: Size, dtype: npt.DTypeLike | None = None) -> Tensor:
        """All 1 in a size, in this tensor's dtype."""
        return Tensor(np.ones(_sizes(size), dtype or self.dtype))

    @np.errstate(all="ignore")  # what is too large for the dtype is infinite
    def new_full(
        self, size: Sequence[Int], fill_value: Number, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """Every value the same in a size, in this tensor's dtype."""
        return Tensor(np.full(tuple(size), fill_value, dtype or self.dtype))

    def new_tensor(self, data: Any, *, dtype: npt.DTypeLike | None = None) -> Tensor:
        """A tensor on a copy of `data`, in this tensor's dtype."""
        return tensor(data, dtype=dtype or self.dtype)

    def contiguous(self) -> Tensor:
        """The tensor, copied if it does not lie in memory in row-major order."""
        return self if self.is_contiguous() else shape.clone(self)

    def view(self, *size: Size) -> Tensor:
        """The values in another shape on the same memory; RuntimeError if that needs a copy."""
        return shape.view(self, _sizes(size))

    def view_as(self, other: Tensor) -> Tensor:
        """`view` in the shape of `other`."""
        return shape.view(self, other.shape)

    def reshape(self, *size: Size) -> Tensor:
        """The values in another shape; one size may be -1."""
        return shape.reshape(self, _sizes(size))

    def flatten(self, start_dim: Int = 0, end_dim: Int = -1) -> Tensor:
        """The axes from start_dim to end_dim made one."""
        return shape.flatten(self, start_dim, end_dim)

    def permute(self, *dims: Size) -> Tensor:
        """The axes in another order."""
        return shape.permute(self, _sizes(dims))

    def transpose(self, dim0: Int, dim1: Int) -> Tensor:
        """Two axes exchanged."""
        return shape.transpose(self, dim0, dim1)

    def t(self) -> Tensor:
        """The transpose of at most two axes."""
        return shape.t(self)

    @property
    def T(self) -> Tensor:
        """All axes in reverse order."""
        return shape.permute(self, tuple(reversed(range(self.ndim))))

    def unsqueeze(self, dim: Int) -> Tensor:
        """A new axis of size 1 before `dim`."""
        return shape.unsqueeze(self, dim)

    def squeeze(self, dim: Int | Sequence[Int] | None = None) -> Tensor:
        """Axes of size 1 removed: all, or the named ones."""
        return shape.squeeze(self, dim)

    def expand(self, *size: Size) -> Tensor:
        """Axes of size 1 repeated without a copy; -1 keeps a size."""
        return shape.expand(self, _sizes(size))

    def expand_as(self, other: Tensor) -> Tensor:
        """`expand` to the shape of `other`."""
        return shape.expand(self, other.shape)

    def repeat(self, *repeats: Size) -> Tensor:
        """The tensor laid side by side, so many times along each axis."""
        return splitting.repeat(self, _sizes(repeats))

    def split(self, split_size: Int | Sequence[Int], dim: Int = 0) -> tuple[Tensor, ...]:
        """Views of that size along `dim`, or of the given sizes."""
        return splitting.split(self, split_size, dim)

    def chunk(self, chunks: Int, dim: Int = 0) -> tuple[Tensor, ...]:
        """At most that many views of equal size along `dim`."""
        return splitting.chunk(self, chunks, dim)

    def unbind(self, dim: Int = 0) -> tuple[Tensor, ...]:
        """The views at each position along `dim`."""
        return splitting.unbind(self, dim)

    def diag(self, diagonal: Int = 0) -> Tensor:
        """The diagonal of a matrix, or the matrix of a diagonal."""
        return splitting.diag(self, diagonal)

    def flip(self, *dims: Size) -> Tensor:
        """A copy with the order along axes reversed."""
        return splitting.flip(self, _sizes(dims))

    def index_select(self, dim: Int, index: Tensor) -> Tensor:
        """The positions along `dim` that `index` names."""
        return splitting.index_select(self, dim, index)

    def masked_fill(self, mask: Tensor, value: Operand) -> Tensor:
        """`value` where the mask holds."""
        return splitting.masked_fill(self, mask, value)

    def masked_select(self, mask: Tensor) -> Tensor:
        """The values where the mask holds, one after the other."""
        return indexing.get_item(self, mask.expand(self.shape))

    def nonzero(self, *, as_tuple: Bool = False) -> Any:
        """Where the values are not 0: a row of indices for each."""
        return splitting.nonzero(self, as_tuple=as_tuple)

    def sort(self, dim: Int = -1, descending: Bool = False, stable: Bool = False) -> sorting.Sorted:
        """The values in order along `dim`, and where they stood."""
        return sorting.sort(self, dim, descending, stable)

    def argsort(self, dim: Int = -1, descending: Bool = False, stable: Bool = False) -> Tensor:
        """Where the values stand in their order along `dim`."""
        return sorting.argsort(self, dim, descending, stable)

    def topk(
        self, k: Int, dim: Int = -1, largest: Bool = True, sorted: Bool = True
    ) -> sorting.Sorted:
        """The k largest values along `dim`, and where they stand."""
        return sorting.topk(self, k, dim, largest, sorted)

    def cumsum(self, dim: Int, *, dtype: npt.DTypeLike | None = None) -> Tensor:
        """Running sums along `dim`."""
        return sorting.cumsum(self, dim, dtype=dtype)

    def gather(self, dim: Int, index: Tensor) -> Tensor:
        """Values picked along `dim`, one for each entry of `index`."""
        return indexing.gather(self, dim, index)

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.get_item(self, index)

    # ---- arithmetic, see ops.arithmetic --------------------------------------------------------

    def __add__(self, other: Operand) -> Tensor:
        return arithmetic.add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Operand) -> Tensor:
        return arithmetic.sub(self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return arithmetic.sub(other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return arithmetic.mul(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> Tensor:
        return arithmetic.div(self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return arithmetic.div(other, self)

    def __pow__(self, exponent: Operand) -> Tensor:
        return arithmetic.pow(self, exponent)

    def __rpow__(self, base: Operand) -> Tensor:
        return arithmetic.pow(base, self)

    def __matmul__(self, other: Tensor) -> Tensor:
        return linear.matmul(self, other)

    def __floordiv__(self, other: Operand) -> Tensor:
        return arithmetic.floor_divide(self, other)

    def __mod__(self, other: Operand) -> Tensor:
        return arithmetic.remainder(self, other)

    def __neg__(self) -> Tensor:
        return arithmetic.neg(self)

    def __abs__(self) -> Tensor:
        return functions.abs(self)

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return arithmetic.floor_divide(other, self)

    def __rmod__(self, other: Operand) -> Tensor:
        return arithmetic.remainder(other, self)

    def __invert__(self) -> Tensor:
        return elementwise.bitwise_not(self)

    def __and__(self, other: Operand) -> Tensor:
        return elementwise.bitwise_and(self, other)

    __rand__ = __and__

    def __or__(self, other: Operand) -> Tensor:
        return elementwise.bitwise_or(self, other)

    __ror__ = __or__

    def __xor__(self, other: Operand) -> Tensor:
        return elementwise.bitwise_xor(self, other)

    __rxor__ = __xor__

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.eq(self, other) if _is_operand(other) else NotImplemented

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.ne(self, other) if _is_operand(other) else NotImplemented

    def __lt__(self, other: Operand) -> Tensor:
        return compare.lt(self, other)

    def __le__(self, other: Operand) -> Tensor:
        return compare.le(self, other)

    def __gt__(self, other: Operand) -> Tensor:
        return compare.gt(self, other)

    def __ge__(self, other: Operand) -> Tensor:
        return compare.ge(self, other)

    __hash__ = object.__hash__  # a tensor is a key by identity, as in PyTorch

    def add(self, other: Operand, *, alpha: Number = 1) -> Tensor:
        """`self + alpha * other`."""
        return arithmetic.add(self, other, alpha=alpha)

    def sub(self, other: Operand, *, alpha: Number = 1) -> Tensor:
        """`self - alpha * other`."""
        return arithmetic.sub(self, other, alpha=alpha)

    def mul(self, other: Operand) -> Tensor:
        """`self * other`."""
        return arithmetic.mul(self, other)

    def div(self, other: Operand) -> Tensor:
        """`self / other`."""
        return arithmetic.div(self, other)

    def pow(self, exponent: Operand) -> Tensor:
        """`self ** exponent`."""
        return arithmetic.pow(self, exponent)

    def eq(self, other: Operand) -> Tensor:
        """`self == other`, elementwise."""
        return compare.eq(self, other)

    def ne(self, other: Operand) -> Tensor:
        """`self != other`, elementwise."""
        return compare.ne(self, other)

    def lt(self, other: Operand) -> Tensor:
        """`self < other`, elementwise."""
        return compare.lt(self, other)

    def le(self, other: Operand) -> Tensor:
        """`self <= other`, elementwise."""
        return compare.le(self, other)

    def gt(self, other: Operand) -> Tensor:
        """`self > other`, elementwise."""
        return compare.gt(self, other)

    def ge(self, other: Operand) -> Tensor:
        """`self >= other`, elementwise."""
        return compare.ge(self, other)

    def equal(self, other: Tensor) -> Bool:
        """Whether shapes and all values are equal."""
        return compare.equal(self, other)

    def allclose(
        self, other: Tensor, rtol: Float = 1e-5, atol: Float = 1e-8, equal_nan: Bool = False
    ) -> Bool:
        """Whether all values are nearly equal."""
        return compare.allclose(self, other, rtol, atol, equal_nan)

    def logical_not(self) -> Tensor:
        """Where the value is 0."""
        return compare.logical_not(self)

    def logical_and(self, other: Operand) -> Tensor:
        """Where both are not 0."""
        return compare.logical_and(self, other)

    def logical_or(self, other: Operand) -> Tensor:
        """Where one is not 0."""
        return compare.logical_or(self, other)

    def maximum(self, other: Tensor) -> Tensor:
        """The larger of each pair."""
        return choices.maximum(self, other)

    def minimum(self, other: Tensor) -> Tensor:
        """The smaller of each pair."""
        return choices.minimum(self, other)

    def matmul(self, other: Tensor) -> Tensor:
        """`self @ other`."""
        return linear.matmul(self, other)

    def mm(self, mat2: Tensor) -> Tensor:
        """The product of two matrices."""
        return products.mm(self, mat2)

    def bmm(self, mat2: Tensor) -> Tensor:
        """The products of two batches of matrices."""
        return products.bmm(self, mat2)

    def mv(self, vec: Tensor) -> Tensor:
        """A matrix times a vector."""
        return products.mv(self, vec)

    def dot(self, tensor: Tensor) -> Tensor:
        """The sum of the products of two vectors."""
        return products.dot(self, tensor)

    def neg(self) -> Tensor:
        """`-self`."""
        return arithmetic.neg(self)

    def abs(self) -> Tensor:
        """The absolute value."""
        return functions.abs(self)

    def exp(self) -> Tensor:
        """e to the power of each value."""
        return functions.exp(self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return functions.log(self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return functions.sqrt(self)

    def square(self) -> Tensor:
        """`self ** 2`."""
        return arithmetic.pow(self, 2)

    def sin(self) -> Tensor:
        """The sine of an angle in radians."""
        return functions.sin(self)

    def cos(self) -> Tensor:
        """The cosine of an angle in radians."""
        return functions.cos(self)

    def clamp(self, min: Number | None = None, max: Number | None = None) -> Tensor:
        """The values limited to a range."""
        return choices.clamp(self, min, max)

    clip = clamp

    def floor(self) -> Tensor:
        """The largest whole numbers that are not larger."""
        return elementwise.floor(self)

    def ceil(self) -> Tensor:
        """The smallest whole numbers that are not smaller."""
        return elementwise.ceil(self)

    def round(self, *, decimals: Int = 0) -> Tensor:
        """The nearest whole numbers, or of that many decimals."""
        return elementwise.round(self, decimals=decimals)

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        return elementwise.sign(self)

    def rsqrt(self) -> Tensor:
        """`1 / sqrt(self)`."""
        return elementwise.rsqrt(self)

    def reciprocal(self) -> Tensor:
        """`1 / self`."""
        return elementwise.reciprocal(self)

    def isinf(self) -> Tensor:
        """Where the values are infinite."""
        return elementwise.isinf(self)

    def isnan(self) -> Tensor:
        """Where the values are NaN."""
        return compare.isnan(self)

    def isfinite(self) -> Tensor:
        """Where the values are neither NaN nor infinite."""
        return compare.isfinite(self)

    # ---- activations, see ops.activation -------------------------------------------------------

    def relu(self) -> Tensor:
        """`max(self, 0)`."""
        return activation.relu(self)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""
        return activation.tanh(self)

    def sigmoid(self) -> Tensor:
        """`1 / (1 + exp(-self))`."""
        return activation.sigmoid(self)

    def softmax(self, dim: Int) -> Tensor:
        """The softmax along an axis."""
        return activation.softmax(self, dim)

    def log_softmax(self, dim: Int) -> Tensor:
        """The logarithm of the softmax along an axis."""
        return activation.log_softmax(self, dim)

    # ---- reductions, see ops.reduce ------------------------------------------------------------

    def sum(
        self, dim: Dims = None, keepdim: Bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """The sum over all axes, or over `dim`."""
        return reduce.sum(self, dim, keepdim, dtype=dtype)

    def mean(
        self, dim: Dims = None, keepdim: Bool = False, *, dtype: npt.DTypeLike | None = None
    ) -> Tensor:
        """The mean over all axes, or over `dim`."""
        return reduce.mean(self, dim, keepdim, dtype=dtype)

    def var(
        self, dim: Dims = None, unbiased: Bool = True, keepdim: Bool = False, **options: Int
    ) -> Tensor:
        """The variance over all axes, or over `dim`."""
        return reduce.var(self, dim, unbiased, keepdim, **options)

    def std(
        self, dim: Dims = None, unbiased: Bool = True, keepdim: Bool = False, **options: Int
    ) -> Tensor:
        """The standard deviation over all axes, or over `dim`."""
        return reduce.std(self, dim, unbiased, keepdim, **options)

    def max(self, dim: Int | Tensor | None = None, keepdim: Bool = False) -> Any:
        """The largest value; along `dim` also where it stands; of a second tensor, pairwise."""
        return reduce.max(self, dim, keepdim)

    def min(self, dim: Int | Tensor | None = None, keepdim: Bool = False) -> Any:
        """The smallest value; along `dim` also where it stands; of a second tensor, pairwise."""
        return reduce.min(self, dim, keepdim)

    def norm(
        self, p: Float | str | None = "fro", dim: Dims = None, keepdim: Bool = False
    ) -> Tensor:
        """The p-norm of all values, or along `dim`."""
        return products.norm(self, p, dim, keepdim)

    def logsumexp(self, dim: Int | Sequence[Int], keepdim: Bool = False) -> Tensor:
        """log(sum(exp(self))) along `dim`."""
        return products.logsumexp(self, dim, keepdim)

    def argmax(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        """Where the largest value stands."""
        return reduce.argmax(self, dim, keepdim)

    def argmin(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        """Where the smallest value stands."""
        return reduce.argmin(self, dim, keepdim)

    def all(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        """Whether all values are true."""
        return reduce.all(self, dim, keepdim)

    def any(self, dim: Int | None = None, keepdim: Bool = False) -> Tensor:
        """Whether one value is true."""
        return reduce.any(self, dim, keepdim)


def tensor(
    data: Any,
    *,
    dtype: npt.DTypeLike | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor on a copy of `data`: nested lists of numbers, an ndarray or a tensor.

    Python floats become float32, ints int64; an ndarray keeps its dtype. `pin_memory` has no
    effect, as in PyTorch without a GPU.
    """
    if device is not None:
        Device(device)
    values = data.array if isinstance(data, Tensor) else data
    return Tensor(np.array(_as_array(values, dtype), order="C"), requires_grad=requires_grad)


def as_tensor(data: Any, dtype: npt.DTypeLike | None = None, device: Any = None) -> Tensor:
    """A tensor on the memory of `data` where it is an ndarray or a tensor, else on a copy."""
    if device is not None:
        Device(device)
    if isinstance(data, Tensor):
        return data.to(dtype=dtype)
    return Tensor(_as_array(data, dtype))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


@np.errstate(all="ignore")  # what is too large for the dtype is infinite
def _as_array(data: Any, dtype: npt.DTypeLike | None) -> Array:
    if isinstance(data, Tensor):
        data = data.numpy()
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data, dtype)
    else:
        array = np.array(_plain_numbers(data), dtype)
        if dtype is None and (array.dtype == np.float64 or not array.size):
            array = array.astype(np.float32)  # Python floats, as in PyTorch
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: values must be numbers or bools, got {array.dtype}")
    return array


def _plain_numbers(data: Any) -> Any:
    """Nested lists with each tensor in them as its number or list."""
    if isinstance(data, (list, tuple)):
        return [_plain_numbers(part) for part in data]
    return data.tolist() if isinstance(data, Tensor) else data


def _constructor_array(data: Any, dtype: npt.DTypeLike | None) -> Array:
    """As `_as_array`, but by the rule of `Tensor(...)`: lists become float32."""
    if type(data) in (bool, int, float):  # not NumPy's numbers: ops make tensors of those
        raise TypeError(
            f"Tensor: takes an array or a list, got the number {data}; tensor({data}) holds it, "
            "empty(size) makes a tensor of a size"
        )
    if dtype is None and isinstance(data, (list, tuple)):
        dtype = np.float32
    return _as_array(data, dtype)


def _is_operand(value: Any) -> bool:
    return isinstance(value, (Tensor, bool, int, float, np.number, np.bool_))


def _sizes(size: tuple[Size, ...]) -> tuple[int, ...]:
    """The arguments of `x.view(2, 3)` and of `x.view((2, 3))` alike."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        return tuple(size[0])
    return tuple(size)  # type: ignore[arg-type] # ints, if more than one


# The one import that points back: the methods above are the ops under another name.
from npnet.ops import (  # noqa: E402
    activation,
    arithmetic,
    choices,
    compare,
    elementwise,
    functions,
    indexing,
    linear,
    products,
    reduce,
    shape,
    sorting,
    splitting,
)
