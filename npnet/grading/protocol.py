"""How a student's layer is made, called and read: what docs/grading.md promises.

It runs where the student's code does, and only computes arrays: whether they are right is decided
elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from npnet.autograd import Function
from npnet.base.arrays import Array
from npnet.grading import weights
from npnet.grading.errors import ProtocolError
from npnet.grading.jobs import Call, Job
from npnet.grading.spellings import canonical
from npnet.tensor import Tensor, as_tensor

__all__ = ["as_array", "bound", "describe", "form_of", "run_job"]

LARGEST = 1 << 22  # values of a result: a check's have some thousand
_SWITCHES = ("training", "train", "is_training")


def form_of(cls: type) -> str | None:
    """ "layer", "function" (a subclass of npnet.autograd.Function), "optimizer", or None."""
    if issubclass(cls, Function):
        return "function"
    if callable(getattr(cls, "forward", None)) and callable(getattr(cls, "backward", None)):
        return "layer"
    if callable(getattr(cls, "update", None)) or callable(getattr(cls, "step", None)):
        return "optimizer"
    return None


def describe(cls: type, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Form, and which of npnet's names of arguments a class takes."""
    form = form_of(cls)
    maker: Any = getattr(cls, "forward" if form == "function" else "__init__")
    skip = _skipped(cls) if issubclass(cls, Function) else 1
    names = [] if maker is object.__init__ else [p.name for p in _parameters(maker, skip)]
    takes = {ours for name in names if (ours := canonical(name, wanted)) is not None}
    later = [p.name for p in _parameters(getattr(cls, "backward", None), 1)]
    return {"form": form, "takes": sorted(takes), "names": names, "backward": later}


def run_job(cls: type, job: Job) -> list[dict[str, Any]]:
    """What each call gave: arrays by npnet's names, and "wrote", what was written to.

    Names are y and gx, of weights their gradients (weight, bias), running_mean, running_var; of an
    optimizer y alone.

    Raises:
        ProtocolError: the layer can't be made, called or read as docs/grading.md says.
        Exception: whatever the student's code raises.
    """
    form = form_of(cls)
    if form == "optimizer":
        return _updates(cls, job)
    if form == "function":
        return [_applied(cls, job, call) for call in job.calls]
    layer = _made(cls, job)
    names = tuple(dict.fromkeys(name for call in job.calls for name in call.weights))
    return [_called(layer, job, call, names) for call in job.calls]


# ---- arguments -----------------------------------------------------------------------------------


def _parameters(function: Any, skip: int = 0) -> list[inspect.Parameter]:
    """The parameters of a function but the first, whatever that is called: self, or ctx."""
    try:
        return list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):
        return []


def _skipped(cls: type[Function]) -> int:
    """Whether the forward of a Function takes ctx."""
    return int(cls.setup_context is Function.setup_context)


def bound(
    function: Callable[..., Any],
    given: Mapping[str, Any],
    required: tuple[str, ...],
    what: str,
    skip: int = 0,
) -> dict[str, Any]:
    """Values for a function's parameters, by its own names.

    Args:
        given: values by npnet's names.
        required: those that a parameter of an unknown name may stand for, in this order.
        skip: parameters at the beginning that are given otherwise: self, or ctx.

    Raises:
        ProtocolError: a parameter without a default that none of them is for.
    """
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    everything = _parameters(function, skip)
    parameters = [p for p in everything if p.kind in (*plain, p.KEYWORD_ONLY)]
    values: dict[str, Any] = {}
    left = dict(given)
    for p in parameters:
        ours = canonical(p.name, tuple(left))
        if ours is not None:
            values[p.name] = left.pop(ours)
    unnamed = [name for name in required if name in left]
    for p in parameters:
        if p.name in values or p.default is not p.empty:
            continue
        if not unnamed:
            can = ", ".join(given) or "nothing"
            raise ProtocolError(
                f"{what} has the argument '{p.name}', for which there is no value; npnet gives "
                f"{can}: rename it, or give it a default"
            )
        values[p.name] = left.pop(unnamed.pop(0))
    if any(p.kind is p.VAR_POSITIONAL for p in everything) and unnamed:
        raise ProtocolError(f"{what} takes *args; name its arguments: {', '.join(given)}")
    return values


# ---- layers --------------------------------------------------------------------------------------


def _made(cls: type, job: Job) -> Any:
    given = dict(job.init)
    if "betas" not in given and "beta1" in given:
        given["betas"] = (given["beta1"], given["beta2"])
    init = cls.__init__  # type: ignore[misc]  # its signature alone is read
    values = {} if init is object.__init__ else bound(init, given, job.required, _of(cls, init), 1)
    return cls(**values)


