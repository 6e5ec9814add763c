"""Function: an op of the user's own, with its derivative written by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from npnet import tape
from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS
from npnet.base.checks import ShapeError
from npnet.base.grad_mode import is_grad_enabled, no_grad
from npnet.ops._sums import add_up
from npnet.tape import Layout, Values, Variable, result
from npnet.tensor import Tensor

__all__ = ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]

F = TypeVar("F", bound=Callable[..., Any])


class FunctionCtx:
    """What `forward` hands to `backward`: tensors, and whatever else is set as an attribute.

    Attributes:
        needs_input_grad: of each argument of `apply`, whether it wants a gradient.
        saved_tensors: what `save_for_backward` kept.
    """

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self._saved: tuple[tuple[Any, int], ...] | None = ()  # with how often each was written
        self._dirty: tuple[Any, ...] = ()
        self._without: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments and results, so that a write in place is noticed; None may be among them.

        To be called once, in `forward` or `setup_context`.
        """
        for i, x in enumerate(tensors):
            if x is not None and not isinstance(x, Variable):
                raise TypeError(
                    f"save_for_backward: can only save tensors, but argument {i} is of type "
                    f"{type(x).__name__}; set it as an attribute of ctx instead"
                )
        self._saved = tuple([(x, -1 if x is None else x._version.writes) for x in tensors])

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved. RuntimeError if it was written to since, or is freed."""
        if self._saved is None:
            raise RuntimeError(
                "saved_tensors: they were freed by an earlier backward; call "
                "backward(retain_graph=True) the first time to go through the graph twice"
            )
        for x, writes in self._saved:
            if x is not None and x._version.writes != writes:
                raise RuntimeError(
                    "saved_tensors: one of the tensors was changed in place after it was saved; "
                    "save a clone() of it, or write out of place"
                )
        return tuple([x for x, _ in self._saved])

    @property
    def saved_variables(self) -> tuple[Any, ...]:
        """The old name of `saved_tensors`, with PyTorch's warning."""
        warnings.warn(
            "'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2
        )
        return self.saved_tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say which arguments `forward` changed in place; each must be a result too."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say which results have no derivative; results that are no floats have none anyway."""
        self._without = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (the default) or None of a result that nothing used."""
        self.materialize_grads = bool(value)


class Function:
    """An op of one's own. A subclass defines static methods and is applied by `apply`:

        forward(ctx, *args) -> Tensor, or a tuple with Tensors
        backward(ctx, *grads) -> a gradient for each argument of forward, None where there is none

    or, with the two parts of forward apart, `forward(*args)` and `setup_context(ctx, inputs,
    output)`. In both nothing is recorded. See `FunctionCtx` for what `ctx` keeps.

    `backward` gets a gradient for each result. A tuple of its own must have a gradient for each
    argument; that of an argument which is no tensor must be None.

    Raises:
        RuntimeError: `backward` returns another number of gradients, or one that does not fit.

    Example:
        >>> class Square(npnet.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, gy):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * gy
        >>> x = npnet.tensor([1.0, 3.0], requires_grad=True)
        >>> Square.apply(x).sum().backward()
        >>> x.grad
        tensor([2., 6.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"{type(self).__name__}: an autograd function is applied by its class, "
            f"{type(self).__name__}.apply(...), and its methods are static"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The result; to be defined."""
        raise NotImplementedError("You must implement the forward function for custom autograd.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep what backward needs, where `forward` takes no ctx."""
        raise NotImplementedError("setup_context is not implemented")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments; to be defined, also under the name `vjp`."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function"
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The result of `forward`, with `backward` as its derivative."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([isinstance(x, Variable) and x.requires_grad for x in args])
        records = is_grad_enabled() and True in ctx.needs_input_grad
        edges = _Node(cls, ctx, args) if records else None
        with no_grad():
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args, **kwargs)
            else:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
        several = isinstance(output, tuple)
        results = _results(cls, ctx, args, output if several else (output,))
        if edges is not None:
            edges.record(results)
        for x in ctx._dirty:
            x._version.writes += 1
        ctx._saved = tuple([(x, w + any(x is d for d in ctx._dirty)) for x, w in ctx._saved or ()])
        return tuple(results) if several else results[0]


class InplaceFunction(Function):
    """A Function, under the name of old programs; `mark_dirty` says what it writes to."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


def once_differentiable(fn: F) -> F:
    """Mark a `backward` whose own derivative is wrong; here no derivative has one."""
    return fn


def _results(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], output: tuple[Any, ...]
) -> list[Any]:
    """What `apply` gives: results that are arguments, unchanged, as tensors of their own."""
    for x in ctx._dirty:
        if not any(x is y for y in output):
            raise RuntimeError(f"{cls.__name__}: what mark_dirty names must be returned by forward")
        x._check_write(ctx.needs_input_grad.count(True) > 0, cls.__name__)
    results = []
    for y in output:
        same = isinstance(y, Variable) and any(y is x for x in args)
        results.append(y.detach() if same and not any(y is x for x in ctx._dirty) else y)
    for before, after in zip(output, results, strict=True):
        if after is not before:  # what was saved, or has no derivative, is what is returned
            ctx._without = tuple([after if x is before else x for x in ctx._without])
    return results


class _Several(Layout):
    """What arrives at an op with several results: a gradient, or None, for each."""

    def __init__(self, gradients: Sequence[Array | None]) -> None:
        self.gradients = gradients

    def plus(self, other: Layout) -> Layout:
        assert isinstance(other, _Several)
        pairs = zip(self.gradients, other.gradients, strict=True)
        return _Several([b if a is None else a if b is None else a + b for a, b in pairs])


class _Output(tape.Function):
    """One of several results of an op: hands its gradient on."""

    def __init__(self, node: _Node, place: int, count: int) -> None:
        self.place, self.count = place, count
        self.parents, self.needs_input_grad = (node,), (True,)
        self._name = node.name()

    def differentiate(self, gy: Values) -> tuple[Values]:
        gradients: list[Array | None] = [None] * self.count
        gradients[self.place] = gy.to_array() if isinstance(gy, Layout) else gy
        return (_Several(gradients),)

    def name(self) -> str:
        return self._name


class _Node(tape.Function):
    """A user's Function, applied: made before `forward`, which may write to its arguments."""

    def __init__(self, cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...]) -> None:
        self.cls, self.ctx, self.arity = cls, ctx, len(args)
        self.places = [i for i, x in enumerate(args) if isinstance(x, Variable)]
        self.inputs = [(args[i].shape, args[i].dtype) for i in self.places]
        self.needs_input_grad = tuple([ctx.needs_input_grad[i] for i in self.places])
        self._record(tuple([args[i] for i in self.places]), result(np.empty(0)))

    def record(self, results: list[Any]) -> None:
        """Become the op that made the results, as far as they have a derivative."""
        self.order = next(tape.Function._counter)  # after all that forward applied
        self.outputs: list[tuple[tuple[int, ...], np.dtype[Any]] | None] = [
            (y.shape, y.dtype) if isinstance(y, Variable) else None for y in results
        ]
        for place, y in enumerate(results):
            floats = isinstance(y, Variable) and y.dtype.kind in FLOATS
            if not floats or any(y is x for x in self.ctx._without):
                continue
            end: tape.Function = self
            if len(results) > 1:
                end = _Output(self, place, len(results))
                end.order = next(tape.Function._counter)
            if any(y is x for x in self.ctx._dirty):
                values = result(y.array)
                values._wants, values._grad_fn = True, end
                y._take_history(values)
            else:
                y._wants, y._grad_fn = True, end

    def differentiate(self, gy: Values) -> tuple[Array | None, ...]:
        arrived = list(gy.gradients) if isinstance(gy, _Several) else [gy]
        grads = [self._gradient_of_result(g, i) for i, g in enumerate(arrived)]
        own = self.cls.backward is not Function.backward
        with no_grad():
            returned = (self.cls.backward if own else self.cls.vjp)(self.ctx, *grads)
        returned = returned if isinstance(returned, tuple) else (returned,)
        return self._checked(returned)

    def _gradient_of_result(self, g: Any, place: int) -> Tensor | None:
        if g is None:
            made = self.outputs[place]
            if made is None or not self.ctx.materialize_grads:
                return None
            return result(np.zeros(*made))
        return result(g.to_array() if isinstance(g, Layout) else g)

    def _checked(self, returned: tuple[Any, ...]) -> tuple[Array | None, ...]:
        """The gradients of the tensors among the arguments."""
        name = self.name()
        beyond = returned[self.arity :]
        if len(returned) < self.arity or any(g is not None for g in beyond):
            raise RuntimeError(
                f"function {name} returned an incorrect number of gradients (expected "
                f"{self.arity}, got {len(returned)})"
            )
        for i, g in enumerate(returned[: self.arity]):
            if i not in self.places and g is not None:
                raise RuntimeError(
                    f"function {name} returned a gradient different than None at position {i + 1}, "
                    "but the corresponding forward input was not a Tensor"
                )
        return tuple(
            [
                self._gradient_of_input(i, returned[i], *like) if needed else None
                for i, like, needed in zip(
                    self.places, self.inputs, self.needs_input_grad, strict=True
                )
            ]
        )

    def _gradient_of_input(
        self, i: int, g: Any, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> Array | None:
        if g is None:
            return None
        if not isinstance(g, Variable):
            kind = type(g).__name__
            raise TypeError(f"function {self.name()}: expected Tensor or None, got {kind} at {i}")
        array = g.array
        if array.shape != shape:
            try:
                fits = np.broadcast_shapes(array.shape, shape) == array.shape
            except ValueError:
                fits = False
            if not fits:
                raise ShapeError(
                    f"function {self.name()} returned an invalid gradient at index {i} - got "
                    f"{list(array.shape)} but expected shape compatible with {list(shape)}"
                )
            first = array.ndim - len(shape)
            repeated = [first + i for i, n in enumerate(shape) if n == 1]
            array = add_up(array, [*range(first), *repeated]).reshape(shape)
        return array.astype(dtype, copy=False)

    def free(self) -> None:
        if self.ctx._saved:
            self.freed, self.ctx._saved = True, None

    def name(self) -> str:
        return f"{self.cls.__name__}Backward"
