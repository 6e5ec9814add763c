"""Hooks of modules on gradients: functions at a module's inputs and outputs that hand them over.

Of the gradients of several outputs, or inputs, each arrives by itself, but a hook takes all of them
at once. So each passes two functions: the outer ones, which the walk back comes to first, note
what arrives, and the first of the inner ones finds all that will ever be there. backward goes
from the last recorded op to the first, so the inner row is recorded first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from npnet.base.arrays import Array
from npnet.base.grad_mode import is_grad_enabled
from npnet.tape import Function, result
from npnet.tensor import Tensor

if TYPE_CHECKING:
    from npnet.nn.module import Module

__all__ = ["HookedCall"]

Gradients = tuple[Tensor | None, ...]


class Through(Function):
    """y = x, a copy;  gx = what `change` makes of gy."""

    def __init__(self, change: Callable[[Array], Array]) -> None:
        self.change = change

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, gy: Array) -> tuple[Array]:
        return (self.change(gy),)


class _Row:
    """Gradients that arrive one by one, and what a function makes of all of them together."""

    def __init__(self, count: int, finish: Callable[[Gradients], Gradients]) -> None:
        self.count, self.finish = count, finish
        self.arrived: dict[int, Tensor] = {}
        self.done: Gradients | None = None

    def note(self, i: int, g: Array) -> Array:
        """Keep one gradient; the first of another walk forgets those of the last."""
        if self.done is not None:
            self.arrived, self.done = {}, None
        self.arrived[i] = result(g)
        return g

    def changed(self, i: int, g: Array) -> Array:
        """One gradient as it goes on."""
        if self.done is None:
            self.done = self.finish(tuple(self.arrived.get(j) for j in range(self.count)))
        mine = self.done[i]
        return g if mine is None else mine.array.astype(g.dtype, copy=False)


def _pass_through(values: Sequence[Any], row: _Row) -> list[Any]:
    """The tensors among the values that want a gradient, each behind two functions."""
    wanted = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    passed = list(values)
    for change in (row.changed, row.note):  # backward comes to the last one first
        for i in wanted:
            passed[i] = Through(functools.partial(change, i))(passed[i])
    return passed


class HookedCall:
    """One call of a module whose gradients hooks shall see.

    Args:
        pre_hooks: called with the gradients of the outputs, which they may replace.
        hooks: called with the gradients of the inputs, which they may replace, and the outputs'.
    """

    def __init__(self, module: Module, pre_hooks: Sequence[Any], hooks: Sequence[Any]) -> None:
        self.module, self.pre_hooks, self.hooks = module, tuple(pre_hooks), tuple(hooks)
        self.grad_output: Gradients = ()
        self.inputs = 0
        self.at_inputs = False

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of forward."""
        self.inputs = len(args)
        if not self.hooks or not is_grad_enabled():
            return args
        self.at_inputs = any(isinstance(x, Tensor) and x.requires_grad for x in args)
        return tuple(_pass_through(args, _Row(len(args), self._finish_inputs)))

    def leave(self, y: Any) -> Any:
        """The result of forward."""
        if not is_grad_enabled():
            return y
        outputs = y if isinstance(y, tuple) else (y,)
        passed = _pass_through(outputs, _Row(len(outputs), self._finish_outputs))
        return tuple(passed) if isinstance(y, tuple) else passed[0]

    def _finish_outputs(self, gradients: Gradients) -> Gradients:
        for hook in self.pre_hooks:
            gradients = _replaced(hook(self.module, gradients), gradients)
        self.grad_output = gradients
        if not self.at_inputs:  # no gradient goes on to the inputs
            for hook in self.hooks:
                hook(self.module, (None,) * self.inputs, gradients)
        return gradients

    def _finish_inputs(self, gradients: Gradients) -> Gradients:
        for hook in self.hooks:
            changed = hook(self.module, gradients, self.grad_output)
            gradients = _replaced(changed, gradients)
        return gradients


def _replaced(changed: Any, gradients: Gradients) -> Gradients:
    """The gradients after a hook that returned `changed`."""
    if changed is None:
        return gradients
    mine = changed if isinstance(changed, tuple) else (changed,)
    if len(mine) != len(gradients):
        raise RuntimeError(
            "backward hook: must return as many gradients as it took; "
            f"got {len(mine)}, but expected {len(gradients)}"
        )
    return mine
