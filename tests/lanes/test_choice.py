"""When kernels do an op: what begins in lanes, what joins, what stays, and what NumPy keeps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.base.grad_mode import state
from npnet.lanes import choice
from npnet.lanes.choice import LEAST, in_lanes, suits_lanes
from npnet.lanes.function import LaneFunction
from npnet.lanes.layout import to_lanes
from npnet.nn import functional as F
from npnet.ops.activation import GELU, ReLU, Softmax
from npnet.ops.arithmetic import Add, Mul, Scale
from npnet.ops.conv import Conv2d
from npnet.ops.elementwise_loss import MeanSquaredError
from npnet.ops.linear import Linear
from npnet.ops.norm import BatchNorm
from npnet.ops.pool import AdaptiveAvgPool2d, MaxPool2d
from npnet.ops.recurrent import LSTM
from npnet.ops.reduce import Mean
from npnet.ops.shape import Cat, Reshape
from npnet.ops.windows import Window
from npnet.tape import Function, result
from npnet.tensor import Tensor
from tests.lanes.by_lanes import BY_LANES

pytestmark = pytest.mark.usefixtures("numba")

IMAGES, FEATURES = (LEAST, 2, 4, 4), (LEAST, 5)


def array(*shape: int, dtype: Any = np.float32) -> Tensor:
    return npnet.as_tensor(np.ones(shape, dtype))


def lanes(*shape: int) -> Tensor:
    return result(to_lanes(np.ones(shape, np.float32)))


def chosen(function: Function, *inputs: Tensor) -> bool:
    """Whether kernels do the op, then by the class of the table and with its options."""
    found = choice.choose(function, inputs)
    if found is None:
        return False
    assert type(found) is BY_LANES[type(function)]
    assert isinstance(found, LaneFunction)
    assert found.op is function
    return True


def conv2d(**options: Any) -> Conv2d:
    groups = options.pop("groups", 1)
    return Conv2d(Window((3, 3), **options), groups)


WEIGHT = array(3, 2, 3, 3)
BEGINNINGS: dict[str, tuple[Callable[[], Function], tuple[int, ...], Tensor]] = {
    "conv2d": (conv2d, IMAGES, WEIGHT),
    "linear": (Linear, FEATURES, array(3, 5)),
}


# ---- what begins -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("n", [0, 1, LEAST - 1, LEAST, 100])
def test_a_convolution_or_large_linear_layer_begins_with_some_images(
    name: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "SMALL", 0)
    make, shape, weight = BEGINNINGS[name]
    assert chosen(make(), array(n, *shape[1:]), weight) == (n >= LEAST)


def test_a_small_linear_layer_is_numpys_but_in_a_program() -> None:
    x, weight = array(64, 8), array(choice.SMALL // 512, 8)
    assert not chosen(Linear(), x, weight)
    assert chosen(Linear(), x, array(choice.SMALL // 512 + 1, 8))
    assert chosen(Linear(), lanes(64, 8), weight)
    state.traced = True
    try:
        assert chosen(Linear(), x, weight)
    finally:
        state.traced = False


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cells_of_an_lstm_are_by_kernels_in_float32(dtype: Any) -> None:
    arrays = [array(*s, dtype=dtype) for s in ((2, 3, 4), (3, 5), (3, 5), (20, 4), (20, 5))]
    biases = [array(20, dtype=dtype)] * 2
    assert chosen(LSTM(False, None), *arrays, *biases) == (dtype == np.float32)
    npnet.set_backend("numpy")
    assert not chosen(LSTM(False, None), *arrays, *biases)


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("n", [1, LEAST - 1])
def test_few_images_stay_where_they_are_in_lanes(name: str, n: int) -> None:
    make, shape, weight = BEGINNINGS[name]
    assert chosen(make(), lanes(n, *shape[1:]), weight)


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_dtypes_are_numpys(name: str, dtype: Any) -> None:
    make, shape, weight = BEGINNINGS[name]
    other = array(*weight.shape, dtype=dtype)
    assert not chosen(make(), array(*shape, dtype=dtype), other)
    assert not suits_lanes(array(*shape, dtype=dtype))


def test_weights_in_lanes_begin_nothing() -> None:
    """One for each output, they are no images; whoever looked at them has an ndarray."""
    assert not chosen(Linear(), array(1, 5), lanes(3, 5))
    assert chosen(Linear(), array(*FEATURES), lanes(3, 5))


ALONE: dict[str, tuple[Function, tuple[int, ...]]] = {
    "relu": (ReLU(), IMAGES),
    "max_pool2d": (MaxPool2d(Window((2, 2))), IMAGES),
    "batch_norm": (BatchNorm(1e-5, None), IMAGES),
    "mul": (Scale(2.0), FEATURES),
}


@pytest.mark.parametrize("name", ALONE)
def test_what_costs_little_does_not_begin_but_stays(name: str) -> None:
    function, shape = ALONE[name]
    weights = [array(shape[1])] * 2 if name == "batch_norm" else []
    assert not chosen(function, array(*shape), *weights)
    assert chosen(function, lanes(*shape), *weights)


@pytest.mark.parametrize("function", [GELU(), Softmax(1)], ids=["gelu", "softmax"])
def test_ops_without_kernels_are_numpys(function: Function) -> None:
    assert type(function) not in BY_LANES
    assert not chosen(function, lanes(*FEATURES))


@pytest.mark.parametrize(
    "shape", [(LEAST,), (LEAST, 2, 4), (LEAST, 1, 2, 4, 4), (LEAST, 0), (0, 5)]
)
def test_other_shapes_do_not_suit(shape: tuple[int, ...]) -> None:
    assert not suits_lanes(array(*shape))
    assert suits_lanes(array(*IMAGES))
    assert suits_lanes(array(*FEATURES))


def test_in_lanes_asks_nobody_to_move() -> None:
    x = lanes(*IMAGES)
    assert in_lanes(x)
    assert suits_lanes(x)
    assert in_lanes(x)
    assert not in_lanes(array(*IMAGES))


# ---- what joins --------------------------------------------------------------------------------

JOINING: dict[str, Callable[[], Function]] = {
    "add": Add,
    "mul": Mul,
    "cat": lambda: Cat(1),
    "mse_loss": MeanSquaredError,
}


@pytest.mark.parametrize("name", JOINING)
def test_one_in_lanes_brings_the_others(name: str) -> None:
    make = JOINING[name]
    assert chosen(make(), lanes(*IMAGES), lanes(*IMAGES))
    assert chosen(make(), lanes(*IMAGES), array(*IMAGES))
    assert chosen(make(), array(*IMAGES), lanes(*IMAGES))
    assert not chosen(make(), array(*IMAGES), array(*IMAGES))
    assert not chosen(make(), lanes(*IMAGES), array(*IMAGES, dtype=np.float64))


# ---- what kernels do not know ------------------------------------------------------------------

PADDED = Window((3, 3), padding=((1, 1), (1, 1)))
KNOWN: list[tuple[str, Function, list[Tensor], bool]] = [
    ("conv2d", conv2d(stride=(2, 1), padding=((1, 0), (2, 1))), [lanes(*IMAGES), WEIGHT], True),
    ("conv2d-dilation", conv2d(dilation=(1, 2)), [lanes(LEAST, 2, 9, 9), WEIGHT], True),
    (
        "conv2d-dilation-stride",
        conv2d(stride=(1, 2), dilation=(1, 2)),
        [lanes(LEAST, 2, 9, 9), WEIGHT],
        False,
    ),
    ("conv2d-groups", conv2d(groups=2), [lanes(*IMAGES), array(4, 1, 3, 3)], True),
    ("linear-4-axes", Linear(), [lanes(*IMAGES), array(3, 4)], False),
    ("max_pool2d-dilation", MaxPool2d(Window((2, 2), dilation=(2, 2))), [lanes(*IMAGES)], True),
    ("max_pool2d-indices", MaxPool2d(PADDED, return_indices=True), [lanes(*IMAGES)], False),
    ("adaptive_avg_pool2d-none", AdaptiveAvgPool2d((0, 2)), [lanes(*IMAGES)], False),
    ("mean-pixels", Mean((3, 2), True), [lanes(*IMAGES)], True),
    ("mean-channels", Mean((1,), False), [lanes(*IMAGES)], False),
    ("add-broadcast", Add(), [lanes(*IMAGES), array(LEAST, 1, 4, 4)], False),
    ("mul-broadcast", Mul(), [lanes(*IMAGES), array(2, 1, 1)], False),
    ("cat-batch", Cat(0), [lanes(*IMAGES), lanes(*IMAGES)], False),
    ("reshape-features", Reshape((LEAST, 32)), [lanes(*IMAGES)], True),
    ("reshape-batch", Reshape((2 * LEAST, 16)), [lanes(*IMAGES)], False),
    ("reshape-3-axes", Reshape((LEAST, 2, 16)), [lanes(*IMAGES)], True),
]


@pytest.mark.parametrize(("function", "inputs", "known"), [row[1:] for row in KNOWN],
                         ids=[row[0] for row in KNOWN])  # fmt: skip
def test_the_class_says_whether_kernels_know_the_options(
    function: Function, inputs: list[Tensor], known: bool
) -> None:
    assert chosen(function, *inputs) == known


def test_a_target_that_wants_a_gradient_is_numpys() -> None:
    target = lanes(*IMAGES).requires_grad_()
    assert not chosen(MeanSquaredError(), lanes(*IMAGES), target)


def test_a_part_is_no_view_of_features() -> None:
    """A slice has gaps in its ndarray, which a reshape copies."""
    part = lanes(LEAST, 4, 4, 4)[:, 1:3]
    assert in_lanes(part)
    assert not chosen(Reshape((LEAST, 32)), part)


# ---- the backend -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BEGINNINGS)
def test_with_numpy_nothing_begins(name: str) -> None:
    npnet.set_backend("numpy")
    make, shape, weight = BEGINNINGS[name]
    assert not chosen(make(), array(*shape), weight)
    assert not suits_lanes(array(*shape))


def test_what_is_in_lanes_stays_there_whatever_the_backend() -> None:
    """As chosen when it came there: a result of before the choice may still be used."""
    x = lanes(*IMAGES)
    npnet.set_backend("numpy")
    assert suits_lanes(x)
    assert chosen(ReLU(), x)
    np.testing.assert_array_equal(F.relu(x).numpy(), np.ones(IMAGES, np.float32))


FRUGAL = """
import sys
import npnet
from npnet.base.grad_mode import state
from npnet import nn

def loaded():
    return [m for m in sys.modules if m == "numba" or m.startswith("npnet.kernels")]

npnet.set_backend("numpy")
net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
nn.functional.cross_entropy(net(npnet.randn(20, 1, 6, 6)), npnet.zeros(20).long()).backward()
assert not loaded(), loaded()
npnet.set_backend("numba")
nn.functional.relu(npnet.randn(20, 5)) * npnet.randn(20, 5)  # nothing begins
net(npnet.randn(2, 1, 6, 6))  # few images
assert "npnet.lanes.function" not in sys.modules
net(npnet.randn(3, 1, 6, 6))
assert {"numba", "npnet.lanes.function", "npnet.kernels.correlate"} <= set(sys.modules)
"""


def test_numba_is_imported_where_the_first_op_is_by_kernels() -> None:
    subprocess.run([sys.executable, "-c", FRUGAL], check=True)
