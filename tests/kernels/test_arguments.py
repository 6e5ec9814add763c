"""Kernels are handed one wrong argument at a time: an error each time, and nothing is written.

Every array lies in a larger block with canaries around it, those that a kernel makes itself too.
Tasks are tried with the arguments that networks, optimizers and batches give them.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

import npnet
from npnet import Tensor, kernels, nn, optim
from npnet.kernels import (
    _task,
    activation,
    affine,
    batches,
    lanes,
    loss,
    program,
    simd,
    update,
)
from npnet.kernels._task import Task
from npnet.kernels.program import Call, Phase, Program
from npnet.lanes import dense
from npnet.nn import functional as F
from npnet.ops.windows import Window
from tests.campaign import trials
from tests.kernels import faults
from tests.kernels.guarded import Array, Guard

REFUSED = (ValueError, TypeError, IndexError)  # a ShapeError is a ValueError
ROUNDS = trials(1, 20)  # of other sizes
SIZES_OF_TASKS = trials(1, 100)  # that are tried, of those that a task was called with

HUGE = 2**62
COUNTS = (0, -1, HUGE, 1.0, True, None)  # of what can't be a number of images
PADDED = ((1, 1), (1, 1))


@dataclass(frozen=True)
class Case:
    """A kernel and its arguments.

    Attributes:
        call: takes the arrays and the numbers by their names.
        arrays: of each, its axes and dtype; an axis named once alone may have any size.
        sizes: of axes, drawn if they are not here.
        numbers: the other arguments.
        wrong: of these, values that must be refused.
        copied: arrays whose memory may lie as it likes, because the kernel takes a copy.
        converted: arrays of any floats, or, of integers, any integers.
        readable: arrays that may be read-only.
        optional: arrays that may be None.
        fixed: axes that hang together with something else: a window, a number of images.
        empty: whether axes may have length 0.
    """

    call: Callable[..., Any]
    arrays: dict[str, str]
    sizes: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    copied: str = ""
    converted: str = ""
    readable: str = ""
    optional: str = ""
    fixed: str = ""
    empty: bool = False

    def draw(self, rng: Generator) -> dict[str, Array]:
        """Arrays that fit."""
        sizes = {"16": 16, "2": 2, "3": 3, "4": 4, **self.sizes}
        drawn = {}
        for name, pattern in self.arrays.items():
            axes, _, dtype = pattern.partition(":")
            for axis in axes.split():
                if axis not in sizes:  # no two by chance the same
                    sizes[axis] = int(rng.choice([*{*range(2, 12)} - {*sizes.values()}]))
            shape = tuple(sizes[axis] for axis in axes.split())
            drawn[name] = self._values(rng, name, shape, dtype.strip() or "float32")
        return drawn

    def _values(self, rng: Generator, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        if dtype == "bool":
            return rng.random(shape) < 0.5
        if dtype != "float32":
            return rng.integers(0, self.sizes.get(f"most {name}", 2), shape).astype(dtype)
        most = 0.1 if name == "a" else 2.0  # a mean's square is no more than the squares' mean
        # such as float16 has too: then a copy of them in another type gives the same bits
        return rng.uniform(most / 4, most, shape).astype(np.float16).astype(np.float32)

    def is_free(self, name: str, axis: int | None) -> bool:
        """Whether an axis may have another size: nothing else hangs on it."""
        if axis is None:
            return False
        names = [a for pattern in self.arrays.values() for a in pattern.partition(":")[0].split()]
        axes = self.arrays[name].partition(":")[0].split()
        if axis < 0:  # another number of axes
            return "..." in self.fixed.split() and len(self.arrays) == 1
        return names.count(axes[axis]) == 1 and axes[axis] not in (*self.fixed.split(), "16")


def step(kernel: Callable[..., Any], *names: str, optional: str = "", **numbers: Any) -> Case:
    """An optimizer's kernel: any arrays that are alike."""
    arrays = dict.fromkeys(names, "A B")
    return Case(kernel, arrays, numbers=numbers, optional=optional, empty=True)


