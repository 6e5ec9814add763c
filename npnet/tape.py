"""The tape that ops are recorded on: variables, the functions between them, and the walk back.

A Variable holds values. An op is a `Function`: applied to variables that need gradients, it stays
behind as the `grad_fn` of its result and knows its parents. `backward` walks these from the last
applied to the first and adds up what arrives at each leaf.

Variables on the same memory share a count of writes. What an op saved is compared with it, so that
an in-place write in between is an error and no wrong gradient; a view notices by it that a write
elsewhere became part of its history.

Python threads may share variables. What changes one's place in memory or on the tape without
being asked to (values in another layout that become an ndarray, a view that takes on its base's
history) happens once and for all threads at once, behind one lock; nothing is computed there, and a
thread that finds it done takes no lock. Gradients from several threads are added up, as in PyTorch.

Nothing here knows an op, nor the class of what users hold: it is a Variable too, see `result`.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS, bfloat16, in_use, widened
from npnet.base.checks import ShapeError, kind_of, not_tensors
from npnet.base.grad_mode import state as _mode
from npnet.base.hooks import RemovableHandle
from npnet.base.quiet import as_before, be_quiet
from npnet.base.strides import places
from npnet.base.threads import new_lock

if TYPE_CHECKING:
    from npnet.tensor import Tensor

__all__ = [
    "AccumulateGrad",
    "Function",
    "Layout",
    "Values",
    "Variable",
    "View",
    "anomaly_mode",
    "inputs_of",
    "let_choose",
    "result",
    "view_off_tape",
    "walk_back",
]

View: TypeAlias = Callable[[Array], Array]  # from an ndarray to a view of it
Hook: TypeAlias = Callable[[Any], Any]  # from a gradient to another one, or to None
V = TypeVar("V", bound="Variable")
_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2}  # a result is kept in a dtype of no lower kind


class Layout:
    """Values of a tensor in another order of memory than an ndarray's.

    Kernels may leave their results like this; they become an ndarray when somebody looks. It is
    never written to, so that it may be shared.

    Attributes:
        shape, dtype: those of the ndarray.
        is_part: whether it is a view of a part of another one's values: as an ndarray, it has gaps.
    """

    __slots__ = ()
    is_part: ClassVar[bool] = False
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
    """What variables on one memory share: how often it was written, and its views that are no
    ndarrays yet.

    An example. y = conv2d(x, w) may be in another layout, and z = y.flatten(1) a view of it: both
    hold the same values, and there is no ndarray. When somebody looks at z.array, or writes to y,
    y becomes an ndarray `a`, and z must lie on its memory from then on: it becomes find(a), which
    is a.reshape(n, -1). A view of a view finds itself in two steps: z[:, 2:] as
    a.reshape(n, -1)[:, 2:]. So y's version lists ((z, find), (z[:, 2:], find)), until all move.

    Attributes:
        writes: every in-place write.
        recorded: those that became part of the tape.
        aliases: views of the base in its layout, each with what finds it in the base's ndarray.
    """

    writes = 0
    recorded = 0
    aliases: tuple[tuple[weakref.ref[Variable], View], ...] = ()

    def views(self) -> list[tuple[Variable, View]]:
        """The aliases that are still there."""
        return [(y, find) for reference, find in self.aliases if (y := reference()) is not None]


class Function:
    """One op applied once: `forward` on arrays, and its derivative in `backward`.

    A subclass takes the op's options in its constructor and defines

        forward(*inputs: Array) -> Array
        backward(gy: Array) -> tuple[Array | None, ...]    one gradient for each input

    `gy` has the shape and dtype of forward's result, each returned gradient those of its input.
    A returned gradient is gy itself, a view, or new memory that the op does not write again.
    bfloat16 arrives as float32, and what float32 then comes of it is rounded; `as_stored` for an op
    that takes it as it is, as all views do.
    forward keeps what backward needs: inputs and results by `save_for_backward`, so that an
    in-place write to them is noticed; shapes and arrays of its own as plain attributes.
    """

    forward: Callable[..., Any]  # Any: a Function for another layout takes and returns that
    backward: Callable[..., tuple[Any, ...]]
    view: ClassVar[bool] = False  # whether the result may lie on the memory of the first input
    as_stored: ClassVar[bool] = False  # whether forward takes bfloat16
    begins: ClassVar[bool] = False  # whether another may do it that finds no other layout, yet
    find: View  # of a view in another layout: from the first input's ndarray to the result's

    needs_input_grad: tuple[bool, ...] = ()
    parents: tuple[Function | Variable | None, ...] = ()
    order: int  # of recording; a parent's is smaller
    retained: tuple[weakref.ref[Variable], ...] = ()  # results that asked to keep their gradient
    hooks: dict[int, Hook] | None = None  # called with the gradient of the result
    made_at = ""  # where it was applied, if anomaly_mode is on
    rounded: tuple[bool, ...] = ()  # which inputs are bfloat16, where any are
    freed = False  # whether something that backward needs is gone
    replaced: tuple[tuple[int, ...], np.dtype[Any]] | None = None  # shape, dtype before `data = `
    _counter = itertools.count()
    _saved: tuple[Values | None, ...] = ()
    _versions: tuple[tuple[_Version, int], ...] = ()

    def __call__(self, *inputs: Variable) -> Tensor:
        """Apply the op, or what was chosen to do it; see `let_choose`."""
        try:
            for x in inputs:
                if type(x._values) is not np.ndarray:
                    break
            else:
                if not self.begins:  # the usual case, as in the loop over a data set
                    return self.applied(inputs)
            chosen = _choose(self, inputs)
            return self.applied(inputs) if chosen is None else chosen.applied(inputs)
        except AttributeError as error:
            for x in inputs:
                if not isinstance(x, Variable):
                    raise not_tensors(self.name().removesuffix("Backward"), x) from error
            raise

    def applied(self, inputs: tuple[Variable, ...]) -> Tensor:
        """Apply the op; record it if one of the inputs needs a gradient and recording is on."""
        recorded = False
        if _mode.enabled:
            for x in inputs:
                if x._wants or (x._base is not None and x.requires_grad):
                    recorded = True
                    break
        self.needs_input_grad = needs = (
            tuple([x._wants if x._base is None else x.requires_grad for x in inputs])
            if recorded
            else (False,) * len(inputs)
        )
        if self.view:
            seen = inputs[0]._values
            y = self.apply(inputs)
            y._share(inputs[0], self, seen)
        else:
            before = be_quiet()  # NaN and infinity are values, here and in backward
            try:
                y = self.apply(inputs)
            finally:
                as_before(before)
        if True in needs:
            self._record(inputs, y)
        return y

    def apply(self, inputs: tuple[Variable, ...]) -> Tensor:
        """The result of `forward`; a Function for another layout hands its values over itself."""
        if in_use.bfloat16 and any(x._values.dtype.kind == "V" for x in inputs):
            y = self._forward_rounded([x.array for x in inputs])
        else:
            y = self.forward(
                *[a if type(a := x._values) is np.ndarray else x.array for x in inputs],
            )
        return result(y if type(y) is np.ndarray else self._as_array(y))

    def differentiate(self, gy: Values) -> tuple[Values | None, ...]:
        """The gradients of the inputs; a Function for another layout takes `gy` in it."""
        if not self.rounded:
            return self.backward(_array(gy))
        gradients = self.backward(widened(_array(gy)))
        return tuple(
            g if g is None or not rounded else np.asarray(g).astype(bfloat16(), copy=False)
            for g, rounded in zip(gradients, self.rounded, strict=True)
        )

    def _forward_rounded(self, arrays: list[Array]) -> Array:
        """The result of `forward` with bfloat16 among its inputs; `differentiate` rounds too."""
        self.rounded = tuple([x.dtype.kind == "V" for x in arrays])
        if self.view or self.as_stored:
            return np.asarray(self.forward(*arrays))
        y = self._as_array(self.forward(*map(widened, arrays)))
        is_wide = any(x.dtype.char in "fd" for x in arrays)  # PyTorch's rule of promotion
        return y if is_wide or y.dtype != np.float32 else y.astype(bfloat16())

    def _as_array(self, scalar: Any) -> Array:
        """What NumPy's arithmetic on 0-d arrays gives as an array, also among what was saved."""
        array = np.asarray(scalar)
        self._saved = tuple([array if a is scalar else a for a in self._saved])
        return array

    def _record(self, inputs: tuple[Variable, ...], y: Variable) -> None:
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
        if anomaly_mode.enabled:
            self.made_at = "".join(traceback.format_stack()[:-1])

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
        for name, value in list(own.items()):
            kind = type(value)
            if kind in _PLAIN or name in _TAPE or not (kind is np.ndarray or _holds_values(value)):
                continue
            self.freed = True  # first, for another thread that finds one of them missing
            own.pop(name, None)

    def name(self) -> str:
        """The op's name as it stands in the `repr` of its result."""
        return f"{type(self).__name__.lstrip('_')}Backward"

    @property
    def next_functions(self) -> tuple[tuple[Function | AccumulateGrad | None, int], ...]:
        """Where the gradients of the inputs go: the ops that made them, or leaves; each with 0."""
        ends = [AccumulateGrad(p) if isinstance(p, Variable) else p for p in self.parents]
        return tuple([(end, 0) for end in ends])

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class AccumulateGrad:
    """The end of the tape at a leaf, as `next_functions` shows it; equal for the same leaf."""

    next_functions: tuple[Any, ...] = ()

    def __init__(self, variable: Variable) -> None:
        self.variable = variable

    def name(self) -> str:
        """Always the same."""
        return "AccumulateGrad"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self) -> int:
        return hash((AccumulateGrad, id(self.variable)))

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


