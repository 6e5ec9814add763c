"""The state of a learner out of a file: checked before anything of the learner is changed.

A state is what a fresh learner of the same settings has, but for weights, counts, learning rates,
and what an optimizer keeps of each parameter once it has made a step. All of these are compared
with what a run of so many steps must have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from npnet.tensor import Tensor
from npnet.training.learner import Learner
from npnet.training.schedules import steps_each_batch

__all__ = ["restore"]

_COUNT_MOST = 2**53  # beyond it, a float does not hold every whole number
# Where a state may differ from a fresh learner's: what options and schedules change as they go.
_RATES = ("lr", "_last_lr")
_COUNTS = ("last_epoch", "_step_count", "num_bad_epochs", "cooldown_counter")
_CHANGING = (*_RATES, *_COUNTS, "best")
_MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def restore(learner: Learner, state: Any, epochs: int, batches: int) -> None:
    """Let a fresh learner go on from where `state`, see `Learner.state`, stood.

    Args:
        epochs, batches: how many epochs are finished, and how many batches each of them had.

    Raises:
        ValueError: it is not the state of such a learner; says what is wrong, by its name in the
            file.
    """
    own, steps = learner.state(), epochs * batches
    _check_names("the learner", state, own)
    _check_tensors("weights", state["weights"], own["weights"])
    if "average" in own:
        _check_names("average", state["average"], own["average"])
        _check_tensors("average.of", state["average"]["of"], own["average"]["of"])
        _check_same("average.n_averaged", state["average"]["n_averaged"], steps)
    if not learner.parts.is_any:  # else nobody knows what they keep, or what a callback has set
        _check_optimizer(state["optimizer"], own["optimizer"], learner, steps)
        _check_like("scheduler", state["scheduler"], own["scheduler"])
        _check_rates(state, learner, steps if steps_each_batch(learner.config) else epochs)
    try:
        learner.load_state(state)
    except _MISFITS as error:  # whatever it is, the file is to blame: the learner is fresh
        raise ValueError(f"{type(error).__name__}: {error}") from error


# ---- tensors -------------------------------------------------------------------------------------


def _check_names(where: str, given: Any, own: Mapping[Any, Any]) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{where} is no table of names")
    wrong = [f"lacks {name}" for name in own if name not in given]
    wrong += [f"has {name}, which is not known" for name in given if name not in own]
    if wrong:
        raise ValueError(f"{where} {wrong[0]}")


def _check_tensors(where: str, given: Any, own: Mapping[str, Tensor]) -> None:
    _check_names(where, given, own)
    for name, tensor in own.items():
        _check_tensor(f"{where}.{name}", given[name], tensor.shape)
        if given[name].dtype != tensor.dtype:
            raise ValueError(f"{where}.{name} is {given[name].dtype} and not {tensor.dtype}")


def _check_tensor(where: str, given: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(given, Tensor):
        raise ValueError(f"{where} is no tensor")
    if given.shape != shape:
        raise ValueError(f"{where} has shape {tuple(given.shape)} and not {tuple(shape)}")
    if np.isnan(given.array).any():  # a run stops before it saves one
        raise ValueError(f"{where} has values that are no number (NaN)")


# ---- optimizer and schedule ----------------------------------------------------------------------


def _check_optimizer(given: Any, own: Mapping[str, Any], learner: Learner, steps: int) -> None:
    _check_names("optimizer", given, own)
    _check_like("optimizer.param_groups", given["param_groups"], own["param_groups"])
    config, kept = learner.config, given["state"]
    shapes = [tuple(p.shape) for group in learner.optimizer.param_groups for p in group["params"]]
    keeps_nothing = config.optimizer == "sgd" and config.momentum == 0
    if not (keeps_nothing and kept == {}):
        _check_names("optimizer.state", kept, dict.fromkeys(range(len(shapes))))
        for index, shape in enumerate(shapes):
            where = f"optimizer.state[{index}]"
            _check_names(where, kept[index], kept[0])
            for name, value in kept[index].items():
                _check_kept(f"{where}.{name}", value, shape, steps if name == "step" else None)


def _check_kept(where: str, value: Any, shape: tuple[int, ...], count: int | None) -> None:
    """What is kept of a parameter is an array of its shape, or a number of the whole array."""
    if isinstance(value, Tensor) and value.shape != ():
        _check_tensor(where, value, shape)
    elif value is not None:
        number = value.item() if isinstance(value, Tensor) else value
        if type(number) not in (int, float) or not 0 <= number <= _COUNT_MOST:
            raise ValueError(f"{where} is {number!r}, and must be a number from 0")
        if count is not None and number != count:
            raise ValueError(f"{where} is {number}, after {count} steps")


def _check_rates(state: Mapping[str, Any], learner: Learner, taken: int) -> None:
    """The learning rates are those that the schedule has set, in the step that it is in."""
    rates = [group["lr"] for group in state["optimizer"]["param_groups"]]
    schedule = state["scheduler"]
    if schedule is None:
        set_to = [group["lr"] for group in learner.optimizer.param_groups]
    else:
        set_to = schedule["_last_lr"]
        _check_same("scheduler.last_epoch", schedule["last_epoch"], taken)
    if rates != list(set_to):
        raise ValueError(f"optimizer has learning rates {rates}, which were set to {list(set_to)}")


def _check_same(where: str, given: Any, own: Any) -> None:
    if type(given) is not type(own) or given != own:
        raise ValueError(f"{where} is {given!r}, and must be {own!r}")


def _check_like(where: str, given: Any, own: Any) -> None:
    """`given` is `own`, but for what changes in training, which has the same form."""
    if isinstance(own, dict):
        _check_names(where, given, own)
        for name, value in own.items():
            if name in _CHANGING:
                _check_changing(f"{where}.{name}", name, given[name], value)
            else:
                _check_like(f"{where}.{name}", given[name], value)
    elif isinstance(own, (list, tuple)):
        if not isinstance(given, (list, tuple)) or len(given) != len(own):
            raise ValueError(f"{where} is {given!r}, and must have {len(own)} values")
        for i, (value, expected) in enumerate(zip(given, own, strict=True)):
            _check_like(f"{where}[{i}]", value, expected)
    elif type(own) in (int, float):  # 0 and 0.0 are one option
        if type(given) not in (int, float) or given != own:
            raise ValueError(f"{where} is {given!r}, and must be {own!r}")
    elif not isinstance(own, Tensor):
        _check_same(where, given, own)


def _check_changing(where: str, name: str, given: Any, own: Any) -> None:
    if isinstance(own, (list, tuple)):
        if not isinstance(given, (list, tuple)) or len(given) != len(own):
            raise ValueError(f"{where} is {given!r}, and must have {len(own)} values")
        for i, (value, expected) in enumerate(zip(given, own, strict=True)):
            _check_changing(f"{where}[{i}]", name, value, expected)
        return
    if name == "best" and given is None:  # of a plateau, before the first loss
        return
    kinds = (int,) if name in _COUNTS else (int, float)
    if type(given) not in kinds or not abs(given) <= _COUNT_MOST or math.isnan(given):
        raise ValueError(f"{where} is {given!r}, and must be a number")
    if name != "best" and given < 0:
        raise ValueError(f"{where} is {given!r}, and must be 0 or more")