def _of(cls: type, function: Any) -> str:
    return f"{cls.__name__}.{getattr(function, '__name__', 'method')}"


def _called(layer: Any, job: Job, call: Call, names: tuple[str, ...]) -> dict[str, Any]:
    """One forward pass, and the backward pass after it; `names` are of all weights."""
    places = weights.found(layer, call.weights, job.kind)
    ours = {name: weights.put(place, call.weights[name]) for name, place in places.items()}
    _switch(layer, call.training)
    given = {"x": _laid(call.x, job.strided), **_copied(call.extra), "training": call.training}
    given.update({name: value.copy() for name, value in call.weights.items() if name not in places})
    before = {name: _copy(value) for name, value in {**given, **ours}.items()}
    required = tuple(name for name in given if name != "training")
    y = layer.forward(
        **_mode(bound(layer.forward, given, required, _of(type(layer), layer.forward)), call)
    )
    out: dict[str, Any] = {"y": as_array(y, "forward")}
    if call.gy is not None:
        gy = _laid(call.gy, job.strided)
        before["gy"], given["gy"] = _copy(gy), gy
        more = {name: given[name] for name in given if name not in ("x", "training")}
        method = layer.backward
        found = method(
            **bound(method, {"gy": gy, "x": given["x"], **more}, ("gy",), _of(type(layer), method))
        )
        out |= _gradients(layer, found, places, names)
    for name in ("running_mean", "running_var"):
        running = weights.running(layer, name)
        if running is not None:
            out[name] = running
    now = {**given, **{name: weights.value(place) for name, place in places.items()}}
    out["wrote"] = [name for name, old in before.items() if _differs(old, now[name])]
    out["kept"] = [f"{name} in {weights.said(place)}" for name, place in places.items()]
    return out


def _gradients(
    layer: Any, found: Any, places: Mapping[str, Any], wanted: tuple[str, ...]
) -> dict[str, Any]:
    """gx, and the gradients of the weights: returned beside it, or kept in the layer."""
    if found is None:
        raise ProtocolError(
            f"{type(layer).__name__}.backward returned None; it must return the gradient of x"
        )
    if isinstance(found, Mapping):
        named = {
            canonical(str(k).removeprefix("grad_").removeprefix("d"), ("x", *wanted)): v
            for k, v in found.items()
        }
        out = {
            "gx" if k == "x" else k: as_array(v, f"backward [{k}]") for k, v in named.items() if k
        }
        return {**out, "returned": True}
    if isinstance(found, (tuple, list)) and found and not np.isscalar(found[0]):
        names = ["gx", *wanted]
        if len(found) not in (1, len(names)):
            raise ProtocolError(
                f"{type(layer).__name__}.backward returned {len(found)} values; it must return the "
                f"gradient of x, or those of {', '.join(['x', *wanted])}"
            )
        out = {k: as_array(v, f"backward, {k}") for k, v in zip(names, found, strict=False)}
        for name in places:
            if name in out:
                out[name] = weights.turned(places[name], out[name])
        if not places:  # a call that sets no weights: vectors, of which (1, C, 1, 1) is another way
            out = {k: v if k == "gx" else v.reshape(-1) for k, v in out.items()}
        if len(found) > 1:
            return {**out, "returned": True}
    else:
        out = {"gx": as_array(found, "backward")}
    for name, place in places.items():
        out[name] = weights.turned(place, as_array(weights.gradient(layer, name, place), name))
    return out


def _mode(values: dict[str, Any], call: Call) -> dict[str, Any]:
    """Where the switch is called mode, it is a word."""
    if "mode" in values:
        values["mode"] = "train" if call.training else "test"
    return values


def _switch(layer: Any, training: bool) -> None:
    """Put a layer into training or evaluation, where it has a switch."""
    method = getattr(layer, "train" if training else "eval", None)
    if callable(method):
        method()
        return
    for name in _SWITCHES:
        if isinstance(getattr(layer, name, None), (bool, np.bool_)):
            setattr(layer, name, training)


# ---- functions -----------------------------------------------------------------------------------


