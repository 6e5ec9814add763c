"""Every op with its explanation, and what is read off the op itself: equation, code, source."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import npnet
from npnet import nn
from npnet.explain.explanation import Explanations
from npnet.explain.names import ALSO, WITHOUT
from npnet.explain.ops.activations import ACTIVATIONS
from npnet.explain.ops.algebra import ALGEBRA
from npnet.explain.ops.arithmetic import ARITHMETIC
from npnet.explain.ops.curves import CURVES
from npnet.explain.ops.layers import LAYERS
from npnet.explain.ops.losses import LOSSES
from npnet.explain.ops.places import PLACES
from npnet.explain.ops.reductions import REDUCTIONS
from npnet.explain.ops.windows import WINDOWS
from npnet.nn import functional
from npnet.tape import Function

__all__ = [
    "CLASSROOM",
    "GROUPS",
    "OPS",
    "WITHOUT",
    "Code",
    "codes_of",
    "equation_of",
    "helpers_of",
    "op_named",
    "source_of",
]

GROUPS: dict[str, Explanations] = {
    "layers and norms": LAYERS,
    "windows": WINDOWS,
    "activations": ACTIVATIONS,
    "losses and distances": LOSSES,
    "arithmetic and shapes": ARITHMETIC,
    "functions of numbers": CURVES,
    "linear algebra": ALGEBRA,
    "sums, extremes and order": REDUCTIONS,
    "indexing and arranging": PLACES,
}
OPS: Explanations = {op: said for group in GROUPS.values() for op, said in group.items()}
# What a course begins with.
CLASSROOM = (
    *("linear", "conv2d", "max_pool2d", "avg_pool2d", "relu", "sigmoid", "tanh", "softmax"),
    *("log_softmax", "cross_entropy", "mse_loss", "batch_norm", "dropout", "flatten"),
)
_PADS = re.compile(r"(zero|constant|reflection|replication|circular)pad[123]d$")
_LAYERS_OF = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}  # ops that are layers alone
_SPACES = {"F": functional, "npnet": npnet, "npnet.linalg": npnet.linalg}
_METHODS = {"add", "sub", "mul", "div"}  # written as operators


def _plain(name: str) -> str:
    return re.sub(r"(?<=\w)[_-]|_(?=\w)", "", name).lower()


def op_named(name: str) -> str | None:
    """The op that a name says: conv2d, Conv2d, nn.Conv2d, relu_ (in place), MSELoss.

    Example:
        >>> from npnet.explain import op_named
        >>> [op_named(name) for name in ["nn.Conv2d", "relu_", "MSELoss", "fft"]]
        ['conv2d', 'relu', 'mse_loss', None]
    """
    plain = _plain(name.rpartition(".")[2]).removeprefix("lazy")
    plain = "pad" if _PADS.match(plain) else plain
    by_plain = {_plain(op): op for op in OPS}
    return by_plain.get(plain) or ALSO.get(plain) or by_plain.get(plain.removesuffix("loss"))


def public(op: str) -> Callable[..., Any]:
    """The function, or class, that users call."""
    if op in _LAYERS_OF:
        return _LAYERS_OF[op]
    call = OPS[op].call
    of_linalg = call.startswith("npnet.linalg.")
    found = None if of_linalg else getattr(functional, op, None) or getattr(npnet, op, None)
    return inspect.unwrap(found or _called(call))


def _called(call: str) -> Callable[..., Any]:
    """What an example calls: an op of npnet.linalg, a tensor's method, or a variant of an op."""
    for node in ast.walk(ast.parse(call)):
        if isinstance(node, ast.Subscript):
            return npnet.Tensor.__getitem__
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            space = _SPACES.get(ast.unparse(node.func.value), npnet.Tensor)
            found = inspect.unwrap(getattr(space, node.func.attr))
            return _applied(found) if found.__module__ == "npnet.tensor" else found
    raise ValueError(f"calls nothing: {call}")


def _applied(method: Callable[..., Any]) -> Callable[..., Any]:
    """The function of npnet.ops that a method applies under its own name, or else the method."""
    name = method.__name__
    module = re.search(rf"return (\w+)\.{name}\(self\b", inspect.getsource(method))
    found: Callable[..., Any] = method
    if module:
        found = getattr(vars(sys.modules[method.__module__])[module[1]], name)
    return inspect.unwrap(found)


