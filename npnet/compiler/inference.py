"""A model whose forward pass is a program where nothing is recorded."""

from __future__ import annotations

import contextlib
import copy
import types
import weakref
from typing import Any

from npnet import nn
from npnet.base.grad_mode import is_grad_enabled
from npnet.base.threads import new_lock
from npnet.compiler.cache import Programs
from npnet.compiler.trace import Link
from npnet.compiler.watch import is_watching
from npnet.lanes.unsuited import Unsuited
from npnet.tape import result

__all__ = ["CompiledModel"]


class CompiledModel(nn.Module):
    """What `compile` returns of a model alone: the same model, faster under `no_grad`.

    It is of the model's class too and shares all attributes with it: what is written to one is
    written to both, and `train`, `to` and the like return the one that they were called on. Under
    `no_grad` a chain of layers runs as a program, for one Python thread after the other; with
    gradients, or called with anything but one batch, it is the model itself.

    Attributes:
        fallback: why the last batch had no program, such as batch norm; None if it had one.
    """

    __slots__ = ("_orig_mod", "_programs", "_turn", "fallback")
    _kind: type[nn.Module]  # the model's class
    _orig_mod: nn.Module  # PyTorch's name
    _programs: Programs
    _turn: Any
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
        programs, x = self._programs, args[0]
        with self._turn:  # a program has one set of buffers
            program = programs.of(x)
            _set(self, "fallback", programs.fallback)
            if program is not None:
                return result(program.infer(x.array))
            if programs.output is not None:
                return programs.output  # the model was run already, to be read
        return self._orig_mod(x)

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
    _set(self, "_programs", Programs(model, _build))
    _set(self, "_turn", new_lock())
    _set(self, "fallback", None)


def _members(kind: type) -> dict[str, Any]:
    return {
        "__slots__": (),
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "_kind": kind,
    }


def _build(links: list[Link], shape: tuple[int, ...], slots: int) -> Any:
    # here: NumPy alone needs nothing of it
    from npnet.compiler.build import InferenceProgram
    from npnet.compiler.channels import FEW_IMAGES, FewImages

    if shape[0] <= FEW_IMAGES:
        with contextlib.suppress(Unsuited):
            return FewImages(links, shape, slots)
    return InferenceProgram(links, shape, slots)