def _applied(cls: type[Function], job: Job, call: Call) -> dict[str, Any]:
    """One apply of an autograd.Function, and backward through it."""
    skip = _skipped(cls)
    parameters = _parameters(cls.forward, skip)
    tensors = {
        name: as_tensor(_laid(value, job.strided)).requires_grad_()
        for name, value in {"x": call.x, **call.weights}.items()
        if value is not None and not name.startswith("running")
    }
    extra = {k: as_tensor(v) if isinstance(v, np.ndarray) else v for k, v in call.extra.items()}
    given: dict[str, Any] = {**tensors, **extra, **job.init, "training": call.training}
    before = {name: _copy(t.array) for name, t in tensors.items()}
    required = (*tensors, *extra, *job.required)
    values = bound(cls.forward, given, required, _of(cls, cls.forward), skip)
    watched, returned = _watched(cls)
    y = watched.apply(*[values[p.name] for p in parameters if p.name in values])
    y = y[0] if isinstance(y, tuple) else y
    out: dict[str, Any] = {"y": as_array(y, "forward"), "returned": True}
    if call.gy is not None:
        gy = np.array(call.gy)
        grads = _through(y, gy, returned, [values[p.name] for p in parameters if p.name in values])
        for name, t in tensors.items():
            grad = t.grad if grads is None else grads.get(id(t))
            if grad is not None:
                out["gx" if name == "x" else name] = as_array(grad, f"backward, {name}")
    out["wrote"] = [name for name, old in before.items() if _differs(old, tensors[name].array)]
    return out


def _watched(cls: type[Function]) -> tuple[Any, list[Any]]:
    """The class, and what its backward returns."""
    own: Any = cls.backward if cls.backward is not Function.backward else cls.vjp
    returned: list[Any] = []

    def backward(ctx: Any, *grads: Any) -> Any:
        found = own(ctx, *grads)
        returned[:] = found if isinstance(found, tuple) else (found,)
        return found

    return type(cls.__name__, (cls,), {"backward": staticmethod(backward)}), returned


def _through(y: Tensor, gy: Array, returned: list[Any], args: list[Any]) -> dict[int, Any] | None:
    """Backward through the tape; gradients that it refuses for their shape as they are, by id."""
    try:
        y.backward(as_tensor(gy))
    except (RuntimeError, ValueError):
        if len(returned) != len(args) or not all(
            isinstance(g, Tensor) == isinstance(a, Tensor) or g is None
            for g, a in zip(returned, args, strict=True)
        ):
            raise
        return {id(a): g for a, g in zip(args, returned, strict=True)}
    return None


# ---- optimizers ----------------------------------------------------------------------------------


def _updates(cls: type, job: Job) -> list[dict[str, Any]]:
    """Parameters after each update; they are given as arrays, or as a dict or list of them."""
    optimizer = _made(cls, job)
    method = getattr(optimizer, "update", None) or optimizer.step
    names = [p.name for p in _parameters(method)]
    plural = bool(names) and canonical(names[0], ("param", "params")) == "params"
    outs, current = [], {k: v.copy() for k, v in job.calls[0].weights.items()}
    if not plural:
        current = {"a": current["a"]}
    for call in job.calls:
        grads = {k: call.extra[f"grad_{k}"].copy() for k in current}
        if "lr" in call.extra and hasattr(optimizer, "lr"):
            optimizer.lr = call.extra["lr"]
        before = {k: v.copy() for k, v in grads.items()}
        given: dict[str, Any] = (
            {"params": current, "grads": grads}
            if plural
            else {"param": current["a"], "gy": grads["a"]}
        )
        returned = method(**bound(method, given, tuple(given), _of(cls, method)))
        if returned is not None:
            current = dict(returned) if isinstance(returned, Mapping) else {"a": returned}
        out = {k: as_array(v, "update") for k, v in current.items()}
        current = {k: np.asarray(v) for k, v in current.items()}
        wrote = [f"gradient of {k}" for k in before if _differs(before[k], grads[k])]
        outs.append({**out, "wrote": wrote, "set_lr": hasattr(optimizer, "lr")})
    return outs


# ---- arrays --------------------------------------------------------------------------------------


def as_array(value: Any, what: str) -> Array:
    """A copy of what a student returned. ProtocolError if it is no array of numbers."""
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    try:
        array = np.array(value)
    except Exception as error:
        raise ProtocolError(f"{what} gave what is no array: {error}") from None
    if array.dtype.kind not in "fiub":
        got = "None" if value is None else f"a {type(value).__name__} of {array.dtype}"
        raise ProtocolError(f"{what} gave {got}, and must give an array of numbers")
    if array.size > LARGEST or array.dtype.itemsize > 8:
        raise ProtocolError(f"{what} gave {array.size} values of {array.dtype}, which is too much")
    return array


def _laid(x: Array | None, strided: bool) -> Any:
    """A copy; strided: every second value of an array twice as large, with its axes turned."""
    if x is None or not strided or x.ndim == 0:
        return None if x is None else x.copy() if x.ndim else x.item()
    large = np.full((*(2 * n for n in reversed(x.shape)),), np.nan, x.dtype)
    view = large[tuple(slice(None, None, 2) for _ in x.shape)].T
    view[...] = x
    return view


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) for name, value in values.items()}


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _differs(old: Any, new: Any) -> bool:
    if not isinstance(old, np.ndarray):
        return False
    return not isinstance(new, np.ndarray) or not np.array_equal(old, new, equal_nan=True)
