"""Kernels are handed one wrong argument at a time: an error each time, and nothing is written.

Every array lies in a larger block with canaries around it, those that a kernel makes itself too.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

import npnet
from npnet import kernels, nn
from npnet.kernels import (
    _task,
    activation,
    affine,
    batches,
    conv,
    correlate,
    dense,
    elementwise,
    lanes,
    linear,
    loss,
    norm,
    places,
    pool,
    program,
    update,
    weight_gradient,
    winograd,
)
from npnet.kernels.program import Call, Phase, Program
from npnet.ops.windows import Window
from tests.campaign import trials
from tests.kernels import faults
from tests.kernels.guarded import Array, Guard

REFUSED = (ValueError, TypeError, IndexError)  # a ShapeError is a ValueError
ROUNDS = trials(1, 20)  # of other sizes

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


def span(kernel: Callable[..., Any], *names: str, **options: Any) -> Case:
    """A kernel that takes any arrays in lanes, which are alike."""
    return Case(kernel, dict.fromkeys(names, "B F 16"), fixed="...", empty=True, **options)


def step(kernel: Callable[..., Any], *names: str, optional: str = "", **numbers: Any) -> Case:
    """An optimizer's kernel: any arrays that are alike."""
    arrays = dict.fromkeys(names, "A B")
    return Case(kernel, arrays, numbers=numbers, optional=optional, empty=True)


