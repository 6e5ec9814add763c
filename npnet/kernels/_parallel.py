"""`parallel_for`: one kernel on many items, on all threads.

Numba's own `prange` rewrites the function around it, which takes a second to compile for each. This
one compiles the item's kernel and a loop of ten instructions, and hands them to a thread pool, see
`_pool`; or runs the loop where it is, for one item or thread, or behind a pool that is busy.

Around the loop, denormals are flushed to zero on x86, where some processors take a hundred cycles
for each: momentum of a weight whose gradient has become zero decays to one, and stays there.
"""

from __future__ import annotations

import platform

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from npnet.kernels._pool import GATE, OPEN, SHARE, TAKEN, THREADS

__all__ = ["CALL_LOOP", "parallel_for", "parallel_for_slots", "run_items"]

WORD, BYTE = ir.IntType(64), ir.IntType(8)
POINTER = BYTE.as_pointer()
FLUSHES = platform.machine().lower() in ("x86_64", "amd64")
MODE, FLUSH = ir.IntType(32), 0x8040  # results to zero, operands to zero
# What Numba's pools call: with an array of one pointer, moved on to the first item, and how many.
POOL_LOOP = ir.FunctionType(
    ir.VoidType(), [POINTER.as_pointer(), WORD.as_pointer(), WORD.as_pointer(), POINTER]
)

# What `_entry` compiles with a kernel: of words, the first item, and how many.
CALL_LOOP = ir.FunctionType(ir.VoidType(), [POINTER, WORD, WORD])


@intrinsic
def parallel_for(typing, task, count, arguments):
    """Call the kernel task(*arguments, k) for each k in 0..count, in any order, and wait.

    Each thread gets one run of items. The kernel must not fail, and two items must not write to
    the same place.
    """
    return types.void(task, types.intp, arguments), _code_for(typing, task, arguments)


@intrinsic
def parallel_for_slots(typing, task, count, arguments, slots):
    """The same on at most `slots` threads, for which the arguments have room.

    The number of threads may have grown since, by `set_num_threads` in another thread.
    """
    signature = types.void(task, types.intp, arguments, types.intp)
    return signature, _code_for(typing, task, arguments)


def _code_for(typing, task, arguments):
    """What both compile to: of (task, count, arguments) and perhaps the most threads."""
    types_of_call = (*arguments.types, types.intp)
    task.get_call_type(typing, types_of_call, {})  # compiles it

    def code(context, builder, sig, args):
        result = sig.args[0].dispatcher.overloads[types_of_call]
        context.active_code_library.add_linking_library(result.library)
        loop = _loop(context, builder.module, result.fndesc, sig.args[2])
        data = cgutils.alloca_once_value(builder, args[2])
        _run(builder, loop, data, args[1], *args[3:])
        return context.get_dummy_value()

    return code


def run_items(builder, loop, words, count, most):
    """Let a loop of `_entry`, by its address, do items 0..count on at most so many threads."""
    data = builder.alloca(ir.ArrayType(WORD, 2))
    for k, value in enumerate((loop, builder.ptrtoint(words, WORD))):
        builder.store(value, builder.gep(data, [WORD(0), WORD(k)]))
    _run(builder, _loop_by_address(builder.module), data, count, most)


def _run(builder, loop, data, count, *most):
    """Run a loop of a pool on its data, on all threads or at most so many."""
    start = cgutils.alloca_once_value(builder, POINTER(None))  # item k is the address k
    one = cgutils.alloca_once_value(builder, WORD(1))
    items = cgutils.alloca_once_value(builder, count)
    places = (start, items, one, builder.bitcast(data, POINTER))
    threads = _thread_count(builder)
    for fewest in most:
        fewer = builder.icmp_signed("<", fewest, threads)
        threads = builder.select(fewer, fewest, threads)
    several = builder.and_(*(builder.icmp_signed(">", n, WORD(1)) for n in (count, threads)))
    with builder.if_else(several) as (shared, alone):
        with shared:
            _run_on_threads(builder, loop, places, threads)
        with alone:  # no thread needs to wake
            builder.call(loop, places)