class _AnomalyMode:
    """Whether ops note where they are applied, and `backward` looks for NaN in what they return."""

    enabled = False
    check_nan = True


anomaly_mode = _AnomalyMode()


_PLAIN = frozenset({bool, int, float, str, type(None)})  # no arrays, nor do they hold any

# They hold no values.
_TAPE = {"hooks", "needs_input_grad", "order", "parents", "replaced", "retained", "_versions"}


def _holds_values(value: Any) -> bool:
    if type(value) is np.ndarray:  # the usual case first: this runs for each op
        return True
    if isinstance(value, (tuple, list)):  # a NamedTuple of arrays too
        return any(type(v) not in _PLAIN and _holds_values(v) for v in value)
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


_callbacks: ContextVar[list[Callable[[], None]]] = ContextVar("_callbacks")  # at a walk's end


def queue_callback(callback: Callable[[], None]) -> None:
    """Let the `backward` that is under way call this when all gradients are there.

    For an op's derivative. Elsewhere, where only some gradients are computed, it is not called.
    """
    callbacks = _callbacks.get([])
    if callback not in callbacks:
        callbacks.append(callback)


def walk_back(
    roots: Iterable[tuple[Variable, Array]],
    retain_graph: bool = False,
    only: Sequence[Variable] | None = None,
    found: dict[int, Array] | None = None,
) -> None:
    """Walk the tape from results to its leaves, adding gradients up in one fixed order.

    Args:
        roots: results, each with the gradient that arrives there.
        retain_graph: keep what was saved.
        only: what gradients are wanted of, leaves or results; ops that do not lie on the way there
            are left alone. Without it, all leaves.
        found: takes the gradients by the `id` of the edge of what is in `only`, instead of `grad`.
    """
    ends = None if only is None else {id(y._edge()): y for y in only}
    begin = [(root._edge(), g) for root, g in roots]
    needed = None if ends is None else _on_the_way([edge for edge, _ in begin], ends)
    waiting: dict[Variable, Array] = {}  # what arrives at leaves with hooks, which see the sum
    arrived: dict[Function, Values] = {}
    queue: list[tuple[int, Function]] = []
    arriving: Values | None = None
    parents: Sequence[Function | Variable | None] = [edge for edge, _ in begin]
    gradients: Sequence[Values | None] = [g for _, g in begin]
    while True:
        for parent, g in zip(parents, gradients, strict=True):
            if parent is None or g is None or (needed is not None and id(parent) not in needed):
                continue
            if isinstance(parent, Variable):
                if needed is not None or (_LeafHooks.in_use and parent._has_hooks):
                    before = waiting.pop(parent, None)  # to its place at the end
                    waiting[parent] = _array(g if before is None else _sum(before, g))
                else:
                    new = arriving is not None and _is_new(g, arriving, gradients)
                    parent._accumulate(_array(g), new)
            elif parent in arrived:
                arrived[parent] = _sum(arrived[parent], g)
            else:
                # NumPy's arithmetic on 0-d arrays gives scalars
                arrived[parent] = g if isinstance(g, Layout) else np.asarray(g)
                heapq.heappush(queue, (-parent.order, parent))
        if not queue:
            break
        _, node = heapq.heappop(queue)
        arriving, parents = arrived.pop(node), node.parents
        if node.hooks:
            arriving = _hooked(node.hooks, _array(arriving))
        for reference in node.retained:
            if (y := reference()) is not None and not node.freed:
                y._accumulate(_array(arriving))
        if ends is not None and needed is not None:
            if id(node) in ends:
                _deliver(ends[id(node)], id(node), _array(arriving), found)
            if not any(id(parent) in needed for parent in parents):
                gradients = (None,) * len(parents)
                continue
        gradients = _differentiated(node, arriving)
        if not retain_graph:
            node.free()
    for leaf, total in waiting.items():
        if leaf._has_hooks:
            total = _hooked(leaf._hooks.before, total)
        _deliver(leaf, id(leaf), total, found)
        if found is None and leaf._has_hooks:
            for hook in tuple(leaf._hooks.after.values()):
                hook(leaf)


