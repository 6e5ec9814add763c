"""What a user's own code may do beneath `forward` and still be compiled; all else is eager."""

from __future__ import annotations

import functools
import gc
import itertools
import math
import random
import sys
import threading
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.compiler import EagerStep
from npnet.nn import functional as F

FLOAT32 = 2e-5  # three steps of two small layers, added up in another order


pytestmark = pytest.mark.usefixtures("numba")


SLOPE = 0.1
HEADS: list[Any] = []
OPTIONS = {"slope": 0.1}
NUMBERS = itertools.count()


def scaled(x: npnet.Tensor) -> npnet.Tensor:
    return F.leaky_relu(x, SLOPE)


def by_default(x: npnet.Tensor, *, slope: float = 0.1) -> npnet.Tensor:
    return F.leaky_relu(x, slope)


def by_values(x: npnet.Tensor) -> npnet.Tensor:
    return F.leaky_relu(x, float(x.std()))


def by_branch(x: npnet.Tensor) -> npnet.Tensor:
    return F.relu(x) if x.shape[0] > 1 else F.tanh(x)


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def decorated_by_branch(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(self: Any, x: Any) -> Any:
        return function(self, x if x.mean() > 0 else -x)

    return wrapper


@dataclass
class Options:
    slope: float = 0.1


@dataclass(frozen=True)
class FrozenOptions:
    slope: float = 0.1


@dataclass(frozen=True)
class ClassOptions:
    slope: ClassVar[float] = 0.1

    def scaled(self, x: npnet.Tensor) -> npnet.Tensor:
        return F.leaky_relu(x, 0.1)


class TupleOptions(NamedTuple):
    slope: float = 0.1

    @property
    def steep(self) -> float:
        return self.slope


class Mode(Enum):
    ONLY = 1


class Kind(type):
    steep = 0.1


class OfKind(metaclass=Kind):
    pass


class Number(float):
    steep = 0.1


Mode.ONLY.steep = 0.1  # type: ignore[attr-defined]


def with_attribute(x: npnet.Tensor) -> npnet.Tensor:
    return F.leaky_relu(x, with_attribute.slope)  # type: ignore[attr-defined]


with_attribute.slope = 0.1  # type: ignore[attr-defined]


class Base(nn.Module):
    slopes = [0.1, 0.2]  # noqa: RUF012 # as users write it

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 4), nn.Linear(8, 4)
        self.heads = nn.ModuleList([self.b, self.c])
        self.slope, self.i, self.calls = 0.1, 0, 0
        self.options, self.frozen = Options(), FrozenOptions()
        self.of_class, self.tuple, self.mode = ClassOptions(), TupleOptions(), Mode.ONLY
        self.number = Number(0.1)
        self.counted = npnet.zeros(1)
        self.plain_list, self.random = [0.1], random.Random(0)
        self.register_parameter("learnt", nn.Parameter(npnet.tensor([0.1])))

    def helper(self, x: npnet.Tensor) -> npnet.Tensor:
        return F.leaky_relu(x, self.slope)

    @property
    def last(self) -> nn.Module:
        return self.heads[self.i]

    @staticmethod
    def static(x: npnet.Tensor) -> npnet.Tensor:
        return F.relu(x)


Forward = Callable[[Any, npnet.Tensor], Any]


def subject(forward: Forward) -> type[Base]:
    return type("Subject", (Base,), {"forward": forward})


def with_super() -> type[Base]:
    class Inner(Base):
        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return self.b(F.relu(self.a(x)))

    class Outer(Inner):
        def forward(self, x: npnet.Tensor) -> npnet.Tensor:
            return super().forward(x)

    return Outer


def local_names() -> Forward:
    from npnet.nn import functional as local

    def forward(self: Any, x: Any) -> Any:
        return self.b(local.relu(self.a(x)))

    return forward


