"""How Python and programs come to a kernel: by its address, with its arguments as words.

A kernel is compiled once, and with it a loop that calls it on a run of items (`ItemsCompiler`). The
loop takes the arguments from memory, where they stand as 64-bit words:

    an array        0, 0, items, bytes of an item, address, shape, strides: as Numba has it, but
                    for the counter of references, which kernels do not need
    a number, flag  one word
    a tile, None    none: it is part of the kernel's type

So whoever calls kernels needs no code of its own for each: a program walks a table of addresses,
and Python has one function for all, `enter`, which looks at the types of the arguments, writes the
words and shares the items among threads. It is written as LLVM instructions, as Numba's own
functions that Python calls are; there is no C compiler where npnet runs.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, lowering
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.np import numpy_support

from npnet.kernels._jit import kernel
from npnet.kernels._parallel import CALL_LOOP, POINTER, WORD, run_items

__all__ = ["Code", "ItemsCompiler", "Leaf", "leaf_of", "make_code"]


# What is looked at in an argument, and how it is written.
ARRAY, INT, FLOAT64, FLOAT32, FLAG, SAME = range(6)

# A record, an array of words, is what `enter` is bound to: the loop, how many leaves there are, how
# many words they make, None and TypeError, and of each leaf what is in a `Leaf`.
LOOP, LEAVES, WORDS, NONE, ERROR, HEAD = range(6)
KIND, EXPECTED, DTYPE, AXES, ITEMSIZE, FLAGS, LEAF = range(7)

# Where a Python object and an array (PyArrayObject_fields, of all NumPy's versions) have these.
OBJECT = object.__basicsize__
OF_TYPE, OF_DATA = OBJECT - 8, OBJECT
OF_AXES, OF_SHAPE, OF_STRIDES, OF_DTYPE, OF_FLAGS = (OBJECT + 8 * k for k in (1, 2, 3, 5, 6))
ROW_MAJOR, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400  # of an array's flags

INT32 = ir.IntType(32)
METH_FASTCALL = 0x80


class Leaf(NamedTuple):
    """What an argument, or the field of a plan, is: its words in a record, and for the kernel.

    Attributes:
        kind: one of those above.
        expected: the address of its type, or of itself where it is always the same.
        dtype: of an array, the address of its dtype.
        axes: of an array.
        itemsize: of an array, bytes.
        flags: of an array, those that must be set.
        type: for Numba.
        words: how many it makes.
    """

    kind: int
    expected: int
    dtype: int
    axes: int
    itemsize: int
    flags: int
    type: Any
    words: int


class Code(NamedTuple):
    """A kernel, compiled for the types of some arguments.

    Attributes:
        loop: the address of the loop that calls it on items.
        words: how many the arguments make.
        call: does items: of (items, the most threads, *leaves). TypeError where one is of another
            type, before anything is done.
        write: writes the arguments to an array of int64: of (array, *leaves). TypeError likewise.
        kept: what the addresses above are of.
    """

    loop: int
    words: int
    call: Callable[..., None]
    write: Callable[..., None]
    kept: Any


def leaf_of(value: Any, writes: bool = True) -> tuple[Leaf, Any]:
    """What a value is, and the value as `enter` knows it: an array of the class and dtype itself.

    Args:
        value: it was looked at: an array is row-major and aligned.
        writes: whether an array must be writable.
    """
    if isinstance(value, np.ndarray):
        dtype = np.dtype(value.dtype.type)
        if type(value) is not np.ndarray or value.dtype is not dtype:
            value = value.view(dtype, np.ndarray)
        flags = ROW_MAJOR | ALIGNED | (WRITEABLE if writes else 0)
        kind = types.Array(numpy_support.from_dtype(dtype), value.ndim, "C")
        words = 5 + 2 * value.ndim
        of = id(np.ndarray), id(dtype), value.ndim, dtype.itemsize, flags
        return Leaf(ARRAY, *of, kind, words), value
    if isinstance(value, (bool, np.bool_)):
        return Leaf(FLAG, id(True), id(False), 0, 0, 0, types.boolean, 1), bool(value)
    if isinstance(value, (int, np.integer)):
        return Leaf(INT, id(int), 0, 0, 0, 0, types.int64, 1), int(value)
    if isinstance(value, np.float32):
        return Leaf(FLOAT32, id(np.float32), 0, 0, 0, 0, types.float32, 1), value
    if isinstance(value, (float, np.floating)):
        return Leaf(FLOAT64, id(float), 0, 0, 0, 0, types.float64, 1), float(value)
    return Leaf(SAME, id(value), 0, 0, 0, 0, numba.typeof(value), 0), value


def make_code(kernel: Any, signature: tuple[Any, ...], leaves: Sequence[Leaf], kept: Any) -> Code:
    """Compile a kernel of these types, the item's last, unless it is."""
    kernel.compile(signature)
    result = kernel.overloads[signature]
    loop = result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name)
    words = sum(leaf.words for leaf in leaves)
    head = loop, len(leaves), words, id(None), id(TypeError)
    record = np.array([*head, *(word for leaf in leaves for word in leaf[:LEAF])], np.int64)
    call, write = (_bound(definition, record) for definition in _definitions())
    return Code(loop, words, call, write, kept)