IMAGES = {"B": 2, "H": 7, "W": 6}
WINDOW = Window((3, 3), (1, 1), PADDED)
WINDOWS = (
    Window((2, 3), (1, 1), PADDED),
    Window((4, 4)),
    Window((3, 3), (2, 2), PADDED),
    Window((3, 3), (1, 1), PADDED, (2, 2)),
    Window((64, 64)),
)
SMALLER = {**IMAGES, "KH": 3, "KW": 3, "OH": 7, "OW": 6}
POOLED = {**IMAGES, "OH": 3, "OW": 3}
POOL = Window((2, 2), (2, 2))
POOLS = (Window((3, 3), (1, 1)), Window((2, 2), (2, 2), PADDED), Window((64, 64)))
SIZES = ((7, 7), (8, 6), (0, 6), (-1, 6), (7,), (7.0, 6.0), 7, None)
CHANNELS = {**SMALLER, "C": 16, "O": 24}
N = {"n": 2 * 16 - 3}
NS = {"n": (*COUNTS, 16, 33)}
NADAM = {"step": 1, "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.0}
TRIPLES = (
    (0, 0), (0, 0, HUGE), (-1, 0, 0), (0.5, 0, 0), (0, 9, 0), None,
)  # fmt: skip
FLAT = {"B": 2, "C": 3, "H": 3, "W": 3, "KH": 3, "KW": 3, "OH": 1, "OW": 1}

CASES = {
    "activation.tanh": span(activation.tanh, "x"),
    "activation.tanh_backward": span(activation.tanh_backward, "y", "gy"),
    "activation.sigmoid": span(activation.sigmoid, "x"),
    "activation.sigmoid_backward": span(activation.sigmoid_backward, "y", "gy"),
    "activation.relu": span(activation.relu, "x"),
    "activation.relu_backward": span(activation.relu_backward, "y", "gy"),
    "activation.leaky_relu": span(activation.leaky_relu, "x", numbers={"slope": 0.1}),
    "activation.leaky_relu_backward": span(
        activation.leaky_relu_backward, "x", "gy", numbers={"slope": 0.1}
    ),
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
    "conv.conv2d": Case(
        conv.conv2d,
        {"x": "B C H W 16", "weight": "O C KH KW", "bias": "O", "residual": "B O OH OW 16"},
        sizes=SMALLER, numbers={"window": WINDOW}, wrong={"window": WINDOWS},
        copied="weight bias", optional="bias residual", fixed="H W KH KW",
    ),
    "conv.conv2d_backward_data": Case(
        conv.conv2d_backward_data,
        {"gy": "B O OH OW 16", "weight": "O C KH KW"},
        sizes=SMALLER, numbers={"window": WINDOW, "size": (7, 6)},
        wrong={"window": WINDOWS, "size": SIZES}, copied="weight", fixed="OH OW KH KW",
    ),
    "conv.conv2d_backward_weight": Case(
        conv.conv2d_backward_weight,
        {"x": "B C H W 16", "gy": "B O OH OW 16"},
        sizes=SMALLER, numbers={"window": WINDOW, **N},
        wrong={"window": (*WINDOWS[2:], Window((2, 2))), **NS}, fixed="H W OH OW",
    ),
    "correlate.correlate": Case(
        correlate.correlate,
        {"x": "B C H W 16", "weight": "O C KH KW", "bias": "O", "y": "B O OH OW 16",
         "residual": "B O OH OW 16"},
        sizes={**SMALLER, "O": 3}, numbers={"window": WINDOW, "transposed": False},
        wrong={"window": WINDOWS}, optional="residual", fixed="H W KH KW",
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
    "elementwise.add": span(elementwise.add, "a", "b"),
    "elementwise.multiply": span(elementwise.multiply, "a", "b"),
    "elementwise.scale": span(elementwise.scale, "x", numbers={"factor": 2.0}),
    "elementwise.add_bias": Case(
        elementwise.add_bias, {"x": "B C H W 16", "bias": "C"}, copied="bias", empty=True
    ),
    "lanes.from_lanes": Case(
        lanes.from_lanes, {"x": "B F 16"},
        sizes={"B": 2}, numbers=N, wrong=NS, fixed="B ...", empty=True,
    ),
    "lanes.to_lanes": Case(
        lanes.to_lanes, {"x": "N F"}, copied="x", fixed="...", empty=True
    ),
    "linear.linear": Case(
        linear.linear, {"x": "B F 16", "weight": "O F", "bias": "O"},
        copied="weight bias", optional="bias",
    ),
    "linear.linear_backward_data": Case(
        linear.linear_backward_data, {"gy": "B O 16", "weight": "O F"}, copied="weight"
    ),
    "linear.linear_backward_weight": Case(
        linear.linear_backward_weight, {"x": "B F 16", "gy": "B O 16"},
        sizes={"B": 2}, numbers=N, wrong=NS,
    ),
    "loss.cross_entropy": Case(
        loss.cross_entropy, {"x": "B C 16", "labels": "n: int64"},
        sizes={"B": 2, "n": 29}, copied="labels", converted="labels", fixed="B",
    ),
    "loss.mse_loss": Case(
        loss.mse_loss, {"x": "B F 16", "target": "B F 16"},
        sizes={"B": 2}, numbers=N, wrong=NS,
    ),
    "norm.statistics": Case(
        norm.statistics, {"x": "B C H W 16", "weight": "C", "bias": "C"},
        sizes={"B": 2}, numbers={"eps": 1e-5, **N}, wrong=NS, fixed="B",
        copied="weight bias", converted="weight bias",
    ),
    "norm.constants": Case(
        norm.constants, {"mean": "C", "var": "C", "weight": "C", "bias": "C"},
        numbers={"eps": 1e-5}, copied="mean var weight bias", converted="mean var weight bias",
    ),
    "norm.normalise": Case(
        norm.normalise, {"x": "B C H W 16", "constants": "4 C", "residual": "B C H W 16"},
        optional="residual", numbers={"relu": True}, fixed="4",
    ),
    "norm.batch_norm_backward": Case(
        norm.batch_norm_backward,
        {"gy": "B C H W 16", "x": "B C H W 16", "constants": "4 C", "y": "B C H W 16"},
        sizes={"B": 2}, numbers={"relu": True, **N}, wrong=NS, optional="y", fixed="4",
    ),
    "places.take": Case(
        places.take, {"x": "B C H W 16"}, sizes={"C": 4, "H": 6, "W": 6},
        numbers={"starts": (1, 0, 2), "steps": (1, 2, -1), "sizes": (3, 3, 3)},
        wrong={"starts": TRIPLES, "steps": ((0, 1, 1), (HUGE, 1, 1), *TRIPLES[:2], (1, 1, -2)),
               "sizes": ((4, 3, 3), (0, 3, 3), (3, 4, 3), (3, 3, 4), (HUGE, 1, 1), *TRIPLES)},
    ),
    "places.put": Case(
        places.put, {"x": "B C H W 16"}, sizes={"C": 3, "H": 3, "W": 3},
        numbers={"starts": (1, 0, 2), "steps": (1, 2, -1), "sizes": (4, 6, 6)},
        wrong={"starts": TRIPLES, "steps": ((0, 1, 1), (HUGE, 1, 1), *TRIPLES[:2], (1, 1, -2)),
               "sizes": ((3, 6, 6), (0, 6, 6), (4, 4, 6), *TRIPLES)},
    ),
    "pool.max_pool2d": Case(
        pool.max_pool2d, {"x": "B C H W 16"}, sizes=IMAGES, numbers={"window": POOL},
        wrong={"window": (POOLS[2],)},
    ),
    "pool.max_pool2d_backward": Case(
        pool.max_pool2d_backward,
        {"gy": "B C OH OW 16", "winner": "B C OH OW 16: uint8"},
        sizes=POOLED, numbers={"window": POOL, "size": (7, 6)},
        wrong={"window": (*POOLS, Window((17, 17), (1, 1))), "size": (*SIZES[1:], (9, 6))},
        fixed="OH OW",
    ),
    "pool.avg_pool2d": Case(
        pool.avg_pool2d, {"x": "B C H W 16"}, sizes=IMAGES, numbers={"window": POOL},
        wrong={"window": (POOLS[2], Window((2, 2), (2, 2), dilation=(2, 2)))},
    ),
    "pool.avg_pool2d_backward": Case(
        pool.avg_pool2d_backward, {"gy": "B C OH OW 16"},
        sizes=POOLED, numbers={"window": POOL, "size": (7, 6)},
        wrong={"window": POOLS, "size": (*SIZES[1:], (9, 6))}, fixed="OH OW",
    ),
    "pool.adaptive_avg_pool2d": Case(
        pool.adaptive_avg_pool2d, {"x": "B C H W 16"}, sizes=IMAGES,
        numbers={"size": (3, 2)}, wrong={"size": SIZES[2:]},
    ),
    "pool.adaptive_avg_pool2d_backward": Case(
        pool.adaptive_avg_pool2d_backward, {"gy": "B C OH OW 16"}, sizes=POOLED,
        numbers={"size": (7, 6)}, wrong={"size": SIZES[2:]},
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
    "update.lerp": step(update.lerp, "a", "p", weight=0.5),
    "weight_gradient.backward_weight": Case(
        weight_gradient.backward_weight, {"x": "B C H W 16", "gy": "B O OH OW 16"},
        sizes={**SMALLER, "C": 18}, numbers={"window": WINDOW, **N},
        wrong={"window": (*WINDOWS[2:], Window((2, 2))), **NS}, fixed="H W OH OW",
    ),
    "weight_gradient.backward_bias": Case(
        weight_gradient.backward_bias, {"gy": "B O OH OW 16"}, sizes={"B": 2}, numbers=N,
        wrong=NS, fixed="B",
    ),
    "winograd.correlate": Case(
        winograd.correlate,
        {"x": "B C H W 16", "weight": "O C 3 3", "bias": "O", "y": "B O OH OW 16",
         "residual": "B O OH OW 16"},
        sizes=CHANNELS, numbers={"before": (1, 1), "transposed": False},
        wrong={"before": ((-1, 1), (1,), (1.0, 1.0), None)}, optional="residual", fixed="3",
    ),
    "winograd.backward_weight": Case(
        winograd.backward_weight, {"x": "B C H W 16", "gy": "B O OH OW 16"}, sizes=CHANNELS,
        numbers={"before": (1, 1), "chunks": 2, **N},
        wrong={"before": ((-1, 1), (1,), (1.0, 1.0), None), "chunks": (0, -1, 1.0), **NS},
        fixed="B",
    ),
}  # fmt: skip

NO_ARRAYS = "takes no arrays"
BY_CALL = "called by programs alone; see below"
NUMPY = "NumPy's own loops, which look at every index"
OTHERS = {
    **dict.fromkeys(
        ("activated_pool.ACTIVATIONS", "channel_lanes.PIXELS", "channel_lanes.WHOLE",
         "dense.is_linear", "dense.suits_dense", "lanes.block_count", "lanes.empty", "lanes.zeros",
         "program.BLOCK", "program.SLOT", "pool_plans.APART", "pool_plans.COVER",
         "pool_plans.OVERLAP", "pool_plans.apart", "pool_plans.bins", "pool_plans.number_type",
         "pool_plans.numbers", "pool_plans.shares", "pool_plans.spans",
         "weight_gradient.chunk_count", "weight_gradient.lanes_plan",

         "winograd.gradient_bytes"), NO_ARRAYS),
    **dict.fromkeys(
        ("program.Call", "program.Phase", "program.Program", "activated_pool.activated_pool_plane",
         "activated_pool.activated_pool_backward_plane", "block_ops.add_weight_gradients",
         "block_ops.compact_row", "block_ops.copy_in", "block_ops.copy_out", "block_ops.load",
         "block_ops.sum_parts", "channel_lanes.convolve_row", "channel_lanes.load_image",
         "channel_lanes.store_features"), BY_CALL),
    **dict.fromkeys(
        ("pool_plans.planes",
         ), NUMPY),
}  # fmt: skip


def test_every_public_kernel_is_tried() -> None:
    names = set()
    for module in pkgutil.iter_modules(kernels.__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"npnet.kernels.{module.name}")
            names |= {f"{module.name}.{name}" for name in getattr(loaded, "__all__", ())}
    assert names == CASES.keys() | OTHERS.keys()
    compiled = {name for name in names - CASES.keys() if hasattr(_named(name), "py_func")}
    assert compiled <= {name for name, why in OTHERS.items() if why == BY_CALL}


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
        ("loss.cross_entropy", "labels", [5, -1, HUGE, -HUGE]),
    ],
)
def test_numbers_outside_are_refused(
    name: str, numbers: str, outside: list[int], guard: Guard
) -> None:
    case = CASES[name]
    for number in outside:
        for place in (0, -1):
            arrays = {k: guard.like(a) for k, a in case.draw(np.random.default_rng(0)).items()}
            if name == "loss.cross_entropy":
                arrays["x"] = guard.like(np.zeros((2, 5, 16), np.float32))
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
    x, weight = np.zeros((2, 3, 8, 8, 16), np.float32), np.zeros((5, 4, 3, 3), np.float32)
    message = (
        r"conv2d: weight \(O, C, KH, KW\) must have 3 along axis C, as x has, "
        r"got shape \(5, 4, 3, 3\)"
    )
    with pytest.raises(npnet.base.checks.ShapeError, match=message):
        conv.conv2d(x, weight, None, Window((3, 3)))
    with pytest.raises(TypeError, match=r"relu: x must be float32, got float64; convert it with"):
        activation.relu(x.astype(np.float64))
    with pytest.raises(ValueError, match=r"relu: x must be row-major, got strides"):
        activation.relu(x[:, ::2])


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


# ---- what programs call ------------------------------------------------------------------------


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = npnet.get_num_threads()
    npnet.set_num_threads(1)
    yield
    npnet.set_num_threads(before)


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, tuple[Any, ...]]]:
    """The kernels and arguments of programs of networks that use all of them."""
    npnet.set_backend("numba")  # whatever NPNET_BACKEND says: without kernels there are no programs
    calls: list[tuple[Any, tuple[Any, ...]]] = []
    original = Call.__init__

    def init(self: Call, task: Any, arguments: tuple[Any, ...], *rest: Any, **more: Any) -> None:
        calls.append((task, arguments))
        original(self, task, arguments, *rest, **more)

    monkeypatch.setattr(Call, "__init__", init)
    for layers in NETWORKS:
        model = nn.Sequential(*layers)
        optimizer = npnet.optim.SGD(model.parameters(), lr=0.1)
        for criterion, y in (
            (nn.CrossEntropyLoss(), npnet.zeros(20).long()), (nn.MSELoss(), npnet.zeros(20, 5)),
        ):  # fmt: skip
            train = npnet.compile(model, criterion, optimizer)
            train(npnet.randn(20, 2, 8, 8), y)
            assert train.fallback is None
        with npnet.no_grad():
            for n in (1, 20):
                npnet.compile(model)(npnet.randn(n, 2, 8, 8))
    monkeypatch.setattr(Call, "__init__", original)
    unique: dict[Any, tuple[Any, tuple[Any, ...]]] = {}
    for task, arguments in calls:
        shapes = [a.shape if isinstance(a, np.ndarray) else repr(a) for a in arguments]
        unique.setdefault((task, *shapes), (task, arguments))
    return list(unique.values())


