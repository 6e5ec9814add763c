"""Tensor: a Variable as programs see it, with the ops as its methods and PyTorch's spellings.

A method that is an op is that op: one docstring, one signature. What is written out here is what
PyTorch calls otherwise, what takes sizes one by one, and what is no op: casts, creation, printing.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from npnet.base import printing
from npnet.base.arrays import Array
from npnet.base.bfloat16 import FLOATS, bfloat16, dtype_named, is_bfloat16
from npnet.base.checks import kind_of
from npnet.base.grad_mode import is_grad_enabled
from npnet.base.layouts import check_memory_format, strided
from npnet.base.numpy_names import with_numpy_names
from npnet.base.quiet import as_before, be_quiet
from npnet.base.sharing import is_shared, shared
from npnet.base.storage import TypedStorage, UntypedStorage, memory_of
from npnet.devices.cpu import CPU, check_device
from npnet.devices.cpu import device as Device
from npnet.in_place import InPlaceMethods, augmented, in_place
from npnet.op_methods import OpMethods
from npnet.ops import (
    activation,
    arithmetic,
    arranging,
    compare,
    elementwise,
    functions,
    indexing,
    linear,
    sampling,
    scattering,
    shape,
    special,
    splitting,
    views,
)
from npnet.ops.dtypes import Number, Operand, get_default_dtype, wrapped
from npnet.random import Generator
from npnet.random_methods import RandomMethods
from npnet.tape import Variable, result

__all__ = ["TYPE_NAMES", "Size", "Tensor", "as_tensor", "is_tensor", "tensor"]

Int: TypeAlias = int  # inside Tensor, `int`, `float` and `bool` are its methods
Bool: TypeAlias = bool
Float: TypeAlias = float
Size_: TypeAlias = int | Sequence[int]  # one size, or all of them
# What `type()` calls tensors of a dtype, by its name, and `typed_tensors` their constructors.
TYPE_NAMES = {
    "bool": "torch.BoolTensor",
    "uint8": "torch.ByteTensor",
    "int8": "torch.CharTensor",
    "int16": "torch.ShortTensor",
    "int32": "torch.IntTensor",
    "int64": "torch.LongTensor",
    "float16": "torch.HalfTensor",
    "bfloat16": "torch.BFloat16Tensor",
    "float32": "torch.FloatTensor",
    "float64": "torch.DoubleTensor",
}


class Size(tuple[int, ...]):
    """The sizes along the axes: a tuple that also knows how many values there are.

    Example:
        >>> npnet.zeros(2, 3).shape
        (2, 3)
        >>> npnet.zeros(2, 3).shape.numel()
        6
    """

    __slots__ = ()

    def numel(self) -> int:
        """How many values a tensor of this size has."""
        return math.prod(self)


class Tensor(OpMethods, InPlaceMethods, RandomMethods, Variable):
    """An ndarray with a place on the tape.

    `Tensor(data)` is float32, whatever the data are: a list, an ndarray (on whose memory it lies
    if that is float32 too). `Tensor(2, 3)` is of that size, and holds what the memory held.
    `Tensor(tensor)` lies on the memory of another. `tensor` goes by what is in the data.

    Args:
        data: see above.
        dtype: another dtype than the default one.
        requires_grad: whether `backward` shall fill `grad`; only for floating point.

    Attributes:
        array, grad, requires_grad, grad_fn: see `Variable`.

    Example:
        >>> x = npnet.Tensor([1, 2, 3])
        >>> x.dtype, npnet.tensor([1, 2, 3]).dtype
        (dtype('float32'), dtype('int64'))
        >>> x.requires_grad_(True)
        tensor([1., 2., 3.], requires_grad=True)
    """

    __array_priority__ = 1000  # NumPy leaves ndarray + Tensor to Tensor
    __slots__ = ()

    def __init__(
        self,
        *data: Any,
        dtype: npt.DTypeLike | None = None,
        requires_grad: Bool = False,
        device: Any = None,
    ) -> None:
        if device is not None:
            check_device(device)
        super().__init__(_constructor_array(data, dtype))
        if requires_grad:
            self.requires_grad = True

    @classmethod
    def _of_dtype(cls, wanted: np.dtype[Any], *data: Any, device: Any = None) -> Tensor:
        """What `LongTensor(...)` makes."""
        if device is not None:
            check_device(device)
        if len(data) == 1 and isinstance(data[0], Tensor) and data[0].dtype != wanted:
            raise TypeError(
                f"{TYPE_NAMES[wanted.name]}: takes a tensor of {wanted}, got {data[0].dtype}; use "
                f"x.to(...) instead"
            )
        return result(_constructor_array(data, wanted))

    # ---- writing in place ----------------------------------------------------------------------

    def _assign(self, index: Any, value: Operand, op: str) -> Tensor:
        """`self[index] = value`."""
        if self._check_write(isinstance(value, Tensor) and value.requires_grad, op):
            return self._write(indexing.set_item(self, index, value), op)
        indexing.store(self.array, index, value)
        self._version.writes += 1
        return self

    def copy_(self, src: Tensor, non_blocking: Bool = False) -> Tensor:
        """Take the values of `src`, which is broadcast. `non_blocking` changes nothing here.

        Example:
            >>> npnet.zeros(2, 2).copy_(npnet.tensor([1, 2]))
            tensor([[1., 2.],
                    [1., 2.]])
        """
        if src.shape != self.shape:
            shape.expand(
                src, self.shape
            )  # says so if it does not fit; x[...] would drop leading 1s
        return self._assign(..., src, "copy_")

    def fill_(self, value: Operand) -> Tensor:
        """Set every value.

        Example:
            >>> npnet.tensor([1, 2, 3]).fill_(7)
            tensor([7, 7, 7])
        """
        return self._assign(..., value, "fill_")

    def zero_(self) -> Tensor:
        """Set every value to 0.

        Example:
            >>> npnet.tensor([1, 2, 3]).zero_()
            tensor([0, 0, 0])
        """
        values = self._values
        if type(values) is np.ndarray and not self._check_write(False, "zero_"):
            values.fill(0)
            self._version.writes += 1
            return self
        return self._assign(..., 0, "zero_")

    def index_put_(self, indices: Any, values: Tensor, accumulate: Bool = False) -> Tensor:
        """`index_put`, in place.

        Example:
            >>> x = npnet.tensor([1, 2, 3])
            >>> x.index_put_((npnet.tensor([0, 2]),), npnet.tensor([10, 30]))
            tensor([10,  2, 30])
        """
        return self._write(scattering.index_put(self, indices, values, accumulate), "index_put_")

    def fill_diagonal_(self, fill_value: Number, wrap: Bool = False) -> Tensor:
        """Set the main diagonal; of a tall matrix with `wrap` again after each square and a row.

        Example:
            >>> npnet.zeros(2, 3).fill_diagonal_(5)
            tensor([[5., 0., 0.],
                    [0., 5., 0.]])
        """
        if self.ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise RuntimeError(f"fill_diagonal_: takes a matrix or a cube, got {self.shape}")
        held = np.zeros(self.shape, bool)
        np.fill_diagonal(held, True, wrap)
        return self._write(splitting.masked_fill(self, result(held), fill_value), "fill_diagonal_")

    def apply_(self, callable: Callable[[Any], Any]) -> Tensor:
        """Replace each value by what a function gives for it: slow, one by one.

        Example:
            >>> npnet.tensor([1.0, 2.0]).apply_(lambda value: value**2 + 1)
            tensor([2., 5.])
        """
        if self.requires_grad:
            raise RuntimeError("apply_: the tensor requires a gradient, which a function has not")
        values = [callable(value) for value in self.array.reshape(-1).tolist()]
        return self._assign(..., result(np.array(values, self.dtype).reshape(self.shape)), "apply_")

    def resize_(self, *size: Size_) -> Tensor:
        """Another size on the same memory, or on more of it, where the new values are 0.

        Example:
            >>> npnet.tensor([1, 2, 3]).resize_(2, 2)
            tensor([[1, 2],
                    [3, 0]])
        """
        if self.requires_grad:
            raise RuntimeError("resize_: a tensor that requires a gradient can't be resized")
        whole = _sizes(size)
        if min(whole, default=0) < 0:
            raise RuntimeError(f"resize_: sizes must be >= 0, got {whole}")
        flat, count = np.ascontiguousarray(self.array).reshape(-1), math.prod(whole)
        if count > flat.size:
            flat = np.concatenate((flat, np.zeros(count - flat.size, flat.dtype)))
        self.array = flat[:count].reshape(whole)
        return self

    def resize_as_(self, the_template: Tensor) -> Tensor:
        """`resize_` to the size of another tensor.

        Example:
            >>> npnet.tensor([1, 2, 3, 4]).resize_as_(npnet.zeros(2, 2))
            tensor([[1, 2],
                    [3, 4]])
        """
        return self.resize_(the_template.shape)

    def set_(self, source: Tensor) -> Tensor:
        """Lie on the memory of another tensor.

        Example:
            >>> x, y = npnet.tensor([1.0]), npnet.tensor([2.0, 3.0])
            >>> x.set_(y), x.data_ptr() == y.data_ptr()
            (tensor([2., 3.]), True)
        """
        self.array = source.array
        return self

    def _become(self, view: Tensor, op: str) -> Tensor:
        """Be the view of itself that an op has just made."""
        recorded = self._check_write(view.requires_grad, op)
        values, function, seen = view.array, view.grad_fn, view._seen
        if view is self:
            return self
        self._values = values
        if recorded:
            self._grad_fn, self._wants = function, True
        if self._base is not None:
            self._seen = seen
        return self

    __iadd__ = augmented(InPlaceMethods.add_)
    __isub__ = augmented(InPlaceMethods.sub_)
    __imul__ = augmented(InPlaceMethods.mul_)
    __itruediv__ = augmented(InPlaceMethods.div_)
    __ifloordiv__ = in_place(arithmetic.floor_divide)
    __imod__ = in_place(arithmetic.remainder)
    __ipow__ = in_place(arithmetic.pow)
    __iand__ = in_place(elementwise.bitwise_and)
    __ior__ = in_place(elementwise.bitwise_or)
    __ixor__ = in_place(elementwise.bitwise_xor)
    __ilshift__ = in_place(elementwise.bitwise_left_shift)
    __irshift__ = in_place(elementwise.bitwise_right_shift)

    def __setitem__(self, index: Any, value: Operand) -> None:
        self._assign(index, value, "x[index] = value")

    # ---- values --------------------------------------------------------------------------------

    def numpy(self, *, force: Bool = False) -> Array:
        """The values as an ndarray on the same memory.

        Raises:
            RuntimeError: a gradient is required, unless `force`, or nothing is recorded (no_grad).

        Example:
            >>> x = npnet.tensor([1.0, 2.0])
            >>> x.numpy()[0] = 9
            >>> x
            tensor([9., 2.])
        """
        if self.requires_grad and not force and is_grad_enabled():
            raise RuntimeError("numpy: the tensor requires a gradient; use tensor.detach().numpy()")
        return self.array

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """The memory for other libraries; options as of `ndarray.__dlpack__`."""
        if self.requires_grad:
            raise BufferError("__dlpack__: the tensor requires a gradient; use tensor.detach()")
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[Int, Int]:
        """Where the memory is: on the CPU."""
        return self.array.__dlpack_device__()

    def __array_wrap__(
        self, array: Array, context: Any = None, return_scalar: Bool = False
    ) -> Tensor:
        """What a function of NumPy's makes of a tensor is a tensor; of bools uint8, as PyTorch."""
        return result(np.asarray(array, np.uint8 if array.dtype == np.bool_ else None))

    def item(self) -> Any:
        """The one value, as a Python number.

        Example:
            >>> npnet.tensor([[2.5]]).item(), npnet.tensor(3).item()
            (2.5, 3)
        """
        array = self.array
        if array.size != 1:
            raise RuntimeError(f"item: the tensor must hold one value, got shape {self.shape}")
        return array.item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers.

        Example:
            >>> npnet.tensor([[1, 2], [3, 4]]).tolist()
            [[1, 2], [3, 4]]
        """
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
        array = self.array
        if array.size != 1:
            raise RuntimeError(
                f"a tensor of shape {self.shape} is neither true nor false; use all() or any()"
            )
        return bool(array.item())

    def __len__(self) -> Int:
        sizes = self._values.shape
        if not sizes:
            raise TypeError("len() of a 0-d tensor")
        return sizes[0]

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
        copy = object.__new__(type(self))
        Variable.__init__(copy, self.array.copy())
        copy.requires_grad = self.requires_grad
        copy.grad = None if self.grad is None else result(self.grad.array.copy())
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
        """Always the CPU.

        Example:
            >>> npnet.tensor([1.0]).device
            device(type='cpu')
        """
        return CPU

    def size(self, dim: Int | None = None) -> Any:
        """The shape, or the size along one axis.

        Example:
            >>> npnet.zeros(2, 3).size(), npnet.zeros(2, 3).size(-1)
            ((2, 3), 3)
        """
        return self.shape if dim is None else self.shape[shape.axis("size", dim, self.ndim)]

    @property
    def shape(self) -> Size:
        """The size along each axis.

        Example:
            >>> npnet.zeros(2, 3).shape, npnet.tensor(5).shape
            ((2, 3), ())
        """
        return Size(self._values.shape)

    def dim(self) -> Int:
        """How many axes there are.

        Example:
            >>> npnet.zeros(2, 3).dim(), npnet.tensor(5).dim()
            (2, 0)
        """
        return len(self._values.shape)

    def numel(self) -> Int:
        """How many values there are.

        Example:
            >>> npnet.zeros(2, 3).numel()
            6
        """
        return math.prod(self._values.shape)

    nelement = numel

    def stride(self, dim: Int | None = None) -> Any:
        """How many values further in memory the next one along each axis, or along one, lies.

        Example:
            >>> x = npnet.zeros(2, 3)
            >>> x.stride(), x.T.stride(), x[:, ::2].stride(1)
            ((3, 1), (1, 3), 2)
        """
        steps = tuple(n // self.array.itemsize for n in self.array.strides)
        return steps if dim is None else steps[dim]

    ndimension = dim

    @property
    def nbytes(self) -> Int:
        """Bytes of all values.

        Example:
            >>> npnet.zeros(2, 3).nbytes
            24
        """
        return self._values.dtype.itemsize * self.numel()

    @property
    def itemsize(self) -> Int:
        """Bytes of one value.

        Example:
            >>> npnet.tensor([1.0]).itemsize, npnet.tensor([1]).itemsize
            (4, 8)
        """
        return self._values.dtype.itemsize

    def is_signed(self) -> Bool:
        """Whether the dtype has negative numbers.

        Example:
            >>> npnet.tensor([1]).is_signed(), npnet.tensor([1]).byte().is_signed()
            (True, False)
        """
        return self._values.dtype.kind in "ifV"

    def is_complex(self) -> Bool:
        """Always False.

        Example:
            >>> npnet.tensor([1.0]).is_complex()
            False
        """
        return False

    def is_nonzero(self) -> Bool:
        """Whether the one value is not 0.

        Example:
            >>> npnet.tensor([0.0]).is_nonzero(), npnet.tensor(2).is_nonzero()
            (False, True)
        """
        return bool(self)

    def is_same_size(self, other: Tensor) -> Bool:
        """Whether the shapes are equal.

        Example:
            >>> npnet.zeros(2, 3).is_same_size(npnet.ones(2, 3))
            True
        """
        return self.shape == other.shape

    def data_ptr(self) -> Int:
        """The address of the first value.

        Example:
            >>> x = npnet.zeros(2, 3)
            >>> x.data_ptr() == x[0].data_ptr(), x[1].data_ptr() - x.data_ptr()
            (True, 12)
        """
        return int(self.array.__array_interface__["data"][0])

    def storage(self) -> TypedStorage:
        """All values of its memory, in a row, also those that a view leaves out.

        Example:
            >>> npnet.tensor([[1, 2], [3, 4]])[1].storage().tolist()
            [1, 2, 3, 4]
        """
        return TypedStorage(memory_of(self.array).reshape(-1))

    def untyped_storage(self) -> UntypedStorage:
        """All bytes of its memory.

        Example:
            >>> npnet.zeros(2, 3)[1].untyped_storage().nbytes()
            24
        """
        return self.storage().untyped()

    def storage_offset(self) -> Int:
        """How many values of its memory lie before the first.

        Example:
            >>> npnet.zeros(2, 3)[1].storage_offset()
            3
        """
        return views.offset(self.array)

    def get_device(self) -> Int:
        """-1, which means the CPU.

        Example:
            >>> npnet.zeros(2).get_device()
            -1
        """
        return -1

    def pin_memory(self, device: Any = None) -> Tensor:
        """The tensor itself: nothing is copied to a GPU.

        Example:
            >>> x = npnet.tensor([1.0])
            >>> x.pin_memory() is x
            True
        """
        return self

    def is_pinned(self, device: Any = None) -> Bool:
        """Always False.

        Example:
            >>> npnet.tensor([1.0]).is_pinned()
            False
        """
        return False

    def conj(self) -> Tensor:
        """The tensor itself, since its values are real.

        Example:
            >>> x = npnet.tensor([1.0, 2.0])
            >>> x.conj() is x
            True
        """
        return self

    resolve_conj = conj
    resolve_neg = conj

    @property
    def real(self) -> Tensor:
        """The tensor itself, since its values are real.

        Example:
            >>> x = npnet.tensor([1.0, 2.0])
            >>> x.real is x
            True
        """
        return self

    def element_size(self) -> Int:
        """Bytes of one value.

        Example:
            >>> npnet.tensor([1.0]).element_size(), npnet.tensor([1]).element_size()
            (4, 8)
        """
        return self.array.itemsize

    def is_floating_point(self) -> Bool:
        """Whether the values are floats.

        Example:
            >>> npnet.tensor([1.0]).is_floating_point(), npnet.tensor([1]).is_floating_point()
            (True, False)
        """
        return self._values.dtype.kind in FLOATS

    def is_contiguous(self, memory_format: Any = None) -> Bool:
        """Whether the values lie in memory in row-major order without gaps.

        Example:
            >>> npnet.zeros(2, 3).is_contiguous(), npnet.zeros(2, 3).T.is_contiguous()
            (True, False)
        """
        check_memory_format("is_contiguous", memory_format)
        return self.array.flags.c_contiguous

    def to(
        self,
        *args: Any,
        dtype: npt.DTypeLike | None = None,
        device: Any = None,
        non_blocking: Bool = False,
        copy: Bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """The tensor in another dtype; a device is accepted if it is the CPU.

        `to(dtype)`, `to(device)`, `to(device, dtype)` and `to(other)` as in PyTorch; then also
        `non_blocking` and `memory_format`, which change nothing, and `copy`: always new memory.

        Example:
            >>> x = npnet.tensor([1.5, 2.5])
            >>> x.to(npnet.int64), x.to("cpu") is x, x.to(npnet.float32, copy=True) is x
            (tensor([1, 2]), True, False)
        """
        if memory_format is not None:
            check_memory_format("to", memory_format)
        if len(args) == 1 and dtype is None and device is None and not copy:
            (wanted,) = args
            if isinstance(wanted, (np.dtype, type)) and wanted is not Tensor:
                return shape.cast(self, np.dtype(wanted))
        rest = list(args)
        if rest and isinstance(rest[0], Tensor):
            dtype = rest.pop(0).dtype
        elif rest and (rest[0] is None or isinstance(rest[0], (str, Device, Int))):
            device = rest.pop(0)
            dtype = rest.pop(0) if rest and not isinstance(rest[0], bool) else dtype
        elif rest:
            dtype = rest.pop(0)
        copy = bool(rest[1]) if len(rest) > 1 else copy
        if device is not None:
            check_device(device)
        y = self if dtype is None else shape.cast(self, np.dtype(dtype))
        return shape.clone(y) if copy and y is self else y

    def type(self, dtype: Any = None, non_blocking: Bool = False) -> Any:
        """The tensor in another dtype; without one, the name of its type: 'torch.FloatTensor'.

        Args:
            dtype: a dtype, a name as 'torch.LongTensor', or a class as `LongTensor`.
            non_blocking: changes nothing here.

        Example:
            >>> npnet.tensor([1.5]).type(), npnet.tensor([1.5]).type("torch.LongTensor")
            ('torch.FloatTensor', tensor([1]))
        """
        if dtype is None:
            return TYPE_NAMES.get(self.dtype.name, f"torch.{self.dtype}")
        if isinstance(dtype, str):
            named = {name: known for known, name in TYPE_NAMES.items()}
            if dtype.removeprefix("npnet.").removeprefix("torch.").startswith("cuda."):
                raise TypeError(f"type {dtype} not available: npnet runs on the CPU, without CUDA")
            name = named.get(dtype.replace("npnet.", "torch."))
            wanted = None if name is None else dtype_named(name)
            if dtype in ("torch.Tensor", "npnet.Tensor"):
                wanted = get_default_dtype()
            if wanted is None:
                raise ValueError(f"type: invalid type: '{dtype}'")
            return self.to(wanted)
        if dtype is Tensor:
            return self.to(get_default_dtype())
        return self.to(getattr(dtype, "dtype", dtype))

    def float(self, memory_format: Any = None) -> Tensor:
        """The tensor in float32.

        Example:
            >>> npnet.tensor([1, 2]).float()
            tensor([1., 2.])
        """
        return self.to(np.float32, memory_format=memory_format)

    def double(self, memory_format: Any = None) -> Tensor:
        """The tensor in float64.

        Example:
            >>> npnet.tensor([1.0]).double()
            tensor([1.], dtype=npnet.float64)
        """
        return self.to(np.float64, memory_format=memory_format)

    def long(self, memory_format: Any = None) -> Tensor:
        """The tensor in int64.

        Example:
            >>> npnet.tensor([1.8, -1.8]).long()
            tensor([ 1, -1])
        """
        return self.to(np.int64, memory_format=memory_format)

    def int(self, memory_format: Any = None) -> Tensor:
        """The tensor in int32.

        Example:
            >>> npnet.tensor([1.8, -1.8]).int()
            tensor([ 1, -1], dtype=npnet.int32)
        """
        return self.to(np.int32, memory_format=memory_format)

    def bool(self, memory_format: Any = None) -> Tensor:
        """The tensor in bool.

        Example:
            >>> npnet.tensor([0.0, 0.5, 2.0]).bool()
            tensor([False,  True,  True])
        """
        return self.to(np.bool_, memory_format=memory_format)

    def half(self, memory_format: Any = None) -> Tensor:
        """The tensor in float16.

        Example:
            >>> npnet.tensor([1.0, 2.0]).half()
            tensor([1., 2.], dtype=npnet.float16)
        """
        return self.to(np.float16, memory_format=memory_format)

    def bfloat16(self, memory_format: Any = None) -> Tensor:
        """The tensor in bfloat16, rounded to the nearest, ties to even.

        Example:
            >>> npnet.tensor([1.0, 3.14159]).bfloat16().float()
            tensor([1.0000, 3.1406])
        """
        return self.to(bfloat16(), memory_format=memory_format)

    def short(self, memory_format: Any = None) -> Tensor:
        """The tensor in int16.

        Example:
            >>> npnet.tensor([1.8, -1.8]).short()
            tensor([ 1, -1], dtype=npnet.int16)
        """
        return self.to(np.int16, memory_format=memory_format)

    def char(self, memory_format: Any = None) -> Tensor:
        """The tensor in int8.

        Example:
            >>> npnet.tensor([1.5, -2.5]).char()
            tensor([ 1, -2], dtype=npnet.int8)
        """
        return self.to(np.int8, memory_format=memory_format)

    def byte(self, memory_format: Any = None) -> Tensor:
        """The tensor in uint8.

        Example:
            >>> npnet.tensor([1.0, 255.0]).byte()
            tensor([  1, 255], dtype=npnet.uint8)
        """
        return self.to(np.uint8, memory_format=memory_format)

    def type_as(self, other: Tensor) -> Tensor:
        """The tensor in the dtype of `other`.

        Example:
            >>> npnet.tensor([1.5]).type_as(npnet.tensor([1]))
            tensor([1])
        """
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """The tensor itself: it is there already.

        Example:
            >>> x = npnet.tensor([1.0])
            >>> x.cpu() is x
            True
        """
        return self

    def cuda(
        self, device: Any = None, non_blocking: Bool = False, memory_format: Any = None
    ) -> Tensor:
        """NotImplementedError: npnet runs on the CPU.

        Example:
            >>> try:
            ...     npnet.tensor([1.0]).cuda()
            ... except NotImplementedError:
            ...     print(npnet.cuda.is_available())
            False
        """
        return self.to("cuda" if device is None else device)

    def adjoint(self) -> Tensor:
        """The last two axes exchanged, since the values are real.

        Example:
            >>> npnet.zeros(5, 2, 3).adjoint().shape
            (5, 3, 2)
        """
        return shape.transpose(self, -2, -1)

    def to_dense(self, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The tensor itself, which is dense, in `dtype` if one is given.

        Example:
            >>> x = npnet.tensor([1.0])
            >>> x.to_dense() is x
            True
        """
        return self.to(dtype=dtype)

    def is_conj(self) -> Bool:
        """Always False, as of all that is asked of complex and inference tensors.

        Example:
            >>> npnet.tensor([1.0]).is_conj()
            False
        """
        return False

    is_neg = is_inference = is_conj

    def is_shared(self) -> Bool:
        """Whether the values lie on memory that processes share.

        Example:
            >>> npnet.tensor([1.0]).is_shared()
            False
        """
        return is_shared(self.array)

    def share_memory_(self) -> Tensor:
        """Move the values to memory that processes share: a child is sent it, and not a copy.

        Views that were made before stay where they are, as does a tensor whose `data` this is.

        Raises:
            RuntimeError: the tensor is a view of another, which would stay where it is.

        Example:
            >>> npnet.tensor([1.0]).share_memory_().is_shared()
            True
        """
        if self._base is not None and not self.is_shared():
            raise RuntimeError(
                "share_memory_: the tensor is a view; share the one it is a view of, and make the "
                "view again"
            )
        self.array = shared(self.array)
        return self

    def is_set_to(self, tensor: Tensor) -> Bool:
        """Whether both are the same values of the same memory.

        Example:
            >>> x = npnet.zeros(2, 3)
            >>> x.is_set_to(x.view(2, 3)), x.is_set_to(x.clone())
            (True, False)
        """
        a, b = self.array, tensor.array
        places = [x.__array_interface__["data"][0] for x in (a, b)]
        return places[0] == places[1] and (a.shape, a.strides) == (b.shape, b.strides)

    def map_(self, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
        """Replace each value by what a function gives for it and another tensor's: slow.

        Example:
            >>> npnet.tensor([1.0, 5.0]).map_(npnet.tensor([3.0, 2.0]), max)
            tensor([3., 5.])
        """
        if self.requires_grad or tensor.requires_grad:
            raise RuntimeError("map_: a tensor requires a gradient, which a function has not")
        pairs = zip(self.array.ravel(), np.broadcast_to(tensor.array, self.shape).flat, strict=True)
        values = [callable(a.item(), b.item()) for a, b in pairs]
        return self._assign(..., result(np.array(values, self.dtype).reshape(self.shape)), "map_")

    layout = property(lambda self: strided, doc="Always `strided`.")
    output_nr = property(lambda self: 0, doc="Always 0: an op here has one result.")
    is_cuda = is_sparse = is_quantized = is_meta = is_mps = is_xpu = is_nested = property(
        lambda self: False, doc="Always False."
    )
    is_cpu = property(lambda self: True, doc="Always True.")
    name = property(lambda self: None, doc="None: tensors have no names.")

    def _options(self, options: dict[str, Any]) -> tuple[np.dtype[Any], Bool]:
        """The dtype, by default this tensor's, and `requires_grad` of a `new_*` method's options.

        `layout`, `pin_memory` and `memory_format` change nothing on one CPU.
        """
        known = ("dtype", "device", "requires_grad", "layout", "pin_memory", "memory_format")
        for name in options.keys() - set(known):
            raise TypeError(f"new_*() got an unexpected keyword argument '{name}'")
        if options.get("device") is not None:
            check_device(options["device"])
        dtype = options.get("dtype")
        return np.dtype(self.dtype if dtype is None else dtype), options.get("requires_grad", False)

    def _new(self, size: tuple[Any, ...], fill: Any, options: dict[str, Any]) -> Tensor:
        if "size" in options:
            size = tuple(options.pop("size"))
        dtype, wanted = self._options(options)
        with np.errstate(all="ignore"):  # what is too large for the dtype is infinite
            return result(np.full(_sizes(size), fill, dtype)).requires_grad_(wanted)

    def new_zeros(self, *size: Any, **options: Any) -> Tensor:
        """All 0 in a size, in this tensor's dtype.

        Example:
            >>> npnet.tensor([1]).new_zeros(2, 3)
            tensor([[0, 0, 0],
                    [0, 0, 0]])
        """
        return self._new(size, 0, options)

    def new_ones(self, *size: Any, **options: Any) -> Tensor:
        """All 1 in a size, in this tensor's dtype.

        Example:
            >>> npnet.tensor([1]).new_ones(2, 3)
            tensor([[1, 1, 1],
                    [1, 1, 1]])
        """
        return self._new(size, 1, options)

    def new_full(self, size: Sequence[Int], fill_value: Number, **options: Any) -> Tensor:
        """Every value the same in a size, in this tensor's dtype.

        Example:
            >>> npnet.tensor([1.0]).new_full((2,), 7)
            tensor([7., 7.])
        """
        return self._new(tuple(size), fill_value, options)

    def new_empty(self, *size: Any, **options: Any) -> Tensor:
        """A size whose values are whatever was there, in this tensor's dtype.

        Example:
            >>> npnet.tensor([1]).new_empty(2, 3).dtype
            dtype('int64')
        """
        if "size" in options:
            size = tuple(options.pop("size"))
        dtype, wanted = self._options(options)
        return result(np.empty(_sizes(size), dtype)).requires_grad_(wanted)

    def new_tensor(self, data: Any, **options: Any) -> Tensor:
        """A tensor on a copy of `data`, in this tensor's dtype.

        Example:
            >>> npnet.tensor([1.0]).new_tensor([2, 3])
            tensor([2., 3.])
        """
        dtype, wanted = self._options(options)
        return tensor(data, dtype=dtype, requires_grad=wanted)

    def new(self, *data: Any, device: Any = None) -> Tensor:
        """As the constructor of this tensor's type: of sizes, or of data.

        Example:
            >>> npnet.tensor([1.0]).new([2, 3])
            tensor([2., 3.])
        """
        return Tensor._of_dtype(self.dtype, *data, device=device)

    def contiguous(self, memory_format: Any = None) -> Tensor:
        """The tensor, copied if it does not lie in memory in row-major order.

        Args:
            memory_format: accepted and without effect: kernels choose their own order.

        Example:
            >>> x = npnet.zeros(2, 3).T
            >>> x.stride(), x.contiguous().stride()
            ((1, 3), (2, 1))
        """
        check_memory_format("contiguous", memory_format)
        return self if self.is_contiguous() else shape.clone(self)

    def view(self, *size: Any, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The values in another shape on the same memory; RuntimeError if that needs a copy.

        `view(dtype)` takes the bytes for numbers of another dtype, off the tape; the last axis
        becomes as much longer or shorter as they are smaller or larger.

        Example:
            >>> x = npnet.arange(4)
            >>> x.view(2, -1)[0, 0] = 9
            >>> x, npnet.tensor([1.0]).view(npnet.int32)
            (tensor([9, 1, 2, 3]), tensor([1065353216], dtype=npnet.int32))
        """
        if dtype is None and len(size) == 1 and isinstance(size[0], np.dtype):
            return views.reinterpreted(self, size[0])
        if dtype is not None:
            return views.reinterpreted(self, np.dtype(dtype))
        return shape.view(self, _sizes(size))

    def view_as(self, other: Tensor) -> Tensor:
        """`view` in the shape of `other`.

        Example:
            >>> npnet.arange(4).view_as(npnet.zeros(2, 2))
            tensor([[0, 1],
                    [2, 3]])
        """
        return shape.view(self, other.shape)

    def reshape(self, *size: Size_) -> Tensor:
        """The values in another shape; one size may be -1.

        Example:
            >>> npnet.arange(6).reshape(2, -1)
            tensor([[0, 1, 2],
                    [3, 4, 5]])
        """
        return shape.reshape(self, _sizes(size))

    def permute(self, *dims: Size_) -> Tensor:
        """The axes in another order.

        Example:
            >>> npnet.zeros(2, 3, 4).permute(2, 0, 1).shape
            (4, 2, 3)
        """
        return shape.permute(self, _sizes(dims))

    @property
    def T(self) -> Tensor:
        """All axes in reverse order.

        Example:
            >>> npnet.zeros(2, 3).T.shape
            (3, 2)
        """
        return shape.permute(self, tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged.

        Example:
            >>> npnet.zeros(5, 2, 3).mT.shape
            (5, 3, 2)
        """
        return shape.transpose(self, -2, -1)

    @property
    def H(self) -> Tensor:
        """The transpose of a matrix, since its values are real.

        Example:
            >>> npnet.tensor([[1, 2], [3, 4]]).H
            tensor([[1, 3],
                    [2, 4]])
        """
        return shape.t(self)

    mH = mT

    def expand(self, *size: Size_) -> Tensor:
        """Axes of size 1 repeated without a copy; -1 keeps a size.

        Example:
            >>> npnet.tensor([[1], [2]]).expand(-1, 3)
            tensor([[1, 1, 1],
                    [2, 2, 2]])
        """
        return shape.expand(self, _sizes(size))

    def expand_as(self, other: Tensor) -> Tensor:
        """`expand` to the shape of `other`.

        Example:
            >>> npnet.tensor([[1], [2]]).expand_as(npnet.zeros(2, 3))
            tensor([[1, 1, 1],
                    [2, 2, 2]])
        """
        return shape.expand(self, other.shape)

    def repeat(self, *repeats: Size_) -> Tensor:
        """The tensor laid side by side, so many times along each axis.

        Example:
            >>> npnet.tensor([1, 2]).repeat(2), npnet.tensor([1, 2]).repeat(2, 1)
            (tensor([1, 2, 1, 2]), tensor([[1, 2],
                    [1, 2]]))
        """
        return splitting.repeat(self, _sizes(repeats))

    def split(self, split_size: Int | Sequence[Int], dim: Int = 0) -> tuple[Tensor, ...]:
        """Views of that size along `dim`, or of the given sizes.

        Example:
            >>> npnet.arange(5).split(2)
            (tensor([0, 1]), tensor([2, 3]), tensor([4]))
        """
        return splitting.split(self, split_size, dim)

    def flip(self, *args: Size_, dims: Size_ | None = None) -> Tensor:
        """A copy with the order along axes reversed.

        Example:
            >>> npnet.tensor([[1, 2], [3, 4]]).flip(0), npnet.tensor([[1, 2], [3, 4]]).flip(0, 1)
            (tensor([[3, 4],
                    [1, 2]]), tensor([[4, 3],
                    [2, 1]]))
        """
        return splitting.flip(self, _sizes(args) if dims is None else dims)

    def tile(self, *dims: Size_) -> Tensor:
        """`repeat`, where axes that have no number are repeated once.

        Example:
            >>> npnet.tensor([1, 2]).tile(2), npnet.tensor([[1, 2]]).tile(2, 1)
            (tensor([1, 2, 1, 2]), tensor([[1, 2],
                    [1, 2]]))
        """
        return arranging.tile(self, _sizes(dims))

    def unflatten(self, dim: Int, *sizes: Size_) -> Tensor:
        """One axis made several, of `sizes`, one of which may be -1.

        Example:
            >>> npnet.zeros(2, 6).unflatten(1, (3, -1)).shape
            (2, 3, 2)
        """
        return views.unflatten(self, dim, _sizes(sizes))

    def unfold(self, dimension: Int, size: Int, step: Int) -> Tensor:
        """All windows of `size` along an axis, `step` apart, as a view.

        Shape: (..., n, ...) -> (..., (n - size) // step + 1, ..., size).

        Example:
            >>> npnet.arange(5).unfold(0, 3, 2)
            tensor([[0, 1, 2],
                    [2, 3, 4]])
        """
        return views.unfold(self, dimension, size, step)

    def reshape_as(self, other: Tensor) -> Tensor:
        """`reshape` to the shape of `other`.

        Example:
            >>> npnet.arange(4).reshape_as(npnet.zeros(2, 2))
            tensor([[0, 1],
                    [2, 3]])
        """
        return shape.reshape(self, other.shape)

    def sum_to_size(self, *size: Size_) -> Tensor:
        """Summed over the axes along which `size` would be broadcast to this shape.

        Example:
            >>> npnet.ones(2, 3).sum_to_size(1, 3)
            tensor([[2., 2., 2.]])
        """
        whole = _sizes(size)
        if shape.broadcast_shapes("sum_to_size", self.shape, whole) != self.shape:
            raise RuntimeError(f"sum_to_size: {whole} does not expand to {tuple(self.shape)}")
        new = self.ndim - len(whole)
        axes = [i for i, n in enumerate(self.shape) if i < new or (whole[i - new] == 1 != n)]
        # What is summed to a single number is int64, even where there is nothing to add.
        summed = self.sum(axes) if axes or not whole else self
        return shape.reshape(summed, whole)

    def roll(self, shifts: Size_, dims: Size_ = ()) -> Tensor:
        """Values moved by `shifts` along `dims`, or in the flattened tensor, round the end.

        Example:
            >>> npnet.tensor([1, 2, 3, 4]).roll(1), npnet.tensor([[1, 2], [3, 4]]).roll(1, 0)
            (tensor([4, 1, 2, 3]), tensor([[3, 4],
                    [1, 2]]))
        """
        return arranging.roll(self, shifts, dims)

    def polygamma(self, n: Int) -> Tensor:
        """The n-th derivative of `digamma`.

        Example:
            >>> npnet.tensor([1.0]).polygamma(1)  # pi^2 / 6
            tensor([1.6449])
        """
        return special.polygamma(n, self)

    def polygamma_(self, n: Int) -> Tensor:
        """`polygamma`, in place.

        Example:
            >>> npnet.tensor([1.0]).polygamma_(1)  # pi^2 / 6
            tensor([1.6449])
        """
        return self._write(special.polygamma(n, self), "polygamma_")

    def narrow_copy(self, dim: Int, start: Int, length: Int) -> Tensor:
        """A copy of `narrow`.

        Example:
            >>> npnet.tensor([1, 2, 3, 4]).narrow_copy(0, 1, 2)
            tensor([2, 3])
        """
        return shape.clone(views.narrow(self, dim, start, length))

    def bernoulli(self, p: Float | None = None, *, generator: Generator | None = None) -> Tensor:
        """1 with the probabilities of this tensor, or with p, else 0; in this dtype.

        Example:
            >>> npnet.tensor([0.0, 1.0]).bernoulli(), npnet.tensor([5.0]).bernoulli(p=1.0)
            (tensor([0., 1.]), tensor([1.]))
        """
        odds = self if p is None else result(np.full(self.shape, p, self.dtype))
        return sampling.bernoulli(odds, generator=generator)

    def multinomial(
        self, num_samples: Int, replacement: Bool = False, *, generator: Generator | None = None
    ) -> Tensor:
        """Positions drawn with the odds of this vector, or of each row.

        Example:
            >>> npnet.tensor([[0.0, 1.0], [1.0, 0.0]]).multinomial(2, replacement=True)
            tensor([[1, 1],
                    [0, 0]])
        """
        return sampling.multinomial(self, num_samples, replacement, generator=generator)

    def masked_select(self, mask: Tensor) -> Tensor:
        """The values where the mask holds, one after the other.

        Example:
            >>> x = npnet.tensor([[1, 2], [3, 4]])
            >>> x.masked_select(x % 2 == 0)
            tensor([2, 4])
        """
        if mask.dtype not in (np.bool_, np.uint8):
            raise RuntimeError(f"masked_select: mask must be bool, got {mask.dtype}")
        size = shape.broadcast_shapes("masked_select", self.shape, mask.shape)
        return indexing.get_item(shape.expand(self, size), shape.expand(mask, size))

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
    __lshift__ = elementwise.bitwise_left_shift
    __rshift__ = elementwise.bitwise_right_shift
    __pos__ = elementwise.positive

    def __rlshift__(self, other: Operand) -> Tensor:
        return elementwise.bitwise_left_shift(other, self)

    def __rrshift__(self, other: Operand) -> Tensor:
        return elementwise.bitwise_right_shift(other, self)

    def __eq__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.eq(self, _compared(other)) if _is_compared(other) else NotImplemented

    def __ne__(self, other: Operand) -> Tensor:  # type: ignore[override] # elementwise, as in PyTorch
        return compare.ne(self, _compared(other)) if _is_compared(other) else NotImplemented

    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __hash__ = object.__hash__  # a tensor is a key by identity, as in PyTorch

    # ---- activations, see ops.activation -------------------------------------------------------

    def relu(self) -> Tensor:
        """`max(self, 0)`.

        Example:
            >>> npnet.tensor([-1.0, 2.0]).relu()
            tensor([0., 2.])
        """
        return activation.relu(self)

    def relu_(self) -> Tensor:
        """`max(self, 0)`, in place.

        Example:
            >>> x = npnet.tensor([-1.0, 2.0])
            >>> x.relu_() is x, x
            (True, tensor([0., 2.]))
        """
        return self._write(activation.relu(self), "relu_")

    def softmax(self, dim: Int, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The softmax along an axis, in `dtype` if one is given.

        Example:
            >>> npnet.tensor([0.0, 0.0]).softmax(0)
            tensor([0.5000, 0.5000])
        """
        return activation.softmax(self, dim, dtype=dtype)

    def log_softmax(self, dim: Int, dtype: npt.DTypeLike | None = None) -> Tensor:
        """The logarithm of the softmax along an axis, in `dtype` if one is given.

        Example:
            >>> npnet.tensor([0.0, 0.0]).log_softmax(0)
            tensor([-0.6931, -0.6931])
        """
        return activation.log_softmax(self, dim, dtype=dtype)

    # ---- reductions, see ops.reduce ------------------------------------------------------------


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

    Example:
        >>> npnet.tensor([[1, 2], [3, 4]]).dtype, npnet.tensor([0.5]).dtype
        (dtype('int64'), dtype('float32'))
        >>> npnet.tensor([0.5, 1.5], requires_grad=True)
        tensor([0.5000, 1.5000], requires_grad=True)
    """
    if device is not None:
        check_device(device)
    values = data.array if isinstance(data, Tensor) else data
    array = _as_array(values, dtype)
    if isinstance(values, (np.ndarray, np.generic)):  # of anything else it is new already
        array = np.array(array, order="C")
    y = result(array)
    return y.requires_grad_() if requires_grad else y


def as_tensor(data: Any, dtype: npt.DTypeLike | None = None, device: Any = None) -> Tensor:
    """A tensor on the memory of `data` where it is an ndarray or a tensor, else on a copy.

    Example:
        >>> array = np.zeros(2)
        >>> npnet.as_tensor(array)[0] = 5
        >>> array
        array([5., 0.])
    """
    if device is not None:
        check_device(device)
    if isinstance(data, Tensor):
        return data.to(dtype=dtype)
    return result(_as_array(data, dtype))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor.

    Example:
        >>> npnet.is_tensor(npnet.tensor([1])), npnet.is_tensor([1])
        (True, False)
    """
    return isinstance(obj, Tensor)


def _as_array(data: Any, dtype: npt.DTypeLike | None) -> Array:
    before = be_quiet()  # what is too large for the dtype is infinite
    try:
        return _read(data, dtype)
    finally:
        as_before(before)


def _read(data: Any, dtype: npt.DTypeLike | None) -> Array:
    """The data as an array, on their memory if they are one of this dtype."""
    if isinstance(data, Tensor):
        data = data.numpy()
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data, dtype)
    else:
        try:
            plain = _plain_numbers(data)
            try:
                array = np.array(plain, dtype)
            except OverflowError:
                if dtype is None:
                    raise
                array = wrapped(plain, np.dtype(dtype))
        except ValueError as error:
            raise ValueError(
                "Tensor: the lists in a list must all be of one length, and hold numbers (pad the "
                f"shorter ones, or keep a list of tensors): {error}"
            ) from error
        are_pythons = array.dtype == np.float64 or not array.size
        if dtype is None and are_pythons and not _holds_doubles(data):
            array = array.astype(get_default_dtype())  # Python floats, as in PyTorch
    if array.dtype.kind not in "fiub" and not is_bfloat16(array.dtype):
        raise TypeError(f"Tensor: values must be numbers or bools, got {array.dtype}")
    return array


def _plain_numbers(data: Any) -> Any:
    """Nested lists with each tensor in them as its number or list."""
    if isinstance(data, (list, tuple)):
        return [_plain_numbers(part) for part in data]
    return data.tolist() if isinstance(data, Tensor) else data


def _holds_doubles(data: Any) -> bool:
    """Whether NumPy's numbers, arrays or tensors of float64 are in nested lists."""
    if isinstance(data, (list, tuple)):
        return any(map(_holds_doubles, data))
    return type(data) is not float and getattr(data, "dtype", None) == np.float64


def _constructor_array(data: tuple[Any, ...], dtype: npt.DTypeLike | None) -> Array:
    """What `Tensor(*data)` lies on."""
    wanted = get_default_dtype() if dtype is None else np.dtype(dtype)
    if len(data) == 1 and not isinstance(data[0], (Size, int, np.integer)):
        (one,) = data
        if type(one) is np.ndarray and one.dtype == wanted:
            return one
        if isinstance(one, Tensor):
            return one.array if dtype is None else one.array.astype(wanted, copy=False)
        if isinstance(one, (float, bool, str, np.generic)):
            raise TypeError(
                f"Tensor: takes an array, a list or sizes, got {one!r}; tensor({one!r}) holds it"
            )
        return _as_array(one, wanted)
    sizes = data[0] if len(data) == 1 and isinstance(data[0], Size) else data
    if any(isinstance(n, bool) for n in sizes):
        raise TypeError(f"Tensor: takes an array, a list or sizes, got {data}")
    whole = tuple(operator.index(n) for n in sizes) if sizes else (0,)
    if min(whole, default=0) < 0:
        raise RuntimeError(f"Tensor: sizes must be >= 0, got {whole}")
    return np.empty(whole, wanted)


def _is_compared(value: Any) -> bool:
    """Whether == looks at each value; of a PyTorch tensor it says that it can't."""
    kinds = (Tensor, bool, int, float, np.number, np.bool_, np.ndarray)
    return isinstance(value, kinds) or kind_of(value) == "a PyTorch tensor"


def _compared(value: Any) -> Any:
    return result(value) if isinstance(value, np.ndarray) else value


for _kind in (OpMethods, InPlaceMethods, RandomMethods, Tensor):
    with_numpy_names([_name for _name in vars(_kind) if not _name.startswith("_")], _kind)


def _sizes(size: tuple[Size_, ...]) -> tuple[int, ...]:
    """The arguments of `x.view(2, 3)` and of `x.view((2, 3))` alike."""
    if len(size) == 1 and not isinstance(size[0], (int, np.integer)):
        return tuple(size[0])
    return tuple(size)  # type: ignore[arg-type] # ints, if more than one