# ---- functions that Python calls -----------------------------------------------------------------


class _Definition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_new_function = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = [ctypes.POINTER(_Definition), ctypes.py_object, ctypes.c_void_p]


def _bound(definition: _Definition, record: Any) -> Callable[..., None]:
    function: Callable[..., None] = _new_function(ctypes.byref(definition), record, None)
    return function


@functools.cache
def _definitions() -> tuple[_Definition, _Definition]:
    """Of `enter` and `write`, compiled."""
    entry.compile(())
    result = entry.overloads[()]
    name = result.fndesc.llvm_cfunc_wrapper_name
    enter, write = map(result.library.get_pointer_to_function, (name, f"{name}.write"))
    return (
        _Definition(b"enter", enter, METH_FASTCALL, None),
        _Definition(b"write", write, METH_FASTCALL, None),
    )


# ---- the loop of a kernel ------------------------------------------------------------------------


class _Lower(lowering.Lower):
    """Numba's lowering, with the loop where others have a function for C."""

    def create_cfunc_wrapper(self):
        module = self.context.create_module("items")
        _add_loop(self.context, module, self.fndesc)
        self.library.add_ir_module(module)


class _LowerEntry(lowering.Lower):
    def create_cfunc_wrapper(self):
        module = self.context.create_module("entry")
        _add_entries(module, self.fndesc.llvm_cfunc_wrapper_name)
        self.library.add_ir_module(module)


def _compiler_by(lower: Any) -> Any:
    """Numba's compiler, that lowers by another class."""

    @register_pass(mutates_CFG=True, analysis_only=False)
    class Lowering(NativeLowering):
        _name = f"npnet{lower.__name__.lower()}"
        lowering_class = lower

    class Compiler(CompilerBase):
        def define_pipelines(self):
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes.passes = [
                (Lowering if which is NativeLowering else which, why)
                for which, why in passes.passes
            ]
            passes.finalize()
            return [passes]

    return Compiler


ItemsCompiler = _compiler_by(_Lower)


def _add_loop(context, module, fndesc):
    """The function that calls a kernel on a run of items."""
    callee = context.declare_function(module, fndesc)
    callee.linkage = "external"
    loop = ir.Function(module, CALL_LOOP, fndesc.llvm_cfunc_wrapper_name)
    builder = ir.IRBuilder(loop.append_basic_block())
    place, first, count = loop.args
    words, values = _Words(builder, place), []
    for kind in fndesc.argtypes[:-1]:
        values.append(_read(context, builder, words, kind))
    with cgutils.for_range(builder, count, intp=WORD) as item:
        k = builder.add(first, item.index)
        context.call_conv.call_function(
            builder, callee, fndesc.restype, fndesc.argtypes, [*values, k], attrs=("noinline",)
        )
    builder.ret_void()


class _Words:
    """Words in memory, read or written one after the other; `at` is of the next."""

    def __init__(self, builder, place):
        self.builder, self.at = builder, builder.bitcast(place, WORD.as_pointer())

    def next(self, kind=WORD):
        place, self.at = self.at, self.builder.gep(self.at, [WORD(1)], source_etype=WORD)
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()), typ=kind)


