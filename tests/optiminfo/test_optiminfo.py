"""All samples of OptimizerInfo for every optimizer that npnet has, in both libraries.

The list is made of the names of `npnet.optim`: what PyTorch has inputs for and npnet a class is
tried with all of them, alone and with each of its schedulers; what PyTorch refuses, npnet refuses.
What npnet lacks is in `test_what_is_absent`.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import npnet
import tests.torch_internal  # noqa: F401  # programs may set flags
from npnet import optim
from tests.optim.twins import torch_in_float64

INFOS = {info.name: info for info in optim_db if hasattr(optim, info.name)}
STEPS = 12
# The same operations in another order; LBFGS divides by small differences of gradients, which
# multiply the roundings of 1e-16 by 1e6 and more.
FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}
FLOAT32 = {"rtol": 2e-4, "atol": 2e-5}
LBFGS64 = {"rtol": 1e-6, "atol": 1e-8}


def ours(value: Any) -> Any:
    """A sample's argument with npnet's tensors in place of PyTorch's."""
    if isinstance(value, torch.nn.Parameter):
        return npnet.nn.Parameter(npnet.tensor(value.detach().numpy()))
    if isinstance(value, torch.Tensor):
        return npnet.tensor(value.detach().numpy())
    if isinstance(value, (list, tuple)):
        return type(value)(map(ours, value))
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    return value


def samples(name: str) -> list[tuple[str, dict[str, Any]]]:
    """The options of all samples, each in all ways of looping that PyTorch has for it."""
    info, found = INFOS[name], []
    for sample in info.optim_inputs_func(device="cpu"):
        ways = [{}]
        ways += [{way: True} for way in ("foreach", "fused") if way in info.supported_impls]
        for way in ways:
            tensors = any(isinstance(v, torch.Tensor) for v in flat(sample.kwargs))
            if "foreach" in way and tensors:
                continue  # which PyTorch refuses
            found.append((f"{sample.desc}{''.join(way)}", {**sample.kwargs, **way}))
    return found


def flat(options: dict[str, Any]) -> list[Any]:
    return [
        v for value in options.values() for v in (value if isinstance(value, tuple) else (value,))
    ]


SAMPLES = [(name, desc, options) for name in INFOS for desc, options in samples(name)]
IDS = [f"{name}-{desc}" for name, desc, _ in SAMPLES]


class Problem:
    """A linear network with a loss, in one of the libraries, from the same numbers."""

    def __init__(self, lib: Any, dtype: str) -> None:
        rng = np.random.default_rng(0)
        self.lib = lib
        w, b, x = (rng.standard_normal(shape).astype(dtype) for shape in ((4, 3), (4,), (10, 3)))
        self.w, self.b = (self._parameter(a) for a in (w, b))
        self.x = npnet.tensor(x) if lib is npnet else torch.tensor(x)

    def _parameter(self, array: Any) -> Any:
        if self.lib is npnet:
            return npnet.nn.Parameter(npnet.tensor(array))
        return torch.nn.Parameter(torch.tensor(array))

    def closure(self, optimizer: Any) -> Callable[[], Any]:
        def compute() -> Any:
            optimizer.zero_grad()
            loss = ((self.x.matmul(self.w.t()) + self.b) ** 2).mean() + (self.w**4).mean()
            loss.backward()
            return loss

        return compute

    def numbers(self) -> list[Any]:
        return [p.detach().numpy().copy() for p in (self.w, self.b)]


def train(
    lib: Any, name: str, options: dict[str, Any], dtype: str, schedulers: Any = None
) -> tuple[list[Any], Any, Any]:
    """Losses and parameters of each step, the optimizer, and the problem."""
    problem, kwargs = Problem(lib, dtype), copy.deepcopy(options)
    params = [problem.w, problem.b]
    optimizer = getattr(lib.optim, name)(params, **(ours(kwargs) if lib is npnet else kwargs))
    made = [make(optimizer) for make in schedulers or ()]
    path: list[Any] = []
    for _ in range(STEPS):
        loss = optimizer.step(problem.closure(optimizer))
        for scheduler in made:
            takes = "metrics" in inspect.signature(scheduler.step).parameters
            scheduler.step(*((loss.item(),) if takes else ()))
        path.append([loss.item(), *problem.numbers()])
    return path, optimizer, problem


def check(name: str, first: list[Any], second: list[Any], bound: dict[str, float]) -> None:
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, **bound, err_msg=f"{name}, step {i}")


