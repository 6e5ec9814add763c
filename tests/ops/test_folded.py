"""Batch norm off the tape, folded into the convolution before it, against one op at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.lanes import conv as lane_conv
from npnet.lanes.fusion import WaitingLanes
from npnet.lanes.layout import Lanes
from npnet.nn import functional as F
from npnet.tensor import Tensor
from tests.ops.called import record_calls

# Relative to the largest result: a weight times its scale is rounded once more, and the sums of
# some hundred products begin elsewhere. Winograd's transforms make ten times of it.
FLOAT32, WINOGRAD = 2e-6, 2e-5

Forward = Callable[[nn.Conv2d, nn.BatchNorm2d, Tensor, Tensor], Tensor]


pytestmark = pytest.mark.usefixtures("numba")


def layers(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 0, bias: bool = True
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution, and a batch norm in evaluation whose numbers are none of the first ones."""
    npnet.manual_seed(0)
    first = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=bias)
    second = nn.BatchNorm2d(outputs).eval()
    rng = np.random.default_rng(1)
    with npnet.no_grad():
        for value in (second.weight, second.bias, second.running_mean):
            assert value is not None
            value.copy_(npnet.as_tensor(rng.standard_normal(outputs).astype(np.float32)))
        assert second.running_var is not None
        second.running_var.copy_(npnet.as_tensor(rng.uniform(0.5, 2, outputs).astype(np.float32)))
    return first, second


def images(n: int, channels: int, size: int, seed: int = 2) -> Tensor:
    rng = np.random.default_rng(seed)
    return npnet.as_tensor(rng.standard_normal((n, channels, size, size)).astype(np.float32))


