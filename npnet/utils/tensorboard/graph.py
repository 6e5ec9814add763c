"""A network as its tape: every op by name, within the modules that applied it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from npnet.base.grad_mode import enable_grad
from npnet.base.grad_mode import state as _mode
from npnet.nn import Module
from npnet.random import drawing_apart
from npnet.tape import Function, Variable
from npnet.tensor import Tensor

__all__ = ["Node", "graph_of"]


@dataclass
class Node:
    """A node of the graph.

    Attributes:
        name: with the scopes around it, as "Net/Linear[fc]/Linear_1".
        inputs: names of the nodes that it takes values from.
        shape: of its values, where it is known.
        note: what else is to be said.
    """

    name: str
    op: str
    inputs: list[str]
    shape: tuple[int, ...] = ()
    note: str = ""


@dataclass
class _Call:
    """One call of a module: the ops recorded from `first` to before `last` belong to it."""

    scope: str
    first: int
    last: int


def graph_of(model: Module, args: tuple[Any, ...]) -> list[Node]:
    """The nodes of a network: inputs, parameters, ops and outputs.

    RuntimeError if the output depends on nothing that could be recorded.
    """
    inputs = [_on_tape(x) if isinstance(x, Tensor) else x for x in args]
    calls: list[_Call] = []
    with _evaluated(model), _scoped(model, calls), enable_grad(), _traced():
        output = model(*inputs)
    names = _Names(model, inputs, calls)
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor):
            names.leaf(x, f"input/input.{i}", "IO Node")
    ends = [y for y in _tensors(output) if y.grad_fn is not None]
    if not ends:
        raise RuntimeError(
            "add_graph: the output depends on neither the input nor a parameter in a way that is "
            "recorded (does forward detach it?)"
        )
    for op in _in_order(ends):
        names.op(op)
    for i, y in enumerate(ends):
        assert y.grad_fn is not None
        source = names.of[id(y.grad_fn)]
        names.nodes.append(Node(f"output/output.{i}", "IO Node", [source.name], y.shape))
        source.shape = y.shape
    return names.nodes


def _on_tape(x: Tensor) -> Tensor:
    copy = x.detach()
    return copy.requires_grad_() if copy.is_floating_point() else copy


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in _tensors(v)] if isinstance(value, (list, tuple)) else []


@contextmanager
def _evaluated(model: Module) -> Iterator[None]:
    """Let the modules be in evaluation for a while."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _traced() -> Iterator[None]:
    """Let inputs that need no gradient be seen on the tape too, and draw no numbers."""
    before, _mode.traced = _mode.traced, True
    try:
        with drawing_apart():
            yield
    finally:
        _mode.traced = before


@contextmanager
def _scoped(model: Module, calls: list[_Call]) -> Iterator[None]:
    """Note which module applies which ops, by the numbers that they are recorded with."""
    kept: list[Any] = []
    open_calls: list[_Call] = []

    def watch(module: Module, label: str) -> None:
        def before(module: Module, args: Any) -> None:
            around = f"{open_calls[-1].scope}/" if open_calls else ""
            open_calls.append(_Call(around + label, next(Function._counter), -1))
            calls.append(open_calls[-1])

        def after(module: Module, args: Any, output: Any) -> None:
            open_calls.pop().last = next(Function._counter)

        kept.append(module.register_forward_pre_hook(before, prepend=True))
        kept.append(module.register_forward_hook(after))

    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        watch(module, f"{type(module).__name__}[{name}]" if name else type(module).__name__)
    try:
        yield
    finally:
        for handle in kept:
            handle.remove()


def _in_order(ends: list[Tensor]) -> list[Function]:
    """All ops that the ends come from, in the order in which they were applied."""
    found: dict[int, Function] = {}
    ahead = [y.grad_fn for y in ends if y.grad_fn is not None]
    while ahead:
        node = ahead.pop()
        if id(node) not in found:
            found[id(node)] = node
            ahead += [p for p in node.parents if isinstance(p, Function)]
    return sorted(found.values(), key=lambda node: node.order)


class _Names:
    """The nodes so far, each under a name of its own."""

    def __init__(self, model: Module, inputs: list[Any], calls: list[_Call]) -> None:
        self.nodes: list[Node] = []
        self.of: dict[int, Node] = {}
        self._calls = calls
        self._taken: set[str] = set()
        self._parameters = {
            id(p): name for name, p in (*model.named_parameters(), *model.named_buffers())
        }

    def _scope(self, order: int) -> str:
        """The innermost module that applied the op with this number."""
        around = [call for call in self._calls if call.first < order < call.last]
        return max(around, key=lambda call: call.first).scope if around else ""

    def _new(self, name: str) -> str:
        """The name, or the first of name_1, name_2, ... that is free."""
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}_{count}"
        self._taken.add(free)
        return free

    def leaf(self, x: Variable, name: str, op: str, note: str = "") -> Node:
        """A node for a tensor that no op made."""
        node = Node(self._new(name), op, [], x.shape, note)
        self.nodes.append(node)
        self.of[id(x)] = node
        return node

    def op(self, function: Function) -> None:
        """A node for an op, and for the parameters that it takes."""
        scope, kind = self._scope(function.order), function.name().removesuffix("Backward")
        prefix = f"{scope}/" if scope else ""
        inputs = []
        for parent in function.parents:
            if parent is None:
                continue
            source = self.of.get(id(parent))
            if source is None and isinstance(parent, Variable):
                path = self._parameters.get(id(parent), "")
                label, op = (path.rpartition(".")[2], "Parameter") if path else ("Constant",) * 2
                source = self.leaf(parent, prefix + label, op, path)
            if source is not None:
                inputs.append(source.name)
        node = Node(self._new(prefix + kind), f"npnet::{kind}", inputs)
        self.nodes.append(node)
        self.of[id(function)] = node