NETWORKS = (
    [nn.Conv2d(2, 5, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(45, 7), nn.Sigmoid(),
     nn.Linear(7, 5)],
    [nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.LeakyReLU(), nn.Flatten(),
     nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 5)],
    [nn.Conv2d(2, 4, 3), nn.Sigmoid(), nn.MaxPool2d(3, 1), nn.AvgPool2d(3, 1), nn.Conv2d(4, 5, 2),
     nn.ReLU(), nn.Flatten(), nn.Linear(5, 5), nn.ReLU()],
)  # fmt: skip


def _flat(size: int = 128) -> Array:
    return np.ones(size, np.float32)


# Tasks that no network's program calls, with arguments that fit.
IN_NO_PROGRAM: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (elementwise.add_span, (_flat(), _flat(), _flat(), 32)),
    (elementwise.multiply_span, (_flat(), _flat(), _flat(), 32)),
    (elementwise.scale_span, (_flat(), np.float32(2), _flat(), 32)),
    (elementwise.add_bias_plane, (_flat().reshape(4, 32), _flat(2), _flat().reshape(4, 32))),
)


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
        task(*arguments)
    except REFUSED:
        return False
    return True


@pytest.mark.campaign
def test_programs_refuse_one_wrong_array(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    calls = [*recorded(monkeypatch), *IN_NO_PROGRAM]
    assert {task for task, _ in calls} == set(_task.TASKS)
    for task, arguments in calls:
        copies = tuple(guard.like(a) if isinstance(a, np.ndarray) else a for a in arguments)
        call = Call(task, copies)
        run_all(call)
        guard.check()
        for i, argument in enumerate(copies):
            if not isinstance(argument, np.ndarray):
                continue
            for _, what, _, wrong in faults.of(argument, guard):
                bad = (*copies[:i], wrong, *copies[i + 1 :])
                where = f"{task.__name__}, argument {i}: {what}"
                assert what == faults.OFF or not binds(call, bad), f"bound {where}"
                other = made_of(task, bad)
                if other is None:
                    assert not does(task, bad), f"did {where}"
                    continue
                run_all(other)  # it says that this fits
                guard.check()
                task(*bad)
                guard.check()


@pytest.mark.campaign
def test_programs_refuse_one_wrong_number(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    for task, arguments in (*recorded(monkeypatch), *IN_NO_PROGRAM):
        call = Call(task, arguments)
        for i, argument in enumerate(arguments):
            if isinstance(argument, np.ndarray):
                continue
            for wrong in (None, "x", 1.5, -1, 0, 1, 2, 7, HUGE, -HUGE):
                if wrong == argument:
                    continue
                copies = [guard.like(a) if isinstance(a, np.ndarray) else a for a in arguments]
                copies[i] = wrong
                assert not binds(call, tuple(copies)), f"bound {task.__name__} with {wrong}"
                other = made_of(task, tuple(copies))
                if other is not None and not isinstance(argument, np.floating):  # a factor
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
