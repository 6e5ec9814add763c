"""Groups, state and errors of optimizers."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import npnet
from npnet import Tensor, nn, optim
from tests.optim.twins import FLOAT64, SHAPES, Twins, torch_in_float64

RULES: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "dampening": 0.1},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "NAdam": {"weight_decay": 0.1},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Adadelta": {"rho": 0.8},
    "Adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "Adamax": {},
    "RAdam": {"betas": (0.9, 0.8), "decoupled_weight_decay": True},
    "ASGD": {"t0": 3, "lambd": 0.01},
    "Rprop": {},
}


def parameters(dtype: str = "float32") -> list[Tensor]:
    rng = np.random.default_rng(1)
    return [
        npnet.tensor(np.array(rng.standard_normal(s), dtype), requires_grad=True) for s in SHAPES
    ]


def build(rule: str, params: list[Tensor]) -> optim.Optimizer:
    groups = [{"params": params[:1], "lr": 0.05}, {"params": params[1:]}]
    optimizer: optim.Optimizer = getattr(optim, rule)(groups, lr=0.02, **RULES[rule])
    return optimizer


def train(optimizer: optim.Optimizer, params: list[Tensor], first: int, last: int) -> None:
    for i in range(first, last):
        rng = np.random.default_rng(i)
        for p in params:
            p.grad = npnet.as_tensor(np.array(rng.standard_normal(p.shape), p.dtype))
        if i < 3:
            params[1].grad = None
        optimizer.step()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", ["memory", "json"])
@pytest.mark.parametrize("stop", [0, 2, 20])  # before the first step, without all states, with all
def test_goes_on_bit_for_bit(rule: str, way: str, stop: int) -> None:
    whole = parameters()
    train(build(rule, whole), whole, 0, 40)
    params = parameters()
    optimizer = build(rule, params)
    train(optimizer, params, 0, stop)
    state = optimizer.state_dict()
    if way == "json":
        state = json.loads(json.dumps(state, default=lambda t: t.array.tolist()))
    again = [npnet.tensor(p.array.copy(), requires_grad=True) for p in params]
    resumed = build(rule, again)
    resumed.load_state_dict(state)
    train(optimizer, params, stop, stop + 3)  # the loaded state is a copy
    train(resumed, again, stop, 40)
    for a, b in zip(again, whole, strict=True):
        assert_array_equal(a.array, b.array)
        assert a.dtype == np.float32


@pytest.mark.parametrize("rule", RULES)
def test_goes_on_from_pytorchs_state(rule: str) -> None:
    with torch_in_float64():
        twins = Twins(lambda ns, params: getattr(ns, rule)(params, **RULES[rule]))
        for _ in range(10):
            twins.step()
        fresh = getattr(optim, rule)(twins.ours)
        fresh.load_state_dict(twins.reference.state_dict())
        twins.optimizer = fresh
        for _ in range(10):
            twins.step()
        twins.check(**FLOAT64)


@pytest.mark.parametrize("rule", RULES)
def test_signature_is_pytorchs(rule: str) -> None:
    ours = inspect.signature(getattr(optim, rule)).parameters.values()
    theirs = inspect.signature(getattr(torch.optim, rule)).parameters.values()
    assert [(p.name, p.kind, p.default) for p in ours] == [
        (p.name, p.kind, p.default) for p in theirs
    ]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("other", RULES)
@pytest.mark.parametrize("steps", [0, 1])
def test_refuses_the_state_of_another_rule(rule: str, other: str, steps: int) -> None:
    alike = {"Adam", "AdamW", "Adamax", "RAdam"}  # of the same options and states, in PyTorch too
    if rule == other or {rule, other} <= alike:
        return
    params = parameters()
    source = build(other, params)
    train(source, params, 3, 3 + steps)
    target = build(rule, params)
    before = copy.deepcopy(target.state_dict())
    with pytest.raises(ValueError, match=r"no state of this|decoupled_weight_decay"):
        target.load_state_dict(source.state_dict())
    after = target.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert after["state"].keys() == before["state"].keys()


def test_refuses_a_state_that_does_not_fit_and_stays_as_it_was() -> None:
    params = parameters()
    optimizer = build("Adam", params)
    train(optimizer, params, 3, 5)
    good = optimizer.state_dict()

    def broken(change: Any) -> dict[str, Any]:
        state = {
            "state": {i: dict(v) for i, v in good["state"].items()},
            "param_groups": [dict(g) for g in good["param_groups"]],
        }
        change(state)
        return state

    cases = {
        r"groups have \[1\] parameters, these \[1, 2\]": lambda s: s["param_groups"].pop(),
        r"\[1, 1\] parameters": lambda s: s["param_groups"][1].update(params=[1]),
        "lack eps": lambda s: s["param_groups"][0].pop("eps"),
        "parameter 7 that is in no group": lambda s: s["state"].update({7: {}}),
        "parameter 2 lacks max_exp_avg_sq": lambda s: s["state"][2].pop("max_exp_avg_sq"),
        "parameter 1 holds velocity": lambda s: s["state"][1].update(velocity=0),
        r"exp_avg of parameter 2 has shape \(3,\), not \(\)": lambda s: s["state"][2].update(
            exp_avg=npnet.as_tensor(np.zeros(3))
        ),
        "no state and param_groups": lambda s: s.pop("state"),
    }
    for message, change in cases.items():
        target = build("Adam", params)
        with pytest.raises(ValueError, match=message):
            target.load_state_dict(broken(change))
        assert not target.state
        assert "initial_lr" not in target.param_groups[0]
    with pytest.raises(NotImplementedError, match="capturable=True"):
        target.load_state_dict(broken(lambda s: s["param_groups"][1].update(capturable=True)))


def test_state_dict_is_not_a_copy_but_loading_is() -> None:
    params = parameters()
    optimizer = build("SGD", params)
    train(optimizer, params, 3, 4)
    tensor = optimizer.state_dict()["state"][0]["momentum_buffer"]
    assert isinstance(tensor, Tensor)
    assert tensor.array is optimizer.state[params[0]]["momentum_buffer"]


def test_loading_converts_to_the_parameters_dtype() -> None:
    params, wide = parameters(), parameters("float64")
    source, target = build("Adam", wide), build("Adam", params)
    train(source, wide, 3, 4)
    target.load_state_dict(source.state_dict())
    assert target.state[params[0]]["exp_avg"].dtype == np.float32


def test_names_of_parameters() -> None:
    module = nn.Linear(3, 2)
    optimizer = optim.SGD(module.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    reference = torch.optim.SGD(torch.nn.Linear(3, 2).named_parameters())
    assert repr(optimizer) == repr(reference)
    assert optimizer.state_dict()["param_groups"] == reference.state_dict()["param_groups"]
    nameless = optim.SGD(module.parameters())
    nameless.load_state_dict(optimizer.state_dict())
    assert "param_names" not in nameless.param_groups[0]
    with pytest.raises(ValueError, match="names in all groups or in none"):
        optimizer.add_param_group({"params": parameters()})
    with pytest.raises(ValueError, match="all parameters of a group must have names"):
        optim.SGD([("a", parameters()[0]), parameters()[1]])


def test_a_group_is_not_written_to() -> None:
    group = {"params": parameters()}
    optim.SGD([group])
    assert list(group) == ["params"]


def test_wrong_parameters() -> None:
    p, q, _ = parameters()
    cases: list[tuple[type[Exception], str, Any]] = [
        (ValueError, r"SGD: params is empty .*can be used once", []),
        (TypeError, r"a list of tensors.*got a Tensor", p),
        (TypeError, r"got a Linear .*pass module.parameters\(\)", nn.Linear(1, 1)),
        (TypeError, "got a set", {p, q}),
        (TypeError, "fixed order, got a set", [{"params": {p, q}}]),
        (TypeError, "must be tensors, got ndarray at 1", [p, q.array]),
        (TypeError, "a group must be a dict with 'params'", [{"lr": 1}]),
        (
            ValueError,
            r"only leaves can be trained, but params\[1\] is the result of <Mul",
            [p, q * 2],
        ),
        (
            ValueError,
            r"more than one parameter group: params\[0\] of group 1",
            [{"params": [p]}, {"params": [p]}],
        ),
        (UserWarning, "duplicate parameters", [p, q, p]),
    ]
    for error, message, params in cases:
        with pytest.raises(error, match=message):
            optim.SGD(params)


POSITIVE = {
    "SGD": ("lr", "momentum", "dampening", "weight_decay"),
    "Adam": ("lr", "eps", "weight_decay"),
    "AdamW": ("lr", "eps", "weight_decay"),
    "NAdam": ("lr", "eps", "weight_decay", "momentum_decay"),
    "RMSprop": ("lr", "alpha", "eps", "weight_decay", "momentum"),
}


@pytest.mark.parametrize(("rule", "name"), [(r, n) for r, names in POSITIVE.items() for n in names])
def test_options_out_of_range(rule: str, name: str) -> None:
    for value, rest in ((float("nan"), ""), (float("inf"), " and finite"), (-0.1, "")):
        message = f"{rule}: {name} must be >= 0{rest}, got {value:g}"
        with pytest.raises(ValueError, match=message):
            getattr(optim, rule)(parameters(), **{name: value})
        with pytest.raises(ValueError, match=message):
            getattr(optim, rule)([{"params": parameters(), name: value}])
    with pytest.raises(TypeError, match=f"{rule}: {name} must be a number, got '0.1'"):
        getattr(optim, rule)(parameters(), **{name: "0.1"})
    if name != "lr":
        with pytest.raises(NotImplementedError, match=f"{rule}: {name} as a Tensor"):
            getattr(optim, rule)(parameters(), **{name: npnet.as_tensor(np.array(0.1))})


@pytest.mark.parametrize("rule", ["Adam", "AdamW", "NAdam"])
def test_betas_out_of_range(rule: str) -> None:
    make = getattr(optim, rule)
    with pytest.raises(ValueError, match=rf"{rule}: betas\[1\] must be >= 0 and < 1, got 1"):
        make(parameters(), betas=(0.9, 1.0))
    with pytest.raises(ValueError, match=r"betas\[0\] must be >= 0 and < 1, got nan"):
        make(parameters(), betas=(float("nan"), 0.9))
    with pytest.raises(TypeError, match="betas must be a tuple of two numbers"):
        make(parameters(), betas=0.9)
    assert make(parameters(), betas=[0, 0.5]).param_groups[0]["betas"] == (0, 0.5)


def test_nesterov_needs_momentum() -> None:
    message = "nesterov needs momentum > 0 and dampening 0, got momentum 0 and dampening 0"
    with pytest.raises(ValueError, match=message):
        optim.SGD(parameters(), nesterov=True)
    with pytest.raises(ValueError, match=r"got momentum 0\.9 and dampening 0\.5"):
        optim.SGD(parameters(), momentum=0.9, dampening=0.5, nesterov=True)


@pytest.mark.parametrize("rule", RULES)
def test_pytorchs_ways_of_computing(rule: str) -> None:
    make = getattr(optim, rule)
    names = inspect.signature(make).parameters
    for name in ("capturable", "differentiable"):
        if name in names:
            with pytest.raises(NotImplementedError, match=f"{rule}: {name}=True is not supported"):
                make(parameters(), **{name: True})
            make(parameters(), **{name: False})
    for foreach in (None, False, True):  # the same result in another loop
        make(parameters(), foreach=foreach)
    if "fused" in names:
        make(parameters(), fused=True)
        with pytest.raises(RuntimeError, match="cannot be `True` together"):
            make(parameters(), fused=True, foreach=True)


def test_an_option_that_was_changed_is_checked_before_any_parameter_is() -> None:
    params = parameters()
    optimizer = build("Adam", params)
    before = [p.array.copy() for p in params]
    optimizer.param_groups[1]["lr"] = float("nan")
    with pytest.raises(ValueError, match="Adam: lr must be >= 0, got nan"):
        train(optimizer, params, 0, 1)
    for p, old in zip(params, before, strict=True):
        assert_array_equal(p.array, old)


@pytest.mark.parametrize("g", [np.ones(1, np.float32), np.ones(5)])
def test_a_gradient_must_be_like_its_parameter(g: np.ndarray[Any, Any]) -> None:
    p = npnet.tensor(np.ones(5, np.float32), requires_grad=True)
    p.grad = npnet.as_tensor(g)
    with pytest.raises(RuntimeError, match=r"must be like its parameter, \(5,\) float32; got \("):
        optim.SGD([p]).step()


def test_an_option_of_ones_own_without_default() -> None:
    """As in PyTorch: `required` is given for it, and each group must then name it."""
    for lib in (npnet, torch):
        required = importlib.import_module(f"{lib.__name__}.optim.optimizer").required
        assert repr(required) == "<required parameter>"
        p = lib.nn.Parameter(lib.ones(1))
        with pytest.raises(ValueError, match=r"lr"):
            lib.optim.Optimizer([p], {"lr": required, "beta": 0.5})
        rule = lib.optim.Optimizer([{"params": p, "lr": 0.1}], {"lr": required})
        assert rule.param_groups[0]["lr"] == 0.1