COMPILED: dict[str, Forward] = {
    "functions": lambda self, x: self.b(F.relu(self.a(x))),
    "chained names": lambda self, x: self.b(npnet.nn.functional.tanh(self.a(x))),
    "a method": lambda self, x: self.b(self.helper(self.a(x))),
    "a static method": lambda self, x: self.b(self.static(self.a(x))),
    "a helper and its global": lambda self, x: self.b(scaled(self.a(x))),
    "a property": lambda self, x: self.last(F.relu(self.a(x))),
    "an index": lambda self, x: self.heads[self.i](F.relu(self.a(x))),
    "sizes": lambda self, x: self.b(F.relu(self.a(x.view(x.size(0), -1)))),
    "len": lambda self, x: self.b(F.relu(self.a(x.reshape(len(x), 6)))),
    "a layer made on the way": lambda self, x: self.b(nn.ReLU()(self.a(x))),
    "arithmetic": lambda self, x: self.b(F.leaky_relu(self.a(x), 2 * self.slope + math.pi / 100)),
    "a decorator": decorated(lambda self, x: self.b(F.relu(self.a(x)))),
    "an import in a function": local_names(),
    "frozen options": lambda self, x: self.b(F.leaky_relu(self.a(x), self.frozen.slope)),
    "a named tuple": lambda self, x: self.b(F.leaky_relu(self.a(x), self.tuple.slope)),
    "an op in place": lambda self, x: self.b(F.relu(self.a(x), inplace=True)),
    "a lambda inside": lambda self, x: (lambda f: f(F.relu(self.a(x))))(self.b),
    "a slope of the shape": lambda self, x: self.b(F.leaky_relu(self.a(x), 0.01 * x.shape[0])),
}


def writes(self: Any, x: Any) -> Any:
    self.calls += 1
    return self.b(F.leaky_relu(self.a(x), 0.1 * self.calls))


def loops(self: Any, x: Any) -> Any:
    for layer in (self.a, self.b):
        x = layer(x)
    return x


def counts(self: Any, x: Any) -> Any:
    global SLOPE
    SLOPE += 0.0
    return self.b(F.relu(self.a(x)))


def by_module(self: Any, x: Any, cfg: Any = sys.modules[__name__]) -> Any:
    return self.b(F.leaky_relu(self.a(x), cfg.SLOPE))


def on(change: Callable[[Any, Any], Any]) -> Forward:
    """A forward pass that changes something first."""
    return lambda self, x: (change(self, x), self.b(F.relu(self.a(x))))[1]


IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "a weight bounded": lambda self, x: self.a.weight.data.clamp_(-0.1, 0.1),
    "a bias set": lambda self, x: nn.init.constant_(self.a.bias.data, 0.5),
    "a layer drawn anew": lambda self, x: self.c.reset_parameters(),
    "gradients forgotten": lambda self, x: self.zero_grad(),
    "a layer frozen": lambda self, x: self.a.requires_grad_(False),
    "the batch bounded": lambda self, x: x.data.clamp_(-1, 1),
    "the batch rectified": lambda self, x: F.relu(x.detach(), inplace=True),
    "a view of the batch": lambda self, x: x.view(-1, 3, 2).zero_(),
    "a weight scaled": lambda self, x: self.a.weight.data.mul_(0.5),
    "a bias shifted": lambda self, x: self.a.bias.data.add_(self.a.bias.data, alpha=0.5),
    "the batch multiplied": lambda self, x: x.data.addcmul_(x.data, x.data),
    "the batch halved": lambda self, x: x.detach().div_(2),
    "a tensor that counts": lambda self, x: self.counted.add_(1),
}

