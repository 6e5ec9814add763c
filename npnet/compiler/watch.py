"""What a forward pass does beside applying ops: whether a program can stand for it.

A program repeats the ops of one pass. It may do so only if the code that applied them does the same
at every call, whatever the images are, as long as a `Guard` holds. `watch` runs the model once, as
the user's program would, and looks at all code beneath `forward` while it runs, npnet's own aside:

- Its instructions may load, call, build and compute, but neither branch nor write anything: what a
  branch depends on, and what a write changes, may differ at the next call.
- What it starts from, its globals, closures, arguments and the attributes of modules, must be of a
  kind whose value is fixed by its identity: numbers, strings, tuples, functions, classes, modules,
  tensors. A list, a dict or an object of the user's may change in place, unseen by a guard.
- No op may write in place what was there before the pass: the batch, a parameter, any other tensor.
  What an op has just made may be written: that is on the tape.
- No values of tensors may become numbers, by `item()`, `float(x)`, `x.numpy()` or any other way: a
  program would keep those of the first batch. Shapes may, because programs are made for each shape.

This is a whitelist: what is not known to be safe is left to the eager loop, with its reason.
"""

from __future__ import annotations

import dataclasses
import dis
import gc
import inspect
import math
import sys
import threading
import types
from collections.abc import Iterable
from enum import Enum
from typing import Any

import numpy as np

from npnet import nn
from npnet.base.checks import check_writable
from npnet.base.grad_mode import state as mode
from npnet.compiler.code import chains, is_known, is_npnets, tables, title, what_else
from npnet.compiler.guard import Place
from npnet.devices.cpu import device
from npnet.nn.modules import container
from npnet.nn.modules.batchnorm import _BatchNorm
from npnet.ops import in_memory, norm
from npnet.tape import Function
from npnet.tensor import Tensor

__all__ = ["Watch", "is_watching"]

_LEAVES = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
_FIXED = (
    *_LEAVES, np.dtype, np.generic, Enum, device, Tensor, types.FunctionType, property,
    staticmethod, classmethod, type(inspect.FullArgSpec.args),  # a field of a named tuple
)  # fmt: skip
_KINDS = {*_LEAVES, object, type, super, tuple, list, dict, set, frozenset}
_PURE = {len, isinstance, issubclass, max, min, abs, sum, round, pow, divmod, hash, id}
_PURE |= {f for f in vars(math).values() if callable(f)}

_OWN_NAMES = ("__dict__", "__globals__", "__closure__", "__code__", "__class__")

# Where the functions of a module's class are looked up by npnet, whatever the user's code names.
_ALWAYS = ("forward", "__call__", "__getattr__", "__getattribute__")

# npnet's own code that may call a user's: the code of layers, networks and wrappers.
_LAYERS = ("npnet.nn.modules.", "npnet.models.")
_CALLERS = ("npnet.nn.module", "npnet.models.", "npnet.compiler.")


def _code_of(kind: type, *names: str) -> set[types.CodeType]:
    """The code of methods and properties."""
    members = [inspect.getattr_static(kind, name) for name in names]
    functions: list[Any] = [m.fget if isinstance(m, property) else m for m in members]
    return {f.__code__ for f in functions}


_READS_VALUES = _code_of(
    Tensor, "item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__", "__bool__"
)
_READS_SHAPES = _code_of(
    Tensor, "shape", "ndim", "dtype", "size", "dim", "numel", "__len__", "element_size",
    "is_floating_point",
)  # fmt: skip

# What every write in place goes through, and under which name it has the tensor.
_WRITES = dict.fromkeys(_code_of(Tensor, "_check_write", "_write"), "self")
_WRITES[in_memory.is_free.__code__] = "x"
_CHANGES = _code_of(
    Tensor, "backward", "detach_", "requires_grad_", "register_hook", "retain_grad",
    "register_post_accumulate_grad_hook",
)  # fmt: skip
_CHANGES |= _code_of(nn.Module, "requires_grad_", "zero_grad") | {check_writable.__code__}
# Batch norm moves its statistics, which a program does too.
_COUNTS = _code_of(_BatchNorm, "forward") | {norm._check_running.__code__}
_APPLIES = _code_of(Function, "__call__")

# Where Python tells of calls, if nobody else listens there: `cProfile`, a debugger.
_OBSERVERS = ((sys.getprofile, sys.setprofile), (sys.gettrace, sys.settrace))