def _differentiated(node: Function, arriving: Values) -> tuple[Values | None, ...]:
    """The gradients of the inputs of an op, from that of its result."""
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
    if anomaly_mode.enabled and anomaly_mode.check_nan:
        _check_nan(node, gradients)
    return gradients


def _check_nan(node: Function, gradients: tuple[Values | None, ...]) -> None:
    """RuntimeError if an op returned NaN; where it was applied is a warning, as in PyTorch."""
    for i, g in enumerate(gradients):
        if g is not None and g.dtype.kind in FLOATS and np.isnan(_array(g)).any():
            if node.made_at:
                warnings.warn(
                    f"Error detected in {node.name()}. Traceback of forward call that caused the "
                    f"error:\n{node.made_at}",
                    stacklevel=2,
                )
            raise RuntimeError(
                f"backward: function '{node.name()}' returned nan values in its {i}th output"
            )


def _on_the_way(roots: Iterable[Function | Variable], ends: dict[int, Variable]) -> set[int]:
    """The ids of the nodes and leaves between the roots and the ends, both included."""
    nodes: dict[int, Function] = {}
    ahead = [edge for edge in roots if isinstance(edge, Function)]
    while ahead:
        node = ahead.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            ahead += [p for p in node.parents if isinstance(p, Function)]
    needed = set(ends)
    for node in sorted(nodes.values(), key=lambda node: node.order):  # parents first
        if any(id(parent) in needed for parent in node.parents):
            needed.add(id(node))
    return needed