EAGER: dict[str, tuple[Forward, str]] = {
    **{name: (on(change), "changes in place") for name, change in IN_PLACE.items()},
    "a module as an argument": (
        by_module,
        "cfg, a module",
    ),
    "a branch": (lambda self, x: self.b(self.a(x) if x.mean() > 0 else -self.a(x)), "branches"),
    "a branch in a helper": (lambda self, x: self.b(by_branch(self.a(x))), "by_branch.* branches"),
    "a branch in a decorator": (
        decorated_by_branch(lambda self, x: self.b(F.relu(self.a(x)))),
        "branches",
    ),
    "a loop": (loops, "branches or loops"),
    "values in a helper": (lambda self, x: self.b(by_values(self.a(x))), "values of a tensor"),
    "item": (lambda self, x: self.b(F.leaky_relu(self.a(x), x.std().item())), "values of a tensor"),
    "a learnt number": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.learnt.item())),
        "values of a tensor",
    ),
    "an ndarray": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), x.array.std())),
        "takes a value out of array",
    ),
    "an index by values": (
        lambda self, x: self.heads[int(x.sum() > 0)](F.relu(self.a(x))),
        "values of a tensor",
    ),
    "an attribute written": (writes, "store attr|changes what"),
    "a global written": (counts, "store global"),
    "a list": (lambda self, x: self.b(F.leaky_relu(self.a(x), self.plain_list[0])), "plain_list"),
    "a list of the class": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.slopes[0])),
        "slopes",
    ),
    "a global dict": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), OPTIONS["slope"])),
        "OPTIONS, a dict",
    ),
    "options": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.options.slope)),
        "options, a Options",
    ),
    "random numbers": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), random.random())),
        "random.random",
    ),
    "a generator": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.random.random())),
        "random, a Random",
    ),
    "NumPy's": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), np.random.rand())),  # noqa: NPY002
        "np.random.rand",
    ),
    "a counter": (
        lambda self, x: self.b(F.leaky_relu(self.a(x), 0.1 * next(NUMBERS))),
        "NUMBERS|next",
    ),
    "vars": (lambda self, x: self.b(F.leaky_relu(self.a(x), vars(self)["slope"])), "vars"),
    "__dict__": (lambda self, x: self.b(F.leaky_relu(self.a(x), self.__dict__["slope"])), "dict"),
    "getattr": (lambda self, x: self.b(F.leaky_relu(self.a(x), getattr(self, "slope"))), "getattr"),  # noqa: B009
    "a table": (lambda self, x: self._modules["b"](F.relu(self.a(x))), "_modules"),
    "a global layer": (lambda self, x: HEADS[0](F.relu(self.a(x))), "HEADS"),
    "a weight drawn anew": (lambda self, x: F.linear(self.a(x), npnet.ones(4, 8)), "weight"),
    "print": (lambda self, x: (print(end=""), self.b(F.relu(self.a(x))))[1], "print"),
    "recording": (
        lambda self, x: self.b(F.dropout(F.relu(self.a(x)), 1.0, not npnet.is_grad_enabled())),
        "is_grad_enabled",
    ),
}


def batches() -> list[tuple[npnet.Tensor, npnet.Tensor]]:
    rng = np.random.default_rng(0)
    sizes = (7, 7, 3, 1, 7)
    return [
        (
            npnet.from_numpy((rng.normal(size=(n, 6)) + i - 2).astype(np.float32)),
            npnet.from_numpy(rng.integers(0, 4, n)),
        )
        for i, n in enumerate(sizes)
    ]


def train(kind: type[Base], compiles: bool) -> tuple[list[np.ndarray], Any, Any]:
    """Losses, outputs and weights of some steps, each followed by a pass without recording."""
    npnet.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 # as users draw
    global NUMBERS
    NUMBERS = itertools.count()
    model = kind()
    HEADS[:] = [model.b]
    rule = optim.SGD(model.parameters(), lr=0.05)
    step = (npnet.compile if compiles else EagerStep)(model, F.cross_entropy, rule)
    forward = npnet.compile(model) if compiles else model
    seen = []
    given = batches()
    for x, y in given:
        seen += [step(x, y).numpy(), step.output.numpy()]
        with npnet.no_grad():
            seen.append(forward(x).numpy())
        seen += [p.detach().numpy().copy() for p in model.parameters()]
    seen += [np.asarray(model.calls), model.counted.numpy()]
    seen += [x.numpy() for x, _ in given]
    return seen, step, forward


