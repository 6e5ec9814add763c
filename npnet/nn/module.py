"""Module: what holds parameters, buffers and other modules."""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from npnet.base.checks import check_writable, nearest
from npnet.nn.parameter import Parameter
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["IncompatibleKeys", "Module", "RemovableHandle"]

Self = TypeVar("Self", bound="Module")
Hook = Callable[..., Any]

_TABLES = ("_parameters", "_buffers", "_modules")


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` found to be missing or not known."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class RemovableHandle:
    """What registering a hook returns; `remove()` takes the hook off again."""

    _ids = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Any, first: bool = False) -> None:
        self._hooks, self.id = hooks, next(self._ids)
        others = list(hooks.items()) if first else []
        for key, _ in others:
            del hooks[key]
        hooks[self.id] = hook
        hooks.update(others)

    def remove(self) -> None:
        """Take the hook off; a second time does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _no_forward(self: Module, *args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...), which is missing")


class Module:
    """A part of a network. Subclasses assign parameters and modules in `__init__`, after calling
    `super().__init__()`, and define `forward`.

    Attributes:
        training: whether the module is in training; dropout and batch norm behave by it.
    """

    forward: Callable[..., Any] = _no_forward
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]

    def __init__(self) -> None:
        for name in _TABLES:
            object.__setattr__(self, name, {})
        # Each hook with whether it takes keyword arguments too.
        self._forward_pre_hooks: dict[int, tuple[Hook, bool]] = {}
        self._forward_hooks: dict[int, tuple[Hook, bool]] = {}
        self._non_persistent: set[str] = set()
        self.training = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the hooks and `forward`."""
        if not self._forward_pre_hooks and not self._forward_hooks:
            return self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_pre_hooks.values()):
            if with_kwargs:
                args, kwargs = hook(self, args, kwargs) or (args, kwargs)
                continue
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        y = self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, y) if with_kwargs else hook(self, args, y)
            y = y if changed is None else changed
        return y

    # ---- attributes ----------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(
                    f"{type(self).__name__}: call super().__init__() before assigning {name}"
                )
            object.__setattr__(self, name, value)
            return
        table = self._table_for(name, value)
        if table is None:
            object.__setattr__(self, name, value)
            return
        self.__dict__.pop(name, None)
        for other in _TABLES:
            if other != table:
                self.__dict__[other].pop(name, None)
        self.__dict__[table][name] = value

    def _table_for(self, name: str, value: Any) -> str | None:
        """The table that an assigned value belongs to; None for an ordinary attribute."""
        if isinstance(value, Parameter):
            return "_parameters"
        if isinstance(value, Module):
            return "_modules"
        for table, kind in zip(_TABLES, ("Parameter", "Tensor", "Module"), strict=True):
            if name in self.__dict__[table]:
                if value is None or (table == "_buffers" and isinstance(value, Tensor)):
                    return table
                raise TypeError(f"{name} must stay a {kind} or None, got {type(value).__name__}")
        return None

    def __getattr__(self, name: str) -> Any:  # only where ordinary look-up failed
        own = self.__dict__
        for table in _TABLES:
            values = own.get(table)
            if values is not None and name in values:
                return values[name]
        if "_parameters" not in own:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}'; "
                "was super().__init__() called?"
            )
        known = [key for table in _TABLES for key in own[table]]
        near = nearest(name, known)
        hint = f"; did you mean '{near}'?" if near else ""
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")

    def __delattr__(self, name: str) -> None:
        for table in _TABLES:
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                self._non_persistent.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        own = (self.__dict__.get(table, ()) for table in _TABLES)
        return sorted({*super().__dir__(), *itertools.chain(*own)})

    def _check_name(self, op: str, name: str, table: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{op}: call super().__init__() first")
        if not isinstance(name, str):
            raise TypeError(f"{op}: a name must be a string, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{op}: a name must not be empty or hold a dot, got {name!r}")
        if name not in self.__dict__[table] and hasattr(self, name):
            raise KeyError(f"{op}: there is another attribute '{name}'")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name; None keeps the name without a value."""
        self._check_name("register_parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name} must be a Parameter or None, "
                f"got {type(param).__name__}"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is no parameter; it is part of the state_dict if persistent."""
        self._check_name("register_buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: {name} must be a Tensor or None, got {type(tensor).__name__}"
            )
        self._buffers[name] = tensor
        self._non_persistent.discard(name)
        if not persistent:
            self._non_persistent.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name that need not be an identifier."""
        self._check_module(name, module)
        self._modules[name] = module

    def _check_module(self, name: str, module: Module | None) -> None:
        self._check_name("add_module", name, "_modules")
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name} must be a Module, got {type(module).__name__}")

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, if not None, replaces args.

        Args:
            prepend: before the hooks that are there.
            with_kwargs: call `hook(module, args, kwargs)`, which returns None or both, changed.
        """
        return RemovableHandle(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; its result, if any, replaces output.

        Args:
            prepend: before the hooks that are there.
            with_kwargs: call `hook(module, args, kwargs, output)`.
        """
        if always_call:
            raise NotImplementedError("register_forward_hook: always_call is not supported")
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """NotImplementedError: use `retain_grad()` on an output in a forward hook."""
        raise NotImplementedError(
            "register_full_backward_hook is not supported; call retain_grad() on the output in a "
            "forward hook and read its grad after backward"
        )

    # ---- what is inside ------------------------------------------------------------------------

    def named_modules(
        self,
        memo: set[Module] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside with dotted names, outer ones first.

        Args:
            memo: modules that are left out.
            remove_duplicate: whether a module that has two places comes once.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all inside, each once. See `named_modules`."""
        return (m for _, m in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules assigned to this one, each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules assigned to this one, each once."""
        return (module for _, module in self.named_children())

    def _named(
        self, table: str, prefix: str, recurse: bool, once: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, once) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in module.__dict__[table].items():
                if value is not None and id(value) not in seen:
                    if once:
                        seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names, one that has two names once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names, one that has two names once."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module with a dotted name."""
        module: Any = self
        for name in filter(None, target.split(".")):
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"get_submodule: '{name}' in '{target}' is no module")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name."""
        return self._get("_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name."""
        return self._get("_buffers", target)

    def _get(self, table: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if name not in module.__dict__[table]:
            getattr(module, name)  # says it best where there is nothing of that name
            raise AttributeError(f"'{target}' is none of the {table[1:]}")
        return module.__dict__[table][name]

    # ---- state ---------------------------------------------------------------------------------

    _came_later: ClassVar[tuple[str, ...]] = ()  # buffers that older states lack, and keep then

    def _optional_names(self) -> set[str]:
        """Names that a state may leave out."""
        return {
            f"{path}.{name}" if path else name
            for path, module in self.named_modules(remove_duplicate=False)
            for name in module._came_later
        }

    def _state_tensors(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers in PyTorch's order: module by module."""
        kept = {n: b for n, b in self._buffers.items() if n not in self._non_persistent}
        for name, value in (*self._parameters.items(), *kept.items()):
            if value is not None:
                yield f"{prefix}{name}", value
        for name, module in self._modules.items():
            if module is not None:  # one that has two places comes twice
                yield from module._state_tensors(f"{prefix}{name}.")

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Tensor]:
        """Parameters and buffers by dotted name, on the module's own memory, off the tape.

        Args:
            destination: a dict that they are put into.
            prefix: stands before each name.
            keep_vars: give the parameters themselves.
        """
        state: OrderedDict[str, Tensor] = OrderedDict() if destination is None else destination
        for name, value in self._state_tensors(prefix):
            state[name] = value if keep_vars else value.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers; all are checked before the first is written.

        Args:
            state_dict: tensors, also PyTorch's, or ndarrays by dotted name; converted to each
                parameter's dtype. As in PyTorch, one number may have the shape (1,), and
                `num_batches_tracked` of batch norm may be missing: it stays as it is.
            strict: whether names must be the same on both sides.

        Raises:
            RuntimeError: names are missing or not known (strict), or shapes differ.
        """
        if assign:
            raise NotImplementedError("load_state_dict: assign is not supported; values are copied")
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: takes a dict of tensors, got {type(state_dict).__name__}"
            )
        own = dict(self._state_tensors())
        optional = self._optional_names()
        missing = [name for name in own if name not in state_dict and name not in optional]
        unexpected = [name for name in state_dict if name not in own]
        given = {n: _array_of(n, v) for n, v in state_dict.items() if n in own}
        given = {n: v.reshape(()) if _is_old(v, own[n]) else v for n, v in given.items()}
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
        for name in given:
            check_writable("load_state_dict", name, own[name].array)
        for name, value in given.items():
            own[name].detach()._assign(..., result(value), "load_state_dict")
        return IncompatibleKeys(missing, unexpected)

    def _check_writable(self, op: str) -> None:
        """Raise unless this module's own parameters and buffers can all be written."""
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None:
                check_writable(op, name, value.array)

    def train(self: Self, mode: bool = True) -> Self:
        """Put this module and all inside into training, or into evaluation."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Put this module and all inside into evaluation."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters want gradients, or none."""
        parameters = list(self.parameters())
        for p in parameters:
            p._check_requires_grad(requires_grad)
        for p in parameters:
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

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating point parameters and buffers, in place, to a dtype.

        `to(dtype)`, `to(device)`, `to(device, dtype)` and `to(tensor)`, as `Tensor.to`.
        """
        wanted = result(np.zeros((), np.float32)).to(*args, **kwargs).dtype
        if wanted.kind != "f":
            raise TypeError(f"to: a module's dtype must be floating point, got {wanted}")
        floats = [v for v in (*self.parameters(), *self.buffers()) if v.is_floating_point()]
        converted = [v.detach().to(*args, **kwargs) for v in floats]
        gradients = [None if v.grad is None else v.grad.to(*args, **kwargs) for v in floats]
        for value, data, grad in zip(floats, converted, gradients, strict=True):  # can't fail
            value.data, value.grad = data, grad
        return self

    def type(self: Self, dst_type: npt.DTypeLike) -> Self:
        """Convert floating point parameters and buffers, in place, to a dtype."""
        return self.to(dst_type)

    def float(self: Self) -> Self:
        """Convert to float32, in place."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """Convert to float64, in place."""
        return self.to(np.float64)

    def cpu(self: Self) -> Self:
        """The module itself: it is there already."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """NotImplementedError: npnet runs on the CPU."""
        return self.to("cuda" if device is None else device)

    # ---- copies --------------------------------------------------------------------------------

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        other = object.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return other

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__}: npnet modules are not pickled; save module.state_dict() by "
            "npnet.save and give it to load_state_dict of a new module"
        )

    # ---- printing ------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the parentheses of `repr`."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def _child_lines(self) -> list[str]:
        return [f"({n}): " + repr(m).replace("\n", "\n  ") for n, m in self._modules.items()]

    def __repr__(self) -> str:
        extra, children = self.extra_repr().splitlines(), self._child_lines()
        if len(extra) <= 1 and not children:
            return f"{self._get_name()}({''.join(extra)})"
        return f"{self._get_name()}(\n  " + "\n  ".join([*extra, *children]) + "\n)"


def _array_of(name: str, value: Any) -> npt.NDArray[Any]:
    """What a state holds, as an ndarray of numbers."""
    if isinstance(value, Tensor):
        return value.array
    detach = getattr(value, "detach", None)  # a PyTorch tensor
    if detach:
        tensor = detach().cpu()
        # NumPy has no bfloat16, nor floats of 8 bits; every one of them is a float32
        floats = tensor.is_floating_point() and tensor.element_size() <= 2
        value = (tensor.float() if floats else tensor).numpy()
    array = np.asarray(value)
    if array.dtype.kind in "fiub":
        return array
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 of ml_dtypes, and its like
        return array.astype(np.float32)
    raise TypeError(
        f"load_state_dict: {name} must be a tensor or an ndarray of numbers, "
        f"got {type(value).__name__} of dtype {array.dtype}"
    )


def _is_old(value: npt.NDArray[Any], own: Tensor) -> bool:
    """Whether this is one number as PyTorch before 0.4 had it."""
    return value.shape == (1,) and own.shape == ()