WINDOWS = (
    Window((2, 3), (1, 1), PADDED),
    Window((4, 4)),
    Window((3, 3), (2, 2), PADDED),
    Window((3, 3), (1, 1), PADDED, (2, 2)),
    Window((64, 64)),
)
SIZES = ((7, 7), (8, 6), (0, 6), (-1, 6), (7,), (7.0, 6.0), 7, None)
N = {"n": 2 * 16 - 3}
NS = {"n": (*COUNTS, 16, 33)}
NADAM = {"step": 1, "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0}
FLAT = {"B": 2, "C": 3, "H": 3, "W": 3, "KH": 3, "KW": 3, "OH": 1, "OW": 1}

CASES = {
    "affine.affine": Case(
        affine.affine,
        {"images": "N C H W: uint8", "matrices": "N 2 3", "fill": "C"},
        numbers={"bilinear": True}, readable="images", converted="matrices fill", empty=True,
    ),
    "batches.gather": Case(
        batches.gather,
        {"x": "N C H W: uint8", "at": "n: int64", "mean": "C", "std": "C"},
        sizes={"N": 4, "most at": 4}, readable="x at", empty=True,
    ),
    "dense.gather": Case(
        dense.gather, {"weight": "O C KH KW"},
        sizes=FLAT, numbers={"window": Window((3, 3)), "size": (3, 3)},
        wrong={"window": WINDOWS, "size": SIZES}, fixed="KH KW",
    ),
    "dense.scatter_add": Case(
        dense.scatter_add, {"gmatrix": "rows columns"},
        sizes={"rows": 4, "columns": 27},
        numbers={"window": Window((3, 3)), "size": (3, 3), "outputs": 4},
        wrong={"window": WINDOWS, "size": SIZES, "outputs": (3, 0, -4, 4.0, HUGE)},
        fixed="rows",
    ),
    "lanes.from_lanes": Case(
        lanes.from_lanes, {"x": "B F 16"},
        sizes={"B": 2}, numbers=N, wrong=NS, fixed="B ...", empty=True,
    ),
    "lanes.to_lanes": Case(
        lanes.to_lanes, {"x": "N F"}, copied="x", fixed="...", empty=True
    ),
    "update.sgd": step(update.sgd, "p", "g", "v", optional="v", lr=0.1, momentum=0.9),
    "update.adam": step(
        update.adam, "p", "g", "m", "v", "largest", optional="largest", step=1, lr=0.1
    ),
    "update.nadam": step(
        update.nadam, "p", "g", "m", "v", **NADAM, decoupled=False, shares=(0.1, 0.9)
    ),
    "update.rmsprop": step(
        update.rmsprop, "p", "g", "s", "v", "a", optional="v a", lr=0.1, alpha=0.9, eps=1e-3,
        weight_decay=0.1, momentum=0.9,
    ),
    "update.adadelta": step(
        update.adadelta, "p", "g", "s", "a", lr=0.1, rho=0.9, eps=1e-3, weight_decay=0.1
    ),
    "update.adagrad": step(
        update.adagrad, "p", "g", "s", rate=0.1, eps=1e-3, weight_decay=0.1
    ),
    "update.adamax": step(
        update.adamax, "p", "g", "m", "u", rate=0.1, betas=(0.9, 0.99), eps=1e-3, weight_decay=0.1
    ),
    "update.radam": step(
        update.radam, "p", "g", "m", "v", rate=0.1, lr=0.1, betas=(0.9, 0.99), eps=1e-3,
        weight_decay=0.1, decoupled=True, adaptive=True,
    ),
    "update.lerp": step(update.lerp, "a", "p", weight=0.5),
}  # fmt: skip

# What takes no arrays. Tasks and their plans are tried below.
OTHERS = {
    "activated_pool.ACTIVATIONS", "channel_lanes.PIXELS_SHAPE", "channel_lanes.WHOLE_SHAPE",
    "activation.SPAN", "joint_update.JointSGD", "joint_update.are_apart",
    "weight_gradient.ALONE", "lanes.block_count", "lanes.empty", "lanes.whole", "lanes.zeros",
    "linear.BLOCK_SHAPE", "linear.NO_BIAS", "linear.SHAPE", "pool.APART", "pool.COVER",
    "pool.OVERLAP", "program.BLOCK", "program.Call", "program.Phase", "program.Program",
    "program.SLOT", "winograd.FEWER", "winograd.FREQUENCIES", "winograd.FREQUENCY_SHAPE",
}  # fmt: skip
ELSEWHERE = {name for name in CASES if name.startswith("dense.")}  # in lanes


def test_every_public_kernel_is_tried() -> None:
    names = set()
    for module in pkgutil.iter_modules(kernels.__path__):
        if not module.name.startswith(("_", "simd", "winograd_tiles")):
            loaded = importlib.import_module(f"npnet.kernels.{module.name}")
            names |= {f"{module.name}.{name}" for name in getattr(loaded, "__all__", ())}
    tasks = {name for name in names if isinstance(_named(name), Task)}
    assert {_named(name) for name in tasks} == set(_task.TASKS)
    plans = {plan for task in _task.TASKS for plan in task._plans.values()}
    names -= tasks | {name for name in names if _named(name) in [*plans]}
    assert names == (CASES.keys() - ELSEWHERE) | OTHERS
    assert not [name for name in names if hasattr(_named(name), "py_func")]


def _named(name: str) -> Any:
    module, _, attribute = name.partition(".")
    return getattr(importlib.import_module(f"npnet.kernels.{module}"), attribute)


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """Guards the arrays that kernels make for themselves too."""
    made = Guard()
    monkeypatch.setattr(lanes, "empty", made.empty)
    yield made
    made.check()


def results(case: Case, arrays: dict[str, Any], **numbers: Any) -> list[Array]:
    """What the kernel gives, and the arrays as it leaves them."""
    got = case.call(**arrays, **{**case.numbers, **numbers})
    parts = [*got] if isinstance(got, tuple) else [got]
    return [np.array(part) for part in (*parts, *arrays.values()) if part is not None]


def refuses(case: Case, arrays: dict[str, Any], guard: Guard, **numbers: Any) -> bool:
    """Whether the kernel raises; if so it must have changed nothing, and else be right."""
    before = {k: np.array(a) for k, a in arrays.items() if isinstance(a, np.ndarray)}
    try:
        with np.errstate(all="ignore"):
            for part in results(case, arrays, **numbers):
                assert part.dtype == bool or np.isfinite(part).all(), "something else was read"
    except REFUSED:
        for name, array in before.items():
            np.testing.assert_array_equal(arrays[name], array, err_msg="written to")
        guard.check()
        return True
    guard.check()
    return False


@pytest.mark.campaign
@pytest.mark.parametrize("name", CASES)
def test_one_wrong_array_is_refused(name: str, guard: Guard) -> None:
    case = CASES[name]
    for seed in range(ROUNDS):
        arrays = case.draw(np.random.default_rng(seed))
        for wrong in arrays:
            for kind, what, axis, thing in faults.of(arrays[wrong], guard):
                given = {k: guard.like(a) for k, a in arrays.items()}
                if _is_right(case, wrong, kind, what, thing):
                    want = results(case, given)
                    given = {k: guard.like(a) for k, a in arrays.items()}
                    got = results(case, {**given, wrong: thing})
                    for a, b in zip(got, want, strict=True):
                        np.testing.assert_allclose(a, b, rtol=1e-3, err_msg=f"{wrong} {what}")
                    guard.check()
                    continue
                refused = refuses(case, {**given, wrong: thing}, guard)
                may_fit = _may_fit(case, wrong, what, axis)
                assert refused or may_fit, f"{name} took {wrong}: {what}"


def _is_right(case: Case, name: str, kind: str, what: str, thing: Any) -> bool:
    """Whether the kernel promises to take it, and to be right."""
    if kind == faults.LAYOUT:
        return (
            what == faults.OFF
            or name in case.copied.split()
            or (name in case.converted.split())
            or (what == "read-only" and name in case.readable.split())
        )
    if kind == faults.KIND and name in case.converted.split() and isinstance(thing, np.ndarray):
        floats = "int64" not in case.arrays[name]
        return thing.dtype.kind in ("f" if floats else "iu")
    return False


def _may_fit(case: Case, name: str, what: str, axis: int | None) -> bool:
    if what == "None":
        return name in case.optional.split()
    if what.endswith("empty"):  # a batch of nothing is one, where the other sizes are free
        return case.is_free(name, axis) and (case.empty or axis == 0)
    if name in case.copied.split() and what == "float32":
        return True
    return case.is_free(name, axis)


WRONG = [(name, number) for name, case in CASES.items() for number in case.wrong]


@pytest.mark.campaign
@pytest.mark.parametrize(("name", "number"), WRONG)
def test_one_wrong_number_is_refused(name: str, number: str, guard: Guard) -> None:
    case = CASES[name]
    for value in case.wrong[number]:
        arrays = {k: guard.like(a) for k, a in case.draw(np.random.default_rng(0)).items()}
        assert refuses(case, arrays, guard, **{number: value}), f"{name} took {number} = {value!r}"


@pytest.mark.parametrize(
    ("name", "numbers", "outside"),
    [
        ("batches.gather", "at", [4, -1, HUGE, -HUGE]),
    ],
)
def test_numbers_outside_are_refused(
    name: str, numbers: str, outside: list[int], guard: Guard
) -> None:
    case = CASES[name]
    for number in outside:
        for place in (0, -1):
            arrays = {k: guard.like(a) for k, a in case.draw(np.random.default_rng(0)).items()}
            arrays[numbers][place] = number
            with pytest.raises(IndexError, match=f"{numbers} must be numbers from 0 to"):
                case.call(**arrays, **case.numbers)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("update.")])
