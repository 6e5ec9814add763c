"""Tensor, and the tape that its ops are recorded on.

A Tensor wraps an ndarray. An op is a `Function`: applied to tensors that need gradients, it stays
behind as the `grad_fn` of its result and knows its parents. `backward` walks these from the last
applied to the first and adds up what arrives at each leaf.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from npnet import _tensor_repr
from npnet._checks import ShapeError
from npnet._device import device as Device
from npnet._grad_mode import is_grad_enabled, no_grad
from npnet.random import Generator, numpy_generator

__all__ = ["Array", "Function", "Number", "Operand", "Tensor", "as_tensor", "is_tensor", "tensor"]

Array: TypeAlias = npt.NDArray[Any]
Number: TypeAlias = bool | int | float
Operand: TypeAlias = Union["Tensor", Number]
Int: TypeAlias = int  # inside Tensor, `int`, `float` and `bool` are its methods
Bool: TypeAlias = bool
Float: TypeAlias = float
Size: TypeAlias = int | Sequence[int]
Dims: TypeAlias = int | Sequence[int] | None


class _Version:
    """How often the memory of a tensor and of its views was written; what was saved before is stale."""

    __slots__ = ("recorded", "writes")

    def __init__(self) -> None:
        self.writes = 0  # every in-place write
        self.recorded = 0  # those that became part of the tape


class Function:
    """One op applied once: `forward` on arrays, and its derivative in `backward`.

    A subclass takes the op's options in its constructor and defines

        forward(*inputs: Array) -> Array
        backward(gy: Array) -> tuple[Array | None, ...]    one gradient for each input

    `gy` has the shape and dtype of forward's result, each returned gradient those of its input.
    forward keeps what backward needs: inputs and results by `save_for_backward`, so that an
    in-place write to them is noticed; shapes and arrays of its own as plain attributes.
    """

    forward: Callable[..., Array]
    backward: Callable[[Array], tuple[Array | None, ...]]
    view: ClassVar[bool] = False  # whether the result may lie on the memory of the first input

    needs_input_grad: tuple[bool, ...] = ()
    parents: tuple[Function | Tensor | None, ...] = ()
    order: int  # of recording; a parent's is smaller
    retained: tuple[Tensor, ...] = ()  # results that asked to keep their gradient
    _counter = itertools.count()
    _saved: tuple[Array | None, ...] | None = ()
    _versions: tuple[tuple[_Version, int], ...] = ()

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Apply the op; record it if one of the inputs needs a gradient and recording is on."""
        recording = is_grad_enabled() and any(x.requires_grad for x in inputs)
        self.needs_input_grad = tuple(recording and x.requires_grad for x in inputs)
        y = Tensor(self.forward(*[x.array for x in inputs]))
        if self.view and np.may_share_memory(y.array, inputs[0].array):
            y._become_view_of(inputs[0])
        if recording:
            self._record(inputs, y)
        return y

    def _record(self, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        self.order = next(Function._counter)
        self.parents = tuple(x._tape_end() if x.requires_grad else None for x in inputs)
        saved = {id(a) for a in self._saved or ()}
        self._versions = tuple(
            (x._version, x._version.writes) for x in (*inputs, y) if id(x.array) in saved
        )
        y.requires_grad = True
        y.grad_fn = self

    def save_for_backward(self, *arrays: Array | None) -> None:
        """Keep inputs and results for `backward`; to be called in `forward`."""
        self._saved = arrays

    @property
    def saved(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept. RuntimeError if it was written to, or freed, since."""
        if self._saved is None:
            raise RuntimeError(
                f"backward: {self.name()} was already gone through and what it saved is freed; "
                "call backward(retain_graph=True) the first time to go through it twice"
            )
        if any(version.writes != at for version, at in self._versions):
            raise RuntimeError(
                f"backward: a value that {self.name()} needs was changed in place after it was "
                "used; write out of place there (x = x + 1 instead of x += 1), or on a clone()"
            )
        return self._saved

    def free(self) -> None:
        """Forget what was saved: memory is returned, and a second backward is an error."""
        self._saved = None

    def name(self) -> str:
        """The op's name as it stands in the `repr` of its result."""
        return f"{type(self).__name__}Backward"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def _run_backward(root: Tensor, gy: Array, retain_graph: bool) -> None:
    """Walk the tape from `root` to its leaves, adding gradients up in one fixed order."""
    end = root._tape_end()
    if isinstance(end, Tensor):
        end._accumulate(gy)
        return
    arrived: dict[Function, Array] = {end: gy}
    queue = [(-end.order, end)]
    while queue:
        _, node = heapq.heappop(queue)
        gy = arrived.pop(node)
        for y in node.retained:
            y._accumulate(gy)
        gradients = node.backward(gy)
        if not retain_graph:
            node.free()
        for parent, g in zip(node.parents, gradients, strict=True):
            if parent is None or g is None:
                continue
            if isinstance(parent, Tensor):
                parent._accumulate(g)
            elif parent in arrived:
                arrived[parent] = arrived[parent] + g  # not +=: g may belong to another parent too
            else:
                arrived[parent] = g
                heapq.heappush(queue, (-parent.order, parent))


class Tensor:
    """An ndarray with a place on the tape.

    Args:
        data: an ndarray, which is shared and not copied, or numbers in nested lists.
        dtype: default float32 for Python floats, int64 for ints; an ndarray keeps its own.
        requires_grad: whether `backward` shall fill `grad`; only for floating point.

    Attributes:
        array: the values, an ndarray.
        grad: after `backward`, the gradient of the same shape; None before.
        requires_grad: whether the tensor is a leaf that wants a gradient or depends on one.
        grad_fn: the Function that it is the result of, where that was recorded.
    """

    __array_priority__ = 1000  # ndarray + Tensor is a Tensor
    __slots__ = ("__weakref__", "_base", "_seen", "_version", "_wants", "array", "grad", "grad_fn")

    def __init__(
        self, data: Any, dtype: npt.DTypeLike | None = None, requires_grad: Bool = False
    ) -> None:
        self.array = _as_array(data, dtype)
        self.grad: Tensor | None = None
        self.grad_fn: Function | None = None
        self._version = _Version()
        self._base: Tensor | None = None
        self._seen = 0
        self._wants = False
        if requires_grad:
            self.requires_grad = True

    # ---- the tape ------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> Bool:
        return self._wants

    @requires_grad.setter
    def requires_grad(self, wanted: Bool) -> None:
        if wanted and not np.issubdtype(self.dtype, np.floating):
            raise RuntimeError(
                f"requires_grad: only floating point tensors have gradients, got {self.dtype}"
            )
        if not wanted and self.grad_fn is not None:
            raise RuntimeError(
                "requires_grad: only a leaf's can be switched off; detach() cuts a result off"
            )
        self._wants = bool(wanted)

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
        if self.grad_fn is not None and not any(y is self for y in self.grad_fn.retained):
            self.grad_fn.retained = (*self.grad_fn.retained, self)

    def backward(self, gradient: Tensor | None = None, retain_graph: Bool = False) -> None:
        """Add the derivative of this tensor to the `grad` of every leaf that it depends on.

        Args:
            gradient: what the derivative is multiplied with from the left, of this tensor's
                shape; may be left out for one single value, where it is 1.
            retain_graph: keep what was saved, so that backward can be called again.

        Raises:
            RuntimeError: nothing was recorded; a saved value was changed in place; the graph was
                freed by an earlier call; `gradient` is missing.
            ShapeError: `gradient` has another shape.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: this tensor depends on nothing that requires a gradient "
                "(was it computed under no_grad, or detached?)"
            )
        if gradient is None:
            if self.array.size != 1:
                raise RuntimeError(
                    "backward: gradient can be left out only for a single value, "
                    f"this tensor has shape {self.shape}; use loss.mean().backward() or pass one"
                )
            gy = np.ones_like(self.array)
        else:
            if gradient.shape != self.shape:
                raise ShapeError(
                    f"backward: gradient must have the tensor's shape {self.shape}, "
                    f"got {gradient.shape}"
                )
            gy = gradient.array.astype(self.dtype, copy=False)
        with no_grad():
            _run_backward(self, gy, retain_graph)

    def detach(self) -> Tensor:
        """The same values on the same memory, off the tape; writes to either are noticed by both."""
        y = Tensor(self.array)
        y._version = self._version
        return y

    @property
    def data(self) -> Tensor:
        """A tensor on the same memory, off the tape, whose writes go unnoticed."""
        return Tensor(self.array)

    @data.setter
    def data(self, values: Tensor) -> None:
        if values.shape != self.shape or values.dtype != self.dtype:
            raise ShapeError(
                f"data: must keep shape and dtype {self.shape} {self.dtype}, "
                f"got {values.shape} {values.dtype}"
            )
        self.array = values.array

    def _tape_end(self) -> Function | Tensor:
        """Where a gradient for this tensor goes: the op that made it, or the leaf itself."""
        if self._base is not None and self._seen != self._version.recorded:
            raise RuntimeError(
                "a view was used after an in-place op on the same memory was recorded, whose "
                "gradient it would miss; make the view again, or write out of place"
            )
        return self if self.grad_fn is None else self.grad_fn

    def _accumulate(self, g: Array) -> None:
        if self.grad is None:
            self.grad = Tensor(np.array(g, order="C"))  # a copy: g may be another's gradient too
        else:
            self.grad.array += g

    def _become_view_of(self, base: Tensor) -> None:
        self._base = base if base._base is None else base._base
        self._version = base._version
        self._seen = base._version.recorded

    # ---- writing in place ----------------------------------------------------------------------

    def _write(self, values: Tensor, op: str) -> Tensor:
        """Take the values, and the history, of a result computed beside."""
        recorded = is_grad_enabled() and (self.requires_grad or values.requires_grad)
        if recorded and self.is_leaf and self.requires_grad:
            raise RuntimeError(
                f"{op}: a leaf that requires a gradient can't be changed in place while ops are "
                "recorded; do it under no_grad()"
            )
        if recorded and self._base is not None:
            raise NotImplementedError(
                f"{op}: in-place ops on a view are not recorded; write out of place or index the "
                "tensor itself (x[0] = y)"
            )
        if values.shape != self.shape:
            raise ShapeError(f"{op}: the result {values.shape} does not fit into {self.shape}")
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            raise RuntimeError(f"{op}: a result of {values.dtype} can't be kept in {self.dtype}")
        np.copyto(self.array, values.array, casting="same_kind")
        self._version.writes += 1
        if recorded:
            history = values.to(self.dtype)
            self._version.recorded += 1
            self._wants, self.grad_fn = history.requires_grad, history.grad_fn
        return self

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
        return self._write(arithmetic.clamp(self, min, max), "clamp_")

    def relu_(self) -> Tensor:
        """`max(self, 0)`, in place."""
        return self._write(activation.relu(self), "relu_")

    def copy_(self, src: Tensor) -> Tensor:
        """Take the values of `src`, which is broadcast."""
        values = shape.expand(src, self.shape).to(self.dtype)
        return self._write(values, "copy_")

    def fill_(self, value: Number) -> Tensor:
        """Set every value."""
        return self._write(Tensor(np.full(self.shape, value, self.dtype)), "fill_")

    def zero_(self) -> Tensor:
        """Set every value to 0."""
        return self.fill_(0)

    def uniform_(self, a: Float = 0, b: Float = 1, *, generator: Generator | None = None) -> Tensor:
        """Draw every value evenly from [a, b)."""
        draw = numpy_generator(generator).uniform(a, b, self.shape)
        return self._write(Tensor(draw.astype(self.dtype)), "uniform_")

    def normal_(
        self, mean: Float = 0, std: Float = 1, *, generator: Generator | None = None
    ) -> Tensor:
        """Draw every value from the normal distribution."""
        draw = numpy_generator(generator).normal(mean, std, self.shape)
        return self._write(Tensor(draw.astype(self.dtype)), "normal_")

    __iadd__ = add_
    __isub__ = sub_
    __imul__ = mul_
    __itruediv__ = div_

    def __setitem__(self, index: Any, value: Operand) -> None:
        self._write(shape.set_item(self, index, value), "x[index] = value")

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
        return bool(self.item())

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
        return _tensor_repr.tensor_repr(self.array, self.grad_fn, self.requires_grad)

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
        return self.array.dtype

    @property
    def shape(self) -> tuple[Int, ...]:
        """The size along each axis."""
        return self.array.shape

    @property
    def ndim(self) -> Int:
        """How many axes there are."""
        return self.array.ndim

    @property
    def device(self) -> Device:
        """Always the CPU."""
        return Device("cpu")

    def size(self, dim: Int | None = None) -> Any:
        """The shape, or the size along one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> Int:
        """How many axes there are."""
        return self.array.ndim

    def numel(self) -> Int:
        """How many values there are."""
        return self.array.size

    def element_size(self) -> Int:
        """Bytes of one value."""
        return self.array.itemsize

    def is_floating_point(self) -> Bool:
        """Whether the values are floats."""
        return bool(np.issubdtype(self.dtype, np.floating))

    def is_contiguous(self) -> Bool:
        """Whether the values lie in memory in row-major order without gaps."""
        return self.array.flags.c_contiguous

    def to(self, *args: Any, dtype: npt.DTypeLike | None = None, device: Any = None) -> Tensor:
        """The tensor in another dtype; a device is accepted if it is the CPU.

        `to(dtype)`, `to(device)`, `to(device, dtype)` and `to(other)` as in PyTorch.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, (str, Device)):
                device = arg
            else:
                dtype = arg
        if device is not None:
            Device(device)
        return self if dtype is None else shape.cast(self, np.dtype(dtype))

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

    def clone(self) -> Tensor:
        """A copy on memory of its own that stays on the tape."""
        return shape.clone(self)

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

    def gather(self, dim: Int, index: Tensor) -> Tensor:
        """Values picked along `dim`, one for each entry of `index`."""
        return shape.gather(self, dim, index)

    def __getitem__(self, index: Any) -> Tensor:
        return shape.get_item(self, index)

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
        return arithmetic.abs(self)

    def __invert__(self) -> Tensor:
        return arithmetic.logical_not(self)

    def __and__(self, other: Operand) -> Tensor:
        return arithmetic.logical_and(self, other)

    def __or__(self, other: Operand) -> Tensor:
        return arithmetic.logical_or(self, other)

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return arithmetic.eq(self, other)

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return arithmetic.ne(self, other)

    def __lt__(self, other: Operand) -> Tensor:
        return arithmetic.lt(self, other)

    def __le__(self, other: Operand) -> Tensor:
        return arithmetic.le(self, other)

    def __gt__(self, other: Operand) -> Tensor:
        return arithmetic.gt(self, other)

    def __ge__(self, other: Operand) -> Tensor:
        return arithmetic.ge(self, other)

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
        return arithmetic.eq(self, other)

    def ne(self, other: Operand) -> Tensor:
        """`self != other`, elementwise."""
        return arithmetic.ne(self, other)

    def matmul(self, other: Tensor) -> Tensor:
        """`self @ other`."""
        return linear.matmul(self, other)

    def neg(self) -> Tensor:
        """`-self`."""
        return arithmetic.neg(self)

    def abs(self) -> Tensor:
        """The absolute value."""
        return arithmetic.abs(self)

    def exp(self) -> Tensor:
        """e to the power of each value."""
        return arithmetic.exp(self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return arithmetic.log(self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return arithmetic.sqrt(self)

    def square(self) -> Tensor:
        """`self ** 2`."""
        return arithmetic.pow(self, 2)

    def sin(self) -> Tensor:
        """The sine of an angle in radians."""
        return arithmetic.sin(self)

    def cos(self) -> Tensor:
        """The cosine of an angle in radians."""
        return arithmetic.cos(self)

    def clamp(self, min: Number | None = None, max: Number | None = None) -> Tensor:
        """The values limited to a range."""
        return arithmetic.clamp(self, min, max)

    def isnan(self) -> Tensor:
        """Where the values are NaN."""
        return arithmetic.isnan(self)

    def isfinite(self) -> Tensor:
        """Where the values are neither NaN nor infinite."""
        return arithmetic.isfinite(self)

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

    def max(self, dim: Int | None = None, keepdim: Bool = False) -> Any:
        """The largest value; along `dim` also where it stands."""
        return reduce.max(self, dim, keepdim)

    def min(self, dim: Int | None = None, keepdim: Bool = False) -> Any:
        """The smallest value; along `dim` also where it stands."""
        return reduce.min(self, dim, keepdim)

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
) -> Tensor:
    """A tensor on a copy of `data`: nested lists of numbers, an ndarray or a tensor.

    Python floats become float32, ints int64; an ndarray keeps its dtype.
    """
    if device is not None:
        Device(device)
    values = data.array if isinstance(data, Tensor) else data
    return Tensor(np.array(_as_array(values, dtype)), requires_grad=requires_grad)


def as_tensor(data: Any, dtype: npt.DTypeLike | None = None, device: Any = None) -> Tensor:
    """A tensor on the memory of `data` where it is an ndarray or a tensor, else on a copy."""
    if device is not None:
        Device(device)
    if isinstance(data, Tensor):
        return data.to(dtype=dtype)
    return Tensor(data, dtype=dtype)


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def _as_array(data: Any, dtype: npt.DTypeLike | None) -> Array:
    if isinstance(data, Tensor):
        data = data.numpy()
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data, dtype)
    else:
        array = np.array(data, dtype)
        if dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)  # Python floats, as in PyTorch
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Tensor: values must be numbers or bools, got {array.dtype}")
    return array


def _sizes(size: tuple[Size, ...]) -> tuple[int, ...]:
    """The arguments of `x.view(2, 3)` and of `x.view((2, 3))` alike."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        return tuple(size[0])  # type: ignore[arg-type]
    return tuple(size)  # type: ignore[arg-type]


# The one import that points back: the methods above are the ops under another name.
from npnet.ops import activation, arithmetic, linear, reduce, shape  # noqa: E402