# ---- docstrings ----------------------------------------------------------------------------------

_SECTIONS = re.compile(r"^(Args|Raises|Returns|Attributes|Example|Examples|Shape|Source):", re.M)


def _sections(doc: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring: "" is what comes before all titles."""
    title = ""
    lines: list[str] = []
    for block in doc.split("\n\n"):
        found = _SECTIONS.match(block)
        if found:
            yield title, "\n\n".join(lines)
            title, lines = found[1], [block.removeprefix(f"{found[1]}:").strip()]
        elif title and not block.startswith(" "):
            yield title, "\n\n".join(lines)
            title, lines = "", [block]
        else:
            lines.append(block)
    yield title, "\n\n".join(lines)


def _part(doc: str | None, title: str) -> str:
    return "\n\n".join(text for name, text in _sections(doc or "") if name == title and text)


def equation_of(op: str) -> str:
    """The equation and the shapes, from the docstring."""
    doc = inspect.getdoc(public(op))
    shape = _part(doc, "Shape")
    return "\n\n".join(filter(None, [_part(doc, ""), f"Shape: {shape}" if shape else ""]))


def source_of(op: str, functions: list[type[Function]]) -> str:
    """The paper, from the docstring of the function, of what it applies, or of their module."""
    modules = [sys.modules[kind.__module__] for kind in functions]
    for named in ([public(op), *functions], modules):
        found = [" ".join(_part(inspect.getdoc(it), "Source").split()) for it in named]
        if any(found):
            return " ".join(dict.fromkeys(filter(None, found)))
    return "none is named: it follows by calculus."


# ---- code ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Code:
    """Source that computes an op.

    Attributes:
        name: of the Function or the function; `about` is its docstring.
        file, line: where it begins, from npnet's folder on.
    """

    name: str
    about: str
    file: str
    line: int
    text: str


def codes_of(op: str, functions: list[type[Function]]) -> list[Code]:
    """The Functions that the example applied, and first the op itself where it has several."""
    found = [_code(kind) for kind in _with_bases(functions)]
    factors = any(kind.__name__.startswith("_") for kind in functions)  # of a decomposition
    if (factors or len(functions) > 1) and op not in _LAYERS_OF and op not in _METHODS:
        found.insert(0, _code(public(op)))
    return found + (_pulls(public(op)) if factors else [])


def _pulls(function: Callable[..., Any]) -> list[Code]:
    """The backward passes of decompositions, `_pull_...`, that a function leads to."""
    names = vars(sys.modules[function.__module__])
    found: dict[str, Any] = {function.__name__: function}
    ahead = [function]
    while ahead:
        for word in re.findall(r"\b[a-z_]\w*", inspect.getsource(ahead.pop())):
            target = names.get(word)
            if word in found or not inspect.isfunction(target):
                continue
            if target.__module__ == function.__module__:
                found[word] = target
                ahead.append(target)
    return [_code(target) for name, target in found.items() if name.startswith("_pull")]


def _with_bases(functions: list[type[Function]]) -> list[type[Function]]:
    """The classes, and those of npnet.ops that they inherit from."""
    kinds = [base for kind in functions for base in kind.__mro__]
    return [k for k in dict.fromkeys(kinds) if k.__module__.startswith("npnet.ops")]


def helpers_of(functions: list[type[Function]]) -> list[Code]:
    """The functions of npnet.ops that these call by name: im2col, sums in a fixed order."""
    found: dict[str, Code] = {}
    for kind in _with_bases(functions):
        names = vars(sys.modules[kind.__module__])
        text = inspect.getsource(kind)
        for word in re.findall(r"\b[a-z_]\w*(?:\.[a-z_]\w*)?(?=\()", text):
            root, _, last = word.partition(".")
            target = getattr(names.get(root), last, None) if last else names.get(root)
            if inspect.isfunction(target) and target.__module__.startswith("npnet.ops"):
                found.setdefault(target.__qualname__, _code(target))
    return list(found.values())


def _code(target: Any) -> Code:
    lines, first = inspect.getsourcelines(target)
    path = Path(inspect.getsourcefile(target) or "")
    folder = Path(npnet.__file__).parent.parent
    return Code(
        target.__qualname__,
        inspect.cleandoc(target.__doc__ or ""),
        path.relative_to(folder).as_posix(),
        first,
        textwrap.dedent("".join(lines)).rstrip(),
    )
