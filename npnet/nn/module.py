"""Module: what holds parameters, buffers and other modules."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from npnet.base.bfloat16 import FLOATS, bfloat16
from npnet.base.checks import check_writable, kind_of, nearest, refused
from npnet.base.grad_mode import state as _mode
from npnet.base.hooks import RemovableHandle
from npnet.base.sharing import shared
from npnet.nn.backward_hooks import HookedCall
from npnet.nn.parameter import Buffer, Parameter
from npnet.nn.state import Hook, IncompatibleKeys, Stateful
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = [
    "GLOBAL_HOOKS",
    "IncompatibleKeys",
    "Module",
    "RemovableHandle",
    "has_ordinary_call",
    "let_serve",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

Self = TypeVar("Self", bound="Module")
P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_TABLES = ("_parameters", "_buffers", "_modules")
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)
_STATE_HOOKS = (
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
GLOBAL_HOOKS: dict[str, dict[int, Any]] = {name: {} for name in _HOOKS}  # of all modules
SERVING = "_serving"  # the attribute of a model that `let_serve`'s has for itself

_serve: Callable[[Module, Any], Any] = lambda model, x: NotImplemented  # noqa: E731 # as let_serve says


def let_serve(serve: Callable[[Module, Any], Any]) -> None:
    """Let `serve(model, x)` say what a model gives for a batch, or NotImplemented.

    It is asked at each ordinary call in evaluation of what is not being recorded: of the outermost
    module, if it has others inside and no hooks of its own. With NotImplemented, `forward` runs.
    """
    global _serve
    _serve = serve


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module."""
    return RemovableHandle(GLOBAL_HOOKS["_forward_pre_hooks"], (hook, False))


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module."""
    return RemovableHandle(GLOBAL_HOOKS["_forward_hooks"], (hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` when the gradients of a module's outputs are there."""
    return RemovableHandle(GLOBAL_HOOKS["_backward_pre_hooks"], hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` when a module's gradients are there."""
    return RemovableHandle(GLOBAL_HOOKS["_backward_hooks"], hook)


def _no_forward(self: Module, *args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...), which is missing")


class _HasForward(Protocol[P, R]):
    """A module, by what its `forward` takes and gives."""

    @property
    def forward(self) -> Callable[P, R]: ...


class Module(Stateful):
    """A part of a network. Subclasses assign parameters and modules in `__init__`, after calling
    `super().__init__()`, and define `forward`.

    Attributes:
        training: whether the module is in training; dropout and batch norm behave by it.

    Raises:
        AttributeError: something is assigned before `super().__init__()`.
        TypeError: something else than a Parameter or None is assigned where there is one.
        NotImplementedError: it is called and defines no `forward`.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc = nn.Linear(3, 2)
        ...     def forward(self, x):
        ...         return self.fc(x).relu()
        >>> Net()(npnet.zeros(8, 3)).shape
        (8, 2)
        >>> list(Net().state_dict())
        ['fc.weight', 'fc.bias']
    """

    forward: Callable[..., Any] = _no_forward
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]

    def __init__(self) -> None:
        for name in _TABLES:
            object.__setattr__(self, name, {})
        for name in (*_HOOKS, *_STATE_HOOKS):
            object.__setattr__(self, name, {})
        self._non_persistent = set()
        self.training = True

    if TYPE_CHECKING:  # a call takes and gives what `forward` of the subclass says

        def __call__(self: _HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
            """Run the hooks and `forward`."""

    else:

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Run the hooks and `forward`."""
            if not (
                self._forward_pre_hooks
                or self._forward_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or any(GLOBAL_HOOKS.values())
            ):
                if (
                    not self.training
                    and self._modules
                    and len(args) == 1
                    and not (kwargs or _mode.enabled or _mode.inside or _mode.traced)
                ):
                    return self._call_outermost(args[0])
                try:
                    return self.forward(*args, **kwargs)
                except (AttributeError, TypeError, RuntimeError) as error:
                    self._check_tensors(args, error)
                    raise
            return self._call_with_hooks(args, kwargs)

    def _call_outermost(self, x: Any) -> Any:
        """A model's forward pass that nothing is recorded of, in whatever way it is `_serve`d."""
        _mode.inside = True
        try:
            y = _serve(self, x)
            return self.forward(x) if y is NotImplemented else y
        except (AttributeError, TypeError, RuntimeError) as error:
            self._check_tensors((x,), error)
            raise
        finally:
            _mode.inside = False

    def _check_tensors(self, args: tuple[Any, ...], error: Exception) -> None:
        """Of one of npnet's own layers that failed: say so if it was given something else."""
        kind = type(self)
        if not kind.__module__.startswith("npnet.nn.modules."):
            return
        said = refused(kind.__name__, args, error)
        if said is not None:
            raise said from error

    def _all_hooks(self, name: str) -> list[Any]:
        """Those of all modules, and then this one's own."""
        return [*GLOBAL_HOOKS[name].values(), *self.__dict__[name].values()]

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        after = self._all_hooks("_forward_hooks")
        try:
            for hook, with_kwargs in self._all_hooks("_forward_pre_hooks"):
                if with_kwargs:
                    args, kwargs = hook(self, args, kwargs) or (args, kwargs)
                    continue
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            y = self._forward_watched(args, kwargs)
            while after:
                hook, with_kwargs, _ = after.pop(0)
                changed = hook(self, args, kwargs, y) if with_kwargs else hook(self, args, y)
                y = y if changed is None else changed
            return y
        except Exception:
            for hook, with_kwargs, always_call in after:
                if always_call:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
            raise

    def _forward_watched(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` between the functions that hand gradients to hooks, if there are any."""
        before, hooks = self._all_hooks("_backward_pre_hooks"), self._all_hooks("_backward_hooks")
        if not before and not hooks:
            return self.forward(*args, **kwargs)
        call = HookedCall(self, before, hooks)
        return call.leave(self.forward(*call.enter(args), **kwargs))

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
        if isinstance(value, Buffer):
            (self._non_persistent.discard if value.persistent else self._non_persistent.add)(name)

    def _table_for(self, name: str, value: Any) -> str | None:
        """The table that an assigned value belongs to; None for an ordinary attribute."""
        if isinstance(value, Parameter):
            return "_parameters"
        if isinstance(value, Buffer):
            return "_buffers"
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
            raise TypeError(f"add_module: {name} must be a Module, got {kind_of(module)}")

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
            always_call: also after an error, with None as the output.
        """
        return RemovableHandle(self._forward_hooks, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when backward has the gradients of the outputs.

        grad_output is a tuple, with None where none arrives. What the hook returns, if not None,
        replaces it: a tuple of as many, or the one.
        """
        return RemovableHandle(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when backward has left the module.

        grad_input has a gradient for each positional argument of forward, None for those that want
        none. What the hook returns, if not None, replaces it. Outputs and arguments that want
        gradients are copied while there are such hooks.
        """
        return RemovableHandle(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """`register_full_backward_hook`, by the name that PyTorch advises against."""
        return self.register_full_backward_hook(hook)

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

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of the one with a dotted name.

        Args:
            strict: AttributeError if there is none of that name yet.
        """
        if not isinstance(module, Module):
            raise ValueError(f"set_submodule: takes a Module, got {type(module).__name__}")
        path, _, name = target.rpartition(".")
        if not name:
            raise ValueError("set_submodule: cannot set the submodule without a target name!")
        parent = self.get_submodule(path)
        if strict or name in parent.__dict__ or hasattr(type(parent), name):
            parent.get_submodule(name)
        parent._modules[name] = module

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
        if wanted.kind not in FLOATS:
            raise TypeError(f"to: a module's dtype must be floating point, got {wanted}")
        return self._apply(lambda x: x.to(*args, **kwargs) if x.is_floating_point() else x)

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Let all parameters, gradients and buffers have what `fn` makes of their values."""
        values = [*self.parameters(recurse), *self.buffers(recurse)]
        converted = [fn(v.detach()) for v in values]
        gradients = [None if v.grad is None else fn(v.grad) for v in values]
        for value, data, grad in zip(values, converted, gradients, strict=True):  # can't fail
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

    def half(self: Self) -> Self:
        """Convert to float16, in place: half the memory; few ops compute in it."""
        return self.to(np.float16)

    def bfloat16(self: Self) -> Self:
        """Convert to bfloat16, in place: half the memory, and each op rounds its result."""
        return self.to(bfloat16())

    def share_memory(self: Self) -> Self:
        """Move parameters, gradients and buffers to memory that processes share.

        A child that is sent the module, by `multiprocessing`, trains these same parameters.
        """
        return self._apply(lambda x: result(shared(x.array)))

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Give all parameters and buffers new memory, whose values are not set."""
        result(np.zeros((), np.float32)).to(device=device)  # refused unless it is the CPU
        return self._apply(lambda x: result(np.empty(x.shape, x.dtype)), recurse)

    def cpu(self: Self) -> Self:
        """The module itself: it is there already."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """NotImplementedError: npnet runs on the CPU."""
        return self.to("cuda" if device is None else device)

    # ---- copies --------------------------------------------------------------------------------

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self._own())
        return other

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        other = object.__new__(type(self))
        memo[id(self)] = other
        other.__dict__.update(copy.deepcopy(self._own(), memo))
        return other

    def __getstate__(self) -> dict[str, Any]:
        return self._own()

    def _own(self) -> dict[str, Any]:
        """All attributes, but not by what the model is served."""
        return {name: value for name, value in self.__dict__.items() if name != SERVING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in (*_HOOKS, *_STATE_HOOKS):  # that came later than what was kept
            self.__dict__.setdefault(name, {})

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


_ordinary_call = Module.__call__


def has_ordinary_call(model: Module) -> bool:
    """Whether calling a model is what it is here: not its class's own, nor replaced by anybody."""
    return type(model).__call__ is _ordinary_call