def check(kind: type[Base]) -> tuple[Any, Any]:
    want, _, _ = train(kind, compiles=False)
    got, step, forward = train(kind, compiles=True)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=FLOAT32 * max(np.abs(b).max(), 1))
    return step, forward


@pytest.mark.parametrize("name", COMPILED)
def test_pure_code_has_a_program(name: str) -> None:
    step, forward = check(subject(COMPILED[name]))
    assert step.fallback is None
    assert forward.fallback is None


def test_the_base_class_s_forward_has_a_program() -> None:
    step, _ = check(with_super())
    assert step.fallback is None


def test_what_the_garbage_collector_calls_is_no_part_of_the_model() -> None:
    """It may come at any moment, beneath whatever runs."""
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(f"{phase} {info['generation']}")

    gc.callbacks.append(note)
    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        step, _ = check(subject(COMPILED[next(iter(COMPILED))]))
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(note)
    assert seen
    assert step.fallback is None


class _Subsample(nn.Module):
    """A shortcut of a residual network: what it slices is let go of as it returns."""

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))


class _Shortened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, padding=1)
        self.shortcut, self.fc = _Subsample(), nn.Linear(16, 10)

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x) + self.shortcut(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def test_memory_that_is_given_back_is_no_call_of_the_models() -> None:
    net = _Shortened()
    step = npnet.compile(net, F.cross_entropy, optim.SGD(net.parameters(), lr=0.1))
    step(npnet.randn(16, 3, 8, 8), npnet.arange(16) % 10)
    assert step.fallback is None


@pytest.mark.parametrize("name", EAGER)
def test_all_else_is_eager_and_says_why(name: str) -> None:
    forward, why = EAGER[name]
    with pytest.warns(UserWarning, match=f"runs as an eager loop: .*({why})"):
        step, _ = check(subject(forward))
    assert step.fallback is not None


# ---- what is read is looked at before each step ------------------------------------------------


def observed(change: Callable[[Any], None], forward: Forward) -> None:
    """Two steps with a change between them, eager and compiled."""
    results = []
    for kind in (EagerStep, npnet.compile):
        npnet.manual_seed(0)
        model = subject(forward)()
        step = kind(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.05))
        x, y = batches()[0]
        step(x, y)
        with pytest.MonkeyPatch.context() as patch:
            change(types.SimpleNamespace(model=model, patch=patch))
            results.append((step(x, y).item(), step.output.numpy()))
    assert results[1][0] == pytest.approx(results[0][0], rel=FLOAT32)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=0, atol=FLOAT32)