def _deliver(y: Variable, edge: int, g: Array, found: dict[int, Array] | None) -> None:
    """Give a gradient to the one it is of, or to whoever asked for it."""
    if found is None:
        y._accumulate(g)
    else:
        found[edge] = g


def _hooked(hooks: dict[int, Hook], g: Array) -> Array:
    """A gradient as the hooks, each after the other, change it."""
    for hook in tuple(hooks.values()):
        changed = hook(result(g))
        if changed is None:
            continue
        if not isinstance(changed, Variable):
            kind = type(changed).__name__
            raise TypeError(f"register_hook: a hook must return a Tensor or None, got {kind}")
        if changed.shape != g.shape:
            raise ShapeError(
                f"register_hook: a hook must keep the gradient's shape {g.shape}, got "
                f"{changed.shape}"
            )
        g = changed.array.astype(g.dtype, copy=False)
    return g


def inputs_of(op: str, inputs: Any) -> tuple[Variable, ...]:
    """What gradients are wanted of, checked."""
    wanted = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    if not wanted:
        raise RuntimeError(f"{op}: inputs cannot be empty")
    for i, x in enumerate(wanted):
        if not isinstance(x, Variable):
            raise TypeError(f"{op}: inputs must be tensors, got {kind_of(x)} at {i}")
        if not x.requires_grad:
            raise RuntimeError(f"{op}: one of the inputs, the one at {i}, requires no gradient")
    return wanted


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


def _is_new(g: Values, gy: Values, gradients: Sequence[Values | None]) -> bool:
    """Whether a gradient that an op returned lies on memory that nobody else sees."""
    if isinstance(g, Layout):
        return True  # what leaves it is a new ndarray
    if g is gy or not isinstance(g, np.ndarray) or g.base is not None:
        return False
    return len(gradients) == 1 or sum([other is g for other in gradients]) == 1