def test_arrays_that_are_written_lie_apart(name: str, guard: Guard) -> None:
    case = CASES[name]
    arrays = {k: guard.like(a) for k, a in case.draw(np.random.default_rng(0)).items()}
    written = [k for k in arrays if k not in ("g", "a" if name != "update.rmsprop" else "")]
    for other in written[1:]:
        with pytest.raises(ValueError, match="share memory"):
            case.call(**{**arrays, other: arrays["p"]}, **case.numbers)


def test_errors_name_the_kernel_the_argument_the_rule_and_what_came() -> None:
    y = np.zeros(64, np.float32)
    message = (
        r"tanh_backward_span: gy \(L,\) must have 64 along axis L, as y has, got shape \(48,\)"
    )
    with pytest.raises(npnet.base.checks.ShapeError, match=message):
        activation.tanh_backward_span(y, y[:48], y, 16)
    message = r"relu_span: x must be float32, got float64; convert it with"
    with pytest.raises(TypeError, match=message):
        activation.relu_span(y.astype(np.float64), y, 16)
    with pytest.raises(ValueError, match=r"relu_span: x must be row-major, got strides"):
        activation.relu_span(y[::2], y[:32], 16)


@pytest.mark.parametrize(
    "numbers",
    [
        {"kernel": (0, 1)}, {"kernel": (3, -1)}, {"kernel": 3}, {"kernel": (1.5, 1)},
        {"stride": (0, 1)}, {"dilation": (0, 1)}, {"padding": ((-1, 0), (0, 0))},
        {"padding": (1, 1)}, {"padding": ((0, 0, 0), (0, 0))},
    ],
)  # fmt: skip
def test_a_window_has_numbers_that_make_sense(numbers: dict[str, Any]) -> None:
    with pytest.raises(REFUSED, match="Window: "):
        Window(**{"kernel": (3, 3), **numbers})