class Watch:
    """One forward pass, looked at.

    Attributes:
        reason: why no program may stand for it; None if one may.
    """

    reason: str | None = None

    def __init__(self, modules: Iterable[nn.Module], others: Iterable[nn.Module] = ()) -> None:
        self._modules = tuple(modules)
        self._seen: set[types.CodeType] = set()  # the user's code
        self._own: set[types.CodeType] = set()  # of npnet's layers and networks
        self._places: list[Place] = []
        self._attributes: set[str] = set()  # names that the user's code reads off anything
        self._holders: dict[int, Any] = {}  # what they may be read off, beside modules
        self._made: dict[int, Tensor] = {}  # by ops of this pass, on memory of their own
        for m in self._modules:
            self._check_own(m)
        for f in [type(m).forward for m in others]:  # which does not run
            found = chains(f.__code__, f.__globals__, {})
            self._places += [place for chain in found for place in chain.places]

    def run(self, model: nn.Module, x: Tensor) -> Any:
        """What the model gives for a batch; whatever it calls is looked at."""
        put = next((put for get, put in _OBSERVERS if get() is None), None)
        if put is None:
            self._refuse("a profiler and a debugger are at work")
            return model(x)
        before = _state.watching, mode.inside
        _state.watching = mode.inside = True
        put(self._event)
        try:
            return model(x)
        finally:
            put(None)
            _state.watching, mode.inside = before

    def places(self) -> list[Place]:
        """What a guard must look at beside the modules, once the pass is done."""
        names = (*_ALWAYS, *sorted(self._attributes))
        for kind in {type(m): None for m in self._modules}:
            bases = [*kind.__mro__[:-1], *[b for b in type(kind).__mro__ if not is_known(b)]]
            known = [n for n in names if any(n in vars(base) for base in bases)]
            self._places += [(vars(b), n) for b in bases for n in known]
        for base in Tensor.__mro__[:-1]:
            self._places += [(vars(base), n) for n in self._attributes & vars(base).keys()]
        self._places += self._functions()
        self._check_attributes()
        self._check_holders()
        return self._places

    def _refuse(self, reason: str) -> None:
        self.reason = self.reason or reason

    # ---- while the model runs ------------------------------------------------------------------

    def _event(self, frame: types.FrameType, event: str, arg: Any) -> Any:
        """What Python calls for each function that begins or ends."""
        frame.f_trace_lines = False
        if event == "call":
            self._begin(frame)
        elif event == "return" and frame.f_back is not None:
            self._end(frame, frame.f_back, arg)
        return self._event

    def _begin(self, frame: types.FrameType) -> None:
        code, caller = frame.f_code, frame.f_back
        if _is_ours(frame):
            if code in _READS_VALUES:
                self._refuse("its forward pass reads the values of a tensor")
            written = _WRITES.get(code)
            changes = code in _CHANGES and not (caller and caller.f_code in _COUNTS)
            if changes or (written and not self._is_made(frame.f_locals[written])):
                self._refuse("its forward pass changes in place what was there before")
            if code not in self._own and str(frame.f_globals["__name__"]).startswith(_LAYERS):
                self._own.add(code)  # F.relu of a layer of ours may be replaced, too
                self._places += [p for c in chains(code, frame.f_globals, {}) for p in c.places]
        elif caller is not None and (caller.f_code in self._seen or _calls_users(caller)):
            if _is_collectors(code):
                return
            self._check_arguments(frame)
            if code not in self._seen:
                self._seen.add(code)
                self._check_code(code)
                self._check_chains(code, frame)

    def _end(self, frame: types.FrameType, caller: types.FrameType, result: Any) -> None:
        """Refuse what a function of npnet's tells the user's code of values."""
        if frame.f_code in _APPLIES and not frame.f_locals["self"].view:
            self._made[id(result)] = result
        if caller.f_code not in self._seen or not _is_ours(frame):
            return
        name = frame.f_code.co_name
        if name == "__del__":  # memory is given back: the user's code calls nothing
            return
        of_values = frame.f_code not in _READS_SHAPES and not _calls_users(frame)
        if of_values and not _holds_tensors(result):
            self._refuse(f"its forward pass takes a value out of {name}()")
        elif result is None and not _is_a_layers(frame):
            self._refuse(f"its forward pass calls {name}() for what it does, and not for a result")

    def _is_made(self, tensor: Tensor) -> bool:
        """Whether an op of this pass made the memory of a tensor."""
        return id(tensor if tensor._base is None else tensor._base) in self._made

    # ---- the user's code -----------------------------------------------------------------------

    def _check_arguments(self, frame: types.FrameType) -> None:
        code, values = frame.f_code, frame.f_locals
        count = code.co_argcount + code.co_kwonlyargcount
        names = code.co_varnames[:count]
        for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS):
            if code.co_flags & flag:
                many = values.get(code.co_varnames[count])
                items = many.values() if isinstance(many, dict) else many or ()
                if not all(map(self._is_fixed, items)):
                    self._refuse(_changing(code, "*" + code.co_varnames[count], many))
                count += 1
        for name in (*names, *code.co_freevars):
            value = values.get(name)
            # of a variable that is a Python module, `_check_chains` looks at what is read
            followed = name in code.co_freevars and isinstance(value, types.ModuleType)
            if not self._is_fixed(value) and not followed:
                self._refuse(_changing(code, name, value))

    def _check_code(self, code: types.CodeType) -> None:
        for i in dis.get_instructions(code):
            what = what_else(i, code)
            if what is not None:
                self._refuse(f"{title(code)} {what}")
            elif i.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
                self._attributes.add(i.argval)
                if i.argval in _OWN_NAMES:
                    self._refuse(f"{title(code)} reads {i.argval}")

    def _check_chains(self, code: types.CodeType, frame: types.FrameType) -> None:
        for chain in chains(code, frame.f_globals, frame.f_locals):
            self._places += chain.places
            if not self._is_fixed(chain.value):
                self._refuse(_changing(code, chain.name, chain.value))

    def _is_fixed(self, value: Any) -> bool:
        """Whether a value stays the same as long as it is the same object."""
        if isinstance(value, nn.Module):
            return any(value is m for m in self._modules)
        if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
            return value in _PURE
        if isinstance(value, types.MethodType):
            return self._is_fixed(value.__self__) and self._is_fixed(value.__func__)
        if isinstance(value, types.FunctionType) or not is_known(type(value)):
            self._holders[id(value)] = value
        if isinstance(value, (tuple, frozenset)):
            return all(map(self._is_fixed, value))
        if isinstance(value, type):
            return value in _KINDS or issubclass(value, (nn.Module, np.generic)) or is_npnets(value)
        if isinstance(value, _FIXED):
            return True
        frozen = getattr(type(value), "__dataclass_params__", None)
        fields = dataclasses.fields(value) if frozen is not None and frozen.frozen else None
        return fields is not None and all(self._is_fixed(getattr(value, f.name)) for f in fields)

    # ---- what it reads -------------------------------------------------------------------------

    def _check_own(self, module: nn.Module) -> None:
        """Refuse a layer of npnet's whose options may change in place."""
        rooms = {k.__module__ for k in type(module).__mro__ if k.__module__.startswith(_LAYERS)}
        if not rooms - {container.__name__}:
            return
        for name, value in vars(module).items():
            if not name.startswith("_") and not self._is_fixed(value):
                self._refuse(
                    f"{type(module).__name__}.{name} is a {type(value).__name__}, which may "
                    "change in place; a tuple may not"
                )

    def _check_attributes(self) -> None:
        """Refuse attributes, of modules and their classes, that the user's code may read."""
        for module in self._modules:
            places = [vars(module), *[vars(k) for k in type(module).__mro__ if not is_npnets(k)]]
            for own in places:
                for name in self._attributes & own.keys():
                    if not self._is_fixed(own[name]):
                        self._refuse(
                            f"its forward pass reads {type(module).__name__}.{name}, a "
                            f"{type(own[name]).__name__}, which may change in place"
                        )

    def _check_holders(self) -> None:
        """Look at what functions, and values of the user's classes, have as attributes.

        A named tuple, a frozen dataclass or a member of an Enum stays what it is, but what its
        class defines may be replaced; a function may be given attributes.
        """
        done: set[int] = set()
        while self._holders.keys() - done:
            for key in self._holders.keys() - done:
                done.add(key)
                for own in tables(self._holders[key]):
                    for name in self._attributes & own.keys():
                        self._places.append((own, name))
                        if not self._is_fixed(own[name]):
                            self._refuse(
                                f"its forward pass reads {name}, a {type(own[name]).__name__}, "
                                "which may change in place"
                            )

    def _functions(self) -> list[Place]:
        """The parts of the functions that ran, and the variables that they close over."""
        places: list[Place] = []
        # made and gone while the model ran: what these close over was looked at where it was made
        found = {c for code in self._seen for c in code.co_consts if isinstance(c, types.CodeType)}
        for f in gc.get_referrers(*self._seen) if self._seen else ():
            if isinstance(f, types.FunctionType) and f.__code__ in self._seen:
                found.add(f.__code__)
                places += [(f, name) for name in ("__code__", "__defaults__", "__kwdefaults__")]
                places += [(f.__kwdefaults__, name) for name in f.__kwdefaults__ or ()]
                places += [(cell, "cell_contents") for cell in f.__closure__ or ()]
        for code in self._seen - found:  # it was hidden by gc.freeze()
            self._refuse(f"the function {title(code)} is nowhere to be found")
        return places


class _State(threading.local):
    watching = False


_state = _State()


def is_watching() -> bool:
    """Whether this thread runs a model that is looked at."""
    return _state.watching


def _is_ours(frame: types.FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name == "npnet" or name.startswith("npnet.")


def _is_collectors(code: types.CodeType) -> bool:
    """Whether the garbage collector called this, which it may do anywhere, and not the model."""
    return any(getattr(callback, "__code__", None) is code for callback in gc.callbacks)


def _calls_users(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_CALLERS)


def _is_a_layers(frame: types.FrameType) -> bool:
    """Whether this makes a layer, which gives nothing, as no constructor does."""
    return frame.f_code.co_name == "__init__" and isinstance(frame.f_locals.get("self"), nn.Module)


def _holds_tensors(value: Any) -> bool:
    """Whether a result is tensors or modules, and so tells nothing of their values."""
    if isinstance(value, tuple):
        return all(map(_holds_tensors, value))
    return value is None or isinstance(value, (Tensor, nn.Module))


def _changing(code: types.CodeType, name: str, value: Any) -> str:
    kind = type(value).__name__
    return f"{title(code)} reads {name}, a {kind}, which may change in place"
