"""`npnet.compile(model)` stands for the model wherever a model is expected."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.compiler import CompiledModel
from npnet.nn import functional as F

pytestmark = pytest.mark.usefixtures("numba")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return self.fc2(F.relu(self.fc1(x)))


@pytest.fixture
def pair() -> tuple[Net, Any]:
    model = Net()
    return model, npnet.compile(model)


def images(n: int = 5) -> npnet.Tensor:
    return npnet.from_numpy(np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32))


def check_alike(compiled: Any, model: Any, n: int = 5) -> None:
    with npnet.no_grad():
        got, want = compiled(images(n)), model(images(n))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-6)


def test_it_is_a_module_of_its_model_s_class(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    assert isinstance(compiled, nn.Module)
    assert isinstance(compiled, Net)
    assert isinstance(compiled, CompiledModel)
    assert repr(compiled) == repr(model)
    assert npnet.compile(compiled) is compiled
    assert [n for n, _ in compiled.named_modules()] == [n for n, _ in model.named_modules()]
    assert list(compiled.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def test_what_is_written_to_one_is_written_to_both(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    check_alike(compiled, model)
    compiled.training = False
    assert not model.training
    compiled.fc2 = nn.Linear(8, 4)
    assert model.fc2.out_features == 4
    check_alike(compiled, model)
    model.fc2 = nn.Linear(8, 7)
    assert compiled.fc2.out_features == 7
    check_alike(compiled, model)
    compiled.name = "mine"
    assert model.name == "mine"
    del compiled.name
    assert not hasattr(model, "name")
    compiled.register_buffer("scale", npnet.ones(1))
    assert "scale" in model.state_dict()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.eval(),
        lambda m: m.train(),
        lambda m: m.to("cpu"),
        lambda m: m.float(),
        lambda m: m.double(),
        lambda m: m.requires_grad_(False),
        lambda m: m.apply(lambda inner: None),
        lambda m: m.cpu(),
    ],
)
def test_calls_return_the_compiled_one(call: Any, pair: tuple[Net, Any]) -> None:
    _, compiled = pair
    assert call(compiled) is compiled


def test_modes_reach_all_layers(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    compiled.eval()
    assert not any(m.training for m in (*model.modules(), *compiled.modules()))
    model.train()
    assert all(m.training for m in compiled.modules())


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_are_compiled(copied: Any, pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    check_alike(compiled, model)
    other = copied(compiled)
    assert isinstance(other, CompiledModel)
    assert type(other) is type(compiled)
    check_alike(other, model)
    assert other.fallback is None
    shares = other.fc1.weight is model.fc1.weight
    assert shares is (copied is copy.copy)


def test_a_deep_copy_is_independent(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    both = copy.deepcopy({"model": model, "compiled": compiled})
    assert both["compiled"].fc1 is both["model"].fc1
    with npnet.no_grad():
        both["compiled"].fc2.bias.add_(1)
        difference = both["compiled"](images()) - compiled(images())
    np.testing.assert_allclose(difference.numpy(), 1, rtol=1e-5)


def test_as_a_part_of_others(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    whole = nn.Sequential(compiled, nn.Softmax(1))
    check_alike(whole, nn.Sequential(model, nn.Softmax(1)))
    outer = npnet.compile(nn.Sequential(compiled, nn.ReLU()))
    check_alike(outer, nn.Sequential(model, nn.ReLU()))
    assert outer.fallback is None
    assert [p is q for p, q in zip(whole.parameters(), model.parameters(), strict=True)] == [
        True
    ] * 4


def test_of_a_sequential() -> None:
    layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    compiled = npnet.compile(layers)
    assert len(compiled) == 3
    assert compiled[0] is layers[0]
    assert list(compiled) == list(layers)
    compiled.append(nn.Tanh())
    assert len(layers) == 4
    check_alike(compiled, layers)
    check_alike(compiled[:2], layers[:2])


def test_other_calls_are_the_model_s() -> None:
    class Two(nn.Module):
        def forward(self, x: npnet.Tensor, other: Any = None, *, twice: bool = False) -> Any:
            y = x if other is None else x + other
            return (y, y) if twice else y

    compiled, x = npnet.compile(Two()), images()
    with npnet.no_grad():
        np.testing.assert_array_equal(compiled(x, x).numpy(), 2 * x.numpy())
        np.testing.assert_array_equal(compiled(x=x).numpy(), x.numpy())
        assert len(compiled(x, twice=True)) == 2
        assert compiled([1], other=[2]) == [1, 2]
        with pytest.raises(TypeError, match="argument"):
            compiled()


def test_hooks_of_either_run(pair: tuple[Net, Any]) -> None:
    model, compiled = pair
    check_alike(compiled, model)
    handles = [m.register_forward_hook(lambda m, args, y: y * 2) for m in (model, compiled)]
    check_alike(compiled, model)
    assert compiled.fallback == "it has forward hooks"
    for handle in handles:
        handle.remove()
    check_alike(compiled, model)
    assert compiled.fallback is None


def test_it_is_trained_as_the_model(pair: tuple[Net, Any]) -> None:
    _, compiled = pair
    step = npnet.compile(compiled, F.cross_entropy, optim.SGD(compiled.parameters(), lr=0.1))
    losses = [step(images(), npnet.arange(5) % 3).item() for _ in range(3)]
    assert losses[0] > losses[2]
    assert step.fallback is None


def test_classes_that_know_their_subclasses() -> None:
    known: list[type] = []

    class Registered(nn.Module, ABC):
        def __init_subclass__(cls, *, label: str) -> None:
            known.append(cls)

        @abstractmethod
        def part(self) -> Any: ...

        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return self.part()(x)

    class Mine(Registered, label="mine"):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def part(self) -> Any:
            return self.fc

    model = Mine()
    compiled = npnet.compile(model)
    check_alike(compiled, model)
    assert known == [Mine]


def test_attributes_in_slots_are_refused() -> None:
    kind = type("Slotted", (nn.Linear,), {"__slots__": ("scale",)})
    with pytest.raises(TypeError, match="compile: Slotted keeps attributes in __slots__"):
        npnet.compile(kind(2, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "reduce-overhead"},
        {"backend": "inductor", "fullgraph": True, "dynamic": False},
        {"options": {"max_autotune": True}},
    ],
)
def test_pytorch_s_options_change_nothing(pair: tuple[Net, Any], options: Any) -> None:
    model, _ = pair
    compiled = npnet.compile(model, **options)
    assert isinstance(compiled, CompiledModel)
    assert isinstance(npnet.compile(**options)(model), CompiledModel)
    check_alike(compiled, model)
    assert npnet.compile(model, disable=True, **options) is model
    assert npnet.compile(disable=True, **options)(model) is model


def test_a_function_is_returned_as_it_is() -> None:
    def double(x: npnet.Tensor) -> npnet.Tensor:
        return 2 * x

    assert npnet.compile(double) is npnet.compile()(double) is double
    assert npnet.compile(mode="max-autotune")(double) is double


def test_options_that_pytorch_refuses_are_refused(pair: tuple[Net, Any]) -> None:
    model, _ = pair
    for options in ({"mode": "defalt"}, {"mode": "default", "options": {}}):
        with pytest.raises(RuntimeError, match="compile: mode"):
            npnet.compile(model, **options)  # type: ignore[call-overload]
    with pytest.raises(NotImplementedError, match="backend must be a name"):
        npnet.compile(model, backend=lambda graph, inputs: graph)
    with pytest.raises(TypeError, match="a Module or a function, got a int"):
        npnet.compile(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="disable is for a model alone"):
        npnet.compile(model, F.mse_loss, optim.SGD(model.parameters(), 0.1), disable=True)