def _thread_count(builder):
    return builder.load(_word(builder.module, THREADS), typ=WORD)


def _word(module, name):
    """A number that `_pool` keeps, linked when the code is loaded."""
    return module.globals.get(name) or ir.GlobalVariable(module, WORD, name)


def _run_on_threads(builder, loop, places, threads):
    """Run the loop on the pool, if its gate is not taken: then here, on this thread."""
    run = _declare(builder.module, ir.VoidType(), [POINTER] * 5 + [WORD] * 3, SHARE)
    pointers = [builder.bitcast(p, POINTER) for p in (loop, *places)]
    gate = _word(builder.module, GATE)
    seen = builder.cmpxchg(gate, WORD(OPEN), WORD(TAKEN), "acquire", "monotonic")
    state = builder.extract_value(seen, 0)
    with builder.if_else(builder.icmp_signed("==", state, WORD(TAKEN))) as (busy, free):
        with busy:
            builder.call(loop, places)
        with free:
            builder.call(run, [*pointers, WORD(1), WORD(1), threads])
            builder.store_atomic(state, gate, "release", 8)  # open again, or no gate as before


def _declare(module, result, arguments, name):
    return cgutils.get_or_insert_function(module, ir.FunctionType(result, arguments), name)


def _loop(context, module, task, arguments):
    """The function that a thread runs: the task on each of its items."""
    kind = context.get_value_type(arguments)
    function = context.declare_function(module, task)

    def call(builder, data, first, count):
        values = builder.load(builder.bitcast(data, kind.as_pointer()), typ=kind)
        unpacked = [builder.extract_value(values, i) for i in range(len(arguments.types))]
        with cgutils.for_range(builder, count, intp=WORD) as item:
            k = builder.add(first, item.index)
            context.call_conv.call_function(
                builder, function, task.restype, task.argtypes, [*unpacked, k]
            )

    return _pool_loop(module, "items", call)


def _loop_by_address(module):
    """The function that a thread runs: the loop whose address stands there, with its words."""

    def call(builder, data, first, count):
        loop, words = (
            builder.load(
                builder.gep(builder.bitcast(data, WORD.as_pointer()), [WORD(k)], source_etype=WORD),
                typ=WORD,
            )
            for k in range(2)
        )
        function = builder.inttoptr(loop, CALL_LOOP.as_pointer())
        builder.call(function, [builder.inttoptr(words, POINTER), first, count])

    return _pool_loop(module, "by_address", call)


def _pool_loop(module, name, call):
    """A function that a thread runs: `call` on a run of items, denormals flushed."""
    loop = ir.Function(module, POOL_LOOP, module.get_unique_name(name))
    loop.linkage = "internal"
    builder = ir.IRBuilder(loop.append_basic_block())
    starts, counts, _, data = loop.args
    first = builder.ptrtoint(builder.load(starts, typ=POINTER), WORD)
    mode = _flush_denormals(builder) if FLUSHES else None
    call(builder, data, first, builder.load(counts, typ=WORD))
    if mode is not None:
        _call_on_mode(builder, "ldmxcsr", mode)
    builder.ret_void()
    return loop


def _flush_denormals(builder):
    """Let this thread take denormals for zero; the mode before, for `ldmxcsr`."""
    mode, flushing = (cgutils.alloca_once(builder, MODE) for _ in range(2))
    _call_on_mode(builder, "stmxcsr", mode)
    builder.store(builder.or_(builder.load(mode, typ=MODE), MODE(FLUSH)), flushing)
    _call_on_mode(builder, "ldmxcsr", flushing)
    return mode


def _call_on_mode(builder, instruction, place):
    """Store or load the register that says how this thread rounds and what it flushes."""
    kind = ir.FunctionType(ir.VoidType(), [POINTER])
    name = f"llvm.x86.sse.{instruction}"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    builder.call(function, [builder.bitcast(place, POINTER)])
