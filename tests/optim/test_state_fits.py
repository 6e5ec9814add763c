"""A step on a state, a gradient or an average that does not fit changes nothing, and says why."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet import nn, optim
from npnet.optim import swa_utils
from tests.kernels.guarded import Guard

RULES: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "NAdam": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
}


def trained(rule: str, shape: tuple[int, ...] = (10,)) -> tuple[list[nn.Parameter], Any]:
    """Three parameters after a step, with gradients for the next."""
    params = [nn.Parameter(npnet.randn(*shape)) for _ in range(3)]
    optimizer = getattr(optim, rule)(params, **RULES[rule])
    for p in params:
        p.grad = npnet.randn(*shape)
    optimizer.step()
    return params, optimizer


def snapshot(params: list[nn.Parameter], optimizer: Any) -> list[Any]:
    """All values, to be compared afterwards."""
    return copy.deepcopy([
        *[p.detach().numpy() for p in params],
        *[value for p in params for value in optimizer.state[p].values()],
    ])  # fmt: skip


def assert_refused(params: list[nn.Parameter], optimizer: Any, kind: Any, match: str) -> None:
    before = snapshot(params, optimizer)
    with pytest.raises(kind, match=match) as caught:
        optimizer.step()
    assert "\n" not in str(caught.value)
    for a, b in zip(snapshot(params, optimizer), before, strict=True):
        if isinstance(b, np.ndarray) or np.isscalar(b):
            np.testing.assert_array_equal(a, b)


SHAPES = [(11,), (9,), (1,), (1000,), (2, 5), (1, 10), (10, 1), (), (0,), (10, 10)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rule", RULES)
def test_a_replaced_parameter_is_refused_as_in_torch(
    rule: str, shape: tuple[int, ...], backend: str
) -> None:
    params, optimizer = trained(rule)
    for p in params:
        p.grad = npnet.randn(*p.shape)
    params[2].data, params[2].grad = npnet.randn(*shape), None
    params[2].grad = npnet.randn(*shape)
    assert_refused(
        params, optimizer, npnet.base.checks.ShapeError, f"{rule}: .* like its parameter"
    )
    reference = torch.nn.Parameter(torch.randn(10))
    theirs = getattr(torch.optim, rule)([reference], **RULES[rule])
    reference.grad = torch.randn(10)
    theirs.step()
    reference.data, reference.grad = torch.randn(shape), None
    reference.grad = torch.randn(shape)
    if shape not in ((1,), (), (0,)):  # there PyTorch broadcasts into the larger state, or does so
        with pytest.raises(RuntimeError):
            theirs.step()


def swapped(array: Any) -> Any:
    return array.astype(array.dtype.newbyteorder())


def fixed(array: Any) -> Any:
    copied = array.copy()
    copied.setflags(write=False)
    return copied


FOREIGN: dict[str, tuple[Callable[[Any], Any], type[Exception]]] = {
    "float64": (lambda a: a.astype(np.float64), npnet.base.checks.ShapeError),
    "float16": (lambda a: a.astype(np.float16), npnet.base.checks.ShapeError),
    "integers": (lambda a: a.astype(np.int64), npnet.base.checks.ShapeError),
    "swapped bytes": (swapped, npnet.base.checks.ShapeError),
    "read-only": (fixed, npnet.base.checks.ShapeError),
    "broadcast": (lambda a: np.broadcast_to(a[:1], a.shape), npnet.base.checks.ShapeError),
    "too small": (lambda a: a[:-1], npnet.base.checks.ShapeError),
    "too large": (lambda a: np.append(a, a), npnet.base.checks.ShapeError),
    "an axis more": (lambda a: a[None], npnet.base.checks.ShapeError),
    "a number": (lambda a: 0.0, TypeError),
    "a list": (lambda a: a.tolist(), TypeError),
    "a tensor": (npnet.tensor, TypeError),
    "torch's": (torch.tensor, TypeError),
}


@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("rule", RULES)
def test_a_foreign_state_is_refused(rule: str, foreign: str, backend: str) -> None:
    change, kind = FOREIGN[foreign]
    for name in getattr(optim, rule).arrays:
        params, optimizer = trained(rule)
        state = optimizer.state[params[2]]
        if name in state:
            state[name] = change(state[name])
            assert_refused(params, optimizer, kind, f"{rule}: {name} ")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "SGD"])
@pytest.mark.parametrize("value", ["1", None, [1]])
def test_a_step_that_is_no_number_is_refused(rule: str, value: Any, backend: str) -> None:
    params, optimizer = trained(rule)
    optimizer.state[params[1]]["step"] = value
    assert_refused(params, optimizer, TypeError, f"{rule}: step of a parameter must be a number")


@pytest.mark.parametrize("rule", RULES)
def test_a_wrong_gradient_of_the_third_changes_nothing(rule: str, backend: str) -> None:
    params, optimizer = trained(rule)
    params[2].data = npnet.randn(12)
    assert_refused(params, optimizer, ValueError, f"{rule}: a gradient must be like its parameter")


@pytest.mark.parametrize("rule", RULES)
def test_a_read_only_parameter_changes_nothing(rule: str, backend: str) -> None:
    params, optimizer = trained(rule)
    params[2].data = npnet.from_numpy(fixed(params[2].detach().numpy()))
    assert_refused(params, optimizer, ValueError, f"{rule}: a parameter .* read-only memory")


@pytest.mark.parametrize("rule", RULES)
def test_a_strided_state_is_as_good(rule: str, backend: str) -> None:
    npnet.manual_seed(0)
    params, optimizer = trained(rule)
    npnet.manual_seed(0)
    twin_params, twin = trained(rule)
    for state in twin.state.values():
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                state[name] = np.stack([value, value], -1)[..., 0]
                assert not state[name].flags.c_contiguous
    optimizer.step()
    twin.step()
    for p, q in zip(params, twin_params, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_a_parameter_of_no_axes_is_trained(rule: str, backend: str) -> None:
    params, optimizer = trained(rule, ())
    before = params[0].item()
    optimizer.step()
    assert params[0].item() != before


@pytest.mark.parametrize("rule", RULES)
def test_after_its_state_is_dropped_a_replaced_parameter_trains(rule: str, backend: str) -> None:
    params, optimizer = trained(rule)
    params[2].data, params[2].grad = npnet.ones(12), None
    params[2].grad = npnet.ones(12)
    del optimizer.state[params[2]]
    optimizer.step()
    assert (params[2].detach().numpy() != 1).all()


def test_a_buffer_that_is_not_used_need_not_fit(backend: str) -> None:
    params, optimizer = trained("SGD")
    optimizer.param_groups[0]["momentum"] = 0.0
    params[0].data, params[0].grad = npnet.ones(12), None
    params[0].grad = npnet.ones(12)
    optimizer.step()
    np.testing.assert_allclose(params[0].detach().numpy(), 0.9, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("size", [9, 11, 100_000])
def test_nothing_around_a_state_is_written(rule: str, size: int, backend: str) -> None:
    guard = Guard()
    params, optimizer = trained(rule)
    state = optimizer.state[params[0]]
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            state[name] = guard.like(value)
    params[0].data, params[0].grad = npnet.ones(size), None
    params[0].grad = npnet.ones(size)
    with pytest.raises(npnet.base.checks.ShapeError):
        optimizer.step()
    guard.check()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_loaded_state_of_another_shape_is_refused(
    rule: str, shape: tuple[int, ...], backend: str
) -> None:
    params, optimizer = trained(rule)
    saved = copy.deepcopy(optimizer.state_dict())
    for name, value in saved["state"][2].items():
        if isinstance(value, npnet.Tensor):
            saved["state"][2][name] = npnet.zeros(*shape)
    before = snapshot(params, optimizer)
    with pytest.raises(ValueError, match="has shape"):
        optimizer.load_state_dict(saved)
    for a, b in zip(snapshot(params, optimizer), before, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- averages ----------------------------------------------------------------------------------

AVERAGES: dict[str, Callable[[], dict[str, Any]]] = {
    "mean": dict,
    "mean by function": lambda: {"avg_fn": swa_utils.get_swa_avg_fn()},
    "moving": lambda: {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.9)},
    "moving by function": lambda: {"avg_fn": swa_utils.get_ema_avg_fn(0.9)},
    "with buffers": lambda: {"use_buffers": True},
}


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 10), nn.BatchNorm1d(10), nn.Linear(10, 3))


@pytest.mark.parametrize("updates", [0, 1])
@pytest.mark.parametrize("name", ["2.bias", "0.weight", "1.running_mean"])
@pytest.mark.parametrize("average", AVERAGES)
def test_an_average_of_a_changed_model_is_refused(
    average: str, name: str, updates: int, backend: str
) -> None:
    model = network()
    averaged = swa_utils.AveragedModel(model, **AVERAGES[average]())
    for _ in range(updates):
        averaged.update_parameters(model)
    with npnet.no_grad():
        for p in model.parameters():
            p += 1
    changed = dict(model.state_dict(keep_vars=True))[name]
    for shape in ((1,), (2,), (50_000,), (3, 1), ()):
        changed.data = npnet.ones(*shape)
        before = {k: v.numpy().copy() for k, v in averaged.state_dict().items()}
        with pytest.raises(ValueError, match="must have the shape of its average"):
            averaged.update_parameters(model)
        for k, v in averaged.state_dict().items():
            np.testing.assert_array_equal(v.numpy(), before[k])


@pytest.mark.parametrize("make", [swa_utils.get_swa_multi_avg_fn, swa_utils.get_ema_multi_avg_fn])
@pytest.mark.parametrize("size", [9, 11, 100_000])
def test_nothing_around_an_average_is_touched(make: Any, size: int, backend: str) -> None:
    guard = Guard()
    first = npnet.from_numpy(guard.like(np.ones(5, np.float32)))
    second = npnet.from_numpy(guard.like(np.ones(10, np.float32)))
    with pytest.raises(npnet.base.checks.ShapeError, match="average: value 1 must have the shape"):
        make()([first, second], [npnet.zeros(5), npnet.zeros(size)], npnet.tensor(1))
    np.testing.assert_array_equal(first.numpy(), 1)
    with pytest.raises(npnet.base.checks.ShapeError, match="a value for each of 2 averages, got 1"):
        make()([first, second], [npnet.zeros(5)], npnet.tensor(1))
    guard.check()