def at_once(first: nn.Conv2d, second: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch norm of a result that somebody has seen."""
    y = first(x)
    y.numpy()
    return second(y)


FORWARDS: dict[str, Forward] = {
    "nothing": lambda a, b, x, r: b(a(x)),
    "relu": lambda a, b, x, r: F.relu(b(a(x))),
    "relu-in-place": lambda a, b, x, r: F.relu(b(a(x)), inplace=True),
    "residual": lambda a, b, x, r: b(a(x)) + r,
    "residual-relu": lambda a, b, x, r: F.relu(r + b(a(x))),
    "two-residuals": lambda a, b, x, r: F.relu(b(a(x)) + r + r),
    "leaky-relu": lambda a, b, x, r: F.leaky_relu(b(a(x))),
    "two-batch-norms": lambda a, b, x, r: b(b(a(x))),
    "pool": lambda a, b, x, r: F.max_pool2d(F.relu(b(a(x))), 2, stride=1),
}
LAYERS = {
    "3x3": (5, 7, 3, 1, 1, True),
    "no-bias": (5, 7, 3, 1, 1, False),
    "1x1": (4, 9, 1, 1, 0, True),
    "stride": (6, 16, 3, 2, 1, False),
    "strided-1x1": (6, 16, 1, 2, 0, False),
    "5x5": (3, 6, 5, 1, 2, True),
    "no-padding": (16, 6, 5, 1, 0, True),
    "winograd": (24, 32, 3, 1, 1, False),
}


def assert_close(got: Tensor, want: Tensor, tolerance: float = FLOAT32) -> None:
    expected = want.numpy()
    finite = np.abs(expected[np.isfinite(expected)])
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=tolerance * finite.max())


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("name", FORWARDS)
def test_as_one_op_at_a_time(name: str, layer: str, winograd: bool) -> None:
    npnet.set_winograd(winograd)
    first, second = layers(*LAYERS[layer])
    x = images(127, LAYERS[layer][0], 9)
    r = images(*first(x).shape[:3], seed=3)
    with npnet.no_grad():
        got = FORWARDS[name](first, second, x, r)
        npnet.set_backend("numpy")
        want = FORWARDS[name](first, second, npnet.as_tensor(x.numpy()), npnet.as_tensor(r.numpy()))
    assert_close(got, want, WINOGRAD if winograd and layer == "winograd" else FLOAT32)


@pytest.mark.parametrize("n", [3, 15, 16, 17, 127])
def test_same_bits_for_any_number_of_threads(n: int) -> None:
    first, second = layers(24, 32, padding=1)
    x, r = images(n, 24, 12), images(n, 32, 12)
    results = []
    for threads in (1, 2):
        npnet.set_num_threads(threads)
        with npnet.no_grad():
            results.append(F.relu(second(first(x)) + r).numpy())
    np.testing.assert_array_equal(*results)


KERNELS = {"correlate_row": "conv2d", "normalise_plane": "normalise"}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that run, of convolution and batch norm."""
    return record_calls(monkeypatch, KERNELS)


def test_one_kernel_for_all(made: list[str]) -> None:
    first, second = layers(5, 7)
    x, r = images(16, 5, 8), images(16, 7, 6)
    with npnet.no_grad():
        y = second(first(x))
        y += r
        assert made == []
        F.relu(y, inplace=True)
    assert made == ["conv2d"]


def test_a_result_that_is_held_is_computed_once(made: list[str]) -> None:
    first, second = layers(5, 7)
    x = images(16, 5, 8)
    with npnet.no_grad():
        y = first(x)
        z = F.relu(second(y))
        again = second(y) + y
        again.numpy()
        assert made == ["conv2d", "normalise", "normalise"]
        want = at_once(first, second, x)
        assert_close(z, F.relu(want))
        assert_close(again, want + y)


def test_a_result_that_two_take_and_nobody_holds() -> None:
    first, second = layers(5, 7)
    x = images(16, 5, 8)

    def both(convolve: Callable[[Tensor], Tensor]) -> Tensor:
        y = convolve(x)
        parts = second(y), F.relu(second(y))
        del y
        return parts[0] * parts[1]

    with npnet.no_grad():
        got = both(first)
        npnet.set_backend("numpy")
        assert_close(got, both(first))


def test_weights_and_statistics_count_as_they_were() -> None:
    first, second = layers(5, 7)
    x = images(16, 5, 8)
    with npnet.no_grad():
        want = at_once(first, second, x)
        got, plain = second(first(x)), first(x)
        expected = first(x).numpy()
        for value in (*first.parameters(), *second.parameters(), *second.buffers(), x):
            value.zero_()
    assert_close(got, want)
    np.testing.assert_array_equal(plain.numpy(), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "name", ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"]
)
def test_what_is_not_finite_comes_through(name: str, value: float) -> None:
    """Weights of zero, which times an infinite scale are NaN, and scales of zero among them."""
    first, second = layers(5, 7, padding=1)
    x = images(16, 5, 8)
    with npnet.no_grad():
        first.weight[1:3] = 0.0
        second.weight[4:6] = 0.0
        for channel in (1, 4, 6):
            nn.Sequential(first, second).state_dict()[name].numpy()[channel] = value
        got = F.relu(second(first(x)))
        want = F.relu(at_once(first, second, x))
        assert_close(second(first(x)), at_once(first, second, x))
    assert_close(got, want)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_come_through(value: float) -> None:
    first, second = layers(24, 32, padding=1)
    x = images(17, 24, 8)
    x.numpy()[3, 5, 4, 4] = value
    with npnet.no_grad():
        got = F.relu(second(first(x)))
        assert_close(got, F.relu(at_once(first, second, x)), WINOGRAD)


def test_what_is_recorded_is_not_folded(made: list[str]) -> None:
    first, second = layers(5, 7)
    first.requires_grad_(False)
    x = images(16, 5, 8)
    y = second(first(x))
    y.sum().backward()
    assert made == ["conv2d", "normalise"]
    assert second.weight.grad is not None
    made.clear()
    first.requires_grad_(True)
    assert not isinstance(first(x).values, WaitingLanes)
    assert made == ["conv2d"]


def test_statistics_of_the_batch_are_not_folded(made: list[str]) -> None:
    first, second = layers(5, 7)
    second.train()
    with npnet.no_grad():
        second(first(images(16, 5, 8))).numpy()
    assert made == ["conv2d", "normalise"]


def test_many_weights_do_not_wait() -> None:
    first, _ = layers(5, 7)
    with npnet.no_grad():
        few, many = images(3, 5, 3), images(3 * lane_conv.LEAST_RESULTS * 45, 5, 3)
        assert type(first(few).values) is Lanes
        assert isinstance(first(many).values, WaitingLanes)