# ---- tasks -------------------------------------------------------------------------------------


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = npnet.get_num_threads()
    npnet.set_num_threads(1)
    yield
    npnet.set_num_threads(before)


Given = tuple[Any, tuple[Any, ...]]  # a task and its arguments


def recorded(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Given], list[Given]]:
    """What programs call, and what is called at once, of work that uses all tasks."""
    npnet.set_backend("numba")  # whatever NPNET_BACKEND says: without kernels there are no programs
    by_programs: list[Given] = []
    at_once: list[Given] = []
    init, call, do = Call.__init__, Task.__call__, Task.do

    def noted_init(
        self: Call, task: Any, arguments: tuple[Any, ...], *rest: Any, **more: Any
    ) -> None:
        by_programs.append((task, arguments))
        init(self, task, arguments, *rest, **more)

    def noted_call(self: Task, *arguments: Any) -> None:
        at_once.append((self, arguments))
        call(self, *arguments)

    def noted_do(self: Task, items: int, *leaves: Any) -> None:
        at_once.append((self, self._with_plans(leaves)))
        do(self, items, *leaves)

    monkeypatch.setattr(Call, "__init__", noted_init)
    monkeypatch.setattr(Task, "__call__", noted_call)
    monkeypatch.setattr(Task, "do", noted_do)
    for layers in NETWORKS:
        _train(nn.Sequential(*layers))
    for layer in LAYERS:
        _differentiate(layer)
    _update()
    _prepare()
    monkeypatch.setattr(Call, "__init__", init)
    monkeypatch.setattr(Task, "__call__", call)
    monkeypatch.setattr(Task, "do", do)
    return _unique(by_programs), _unique(at_once)


