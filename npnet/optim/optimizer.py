"""Optimizer: what all update rules share."""

from __future__ import annotations

import copy
import functools
import operator
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np

from npnet.base.arrays import Array
from npnet.base.bfloat16 import widened
from npnet.base.checks import ShapeError, kind_of
from npnet.base.grad_mode import enable_grad
from npnet.base.hooks import RemovableHandle
from npnet.optim._options import as_numbers, check_tensors, is_live, plain
from npnet.tape import result
from npnet.tensor import Tensor

__all__ = ["Group", "Optimizer", "Params", "State", "required"]

Group: TypeAlias = dict[str, Any]  # "params" and the options that they are trained with
State: TypeAlias = dict[str, Any]  # what a rule remembers about one parameter: arrays and numbers
Hook: TypeAlias = Callable[..., Any]
S = TypeVar("S", bound=Callable[..., Any])
Params: TypeAlias = Iterable[Tensor | tuple[str, Tensor] | Group]


class _RequiredParameter:
    """The default of an option that has none, in optimizers of one's own."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

NOT_OPTIONS = ("params", "param_names")
# Options that came to PyTorch's rules later than the rules themselves, with what they then said
# nothing of: states of older versions lack them.
LATER: Mapping[str, Any] = {
    "amsgrad": False,
    "capturable": False,
    "centered": False,
    "decoupled_weight_decay": False,
    "differentiable": False,
    "foreach": None,
    "fused": None,
    "maximize": False,
    "momentum": 0,
    "nesterov": False,
}
OWN = (  # of some rules
    "alpha", "betas", "centered", "dampening", "etas", "lambd", "lr_decay", "momentum_decay",
    "nesterov", "rho",
)  # fmt: skip
_NUMBERS = (int, float, np.integer, np.floating)
REFUSED = ("capturable", "differentiable")  # for a GPU's graphs, and for derivatives of the step


def _with_hooks(step: S) -> S:
    """A step between the hooks; one that calls that of its base class is one step."""

    @functools.wraps(step)
    def stepped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._is_stepping:
            return step(self, *args, **kwargs)
        for hook in self._called("step_pre"):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    f"{type(self).__name__}: a hook before the step must return None or the new "
                    f"(args, kwargs), got {changed!r}"
                )
            args, kwargs = changed
        self._is_stepping = True
        try:
            result = step(self, *args, **kwargs)
        finally:
            self._is_stepping = False
        self.was_stepped = True
        for hook in self._called("step_post"):
            hook(self, args, kwargs)
        return result

    return stepped  # type: ignore[return-value] # it has step's signature


class Optimizer:
    """Trains parameters in groups that share options.

    A rule defines

        update(p: Array, g: Array, state: State, group: Group) -> None

    one step of one parameter, written into p; g is not to be written to. It names what it remembers
    in `numbers` and `arrays`, and checks its options in `check`. One of the user's own may define
    `step` instead, as in PyTorch, and keep what it likes in `state`.

    Args:
        params: tensors, (name, tensor) pairs as from `named_parameters()`, or dicts with "params"
            and the options in which that group differs from the defaults.
        defaults: options of the groups that do not give their own.

    Attributes:
        param_groups: one dict for each group: "params" and the options, to be changed freely.
        state: arrays and numbers that the rule keeps, by parameter; empty before the first step.

    Raises:
        TypeError: something else than a tensor is to be trained, or the order is not fixed.
        ValueError: there is no parameter, one is in two groups, or is no leaf; an option is NaN,
            infinite or out of range.
        NotImplementedError: an option names a way of computing that npnet lacks.

    Warns:
        UserWarning: a parameter is in a group twice.

    Example:
        >>> class Descent(optim.Optimizer):
        ...     def __init__(self, params, lr):
        ...         super().__init__(params, {"lr": lr})
        ...     def update(self, p, g, state, group):
        ...         p -= group["lr"] * g
        >>> p = nn.Parameter(npnet.ones(1))
        >>> p.grad = npnet.tensor([2.0])
        >>> Descent([p], lr=0.25).step()
        >>> p.item()
        0.5
    """

    numbers: ClassVar[Mapping[str, float]] = {}  # name -> value before the first step
    arrays: ClassVar[tuple[str, ...]] = ()  # all of the parameter's shape and dtype
    always: ClassVar[Mapping[str, Any]] = {}  # options that this rule can't do without
    was_stepped = False
    _is_stepping = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign] # each class's own

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        op = type(self).__name__
        is_module = hasattr(params, "parameters")  # a Sequential is iterable, of its layers
        if is_module or isinstance(params, (Tensor, set, str)) or not isinstance(params, Iterable):
            raise TypeError(
                f"{op}: params must be a list of tensors or groups, or an iterator over one, "
                f"got a {type(params).__name__} (of a module, pass module.parameters())"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._checked: dict[int, tuple[Any, ...]] = {}  # values of a group when it was checked
        self._live: set[int] = set()  # ids of the groups that have tensors among their options
        entries: list[Any] = list(params)
        if not entries:
            raise ValueError(
                f"{op}: params is empty (an iterator such as module.parameters() can be used once)"
            )
        for group in entries if isinstance(entries[0], dict) else [{"params": entries}]:
            self.add_param_group(group)

    # ---- what a rule defines -------------------------------------------------------------------

    def update(self, p: Array, g: Array, state: State, group: Group) -> None:
        """Make one step of one parameter in place. `g` has its shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} defines no update")

    def check(self, group: Group) -> None:
        """Raise ValueError if an option of the group is out of range."""

    def zero_arrays(self, group: Group) -> tuple[str, ...]:
        """The arrays that `update` needs with these options, 0 before the first step."""
        return ()

    def first_state(self, p: Array, group: Group) -> State:
        """What is remembered of a parameter before its first step: numbers, and arrays of 0."""
        zeros = {name: np.zeros_like(p) for name in self.zero_arrays(group)}
        return {**self.numbers, **zeros}

    def used_arrays(self, group: Group) -> tuple[str, ...]:
        """The arrays that `update` reads or writes with these options, where they are there."""
        return self.zero_arrays(group)

    # ---- training ------------------------------------------------------------------------------

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss anew, with its gradients, before the update.

        Returns:
            What `closure` returned, or None.

        Raises:
            ShapeError: a gradient, or what is kept in `state`, is not like its parameter, whose
                `data` may have been replaced; or one that is to be written can't be.
            TypeError: something in `state` is no array, or no number.
            Nothing is changed then, not even parameters that come before.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            if not self._is_checked(group):
                self._check_group(group)
        for group in self.param_groups:
            names = self.used_arrays(group)
            for p in group["params"]:
                if p.grad is not None:
                    self._check_one(p, p.grad.array, names)
        # NaN and infinity come through as values, as in PyTorch.
        with np.errstate(all="ignore"):
            for group in self.param_groups:
                names = self.zero_arrays(group)
                options = as_numbers(group) if id(group) in self._live else group
                if self._update_jointly(group, options):
                    continue
                for p in group["params"]:
                    if p.grad is not None:
                        self._step_one(p, p.grad.array, options, names)
        return loss

    def _update_jointly(self, group: Group, options: Group) -> bool:
        """Update all parameters of a group at once, where the rule can; whether it did."""
        return False

    def _check_one(self, p: Tensor, g: Array, names: tuple[str, ...]) -> None:
        """Raise unless the gradient and the state suit the parameter: `update` walks them alike."""
        array = p.array
        if g.shape != array.shape or g.dtype != array.dtype:
            raise ShapeError(
                f"{type(self).__name__}: a gradient must be like its parameter, {p.shape} "
                f"{p.dtype}; got {g.shape} {g.dtype}"
            )
        if not array.flags.writeable:
            raise ShapeError(
                f"{type(self).__name__}: a parameter {p.shape} lies on read-only memory; "
                "give it a copy: p.data = p.data.clone()"
            )
        state = self.state.get(p)
        if not state:
            return
        for name in names:
            value = state.get(name)
            if value is not None and not (
                type(value) is np.ndarray
                and value.shape == array.shape
                and value.dtype == array.dtype
                and value.flags.writeable
            ):
                self._refuse_array(p, name, value)
        for name in self.numbers:
            if not isinstance(state.get(name), _NUMBERS):
                self._refuse_number(name, state.get(name))

    def _refuse_array(self, p: Tensor, name: str, value: Any) -> None:
        op = type(self).__name__
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"{op}: {name} of a parameter must be a NumPy array in state, "
                f"got a {type(value).__name__}"
            )
        if value.shape == p.shape and value.dtype == p.dtype and value.flags.writeable:
            return  # of a subclass of ndarray
        what = "" if value.flags.writeable else ", read-only"
        raise ShapeError(
            f"{op}: {name} must be like its parameter, {p.shape} {p.dtype}, and writable; got "
            f"{value.shape} {value.dtype}{what} (if the parameter's data were replaced, begin "
            "anew: del optimizer.state[p])"
        )

    def _refuse_number(self, name: str, value: Any) -> None:
        got = "nothing" if value is None else f"a {type(value).__name__}"
        raise TypeError(
            f"{type(self).__name__}: {name} of a parameter must be a number in state, got {got}"
        )

    def _step_one(self, p: Tensor, g: Array, group: Group, names: tuple[str, ...]) -> None:
        array = p.array
        state = self.state[p]
        if not state:
            state.update(self.first_state(array, group))
        for name in names:
            if name not in state:
                state[name] = np.zeros_like(array)
        if group.get("maximize"):
            g = np.asarray(-g)
        if array.dtype.kind == "V":
            self._update_rounded(array, g, state, group)
        else:
            self.update(array, g, state, group)
        p._version.writes += 1

    def _update_rounded(self, p: Array, g: Array, state: State, group: Group) -> None:
        """`update` of bfloat16 in float32, which what is kept is rounded from."""
        wide = widened(p)
        known = {k: widened(v) if isinstance(v, np.ndarray) else v for k, v in state.items()}
        self.update(wide, widened(g), known, group)
        p[...] = wide
        for name, value in known.items():
            is_array = isinstance(value, np.ndarray) and value.shape == p.shape
            state[name] = value.astype(p.dtype) if is_array else value

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set those that are there to 0."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad.zero_()

    # ---- groups --------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Train more parameters, with options of their own where `param_group` names any."""
        op = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{op}: a group must be a dict with 'params', got {param_group!r}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                f"{op}: params must have a fixed order, got a set; give them in "
                "the order of module.parameters()"
            )
        entries = [params] if isinstance(params, Tensor) else list(params)
        tensors, names = _split_names(op, entries)
        group = {**param_group, "params": tensors}
        if names:
            group["param_names"] = names
        for other in self.param_groups:
            if ("param_names" in other) != ("param_names" in group):
                raise ValueError(f"{op}: parameters must have names in all groups or in none")
        group = {**group, **{k: v for k, v in self.defaults.items() if k not in group}}
        missing = [name for name, value in group.items() if value is required]
        if missing:
            raise ValueError(
                f"{op}: a group of parameters lacks {', '.join(missing)}, which has no default; "
                f"pass {missing[0]}="
            )
        self._check_params(tensors)
        self._check_group(group)
        self.param_groups.append(group)

    def _check_params(self, tensors: list[Any]) -> None:
        op, seen = type(self).__name__, {p for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(tensors):
            if not isinstance(p, Tensor):
                raise TypeError(f"{op}: params must be tensors, got {kind_of(p)} at {i}")
            if not p.is_leaf:
                raise ValueError(
                    f"{op}: only leaves can be trained, but params[{i}] is the result of "
                    f"{p.grad_fn}; pass what it was computed from, or make a leaf of it by "
                    "detach().requires_grad_() before the model uses it"
                )
            if p in seen:
                raise ValueError(
                    f"{op}: some parameters appear in more than one parameter group: params[{i}] "
                    f"of group {len(self.param_groups)} does"
                )
        if len(set(tensors)) < len(tensors):
            warnings.warn(
                f"{op}: a parameter group with duplicate parameters, each of which is updated as "
                "often as it is there",
                stacklevel=4,
            )

    def _check_group(self, group: Group) -> None:
        checked = {k: v if k in NOT_OPTIONS else plain(v) for k, v in group.items()}
        self._check_flags(checked)
        check_tensors(type(self).__name__, checked)
        self.check(as_numbers(checked))
        group.update(checked)
        self._live.discard(id(group))
        if is_live(group):
            self._live.add(id(group))
        self._checked[id(group)] = tuple(group.values())  # held, so that no other gets their ids

    def _is_checked(self, group: Group) -> bool:
        """Whether the options are the very objects that passed the last check."""
        checked = self._checked.get(id(group), ())
        return len(checked) == len(group) and all(map(operator.is_, checked, group.values()))

    def _check_flags(self, group: Group) -> None:
        for name in REFUSED:
            if group.get(name):
                raise NotImplementedError(
                    f"{type(self).__name__}: {name}={group[name]} is not supported; leave it out"
                )
        if group.get("fused") and group.get("foreach"):
            raise RuntimeError(
                f"{type(self).__name__}: `fused` and `foreach` cannot be `True` together"
            )

    # ---- state ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What a later run needs to go on: numbers, and tensors on the optimizer's own memory.

        {"state": {i: {name: value}}, "param_groups": [{..., "params": [i, ...]}]}, where i counts
        the parameters through all groups.
        """
        for hook in self._called("state_dict_pre"):
            hook(self)
        index: dict[Tensor, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(p, len(index))
        state = {
            index[p]: {k: _as_tensors(v) for k, v in values.items()}
            for p, values in self.state.items()
            if values and p in index
        }
        groups = [{**g, "params": [index[p] for p in g["params"]]} for g in self.param_groups]
        given = {"state": state, "param_groups": groups}
        for hook in self._called("state_dict_post"):
            changed = hook(self, given)
            given = given if changed is None else changed
        return given

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; everything is copied, after everything was checked.

        Args:
            state_dict: as from `state_dict()`. Tensors may be ndarrays; indices may be strings and
                tuples lists, as they come out of JSON.

        Raises:
            ValueError: groups, their sizes, shapes or names do not fit: another network's state, or
                another optimizer's.
        """
        for hook in self._called("load_state_dict_pre"):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        if "state" not in state_dict or "param_groups" not in state_dict:
            raise self._misfit("it has no state and param_groups (is it a module's?)")
        saved = list(state_dict["param_groups"])
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in saved]
        if ours != theirs:
            raise self._misfit(f"its groups have {theirs} parameters, these {ours}")
        groups = [self._load_group(*pair) for pair in zip(self.param_groups, saved, strict=True)]
        owner = {
            int(i): (p, group)
            for group, values in zip(groups, saved, strict=True)
            for i, p in zip(values["params"], group["params"], strict=True)
        }
        state: defaultdict[Tensor, State] = defaultdict(dict)
        for key, values in state_dict["state"].items():
            if int(key) not in owner:
                raise self._misfit(f"it has a parameter {key} that is in no group")
            p, group = owner[int(key)]
            state[p] = self._load_values(int(key), p, values, group)
        self.state, self.param_groups = state, groups
        for hook in self._called("load_state_dict_post"):
            hook(self)

    @property
    def _is_rule(self) -> bool:
        """Whether `update` makes the steps, so that what it remembers is known."""
        return type(self).update is not Optimizer.update

    def _load_group(self, group: Group, saved: Mapping[str, Any]) -> Group:
        if not self._is_rule:
            kept = {k: group[k] for k in NOT_OPTIONS if k in group}
            return {**copy.deepcopy({k: v for k, v in saved.items() if k != "params"}), **kept}
        later = {**LATER, **self.always}
        saved = {**{k: v for k, v in later.items() if k in self.defaults}, **saved}
        foreign = [name for name in OWN if name in saved and name not in self.defaults]
        if foreign:
            raise self._misfit(f"its groups hold {', '.join(foreign)}")
        missing = [name for name in self.defaults if name not in saved]
        if missing:
            raise self._misfit(f"its groups lack {', '.join(missing)}")
        loaded = {k: plain(v) for k, v in saved.items() if k not in NOT_OPTIONS}
        loaded.update({k: group[k] for k in NOT_OPTIONS if k in group})
        self._check_flags(loaded)  # not the ranges: a schedule's last step may lie outside
        return loaded

    def _load_values(self, key: int, p: Tensor, values: Mapping[str, Any], group: Group) -> State:
        if not self._is_rule:
            return {name: _copied(name, value, p) for name, value in values.items()}
        unknown = [name for name in values if name not in self.numbers and name not in self.arrays]
        missing = [n for n in (*self.numbers, *self.zero_arrays(group)) if n not in values]
        for what, names in (("holds", unknown), ("lacks", missing)):
            if names:
                raise self._misfit(f"parameter {key} {what} {', '.join(names)}")
        state: State = {}
        for name, value in values.items():
            array = np.asarray(value.array if isinstance(value, Tensor) else value)
            shape = p.shape if name in self.arrays else ()
            if array.shape != shape:
                raise self._misfit(
                    f"{name} of parameter {key} has shape {array.shape}, not {shape}"
                )
            if name in self.arrays:
                state[name] = array.astype(p.dtype)  # a copy
            else:
                state[name] = type(self.numbers[name])(array)
        return state

    # ---- hooks ---------------------------------------------------------------------------------

    def _called(self, kind: str) -> tuple[Hook, ...]:
        """The hooks of a kind; asking for them leaves the optimizer as it is."""
        return tuple(self.__dict__.get(f"_{kind}_hooks", {}).values())

    def _hooks(self, kind: str) -> dict[int, Hook]:
        """The hooks of a kind. Made when they are asked for: a class may not call our __init__."""
        hooks: dict[int, Hook] = self.__dict__.setdefault(f"_{kind}_hooks", {})
        return hooks

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return both, changed."""
        return RemovableHandle(self._hooks("step_pre"), hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return RemovableHandle(self._hooks("step_post"), hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return RemovableHandle(self._hooks("state_dict_pre"), hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; what it returns is given."""
        return RemovableHandle(self._hooks("state_dict_post"), hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before `load_state_dict`; it may return another."""
        return RemovableHandle(self._hooks("load_state_dict_pre"), hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Hook, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return RemovableHandle(self._hooks("load_state_dict_post"), hook, prepend)

    # ---- copies --------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds: no hooks, as in PyTorch."""
        kept = {k: v for k, v in self.__dict__.items() if not k.endswith("_hooks")}
        return {k: v for k, v in kept.items() if k not in ("_checked", "_live", "_joint")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._checked, self._live = {}, set()

    def _misfit(self, why: str) -> ValueError:
        op = type(self).__name__
        return ValueError(f"load_state_dict: this is no state of this {op}: {why}")

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            options = (f"    {k}: {group[k]}\n" for k in sorted(group) if k != "params")
            text += f"\nParameter Group {i}\n" + "".join(options)
        return text + ")"


def _split_names(op: str, entries: list[Any]) -> tuple[list[Any], list[str]]:
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names and len(names) != len(entries):
        raise ValueError(f"{op}: all parameters of a group must have names, or none")
    return [entry[1] if isinstance(entry, tuple) else entry for entry in entries], names


def _as_tensors(value: Any) -> Any:
    """What is in `state`, as a state_dict has it: arrays are tensors on their memory."""
    if isinstance(value, np.ndarray):
        return result(value)
    return [_as_tensors(v) for v in value] if isinstance(value, list) else value


def _copied(name: str, value: Any, p: Tensor) -> Any:
    """A copy of what a rule of the user's remembers of a parameter, as PyTorch casts it."""
    if isinstance(value, Tensor):
        casts = name != "step" and p.is_floating_point() and value.is_floating_point()
        return result(value.array.astype(p.dtype if casts else value.dtype))
    return copy.deepcopy(value)