def _read(context, builder, words, kind):
    """The argument that stands next."""
    if isinstance(kind, types.BaseTuple):
        parts = [_read(context, builder, words, part) for part in kind.types]
        return context.make_tuple(builder, kind, parts)
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder)
        array.meminfo = words.next(array.meminfo.type)
        array.parent = words.next(array.parent.type)
        array.nitems, array.itemsize = words.next(), words.next()
        array.data = words.next(array.data.type)
        array.shape, array.strides = (
            cgutils.pack_array(builder, [words.next() for _ in range(kind.ndim)], ty=WORD)
            for _ in range(2)
        )
        return array._getvalue()
    if isinstance(kind, types.Boolean):
        return builder.trunc(words.next(), context.get_value_type(kind))
    if isinstance(kind, (types.Integer, types.Float)):
        return words.next(context.get_value_type(kind))
    return context.get_dummy_value()


# ---- `enter` and `write` -------------------------------------------------------------------------

OBJECTS, WORDS_THERE = POINTER.as_pointer(), WORD.as_pointer()
METHOD = ir.FunctionType(POINTER, [POINTER, OBJECTS, WORD])  # what it is bound to, arguments, count
FILL = ir.FunctionType(ir.VoidType(), [WORDS_THERE, OBJECTS, WORD, WORDS_THERE])


def _add_entries(module, name):
    fill = _add_fill(module)
    builder, (bound, given, count) = _begin(module, name)
    record = _data(builder, bound)
    words = builder.alloca(WORD, _word(builder, record, WORDS))
    leaves = builder.gep(given, [WORD(2)], source_etype=POINTER)
    builder.call(fill, [record, leaves, builder.sub(count, WORD(2)), words])
    with builder.if_then(builder.not_(_has_failed(builder))):
        items, most = (_integer(builder, _object(builder, given, WORD(k))) for k in range(2))
        with builder.if_then(builder.not_(_has_failed(builder))):
            state = _call_python(builder, "PyEval_SaveThread", POINTER)
            run_items(builder, _word(builder, record, LOOP), words, items, most)
            _call_python(builder, "PyEval_RestoreThread", ir.VoidType(), state)
    _end(builder, record)

    builder, (bound, given, count) = _begin(module, f"{name}.write")
    record, leaves = _data(builder, bound), builder.gep(given, [WORD(1)], source_etype=POINTER)
    words = _data(builder, _object(builder, given, WORD(0)))
    builder.call(fill, [record, leaves, builder.sub(count, WORD(1)), words])
    _end(builder, record)


def _begin(module, name):
    function = ir.Function(module, METHOD, name)
    return ir.IRBuilder(function.append_basic_block()), function.args


def _end(builder, record):
    """Return None, or let Python raise what was set."""
    with builder.if_then(_has_failed(builder)):
        builder.ret(POINTER(None))
    none = builder.inttoptr(_word(builder, record, NONE), POINTER)
    _call_python(builder, "Py_IncRef", ir.VoidType(), none)
    builder.ret(none)


def _add_fill(module):
    """The function that looks at arguments and writes them; TypeError is set if they do not fit."""
    fill = ir.Function(module, FILL, "npnet_fill")
    fill.linkage = "internal"
    builder = ir.IRBuilder(fill.append_basic_block())
    record, leaves, count, words = fill.args
    wrong = fill.append_basic_block("wrong")
    _go_on_if(builder, builder.icmp_signed("==", count, _word(builder, record, LEAVES)), wrong)
    place = cgutils.alloca_once_value(builder, words)  # where the next word goes
    with cgutils.for_range(builder, count, intp=WORD) as loop:
        value = _object(builder, leaves, loop.index)
        start = builder.add(builder.mul(loop.index, WORD(LEAF)), WORD(HEAD))
        leaf = builder.gep(record, [start], source_etype=WORD)
        kind, expected = _word(builder, leaf, KIND), _word(builder, leaf, EXPECTED)
        address = builder.ptrtoint(value, WORD)
        after = builder.append_basic_block("after")
        branch = builder.switch(kind, wrong)
        for number, write in enumerate((_array, _int, _float64, _float32, _flag, None)):
            branch.add_case(WORD(number), builder.append_basic_block())
            builder.position_at_end(branch.cases[-1][1])
            seen = address if number in (FLAG, SAME) else _at(builder, value, OF_TYPE)
            fits = builder.icmp_signed("==", seen, expected)
            if number == FLAG:  # True, or False, which has its address where arrays have a dtype's
                other = builder.icmp_signed("==", seen, _word(builder, leaf, DTYPE))
                fits, value = builder.or_(fits, other), fits
            _go_on_if(builder, fits, wrong)
            if write is not None:
                write(builder, value, leaf, _Written(builder, place), wrong)
            builder.branch(after)
        builder.position_at_end(after)
    builder.ret_void()
    builder.position_at_end(wrong)
    error = builder.inttoptr(_word(builder, record, ERROR), POINTER)
    _call_python(builder, "PyErr_SetNone", ir.VoidType(), error)
    builder.ret_void()
    return fill