def _unique(calls: list[Given]) -> list[Given]:
    """Of each task those with other sizes or numbers."""
    unique: dict[Any, Given] = {}
    for task, arguments in calls:
        sizes = [a.shape if isinstance(a, np.ndarray) else repr(a) for a in arguments]
        unique.setdefault((task, *sizes), (task, arguments))
    return list(unique.values())


NETWORKS = (
    [nn.Conv2d(2, 5, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(45, 7), nn.Sigmoid(),
     nn.Linear(7, 5)],
    [nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.LeakyReLU(), nn.Flatten(),
     nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 5)],
    [nn.Conv2d(2, 4, 3), nn.Sigmoid(), nn.MaxPool2d(3, 1), nn.AvgPool2d(3, 1), nn.Conv2d(4, 5, 2),
     nn.ReLU(), nn.Flatten(), nn.Linear(5, 5), nn.ReLU()],
    [nn.Conv2d(2, 4, 3), nn.MaxPool2d(3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
     nn.Linear(4, 5)],
    [nn.Conv2d(2, 5, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(5, 4, (3, 4)), nn.ReLU(),
     nn.Flatten(), nn.Linear(8, 5)],
    [nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3, groups=2, padding=1), nn.Flatten(), nn.Linear(216, 5)],
    [nn.ConvTranspose2d(2, 4, 3, 2), nn.GroupNorm(2, 4), nn.PReLU(4), nn.Flatten(),
     nn.Linear(4 * 289, 6), nn.LayerNorm(6), nn.PReLU(), nn.Unflatten(1, (6, 1, 1)),
     nn.ConvTranspose2d(6, 5, 3, 2, 1), nn.Flatten()],
    [nn.Conv2d(2, 24, 3), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 26, 3, padding=1),
     nn.BatchNorm2d(26), nn.ReLU(), nn.Conv2d(26, 5, 3, 2), nn.BatchNorm2d(5),
     nn.Conv2d(5, 6, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(24, 5)],
)  # fmt: skip


def _train(model: nn.Module) -> None:
    """By programs, of all losses and of few and of more images, and layer by layer."""
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = npnet.randn(20, 2, 8, 8)
    for criterion, y in (
        (nn.CrossEntropyLoss(), npnet.zeros(20).long()), (nn.MSELoss(), npnet.zeros(20, 5)),
    ):  # fmt: skip
        train = npnet.compile(model, criterion, optimizer)
        train(x, y)
        assert train.fallback is None
        (2.0 * criterion(model(x), y)).backward()
    with npnet.no_grad():
        for n in (1, 20):
            npnet.compile(model)(npnet.randn(n, 2, 8, 8))


# What becomes of images (20, 24, 6, 7) in lanes.
LAYERS: tuple[Callable[[Tensor], Tensor], ...] = (
    nn.Sequential(nn.Conv2d(24, 26, 3, padding=1), nn.BatchNorm2d(26), nn.ReLU()),
    nn.Conv2d(24, 5, 3, 2, 1),
    nn.Sequential(nn.Conv2d(24, 33, 1, 2), nn.Conv2d(33, 25, 3, 2, 1)),
    nn.Conv2d(24, 5, 1, bias=False),
    nn.Conv2d(24, 24, 3, padding=1, groups=24),
    nn.ConvTranspose2d(24, 5, 3, dilation=2),
    lambda x: F.relu(nn.BatchNorm2d(24)(x) + x),
    lambda x: nn.BatchNorm2d(24).eval()(x),
    lambda x: npnet.cat([x[:, 3:20:2, 1:, ::2], F.pad(x, (0, 0, 1, 0))[:, 2:4, 2:, ::2]], 1),
    lambda x: (x * x) * 0.5 + x,
    lambda x: x * x.mean((2, 3), keepdim=True),
    nn.GroupNorm(4, 24),
    nn.PReLU(),
    nn.ELU(),
    nn.SiLU(),
    nn.Hardswish(),
    nn.ReLU6(),
    nn.Hardsigmoid(),
    nn.SELU(),
    nn.Softplus(),
    nn.Mish(),
    nn.Sequential(nn.Flatten(), nn.Linear(24 * 42, 9), nn.LayerNorm(9)),
    lambda x: nn.LSTM(7, 5)(x[:, 0])[0],
)


def _differentiate(layer: Callable[[Tensor], Tensor]) -> None:
    into_lanes = nn.Conv2d(2, 24, 1)
    x = into_lanes(npnet.randn(20, 2, 6, 7))
    y = layer(x)
    y.backward(npnet.randn(*y.shape))
    with npnet.no_grad():
        layer(into_lanes(npnet.randn(20, 2, 6, 7))).numpy()


def _update() -> None:
    p = npnet.tensor(np.ones((3, 7), np.float32), requires_grad=True)
    p.grad = npnet.ones(3, 7)
    for optimizer in (
        optim.SGD([p], lr=0.1, momentum=0.9), optim.Adam([p], amsgrad=True), optim.NAdam([p]),
        optim.RMSprop([p], momentum=0.9, centered=True), optim.Adadelta([p]), optim.Adagrad([p]),
        optim.Adamax([p]), optim.RAdam([p]),
    ):  # fmt: skip
        optimizer.step()
    update.lerp(p.array, np.ones((3, 7), np.float32), 0.5)


def _prepare() -> None:
    images = np.arange(4 * 3 * 5 * 6, dtype=np.uint8).reshape(4, 3, 5, 6)
    colours = np.ones(3, np.float32)
    batches.gather(images, np.array([3, 0, 2]), colours, colours)
    for bilinear in (True, False):
        affine.affine(images, np.ones((4, 2, 3), np.float32), bilinear, colours)


def run_all(call: Call) -> None:
    """Let a program do every item that a call says it has."""
    items = min(call.reach.items, 200)
    Program([Phase([Call(call.task, call.arguments, items)])]).run()


def binds(call: Call, arguments: tuple[Any, ...]) -> bool:
    """Whether a call takes other arguments; if not, it must keep its own."""
    before = call.arguments
    try:
        call.bind(arguments)
    except REFUSED:
        assert call.arguments is before
        return False
    return True


def made_of(task: Any, arguments: tuple[Any, ...]) -> Call | None:
    """A call with these arguments, if they are not refused."""
    try:
        return Call(task, arguments)
    except REFUSED:
        return None


def does(task: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a task does all items of these arguments."""
    try:
        with np.errstate(all="ignore"):
            task(*arguments)
    except REFUSED:
        return False
    return True


def copies(task: Task, arguments: tuple[Any, ...], guard: Guard) -> tuple[Any, ...]:
    """The arguments with canaries around their arrays; floats are finite and positive."""
    rng = np.random.default_rng(0)

    def copied(name: str, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            copy = guard.like(value)
            if value.dtype == np.float32:
                most = 0.1 if name == "a" else 2.0  # a mean's square is no more than the squares'
                copy[...] = rng.uniform(most / 4, most, value.shape)
            return copy
        if hasattr(value, "_fields"):
            return type(value)(*map(copied, value._fields, value))
        return value

    return tuple(map(copied, task.names, arguments))


def wrong_arrays(
    task: Task, arguments: tuple[Any, ...], guard: Guard
) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """The arguments with one wrong array: the array's name, what is wrong, and the arguments."""
    for i, (name, argument) in enumerate(zip(task.names, arguments, strict=True)):
        if isinstance(argument, np.ndarray):
            for _, what, _, wrong in faults.of(argument, guard):
                yield name, what, (*arguments[:i], wrong, *arguments[i + 1 :])
        elif hasattr(argument, "_fields"):
            for field, value in zip(argument._fields, argument, strict=True):
                if isinstance(value, np.ndarray):
                    for _, what, _, wrong in (*faults.of(value, guard), *_values(value, guard)):
                        plan = argument._replace(**{field: wrong})
                        yield field, what, (*arguments[:i], plan, *arguments[i + 1 :])


ANOTHER = "another number"  # in a table; there may be windows without pixels, whose maximum is -inf


def _values(table: Array, guard: Guard) -> Iterator[faults.Fault]:
    """A table that names other places."""
    if table.dtype == np.int64:
        for shift in (-1, 1, 1000, -HUGE // 64, HUGE // 64):
            for place in (0, -1):
                other = guard.like(table)
                other.flat[place] += shift
                yield faults.SHAPE, f"{ANOTHER} at {place}, by {shift}", None, other


def wrong_numbers(arguments: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The arguments with one wrong number, which comes first."""
    for i, argument in enumerate(arguments):
        if not hasattr(argument, "_fields"):
            for wrong in _others(argument):
                yield wrong, (*arguments[:i], wrong, *arguments[i + 1 :])
            continue
        for name, value in zip(argument._fields, argument, strict=True):
            for wrong in _others(value):
                plan = argument._replace(**{name: wrong})
                yield wrong, (*arguments[:i], plan, *arguments[i + 1 :])
        yield None, (*arguments[:i], tuple(argument), *arguments[i + 1 :])


def _others(value: Any) -> list[Any]:
    """What is wrong in the place of a number, or may be."""
    if isinstance(value, np.ndarray):
        return []
    if isinstance(value, (float, np.floating)):  # any number will do
        return [None, "x"]
    return [w for w in (None, "x", 1.5, -1, 0, 1, 2, 7, HUGE, -HUGE) if w != value]


def test_work_uses_all_tasks(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    used = {task for calls in recorded(monkeypatch) for task, _ in calls}
    idle = [] if simd.WIDE else ["unrolled_row"]  # its tiles want the registers of AVX-512
    assert [task.__name__ for task in _task.TASKS if task not in used] == idle


@pytest.mark.campaign
def test_tasks_refuse_one_wrong_array(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    tried: Counter[Task] = Counter()
    for task, arguments in recorded(monkeypatch)[1]:
        tried[task] += 1
        if tried[task] > SIZES_OF_TASKS:
            continue
        right = copies(task, arguments, guard)
        task(*right)
        for name, what, bad in wrong_arrays(task, right, guard):
            before = [np.array(a) for a in task.arrays(right)]
            if not does(task, bad):
                for a, b in zip(task.arrays(right), before, strict=True):
                    np.testing.assert_array_equal(a, b)
            else:  # it says that this fits
                for array in task.arrays(bad):
                    where = f"{task.__name__}, {name}: {what}"
                    assert (
                        what.startswith(ANOTHER)
                        or array.dtype.kind != "f"
                        or np.isfinite(array).all()
                    ), where
        guard.check()


@pytest.mark.campaign
def test_tasks_refuse_one_wrong_number(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    for task, arguments in recorded(monkeypatch)[1]:
        for wrong, bad in wrong_numbers(copies(task, arguments, guard)):
            done = does(task, bad)
            guard.check()
            assert not (done and wrong in (None, "x", 1.5)), f"{task.__name__} with {wrong!r}"


@pytest.mark.campaign
def test_programs_refuse_one_wrong_array(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    for task, arguments in recorded(monkeypatch)[0]:
        right = copies(task, arguments, guard)
        call = Call(task, right)
        run_all(call)
        guard.check()
        for name, what, bad in wrong_arrays(task, right, guard):
            where = f"{task.__name__}, {name}: {what}"
            assert what == faults.OFF or not binds(call, bad), f"bound {where}"
            other = made_of(task, bad)
            if other is None:  # of no items there is no call
                assert what.endswith("empty") or not does(task, bad), f"did {where}"
                continue
            run_all(other)  # it says that this fits
            guard.check()
            task(*bad)
            guard.check()


@pytest.mark.campaign
def test_programs_refuse_one_wrong_number(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    for task, arguments in recorded(monkeypatch)[0]:
        call = Call(task, copies(task, arguments, guard))
        for wrong, bad in wrong_numbers(call.arguments):
            assert not binds(call, bad), f"bound {task.__name__} with {wrong}"
            other = made_of(task, bad)
            if other is not None:
                run_all(other)
                guard.check()


def test_a_call_knows_how_many_items_there_are() -> None:
    x, y = (np.zeros(64, np.float32) for _ in range(2))
    arguments = (x, y, 16)
    with pytest.raises(ValueError, match="relu_span has 4 items with these arguments, got count 5"):
        Call(activation.relu_span, arguments, 5)
    with pytest.raises(ValueError, match="relu_span has items for 4 blocks, got items 5"):
        Program([Phase([Call(activation.relu_span, arguments)], 5, 5)])
    with pytest.raises(ValueError, match="count must be >= 1"):
        Call(activation.relu_span, arguments, 0)
    with pytest.raises(TypeError, match="relu_span: takes x, y, length; got 2 arguments"):
        Call(activation.relu_span, arguments[:2])
    with pytest.raises(TypeError, match="no kernel that programs know"):
        Call(np.add, arguments)


def test_more_threads_than_slots_compute_on_as_many_as_there_are_slots(one_thread: None) -> None:
    """`set_num_threads` in another thread may let their number grow when room is made already."""
    block = np.full(1024, 7, np.float32)
    y = block[:16]
    arguments = (np.ones(16, np.float32), y, 16)
    made = Program([Phase([Call(activation.relu_span, arguments, 1, program.SLOT)], 64, 64)])
    made.run()
    npnet.set_num_threads(2)
    for _ in range(50):
        made.run()
    np.testing.assert_array_equal(y, 1)
    np.testing.assert_array_equal(block[16:], 7)


def test_labels_that_are_bound_must_be_classes() -> None:
    x, gx = (np.zeros((1, 3, 16), np.float32) for _ in range(2))
    numbers, parts = (np.float32(1), np.float32(0)), np.zeros(1, np.float32)
    labels = np.zeros(5, np.int64)
    call = Call(loss.cross_entropy_block, (x, labels, *numbers, gx, parts))
    for label in (3, -1, HUGE):
        with pytest.raises(IndexError, match="labels must be numbers from 0 to 2"):
            call.bind((x, np.full(5, label), *numbers, gx, parts))
    assert math.prod(call.arguments[1].shape) == 5
    assert call.arguments[1] is labels