@pytest.mark.parametrize(("name", "desc", "options"), SAMPLES, ids=IDS)
def test_every_sample_in_float64(name: str, desc: str, options: dict[str, Any]) -> None:
    bound = LBFGS64 if name == "LBFGS" else FLOAT64
    with torch_in_float64():
        path, optimizer, _ = train(npnet, name, options, "float64")
        reference, theirs, _ = train(torch, name, options, "float64")
        check(name, path, reference, bound)
        if name == "LBFGS":
            return  # its state is a history of lists; the steps above are made of it
        state, expected = optimizer.state_dict(), theirs.state_dict()
        assert list(state["state"]) == list(expected["state"])
        for i, values in expected["state"].items():
            assert set(state["state"][i]) == set(values)
            for key, value in values.items():
                np.testing.assert_allclose(np.asarray(state["state"][i][key]), value, **bound)
        for group, other in zip(state["param_groups"], expected["param_groups"], strict=True):
            assert list(group) == list(other) or set(group) == set(other)


@pytest.mark.parametrize(("name", "desc", "options"), SAMPLES, ids=IDS)
def test_every_sample_in_float32(name: str, desc: str, options: dict[str, Any]) -> None:
    if name == "LBFGS":
        return  # differences of float32 gradients: either library's path is a matter of rounding
    path, _, problem = train(npnet, name, options, "float32")
    reference, _, _ = train(torch, name, options, "float32")
    check(name, path, reference, FLOAT32)
    assert problem.w.dtype == npnet.float32


@pytest.mark.parametrize(("name", "desc", "options"), SAMPLES, ids=IDS)
def test_a_state_of_pytorchs_is_gone_on_from(name: str, desc: str, options: dict[str, Any]) -> None:
    if name == "LBFGS" and "line_search_fn" in options:
        return  # it has converged by then
    with torch_in_float64():
        _, theirs, problem = train(torch, name, options, "float64")
        again = Problem(npnet, "float64")
        optimizer = getattr(optim, name)([again.w, again.b], **ours(options))
        for p, q in zip((again.w, again.b), (problem.w, problem.b), strict=True):
            p.data = npnet.tensor(q.detach().numpy())
        state = theirs.state_dict()
        state["param_groups"] = ours(state["param_groups"])
        optimizer.load_state_dict(state)
        for _ in range(3):
            optimizer.step(again.closure(optimizer))
            theirs.step(problem.closure(theirs))
        bound = LBFGS64 if name == "LBFGS" else FLOAT64
        check(name, [again.numbers()], [problem.numbers()], bound)


def in_npnet(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """One of PyTorch's makers of a scheduler, which makes npnet's."""
    names = {
        n: getattr(optim.lr_scheduler, n)
        for n in make.__code__.co_names
        if hasattr(optim.lr_scheduler, n)
    }
    function = type(make)(make.__code__, {**make.__globals__, **names}, closure=make.__closure__)
    assert names, "it makes a scheduler that npnet lacks"
    return function


PAIRS = [(name, i) for name in INFOS for i in range(len(INFOS[name].scheduler_inputs))]


@pytest.mark.parametrize(("name", "place"), PAIRS)
def test_every_sample_with_schedulers(name: str, place: int) -> None:
    makers = INFOS[name].scheduler_inputs[place]
    bound = LBFGS64 if name == "LBFGS" else FLOAT64
    with torch_in_float64(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for desc, options in samples(name):
            if (name, desc) == ("LBFGS", "Tensor lr"):
                continue  # PyTorch keeps the tensor as the last step, into which a schedule writes
            path, optimizer, _ = train(npnet, name, options, "float64", map(in_npnet, makers))
            reference, theirs, _ = train(torch, name, options, "float64", makers)
            check(f"{name} {desc}", path, reference, bound)
            rates = [float(o.param_groups[0]["lr"]) for o in (optimizer, theirs)]
            np.testing.assert_allclose(*rates, rtol=1e-12)


ERRORS = [
    (name, i)
    for name in INFOS
    for i in range(len(INFOS[name].optim_error_inputs_func("cpu", torch.float32)))
]


@pytest.mark.parametrize(("name", "place"), ERRORS)
def test_every_error(name: str, place: int) -> None:
    error = INFOS[name].optim_error_inputs_func("cpu", torch.float32)[place]
    sample = error.optimizer_error_input
    if error.error_on is not OptimizerErrorEnum.CONSTRUCTION_ERROR:
        assert "complex" in error.error_regex, "npnet has no complex tensors"
        return
    params = sample.params
    same: dict[int, Any] = {}

    def mapped(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return same.setdefault(id(value), ours(value))
        if isinstance(value, (list, tuple)):
            return type(value)(map(mapped, value))
        return {k: mapped(v) for k, v in value.items()} if isinstance(value, dict) else value

    given = [npnet.nn.Parameter(npnet.randn(2, 2))] if params is None else mapped(params)
    if issubclass(error.error_type, Warning):
        with pytest.warns(error.error_type):
            getattr(optim, name)(given, **ours(sample.kwargs))
        return
    with pytest.raises(error.error_type):
        getattr(optim, name)(given, **ours(sample.kwargs))


def test_what_is_absent() -> None:
    """Named here, so that a new one of PyTorch's is noticed."""
    assert {info.name for info in optim_db} - INFOS.keys() == {"Adafactor", "Muon", "SparseAdam"}
