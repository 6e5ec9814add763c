"""Tensor: a Variable as programs see it, with the ops as its methods and PyTorch's spellings.

A method that is an op is that op: one docstring, one signature. What is written out here is what
PyTorch calls otherwise, what takes sizes one by one, and what is no op: casts, creation, printing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Concatenate, ParamSpec, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base import printing
from npnet.base.arrays import Array
from npnet.devices.cpu import CPU
from npnet.devices.cpu import device as Device
from npnet.ops import (
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
from npnet.ops.dtypes import Number, Operand
from npnet.random import Generator, numpy_generator
from npnet.tape import Variable

__all__ = ["Tensor", "as_tensor", "is_tensor", "tensor"]

Int: TypeAlias = int  # inside Tensor, `int`, `float` and `bool` are its methods
Bool: TypeAlias = bool
Float: TypeAlias = float
Size: TypeAlias = int | Sequence[int]
P = ParamSpec("P")


def _in_place(
    op: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """The op as a method that keeps the result in the tensor itself: `mul_` of `mul`."""
    name = f"{op.__name__}_"

    @functools.wraps(op)
    def method(self: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        return self._write(op(self, *args, **kwargs), name)

    method.__name__, method.__doc__ = name, f"`{op.__name__}`, in place."
    return method


class Tensor(Variable):
    """An ndarray with a place on the tape.

    Args:
        data: an ndarray, which is shared and not copied and keeps its dtype; or numbers in nested
            lists.
        dtype: default float32 for lists, as in PyTorch; `tensor` goes by what is in them.
        requires_grad: whether `backward` shall fill `grad`; only for floating point.

    Attributes:
        array, grad, requires_grad, grad_fn: see `Variable`.
    """

    __array_priority__ = 1000  # NumPy leaves ndarray + Tensor to Tensor
    __slots__ = ()

    def __init__(
        self, data: Any, dtype: npt.DTypeLike | None = None, requires_grad: Bool = False
    ) -> None:
        if type(data) is not np.ndarray or dtype is not None or data.dtype.kind not in "fiub":
            data = _constructor_array(data, dtype)
        super().__init__(data)
        if requires_grad:
            self.requires_grad = True

    # ---- writing in place ----------------------------------------------------------------------

    def _assign(self, index: Any, value: Operand, op: str) -> Tensor:
        """`self[index] = value`."""
        if self._check_write(isinstance(value, Tensor) and value.requires_grad, op):
            return self._write(indexing.set_item(self, index, value), op)
        indexing.store(self.array, index, value)
        self._version.writes += 1
        return self

    add_ = _in_place(arithmetic.add)
    sub_ = _in_place(arithmetic.sub)
    mul_ = _in_place(arithmetic.mul)
    div_ = _in_place(arithmetic.div)
    clamp_ = _in_place(choices.clamp)
    pow_ = _in_place(arithmetic.pow)
    sqrt_ = _in_place(functions.sqrt)
    exp_ = _in_place(functions.exp)
    sigmoid_ = _in_place(activation.sigmoid)
    tanh_ = _in_place(activation.tanh)

    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """`self += value * tensor1 * tensor2`."""
        product = arithmetic.mul(tensor1, tensor2)
        return self._write(arithmetic.add(self, product, alpha=value), "addcmul_")

    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
        """`self += value * tensor1 / tensor2`."""
        quotient = arithmetic.div(tensor1, tensor2)
        return self._write(arithmetic.add(self, quotient, alpha=value), "addcdiv_")

    masked_fill_ = _in_place(splitting.masked_fill)

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
        """A pickle holds the values and `requires_grad`, neither `grad` nor hooks, as PyTorch's."""
        slots = [name for kind in type(self).__mro__ for name in vars(kind).get("__slots__", ())]
        own = {n: getattr(self, n) for n in slots if n not in Variable.__slots__}
        own |= getattr(self, "__dict__", {})
        return _unpickled, (type(self), self.array, self.requires_grad, own)

    # ---- shape and type ------------------------------------------------------------------------

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

    clone = shape.clone

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

    flatten = shape.flatten

    def permute(self, *dims: Size) -> Tensor:
        """The axes in another order."""
        return shape.permute(self, _sizes(dims))

    transpose = shape.transpose
    t = shape.t

    @property
    def T(self) -> Tensor:
        """All axes in reverse order."""
        return shape.permute(self, tuple(reversed(range(self.ndim))))

    unsqueeze = shape.unsqueeze
    squeeze = shape.squeeze

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

    chunk = splitting.chunk
    unbind = splitting.unbind
    diag = splitting.diag

    def flip(self, *dims: Size) -> Tensor:
        """A copy with the order along axes reversed."""
        return splitting.flip(self, _sizes(dims))

    index_select = splitting.index_select
    masked_fill = splitting.masked_fill

    def masked_select(self, mask: Tensor) -> Tensor:
        """The values where the mask holds, one after the other."""
        return indexing.get_item(self, mask.expand(self.shape))

    nonzero = splitting.nonzero
    sort = sorting.sort
    argsort = sorting.argsort
    topk = sorting.topk
    cumsum = sorting.cumsum
    gather = indexing.gather
    __getitem__ = indexing.get_item
    # ---- arithmetic, see ops.arithmetic --------------------------------------------------------

    __add__ = arithmetic.add
    __radd__ = __add__
    __sub__ = arithmetic.sub

    def __rsub__(self, other: Operand) -> Tensor:
        return arithmetic.sub(other, self)

    __mul__ = arithmetic.mul
    __rmul__ = __mul__
    __truediv__ = arithmetic.div

    def __rtruediv__(self, other: Operand) -> Tensor:
        return arithmetic.div(other, self)

    __pow__ = arithmetic.pow

    def __rpow__(self, base: Operand) -> Tensor:
        return arithmetic.pow(base, self)

    __matmul__ = linear.matmul
    __floordiv__ = arithmetic.floor_divide
    __mod__ = arithmetic.remainder
    __neg__ = arithmetic.neg
    __abs__ = functions.abs

    def __rfloordiv__(self, other: Operand) -> Tensor:
        return arithmetic.floor_divide(other, self)

    def __rmod__(self, other: Operand) -> Tensor:
        return arithmetic.remainder(other, self)

    __invert__ = elementwise.bitwise_not
    __and__ = elementwise.bitwise_and
    __rand__ = __and__
    __or__ = elementwise.bitwise_or
    __ror__ = __or__
    __xor__ = elementwise.bitwise_xor
    __rxor__ = __xor__

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.eq(self, other) if _is_operand(other) else NotImplemented

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.ne(self, other) if _is_operand(other) else NotImplemented

    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __hash__ = object.__hash__  # a tensor is a key by identity, as in PyTorch

    add = arithmetic.add
    sub = arithmetic.sub
    mul = arithmetic.mul
    div = arithmetic.div
    pow = arithmetic.pow
    eq = compare.eq
    ne = compare.ne
    lt = compare.lt
    le = compare.le
    gt = compare.gt
    ge = compare.ge
    equal = compare.equal
    allclose = compare.allclose
    logical_not = compare.logical_not
    logical_and = compare.logical_and
    logical_or = compare.logical_or
    maximum = choices.maximum
    minimum = choices.minimum
    matmul = linear.matmul
    mm = products.mm
    bmm = products.bmm
    mv = products.mv
    dot = products.dot
    neg = arithmetic.neg
    abs = functions.abs
    exp = functions.exp
    log = functions.log
    sqrt = functions.sqrt

    def square(self) -> Tensor:
        """`self ** 2`."""
        return arithmetic.pow(self, 2)

    sin = functions.sin
    cos = functions.cos
    clamp = choices.clamp
    clip = clamp
    floor = elementwise.floor
    ceil = elementwise.ceil
    round = elementwise.round
    sign = elementwise.sign
    rsqrt = elementwise.rsqrt
    reciprocal = elementwise.reciprocal
    isinf = elementwise.isinf
    isnan = compare.isnan
    isfinite = compare.isfinite
    # ---- activations, see ops.activation -------------------------------------------------------

    tanh = activation.tanh
    sigmoid = activation.sigmoid

    def relu(self) -> Tensor:
        """`max(self, 0)`."""
        return activation.relu(self)

    def relu_(self) -> Tensor:
        """`max(self, 0)`, in place."""
        return self._write(activation.relu(self), "relu_")

    def softmax(self, dim: Int) -> Tensor:
        """The softmax along an axis."""
        return activation.softmax(self, dim)

    def log_softmax(self, dim: Int) -> Tensor:
        """The logarithm of the softmax along an axis."""
        return activation.log_softmax(self, dim)

    # ---- reductions, see ops.reduce ------------------------------------------------------------

    sum = reduce.sum
    mean = reduce.mean
    var = reduce.var
    std = reduce.std
    max = reduce.max
    min = reduce.min
    norm = products.norm
    logsumexp = products.logsumexp
    argmax = reduce.argmax
    argmin = reduce.argmin
    all = reduce.all
    any = reduce.any


def _unpickled(
    kind: type[Tensor], array: Array, requires_grad: bool, own: dict[str, Any]
) -> Tensor:
    """What was pickled: a tensor of that class with its values and its own attributes."""
    y = object.__new__(kind)
    Variable.__init__(y, array)
    y._wants = requires_grad
    for name, value in own.items():
        setattr(y, name, value)
    return y


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


def _unpickled(
    kind: type[Tensor], array: Array, requires_grad: bool, slots: dict[str, Any]
) -> Tensor:
    """A tensor of a class that was pickled: a leaf, off the tape, without its gradient."""
    y = object.__new__(kind)
    Variable.__init__(y, array)
    y._wants = requires_grad
    for name, value in slots.items():
        setattr(y, name, value)
    return y


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
