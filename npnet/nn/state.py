"""The state of modules: parameters and buffers by dotted names, and back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from npnet.base.checks import check_writable
from npnet.base.hooks import RemovableHandle
from npnet.nn.parameter import Parameter
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["IncompatibleKeys", "Stateful"]

Hook = Callable[..., Any]
EXTRA = "_extra_state"  # after a module's prefix, the name of what `get_extra_state` gives


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


class _Write(NamedTuple):
    """A value that is to be loaded, once all were looked at."""

    module: Any
    name: str
    own: Tensor
    value: npt.NDArray[Any]


class Stateful:
    """What of a Module deals with its state; the rest of it is `Module`."""

    _came_later: ClassVar[tuple[str, ...]] = ()  # buffers that older states lack, and keep then
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent: set[str]
    _state_dict_pre_hooks: dict[int, Hook]
    _state_dict_hooks: dict[int, tuple[Hook, bool]]  # each with whether it may return another state
    _load_state_dict_pre_hooks: dict[int, tuple[Hook, bool]]  # with whether it takes the module
    _load_state_dict_post_hooks: dict[int, Hook]

    def _own_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """This module's own parameters and persistent buffers."""
        kept = {n: b for n, b in self._buffers.items() if n not in self._non_persistent}
        for name, value in (*self._parameters.items(), *kept.items()):
            if value is not None:
                yield name, value

    # ---- giving it -----------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """For subclasses: what else belongs to the state. `set_extra_state` takes it back."""
        raise RuntimeError(
            f"{type(self).__name__}: get_extra_state must be defined for a state of its own"
        )

    def set_extra_state(self, state: Any) -> None:
        """For subclasses: take what `get_extra_state` gave."""
        raise RuntimeError(
            f"{type(self).__name__}: set_extra_state must be defined for the state's "
            f"'{EXTRA}', which get_extra_state gave"
        )

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Put this module's own tensors into `destination`, not those of modules inside."""
        for name, value in self._own_tensors():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not Stateful.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> OrderedDict[str, Tensor]:
        """Parameters and buffers by dotted name, on the module's own memory, off the tape.

        Args:
            args: destination, prefix and keep_vars, as PyTorch took them of old.
            destination: a dict that they are put into.
            prefix: stands before each name.
            keep_vars: give the parameters themselves.
        """
        if args:
            destination, prefix, keep_vars = (*args, destination, prefix, keep_vars)[:3]
            prefix = prefix if len(args) > 1 else ""
        state: Any = OrderedDict() if destination is None else destination
        for before in tuple(self._state_dict_pre_hooks.values()):
            before(self, prefix, keep_vars)
        self._save_to_state_dict(state, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:  # one that has two places comes twice
                module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook, may_replace in tuple(self._state_dict_hooks.values()):
            changed = hook(self, state, prefix, {})
            if changed is not None:
                if not may_replace:
                    raise RuntimeError("register_state_dict_post_hook: a hook must return None")
                state = changed
        return state

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` is made."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after it is made."""
        return RemovableHandle(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """The same; the hook may return another state."""
        return RemovableHandle(self._state_dict_hooks, (hook, True))

    # ---- taking it -----------------------------------------------------------------------------

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before this module's part of a state is looked at."""
        return RemovableHandle(self._load_state_dict_pre_hooks, (hook, True))

    def _register_load_state_dict_pre_hook(
        self, hook: Hook, with_module: bool = False
    ) -> RemovableHandle:
        """The same; the hook takes the module only if asked to."""
        return RemovableHandle(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)`, which may change the lists, after loading."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Find this module's own part of a state, and note what is missing, too much, or wrong.

        Args:
            local_metadata: its "writes" take the values, which are written once all of the state
                was looked at; without them, they are written now.
        """
        for hook, with_module in tuple(self._load_state_dict_pre_hooks.values()):
            first = (self,) if with_module else ()
            hook(
                *first,
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        own = dict(self._own_tensors())
        found: list[_Write] = []
        for name, value in own.items():
            if prefix + name in state_dict:
                given = _array_of(prefix + name, state_dict[prefix + name])
                found.append(_Write(self, name, value, _as_own(given, value)))
            elif strict and name not in self._came_later:
                missing_keys.append(prefix + name)
        for write in found:
            if write.value.shape != write.own.shape:
                error_msgs.append(
                    f"size mismatch for {prefix}{write.name}: copying a param with shape "
                    f"{write.value.shape} from checkpoint, the shape in current model is "
                    f"{write.own.shape}."
                )
        self._load_extra_state(state_dict, prefix, strict, missing_keys)
        if strict:
            unexpected_keys += self._not_known(state_dict, prefix, own)
        if "writes" in local_metadata:
            local_metadata["writes"] += found
        elif not error_msgs:
            _write_all(found, assign=False)

    def _load_extra_state(
        self, state_dict: Any, prefix: str, strict: bool, missing_keys: list[str]
    ) -> None:
        if type(self).set_extra_state is not Stateful.set_extra_state:
            if prefix + EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + EXTRA])
            elif strict:
                missing_keys.append(prefix + EXTRA)

    def _not_known(self, state_dict: Any, prefix: str, own: dict[str, Tensor]) -> list[str]:
        """The names with this module's prefix that belong neither to it nor to one inside."""
        has_extra = type(self).set_extra_state is not Stateful.set_extra_state
        wrong = []
        for key in state_dict:
            first, *rest = key[len(prefix) :].split(".", 1)
            if not key.startswith(prefix) or (has_extra and key == prefix + EXTRA):
                continue
            if self._modules.get(first) is None if rest else first not in own:
                wrong.append(key)
        return wrong

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers; all are checked before the first is written.

        Args:
            state_dict: tensors, also PyTorch's, or ndarrays by dotted name; converted to each
                parameter's dtype. As in PyTorch, one number may have the shape (1,), and
                `num_batches_tracked` of batch norm may be missing: it stays as it is.
            strict: whether names must be the same on both sides.
            assign: put the values themselves, in their dtype, in the place of the parameters.

        Raises:
            RuntimeError: names are missing or not known (strict), or shapes differ.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: takes a dict of tensors, got {type(state_dict).__name__}"
            )
        keys, errors, writes = IncompatibleKeys([], []), list[str](), list[_Write]()
        hooked = [m for m in self._inside_first() if m._load_state_dict_post_hooks]
        self._load_parts(OrderedDict(state_dict), "", keys, errors, writes)
        if errors or not hooked:
            self._refuse_unless_fits(keys, errors, strict)
        _write_all(writes, assign)
        for module in hooked:
            for hook in tuple(module._load_state_dict_post_hooks.values()):
                if hook(module, keys) is not None:
                    raise RuntimeError("register_load_state_dict_post_hook: must return None")
        self._refuse_unless_fits(keys, [], strict)
        return keys

    def _inside_first(self) -> Iterator[Stateful]:
        """All modules inside, and then this one."""
        for module in self._modules.values():
            if module is not None:
                yield from module._inside_first()
        yield self

    def _load_parts(
        self,
        state: Any,
        prefix: str,
        keys: IncompatibleKeys,
        errors: list[str],
        writes: list[_Write],
    ) -> None:
        """Let this module and all inside find their parts of a state."""
        self._load_from_state_dict(state, prefix, {"writes": writes}, True, *keys, errors)
        for name, module in self._modules.items():
            if module is not None:
                inside = f"{prefix}{name}."
                part = OrderedDict((k, v) for k, v in state.items() if k.startswith(inside))
                module._load_parts(part, inside, keys, errors, writes)

    def _refuse_unless_fits(self, keys: IncompatibleKeys, errors: list[str], strict: bool) -> None:
        said = list(errors)
        if strict and keys.unexpected_keys:
            said.insert(0, f"Unexpected key(s) in state_dict: {_quoted(keys.unexpected_keys)}. ")
        if strict and keys.missing_keys:
            said.insert(0, f"Missing key(s) in state_dict: {_quoted(keys.missing_keys)}. ")
        if said:
            name = type(self).__name__
            raise RuntimeError("\n\t".join([f"Error(s) in loading state_dict for {name}:", *said]))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _write_all(writes: list[_Write], assign: bool) -> None:
    if assign:
        for module, name, own, value in writes:
            new = value.copy()
            is_parameter = isinstance(own, Parameter)
            tensor = Parameter(new, own.requires_grad) if is_parameter else result(new)
            module.__dict__["_parameters" if is_parameter else "_buffers"][name] = tensor
        return
    for _, name, own, _ in writes:
        check_writable("load_state_dict", name, own.array)
    for _, _, own, value in writes:
        own.detach()._assign(..., result(value), "load_state_dict")


def _array_of(name: str, value: Any) -> npt.NDArray[Any]:
    """What a state holds, as an ndarray of numbers."""
    if isinstance(value, Tensor):
        return value.array
    detach = getattr(value, "detach", None)  # a PyTorch tensor
    if detach:
        tensor = detach().cpu()
        # PyTorch gives NumPy no bfloat16, nor floats of 8 bits; every one of them is a float32
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


def _as_own(value: npt.NDArray[Any], own: Tensor) -> npt.NDArray[Any]:
    """The value, of which one number may be as PyTorch before 0.4 had it."""
    return value.reshape(()) if value.shape == (1,) and own.shape == () else value