def _are_alike(a: Values, b: Values) -> bool:
    """Whether these are ndarrays of one shape and dtype, and the first can be written."""
    return (
        type(a) is np.ndarray
        and type(b) is np.ndarray
        and a.shape == b.shape
        and a.dtype == b.dtype
        and a.flags.writeable
    )


def _then(first: View, second: View) -> View:
    return lambda array: second(first(array))


_new = object.__new__

Choose: TypeAlias = Callable[[Function, tuple["Variable", ...]], Function | None]


_choose: Choose = lambda function, inputs: None  # noqa: E731 # another one takes its place


def let_choose(choose: Choose) -> None:
    """Let `choose` say for each op that is applied what shall do it; None for the op itself."""
    global _choose
    _choose = choose


def view_off_tape(x: Variable, find: View) -> Tensor | None:
    """The view of x that `find` finds, if x is an ndarray and nothing is to be recorded; else None.

    What a Function that is a view would give, for less: for items of data sets, one by one.
    """
    values = x._values
    if type(values) is not np.ndarray:
        return None
    recording = _mode.enabled
    if recording and (x._wants or (x._base is not None and x.requires_grad)):
        return None
    y: Tensor = _new(Variable._kind)
    y._values = array = find(values)
    y.grad = y._grad_fn = None
    y._version = version = x._version
    y._seen = version.recorded if recording else ~version.recorded
    y._base = x if x._base is None else x._base
    y._wants = False
    if not array.size:  # it lies on no memory
        y._version, y._seen, y._base = _Version(), 0, None
    return y


def result(values: Values) -> Tensor:
    """A Variable off the tape, of the class that users hold."""
    y: Tensor = _new(Variable._kind)
    y._values = values  # as in `Variable.__init__`, written out since it runs for each op
    y.grad = y._grad_fn = y._base = None
    y._version = _Version()
    y._seen = 0
    y._wants = False
    return y


class _LeafHooks:
    """What is called when a leaf's gradient arrives: before it is added to `grad`, and after."""

    __slots__ = ("after", "before")
    in_use: ClassVar[bool] = False  # whether any leaf ever had hooks

    def __init__(self) -> None:
        _LeafHooks.in_use = True
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}