class _Written:
    """Words in memory, written one after the other from the place that a variable holds."""

    def __init__(self, builder, place):
        self.builder, self.place = builder, place

    def add(self, value):
        at = self.builder.load(self.place, typ=WORDS_THERE)
        self.builder.store(value, at)
        self.builder.store(self.builder.gep(at, [WORD(1)], source_etype=WORD), self.place)


def _array(builder, array, leaf, words, wrong):
    axes, flags = (builder.zext(_at(builder, array, o, INT32), WORD) for o in (OF_AXES, OF_FLAGS))
    needed = _word(builder, leaf, FLAGS)
    for seen, wanted in (
        (_at(builder, array, OF_DTYPE), _word(builder, leaf, DTYPE)),
        (axes, _word(builder, leaf, AXES)),
        (builder.and_(flags, needed), needed),
    ):
        _go_on_if(builder, builder.icmp_signed("==", seen, wanted), wrong)
    shape, strides = (_at(builder, array, o, WORDS_THERE) for o in (OF_SHAPE, OF_STRIDES))
    items = cgutils.alloca_once_value(builder, WORD(1))
    with cgutils.for_range(builder, axes, intp=WORD) as axis:
        length = builder.load(builder.gep(shape, [axis.index], source_etype=WORD), typ=WORD)
        builder.store(builder.mul(builder.load(items, typ=WORD), length), items)
    for value in (WORD(0), WORD(0), builder.load(items, typ=WORD), _word(builder, leaf, ITEMSIZE)):
        words.add(value)
    words.add(_at(builder, array, OF_DATA))
    for of in (shape, strides):
        with cgutils.for_range(builder, axes, intp=WORD) as axis:
            words.add(builder.load(builder.gep(of, [axis.index], source_etype=WORD), typ=WORD))


def _int(builder, value, leaf, words, wrong):
    words.add(_integer(builder, value))


def _float64(builder, value, leaf, words, wrong):
    words.add(builder.bitcast(_double(builder, value), WORD))


def _float32(builder, value, leaf, words, wrong):
    number = builder.fptrunc(_double(builder, value), ir.FloatType())
    words.add(builder.zext(builder.bitcast(number, INT32), WORD))


def _flag(builder, is_true, leaf, words, wrong):
    words.add(builder.zext(is_true, WORD))


def _go_on_if(builder, condition, otherwise):
    then = builder.append_basic_block()
    builder.cbranch(condition, then, otherwise)
    builder.position_at_end(then)


def _at(builder, thing, offset, kind=WORD):
    """What stands so many bytes behind the begin of an object."""
    place = builder.gep(thing, [WORD(offset)], source_etype=POINTER.pointee)
    return builder.load(builder.bitcast(place, kind.as_pointer()), typ=kind)


def _word(builder, words, number):
    return builder.load(builder.gep(words, [WORD(number)], source_etype=WORD), typ=WORD)


def _object(builder, objects, index):
    return builder.load(builder.gep(objects, [index], source_etype=POINTER), typ=POINTER)


def _data(builder, array):
    """Where the words of an array are."""
    return _at(builder, array, OF_DATA, WORDS_THERE)


def _integer(builder, number):
    return _call_python(builder, "PyLong_AsLongLong", WORD, number)


def _double(builder, number):
    return _call_python(builder, "PyFloat_AsDouble", ir.DoubleType(), number)


def _has_failed(builder):
    error = _call_python(builder, "PyErr_Occurred", POINTER)
    return builder.icmp_unsigned("!=", error, POINTER(None))


def _call_python(builder, name, result, *arguments):
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


@functools.partial(kernel, compiler=_compiler_by(_LowerEntry))
def entry():
    """What is compiled with it: `enter`, which Python calls tasks by, and `write`."""
