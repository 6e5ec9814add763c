"""Whether the code of a model makes Python numbers, or conditions, of what follows from its input.

The tape holds ops alone. `if x.sum() > 0`, `float(x.max())` and `x * (x > 4).float()` leave it: a
graph would repeat what came of the sample, right for it and wrong for other values. Running the
model on other values shows it only where they change the outcome, so the calls themselves are
looked at, by Python's own notice of each: those that code outside of npnet makes of npnet.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from npnet.tape import Function, Variable
from npnet.tensor import Tensor

__all__ = ["Reads"]

_METHODS = (
    "item", "tolist", "numpy", "array", "__array__", "__dlpack__", "__float__", "__int__",
    "__index__", "__bool__", "__contains__", "is_nonzero",
)  # fmt: skip
_FUNCTIONS = ("allclose", "equal", "is_nonzero")
_WRAPPERS = ("call", "create", "function")  # of npnet's: numpy_names, factories, out
_BETWEEN = ("contextlib", "functools", "numpy")  # what calls on behalf of others
_OBSERVERS = ((sys.getprofile, sys.setprofile), (sys.gettrace, sys.settrace))


def _codes() -> set[types.CodeType]:
    """The code of what gives values as Python's or NumPy's own."""
    members: list[Any] = [inspect.getattr_static(Tensor, name) for name in _METHODS]
    functions = [m.fget if isinstance(m, property) else m for m in members]
    return {f.__code__ for f in functions if f is not None}


_READS = _codes()


class Reads:
    """A context in which a model runs: what it takes out of tensors that follow from its inputs.

    Attributes:
        found: each such place, in words.
    """

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self.found: list[str] = []
        self._follows: dict[int, Any] = {id(x): x for x in inputs}  # beside the tape
        self._nodes: dict[int, tuple[Function, bool]] = {}
        self._put: Any = None

    def __enter__(self) -> Reads:
        # where a profiler and a debugger have both places, the runs on other values must do
        self._put = next((put for get, put in _OBSERVERS if get() is None), None)
        if self._put is not None:
            self._put(self._event)
        return self

    def __exit__(self, *error: object) -> None:
        if self._put is not None:
            self._put(None)

    def _event(self, frame: types.FrameType, event: str, arg: Any) -> Any:
        """What Python calls for each function that begins or ends."""
        if event in ("call", "return") and _is_ours(frame):
            frame.f_trace_lines = False
            caller = _caller(frame)
            if caller is not None and not _is_ours(caller):
                if event == "return":
                    self._end(frame, caller, arg)
                elif frame.f_code in _READS and self._any(frame.f_locals):
                    self._note(frame, caller)
        return self._event

    def _end(self, frame: types.FrameType, caller: types.FrameType, result: Any) -> None:
        """Note what a function of npnet's gave that follows from the input and is on no tape."""
        name = _name(frame)
        if name.endswith("_like") or name.startswith("new_"):
            return  # of the input's shape alone
        parts = result if isinstance(result, (tuple, list)) else (result,)
        loose = [x for x in parts if isinstance(x, Tensor) and x._grad_fn is None]
        given = {k: v for k, v in frame.f_locals.items() if v is not result}
        if (loose or name in _FUNCTIONS) and self._any(given):
            self._follows |= {id(x): x for x in loose}
            if name in _FUNCTIONS or any(x.dtype == np.bool_ for x in loose):
                self._note(frame, caller)

    def _note(self, frame: types.FrameType, caller: types.FrameType) -> None:
        code = caller.f_code
        where = getattr(code, "co_qualname", code.co_name).rpartition("<locals>.")[2]
        self.found.append(f"{_name(frame).strip('_')} in {where}, line {caller.f_lineno}")

    def _any(self, names: dict[str, Any]) -> bool:
        return any(self._is_following(x) for x in _tensors(names.values()))

    def _is_following(self, x: Variable) -> bool:
        """Whether a tensor's values hang on the inputs."""
        if id(x) in self._follows or (x._base is not None and id(x._base) in self._follows):
            return True
        return x._grad_fn is not None and self._is_of_inputs(x._grad_fn)

    def _is_of_inputs(self, last: Function) -> bool:
        ahead = [last]
        while ahead:
            node = ahead[-1]
            if id(node) not in self._nodes:
                parents = [p for p in node.parents if isinstance(p, Function)]
                unknown = [p for p in parents if id(p) not in self._nodes]
                if unknown:
                    ahead += unknown
                    continue
                leaves = [p for p in node.parents if isinstance(p, Variable)]
                follows = any(self._nodes[id(p)][1] for p in parents)
                follows = follows or any(id(p) in self._follows for p in leaves)
                self._nodes[id(node)] = node, follows
            ahead.pop()
        return self._nodes[id(last)][1]


def _tensors(values: Iterable[Any]) -> Iterator[Variable]:
    """The tensors among arguments, in lists and tuples too."""
    for value in values:
        if isinstance(value, Variable):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from (x for x in value if isinstance(x, Variable))


def _name(frame: types.FrameType) -> str:
    """What a function is called by, though another one is around it."""
    name = frame.f_code.co_name
    if name not in _WRAPPERS:
        return name
    inner = frame.f_locals.get("function", frame.f_locals.get("op"))
    return inner if isinstance(inner, str) else getattr(inner, "__name__", name)


def _caller(frame: types.FrameType) -> types.FrameType | None:
    """Who asked for a call."""
    caller = frame.f_back
    while caller is not None and _module(caller).partition(".")[0] in _BETWEEN:
        caller = caller.f_back
    return caller


def _module(frame: types.FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_ours(frame: types.FrameType) -> bool:
    return _module(frame).partition(".")[0] == "npnet"