class Variable:
    """Values with a place on the tape: what ops take and give.

    The first class derived from it, which is `Tensor`, is the class of every result.

    Attributes:
        array: the values, an ndarray.
        grad: after `backward`, the gradient of the same shape; None before.
        requires_grad: whether this is a leaf that wants a gradient or depends on one.
        grad_fn: the Function that it is the result of, where that was recorded.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_grad_fn",
        "_hooks",  # not there before the first hook is registered
        "_seen",
        "_values",
        "_version",
        "_wants",
        "grad",
    )
    _kind: ClassVar[type[Any]]

    _hooks: _LeafHooks

    def __init_subclass__(cls) -> None:
        if not hasattr(Variable, "_kind"):
            Variable._kind = cls

    def __init__(self, values: Values) -> None:
        self._values = values
        self.grad: Tensor | None = None
        self._grad_fn: Function | None = None
        self._version = _Version()
        self._base: Variable | None = None  # what this is a view of, where it is one
        self._seen = 0  # of the version's recorded writes, those that _grad_fn knows of
        self._wants = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values, a NumPy dtype.

        Example:
            >>> npnet.tensor([1.0]).dtype, npnet.tensor([1]).dtype, npnet.tensor([True]).dtype
            (dtype('float32'), dtype('int64'), dtype('bool'))
        """
        return self._values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self._values.shape

    @property
    def ndim(self) -> int:
        """How many axes there are.

        Example:
            >>> npnet.zeros(2, 3).ndim, npnet.tensor(5).ndim
            (2, 0)
        """
        return len(self._values.shape)

    @property
    def array(self) -> Array:
        """The values as an ndarray; those in another layout become one now.

        Example:
            >>> npnet.tensor([1, 2]).array
            array([1, 2])
        """
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
                places = [(y, find(array)) for y, find in self._version.views()]
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
        """The values in the layout in which they are.

        Example:
            >>> npnet.tensor([1, 2]).values
            array([1, 2])
        """
        values = self._values
        return self._move() if type(values) is _Moving else values

    # ---- the tape ------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether the tensor is a leaf that wants a gradient, or depends on one.

        Example:
            >>> x = npnet.tensor([1.0], requires_grad=True)
            >>> (2 * x).requires_grad, x.detach().requires_grad
            (True, False)
        """
        if self._base is not None and self._seen != self._version.recorded:
            self._follow_base()
        return self._wants

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self._check_requires_grad(wanted)
        self._wants = bool(wanted)

    def _check_requires_grad(self, wanted: bool) -> None:
        """Raise unless `requires_grad` may be set to this."""
        if wanted and self._values.dtype.kind not in FLOATS:
            raise RuntimeError(
                f"requires_grad: only floating point tensors have gradients, got {self.dtype}"
            )
        if not wanted and self.grad_fn is not None:
            raise RuntimeError(
                "requires_grad: only a leaf's can be switched off; detach() cuts a result off"
            )

    @property
    def grad_fn(self) -> Function | None:
        """The Function that this is the recorded result of; None for a leaf.

        Example:
            >>> x = npnet.tensor([1.0], requires_grad=True)
            >>> x.grad_fn is None, (2 * x).grad_fn is None
            (True, False)
        """
        if self._base is not None and self._seen != self._version.recorded:
            self._follow_base()
        return self._grad_fn

    @grad_fn.setter
    def grad_fn(self, function: Function | None) -> None:
        self._grad_fn = function

    def requires_grad_(self: V, requires_grad: bool = True) -> V:
        """Set `requires_grad` in place.

        Example:
            >>> npnet.tensor([1.0, 2.0]).requires_grad_()
            tensor([1., 2.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor.

        Example:
            >>> x = npnet.tensor([1.0], requires_grad=True)
            >>> x.is_leaf, (2 * x).is_leaf
            (True, False)
        """
        return self.grad_fn is None

    def retain_grad(self) -> None:
        """Let `backward` fill the `grad` of this tensor although it is no leaf.

        Example:
            >>> x = npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> y = 3 * x
            >>> y.retain_grad()
            >>> (y**2).sum().backward()
            >>> y.grad
            tensor([ 6., 12.])
        """
        if not self.requires_grad:
            raise RuntimeError("retain_grad: this tensor requires no gradient")
        if self.grad_fn is not None and not self.retains_grad:
            self.grad_fn.retained += (weakref.ref(self),)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called and this is no leaf.

        Example:
            >>> y = 3 * npnet.tensor([1.0], requires_grad=True)
            >>> y.retain_grad()
            >>> y.retains_grad
            True
        """
        node = self.grad_fn
        return node is not None and any(reference() is self for reference in node.retained)

    def backward(
        self,
        gradient: Variable | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Variable | Sequence[Variable] | None = None,
    ) -> None:
        """Add the derivative of this tensor to the `grad` of every leaf that it depends on.

        Args:
            gradient: what the derivative is multiplied with from the left, of this tensor's
                shape; may be left out for one single value, where it is 1.
            retain_graph: keep what was saved, so that backward can be called again.

            inputs: tensors, leaves or not, whose `grad` alone is filled.

        After an error in an op's derivative, what has reached a leaf stays in its `grad`, as in
        PyTorch, and what was gone through is freed: set the gradients to None and begin at forward.

        Raises:
            RuntimeError: nothing was recorded; a saved value was changed in place; the graph was
                freed by an earlier call; `gradient` is missing; `inputs` is empty.
            ShapeError: `gradient` has another shape.
            NotImplementedError: create_graph (derivatives of derivatives) is asked for.

        Example:
            >>> x = npnet.tensor([1.0, 2.0, 3.0], requires_grad=True)
            >>> (x**2).sum().backward()
            >>> (x**2).sum().backward()  # is added
            >>> x.grad
            tensor([ 4.,  8., 12.])
        """
        if create_graph:
            raise NotImplementedError(
                "backward: create_graph is not supported: derivatives here are NumPy's, which are "
                "not recorded"
            )
        only = None if inputs is None else inputs_of("backward", inputs)
        root = self._root(gradient)
        callbacks = _callbacks.set([])
        try:
            with np.errstate(all="ignore"):
                walk_back([root], bool(retain_graph), only)
            for callback in _callbacks.get():
                callback()
        finally:
            _callbacks.reset(callbacks)

    def _root(self, gradient: Variable | None) -> tuple[Variable, Array]:
        """Where `backward` begins, and with what; checked."""
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this tensor depends on nothing that requires a gradient "
                "(was it computed under no_grad, or detached?)"
            )
        return self, self._root_gradient(gradient)

    def register_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(grad)` with each gradient that `backward` computes of this tensor.

        What it returns, if not None, is gone on with instead; it must not change its argument.
        It sees the sum of all that arrives in one `backward`; for a leaf, once all has arrived.

        Returns:
            A handle, whose `remove()` takes the hook off.

        Example:
            >>> x = npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> handle = x.register_hook(lambda grad: 10 * grad)
            >>> x.sum().backward()
            >>> x.grad
            tensor([10., 10.])
        """
        if not self.requires_grad:
            raise RuntimeError(
                "register_hook: cannot register a hook on a tensor that doesn't require gradient"
            )
        node = self.grad_fn
        if node is None:
            return RemovableHandle(self._leaf_hooks().before, hook)
        if node.hooks is None:
            node.hooks = {}
        return RemovableHandle(node.hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call `hook(tensor)` after `backward` has added to the `grad` of this leaf.

        Example:
            >>> x = npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> handle = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
            >>> x.sum().backward()
            tensor([1., 1.])
        """
        if not self.is_leaf:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: only leaves have such hooks, this is a result"
            )
        if not self.requires_grad:
            raise RuntimeError(
                "register_post_accumulate_grad_hook: cannot register a hook on a tensor that "
                "doesn't require gradient"
            )
        return RemovableHandle(self._leaf_hooks().after, hook)

    def _leaf_hooks(self) -> _LeafHooks:
        if not hasattr(self, "_hooks"):
            self._hooks = _LeafHooks()
        return self._hooks

    @property
    def _has_hooks(self) -> bool:
        """Whether anything is to be called when the gradient of this leaf arrives."""
        hooks: _LeafHooks | None = getattr(self, "_hooks", None)
        return hooks is not None and bool(hooks.before or hooks.after)

    def _root_gradient(self, gradient: Variable | None) -> Array:
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
        """The same values on the same memory, off the tape; both notice writes to either.

        Example:
            >>> x = npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> (2 * x).detach()
            tensor([2., 4.])
        """
        y = result(self.array.view())  # an ndarray of its own: ops tell by it what they saved
        y._version = self._version
        return y

    def detach_(self: V) -> V:
        """Cut this tensor off the tape, in place: it becomes a leaf without gradient.

        Example:
            >>> x = 2 * npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> x.detach_().is_leaf
            True
        """
        if self._base is not None:
            raise RuntimeError("detach_: a view can't be cut off in place; use detach()")
        self._grad_fn, self._wants = None, False
        return self

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, off the tape, whose writes go unnoticed.

        Example:
            >>> x = npnet.tensor([1.0, 2.0], requires_grad=True)
            >>> x.data.mul_(10)
            tensor([10., 20.])
            >>> x
            tensor([10., 20.], requires_grad=True)
        """
        return result(self.array)

    @data.setter
    def data(self, values: Variable) -> None:
        if not isinstance(values, Variable):
            raise TypeError(f"data: must be a tensor, got {type(values).__name__}")
        if self._wants and values.dtype.kind not in FLOATS:
            raise RuntimeError(f"data: the tensor requires a gradient and can't be {values.dtype}")
        function = self._grad_fn
        if function is not None and function.replaced is None:
            function.replaced = self.shape, self.dtype
        self.array = values.array

    def _edge(self) -> Function | Variable:
        """Where a gradient for this tensor goes: the op that made it, or the leaf itself."""
        function = self._grad_fn if self._base is None else self.grad_fn
        return self if function is None else function

    def _accumulate(self, g: Array, new: bool = False) -> None:
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
            self.grad = result(g if mine else np.array(g, self.dtype, order="C"))

    def _share(self, parent: Variable, function: Function, seen: Values | None) -> None:
        """Become a view of the input of `function`, if this result lies on its memory.

        Args:
            seen: the input's values before; if they are others now, a thread has moved or written
                them, and what lies in another layout is looked up anew.
        """
        # Made off the tape, it can't know the base's history: negative, it never counts as seen.
        recorded = parent._version.recorded
        self._seen = recorded if _mode.enabled else ~recorded
        mine, theirs = self._values, parent._values
        if type(mine) is np.ndarray and mine.size and type(theirs) is np.ndarray:
            base = mine.base  # the usual case: NumPy says itself what it is a view of
            if base is not None and (base is theirs or base is theirs.base):
                self._version = parent._version
                self._base = parent if parent._base is None else parent._base
                return
        in_layout = isinstance(mine, Layout)
        if in_layout and not self._become_alias_of(parent, function, seen):
            self._values = function.find(parent.array)
        theirs = parent._values
        if not isinstance(self._values, Layout) and (
            isinstance(theirs, Layout) or not np.may_share_memory(self._values, theirs)
        ):
            self._seen = 0
            return
        self._version = parent._version
        self._base = parent if parent._base is None else parent._base

    def _become_alias_of(self, parent: Variable, function: Function, seen: Values | None) -> bool:
        """Be known to the base, which moves with its aliases; False if it has values not `seen`."""
        with _moving:
            if parent._values is not seen or not isinstance(seen, Layout):
                return False
            known, find = parent._version.views(), function.find
            for view, before in known:
                if view is parent:
                    find = _then(before, find)
            views = [(weakref.ref(y), of_base) for y, of_base in known]
            parent._version.aliases = (*views, (weakref.ref(self), find))
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
                node = _Alias(places(self.array, base.array), base.shape)
                node.needs_input_grad = (True,)
                node._record((base,), self)
            self._seen = recorded if seen >= 0 else ~recorded  # last: now it can be used

    # ---- writing in place ----------------------------------------------------------------------

    def _write(self: V, values: Tensor, op: str) -> V:
        """Take the values, and the history, of a result that an op has just computed beside."""
        mine, new = self._values, values._values
        if (
            not _mode.enabled
            or not (
                self._wants or values._wants or self._base is not None or values._base is not None
            )  # nothing to record
        ) and _are_alike(mine, new):
            np.copyto(mine, new)  # type: ignore[arg-type] # ndarrays both
            self._version.writes += 1
            return self
        if values.shape != self.shape:
            raise ShapeError(f"{op}: the result {values.shape} does not fit into {self.shape}")
        if _RANKS[values.dtype.kind] > _RANKS[self.dtype.kind]:
            raise RuntimeError(f"{op}: a result of {values.dtype} can't be kept in {self.dtype}")
        recorded = self._check_write(values.requires_grad, op)
        if not self._replace(values):
            if recorded:
                self._move_saved(values)
            np.copyto(self.array, values.array, casting="unsafe")
        self._version.writes += 1
        if recorded:
            self._take_history(values if values.dtype == self.dtype else values.to(self.dtype))
        return self

    def _replace(self, values: Variable) -> bool:
        """Take values in another layout as they are, if nobody else has seen this memory."""
        if not isinstance(self._values, Layout) or self._base is not None:
            return False
        with _moving:
            layouts = isinstance(self._values, Layout) and isinstance(values._values, Layout)
            if layouts and not self._version.views():
                self._values = values._values
                return True
        return False

    def _check_write(self, by_recorded: bool, op: str) -> bool:
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

    def _is_apart_from(self, base: Variable) -> bool:
        """Whether both are ndarrays on different memory."""
        mine, theirs = self._values, base._values
        if isinstance(mine, Layout) or isinstance(theirs, Layout):
            return False
        return mine.size > 0 and not np.may_share_memory(mine, theirs)

    def _move_saved(self, values: Variable) -> None:
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

    def _take_history(self, values: Variable) -> None:
        retained = self.retains_grad
        if self._base is None:
            if retained and self._grad_fn is not None:
                kept = [r for r in self._grad_fn.retained if r() is not self]
                self._grad_fn.retained = tuple(kept)
            self._wants, self._grad_fn = values.requires_grad, values.grad_fn
            self._version.recorded += 1
        else:
            base = self._base
            node = _Overwrite(places(self.array, base.array), base.shape)
            node.needs_input_grad = (base.requires_grad, values.requires_grad)
            node._record((base, values), base)
            self._version.recorded += 1
            self._follow_base()
        if retained:
            self.retain_grad()