this = sys.modules[__name__]
CHANGES: dict[str, tuple[Callable[[Any], Any], Forward]] = {
    "a global": (
        lambda c: c.patch.setattr(this, "SLOPE", 0.7),
        lambda self, x: self.b(scaled(self.a(x))),
    ),
    "a helper": (
        lambda c: c.patch.setattr(this, "scaled", F.tanh),
        lambda self, x: self.b(scaled(self.a(x))),
    ),
    "a function of npnet's": (
        lambda c: c.patch.setattr(F, "relu", F.tanh),
        lambda self, x: self.b(F.relu(self.a(x))),
    ),
    "a function that a layer uses": (
        lambda c: c.patch.setattr(F, "relu", lambda x, inplace: F.tanh(x)),
        lambda self, x: self.b(nn.ReLU()(self.a(x))),
    ),
    "the forward of a kind of layer": (
        lambda c: c.patch.setattr(nn.Linear, "forward", lambda s, x: F.linear(x, s.weight)),
        lambda self, x: self.b(F.relu(self.a(x))),
    ),
    "the call of all modules": (
        lambda c: c.patch.setattr(nn.Module, "__call__", lambda s, *a: s.forward(*a) * 0.5),
        lambda self, x: self.b(F.relu(self.a(x))),
    ),
    "the forward of the class": (
        lambda c: c.patch.setattr(type(c.model), "forward", lambda s, x: s.c(F.relu(s.a(x)))),
        lambda self, x: self.b(F.relu(self.a(x))),
    ),
    "a method": (
        lambda c: c.patch.setattr(Base, "helper", lambda s, x: F.tanh(x)),
        lambda self, x: self.b(self.helper(self.a(x))),
    ),
    "code": (
        lambda c: c.patch.setattr(scaled, "__code__", (lambda x: F.tanh(x)).__code__),
        lambda self, x: self.b(scaled(self.a(x))),
    ),
    "a frozen dataclass's class": (
        lambda c: c.patch.setattr(ClassOptions, "slope", 0.9),
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.of_class.slope)),
    ),
    "a frozen dataclass's method": (
        lambda c: c.patch.setattr(ClassOptions, "scaled", lambda s, x: F.tanh(x)),
        lambda self, x: self.b(self.of_class.scaled(self.a(x))),
    ),
    "a named tuple's property": (
        lambda c: c.patch.setattr(TupleOptions, "steep", property(lambda s: 0.9)),
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.tuple.steep)),
    ),
    "an attribute of an Enum's member": (
        lambda c: c.patch.setattr(Mode.ONLY, "steep", 0.9),
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.mode.steep)),
    ),
    "an attribute of a function": (
        lambda c: c.patch.setattr(with_attribute, "slope", 0.9),
        lambda self, x: self.b(with_attribute(self.a(x))),
    ),
    "an attribute of a kind of number": (
        lambda c: c.patch.setattr(Number, "steep", 0.9),
        lambda self, x: self.b(F.leaky_relu(self.a(x), self.number.steep)),
    ),
    "a metaclass": (
        lambda c: c.patch.setattr(Kind, "steep", 0.9),
        lambda self, x: self.b(F.leaky_relu(self.a(x), OfKind.steep)),
    ),
    "a method of tensors": (
        lambda c: c.patch.setattr(npnet.Tensor, "relu", lambda x: F.tanh(x)),
        lambda self, x: self.b(self.a(x).relu()),
    ),
    "a default by name": (
        lambda c: c.patch.setitem(by_default.__kwdefaults__, "slope", 0.9),
        lambda self, x: self.b(by_default(self.a(x))),
    ),
    "an index": (
        lambda c: setattr(c.model, "i", 1),
        lambda self, x: self.heads[self.i](F.relu(self.a(x))),
    ),
    "a builtin": (
        lambda c: c.patch.setattr(this, "len", lambda x: 8, raising=False),
        lambda self, x: self.b(F.leaky_relu(self.a(x), 0.1 * len(x))),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        observed(*CHANGES[name])


def test_a_closed_over_number() -> None:
    losses = []
    for kind in (EagerStep, npnet.compile):
        slope = 0.1
        npnet.manual_seed(0)
        model = subject(lambda self, x: self.b(F.leaky_relu(self.a(x), slope)))()  # noqa: B023
        step = kind(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.05))
        x, y = batches()[0]
        step(x, y)
        slope = 0.9
        losses.append(step(x, y).item())
    assert losses[1] == pytest.approx(losses[0], rel=FLOAT32)


def test_a_profiler_and_a_debugger_go_on() -> None:
    """Programs are made while one of them is at work, and what it sees goes on."""
    for put, get in ((sys.setprofile, sys.getprofile), (sys.settrace, sys.gettrace)):
        before, seen = get(), set()

        def observer(frame: Any, event: str, arg: Any, seen: set[str] = seen) -> None:
            seen.add(frame.f_code.co_name)

        put(observer)
        try:
            _, step, _ = train(subject(COMPILED["functions"]), compiles=True)
            assert get() is observer
        finally:
            put(before)
        assert step.fallback is None
        assert "gradients" in seen


def test_both_are_left_alone() -> None:
    def observer(frame: Any, event: str, arg: Any) -> None:
        pass

    def run() -> None:
        sys.setprofile(observer)
        sys.settrace(observer)
        with pytest.warns(UserWarning, match="a profiler and a debugger are at work"):
            train(subject(COMPILED["functions"]), compiles=True)
        assert sys.gettrace() is observer

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
