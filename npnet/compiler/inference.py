"""A model whose forward pass is a program where nothing is recorded."""

from __future__ import annotations

import copy
import types
import weakref
from typing import Any

from npnet import nn
from npnet.base.grad_mode import is_grad_enabled, state
from npnet.compiler.serving import Serving
from npnet.compiler.watch import is_watching

__all__ = ["CompiledModel"]


class CompiledModel(nn.Module):
    """What `compile` returns of a model alone: the same model, faster under `no_grad`.

    It is of the model's class too and shares all attributes with it: what is written to one is
    written to both, and `train`, `to` and the like return the one that they were called on. Under
    `no_grad` a chain of layers runs as a program, for one Python thread after the other, from the
    first call on; with gradients, or called with anything but one batch, it is the model itself.
    The programs are those of the model's own calls, see `serving`.

    Attributes:
        fallback: why the last batch had no program, such as batch norm; None if it had one.

    Example:
        >>> model = npnet.compile(npnet.models.LeNet5())
        >>> with npnet.no_grad():
        ...     y = model(npnet.zeros(32, 1, 32, 32))
        >>> isinstance(model, npnet.models.LeNet5), y.shape
        (True, (32, 10))
    """

    __slots__ = ("_orig_mod", "fallback")
    _kind: type[nn.Module]  # the model's class
    _orig_mod: nn.Module  # PyTorch's name
    fallback: str | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """A new model of the same class, compiled: for `type(self)(...)` in a method of it."""
        _wrap(self, self._kind(*args, **kwargs))

    @staticmethod
    def _compiled_form(model: nn.Module) -> CompiledModel:
        """The compiled form of a model; of one that is compiled already, the same."""
        if isinstance(model, CompiledModel):
            return model
        kind = type(model)
        if any(vars(base).get("__slots__") for base in kind.__mro__):
            raise TypeError(
                f"compile: {kind.__name__} keeps attributes in __slots__, which its compiled form "
                "can't share; leave them out of the class"
            )
        if kind not in _classes:
            name, bases = CompiledModel.__name__, (CompiledModel, kind)
            _classes[kind] = types.new_class(
                name, bases, {}, lambda own: own.update(_members(kind))
            )
        self: CompiledModel = object.__new__(_classes[kind])
        _wrap(self, model)
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Nothing: the model's class was told of itself when it was made."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model gives for images (N, C, H, W) or features (N, F)."""
        if is_grad_enabled() or is_watching() or len(args) != 1 or kwargs:
            return self._orig_mod(*args, **kwargs)
        model, x = self._orig_mod, args[0]
        before, state.inside = state.inside, True  # what has no program here has none elsewhere
        try:
            serving = Serving.of(model)
            y = serving.ask(model, x)
            _set(self, "fallback", serving.fallback)
            return model(x) if y is NotImplemented else y
        finally:
            state.inside = before

    def _get_name(self) -> str:
        return self._orig_mod._get_name()

    def __copy__(self) -> Any:
        return CompiledModel._compiled_form(copy.copy(self._orig_mod))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        other = memo[id(self)] = CompiledModel._compiled_form(copy.deepcopy(self._orig_mod, memo))
        return other

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A pickle holds the model alone; its programs are made anew where they are wanted."""
        return CompiledModel._compiled_form, (self._orig_mod,)


_set = object.__setattr__  # past the model's own, for what is not shared with it
_classes: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def _wrap(self: CompiledModel, model: nn.Module) -> None:
    _set(self, "__dict__", model.__dict__)
    _set(self, "_orig_mod", model)
    _set(self, "fallback", None)
    Serving.of(model).begin_again()


def _members(kind: type) -> dict[str, Any]:
    return {
        "__slots__": (),
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "_kind": kind,
    }
