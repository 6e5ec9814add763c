"""Module: what holds parameters, buffers and other modules."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from npnet._checks import nearest
from npnet.nn.parameter import Parameter
from npnet.tensor import Tensor

__all__ = ["IncompatibleKeys", "Module", "RemovableHandle"]

Self = TypeVar("Self", bound="Module")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` found to be missing or not known."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class RemovableHandle:
    """What registering a hook returns; `remove()` takes the hook off again."""

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks, self.id = hooks, next(self._ids)
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook off; a second time does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Module:
    """A part of a network. Subclasses assign parameters and modules in `__init__`, after calling
    `super().__init__()`, and define `forward`.

    Attributes:
        training: whether the module is in training; dropout and batch norm behave by it.
    """

    forward: Callable[..., Any]

    def __init__(self) -> None:
        for name in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, name, {})
        self._non_persistent: set[str] = set()
        self._forward_pre_hooks: dict[int, Callable[..., Any]] = {}
        self._forward_hooks: dict[int, Callable[..., Any]] = {}
        self.training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks and `forward`."""
        for pre_hook in tuple(self._forward_pre_hooks.values()):
            changed = pre_hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        y = self.forward(*args, **kwargs)
        for hook in tuple(self._forward_hooks.values()):
            changed = hook(self, args, y)
            y = y if changed is None else changed
        return y

    # ---- attributes ----------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self.__dict__.get("_parameters"), self._table("_buffers"), self._table("_modules")
        if tables[0] is None:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(
                    f"{type(self).__name__}: call super().__init__() before assigning {name}"
                )
            object.__setattr__(self, name, value)
            return
        parameters, buffers, modules = tables
        table = None
        if isinstance(value, Parameter) or (value is None and name in parameters):
            table = parameters
        elif isinstance(value, Module) or (value is None and name in modules):
            table = modules
        elif name in buffers and (value is None or isinstance(value, Tensor)):
            table = buffers
        elif name in parameters or name in modules:
            kind = "Parameter" if name in parameters else "Module"
            raise TypeError(f"{name} must stay a {kind} or None, got {type(value).__name__}")
        if table is None:
            object.__setattr__(self, name, value)
            return
        self.__dict__.pop(name, None)
        for other in (parameters, buffers, modules):
            if other is not table:
                other.pop(name, None)
        table[name] = value

    def _table(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.__dict__.get(name, {})
        return table

    def __getattr__(self, name: str) -> Any:  # only where ordinary look-up failed
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self._table(table):
                return self._table(table)[name]
        known = [*self._table("_parameters"), *self._table("_buffers"), *self._table("_modules")]
        near = nearest(name, known)
        hint = f"; did you mean '{near}'?" if near else ""
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}'{hint}")

    def __delattr__(self, name: str) -> None:
        for table in ("_parameters", "_buffers", "_modules"):
            if name in self._table(table):
                del self._table(table)[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        tables = (self._table(t) for t in ("_parameters", "_buffers", "_modules"))
        return sorted({*super().__dir__(), *itertools.chain(*tables)})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None keeps the name without a value."""
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is no parameter; it is part of the state_dict if persistent."""
        self._buffers[name] = tensor
        self._non_persistent.discard(name)
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name that need not be an identifier."""
        if not name or "." in name:
            raise KeyError(f"add_module: a name must not be empty or hold a dot, got {name!r}")
        self._modules[name] = module

    register_module = add_module

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, if not None, replaces args."""
        return RemovableHandle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; its result, if any, replaces output."""
        return RemovableHandle(self._forward_hooks, hook)

    # ---- what is inside ------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = ""
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside, each once, with dotted names; outer ones first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all inside, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules assigned to this one."""
        return ((name, m) for name, m in self._modules.items() if m is not None)

    def children(self) -> Iterator[Module]:
        """The modules assigned to this one."""
        return (module for _, module in self.named_children())

    def _named(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in module._table(table).items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers, each once, with dotted names."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module with a dotted name."""
        module = self
        for name in filter(None, target.split(".")):
            module = getattr(module, name)
        return module

    # ---- state ---------------------------------------------------------------------------------

    def _state_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers in PyTorch's order: module by module."""
        for path, module in self._all_named_modules(""):
            kept = {n: b for n, b in module._buffers.items() if n not in module._non_persistent}
            for name, value in (*module._parameters.items(), *kept.items()):
                if value is not None:
                    yield f"{path}{name}", value

    def _all_named_modules(self, prefix: str) -> Iterator[tuple[str, Module]]:
        """As named_modules, but a module shared by two parents comes once for each of them."""
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module._all_named_modules(f"{prefix}{name}.")

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Parameters and buffers by dotted name, on the module's own memory, off the tape."""
        return OrderedDict((name, value.detach()) for name, value in self._state_tensors())

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers; all are checked before the first is written.

        Args:
            state_dict: tensors or ndarrays by dotted name; converted to each parameter's dtype.
            strict: whether names must be the same on both sides.

        Raises:
            RuntimeError: names are missing or not known (strict), or shapes differ.
        """
        own = dict(self._state_tensors())
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        given = {n: np.asarray(_array_of(v)) for n, v in state_dict.items() if n in own}
        errors = [
            f"{name} has shape {value.shape} here but {own[name].shape} in the module"
            for name, value in given.items()
            if value.shape != own[name].shape
        ]
        if strict and missing:
            errors.insert(0, f"missing: {', '.join(missing)}")
        if strict and unexpected:
            errors.insert(0, f"not known: {', '.join(unexpected)}")
        if errors:
            raise RuntimeError(
                f"load_state_dict: this is no state of a {type(self).__name__}: {'; '.join(errors)}"
            )
        for name, value in given.items():
            own[name].array[...] = value
            own[name]._version.writes += 1
        return IncompatibleKeys(missing, unexpected)

    def train(self: Self, mode: bool = True) -> Self:
        """Put this module and all inside into training, or into evaluation."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: Self) -> Self:
        """Put this module and all inside into evaluation."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters want gradients, or none."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad.zero_()

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on all modules inside and then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self: Self, *args: Any, dtype: npt.DTypeLike | None = None, device: Any = None) -> Self:
        """Convert floating point parameters and buffers, in place, to a dtype."""
        for value in (*self.parameters(), *self.buffers()):
            if value.is_floating_point():
                value.array = value.detach().to(*args, dtype=dtype, device=device).array
                if value.grad is not None:
                    value.grad = value.grad.to(value.dtype)
        return self

    def float(self: Self) -> Self:
        """Convert to float32, in place."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """Convert to float64, in place."""
        return self.to(np.float64)

    def cpu(self: Self) -> Self:
        """The module itself: it is there already."""
        return self

    # ---- printing ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the parentheses of `repr`."""
        return ""

    def __repr__(self) -> str:
        children = [f"({n}): " + repr(m).replace("\n", "\n  ") for n, m in self._modules.items()]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [*extra.splitlines(), *children]
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _array_of(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, Tensor):
        return value.array
    detach = getattr(value, "detach", None)  # a PyTorch tensor
    return np.asarray(detach().cpu().numpy() if detach else value)
