"""What the code of a function does, and what it reads from outside of itself."""

from __future__ import annotations

import builtins
import dataclasses
import dis
import inspect
import types
from collections.abc import Iterator, Mapping
from typing import Any

from npnet.compiler.guard import Place

__all__ = ["Chain", "chains", "is_known", "is_npnets", "tables", "title", "what_else"]

# Instructions by the beginnings of their names, which Python changes from version to version: a
# name that is new is not in the list, and so is refused.
_SAFE = (
    "BINARY_", "BUILD_", "CACHE", "CALL", "COMPARE_OP", "CONTAINS_OP", "CONVERT_VALUE", "COPY",
    "DELETE_FAST", "DICT_MERGE", "DICT_UPDATE", "DUP_TOP", "EXTENDED_ARG", "FORMAT_", "INPLACE_",
    "IS_OP", "KW_NAMES", "LIST_EXTEND", "LIST_TO_TUPLE", "LOAD_", "MAKE_CELL", "MAKE_FUNCTION",
    "NOP", "NOT_TAKEN", "POP_TOP", "PRECALL", "PUSH_NULL", "RESUME", "RETURN_CONST", "RETURN_VALUE",
    "ROT_", "SET_FUNCTION_ATTRIBUTE", "SET_UPDATE", "STORE_FAST", "SWAP", "TO_BOOL", "UNARY_",
    "UNPACK_",
)  # fmt: skip
_JUMPS = frozenset(dis.hasjrel + dis.hasjabs)


def what_else(i: dis.Instruction, code: types.CodeType) -> str | None:
    """What an instruction does beside loading, calling, building and computing; None if nothing."""
    if i.opcode in _JUMPS or i.opname in ("GET_ITER", "FOR_ITER"):
        return "branches or loops, and may do otherwise later"
    if i.opname.startswith(_SAFE) or _stores_cell(i, code):
        return None
    return f"does more than compute ({i.opname.lower().replace('_', ' ')})"


def _stores_cell(i: dis.Instruction, code: types.CodeType) -> bool:
    """Whether a function writes a variable of its own that functions inside it share."""
    return i.opname == "STORE_DEREF" and i.argval in code.co_cellvars


_MISSING = object()


@dataclasses.dataclass
class Chain:
    """A variable from outside of a function, perhaps with attributes of it, such as F.relu."""

    name: str
    value: Any
    places: list[Place]

    def extend(self, name: str) -> bool:
        """Follow an attribute of a Python module or of a class of the user's, if it has it."""
        value = self.value
        if isinstance(value, types.ModuleType) and hasattr(value, name):
            self.places.append((value, name))
            self.value = getattr(value, name)
        elif isinstance(value, type) and not is_npnets(value) and hasattr(value, name):
            metaclass: Any = type(value)
            kinds = (*value.__mro__, *metaclass.__mro__)
            self.places += [(vars(k), name) for k in kinds if name in vars(k)]
            self.value = inspect.getattr_static(value, name)
        else:
            return False
        self.name += f".{name}"
        return True


def chains(
    code: types.CodeType, variables: dict[str, Any], local: Mapping[str, Any]
) -> Iterator[Chain]:
    """What a function reads from outside, in the order of its instructions."""
    chain: Chain | None = None
    for i in dis.get_instructions(code):
        if i.opname in ("CACHE", "EXTENDED_ARG", "PUSH_NULL"):
            continue
        if chain is not None:
            if i.opname in ("LOAD_ATTR", "LOAD_METHOD") and chain.extend(i.argval):
                continue
            yield chain
            chain = None
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            own = vars(builtins)
            value = variables.get(i.argval, own.get(i.argval, _MISSING))
            chain = Chain(i.argval, value, [(variables, i.argval), (own, i.argval)])
        elif i.opname == "LOAD_DEREF" and i.argval in code.co_freevars:
            chain = Chain(i.argval, local.get(i.argval), [])
    if chain is not None:
        yield chain


def tables(value: Any) -> Iterator[Mapping[str, Any]]:
    """Where the attributes of a value stand: its own, and those of its classes."""
    yield getattr(value, "__dict__", {})
    kind = type(value)
    if not is_known(kind):
        for base in (*kind.__mro__, *type(kind).__mro__):
            if not is_known(base):
                yield vars(base)


def is_known(kind: type) -> bool:
    """Whether a class is Python's, NumPy's or npnet's, and so stays what it is."""
    return kind.__module__.partition(".")[0] in ("builtins", "types", "enum", "numpy", "npnet")


def is_npnets(kind: type) -> bool:
    return kind is object or kind.__module__.startswith("npnet.")


def title(code: types.CodeType) -> str:
    return getattr(code, "co_qualname", code.co_name)
