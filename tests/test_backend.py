"""The choice of kernels, and tensors whose values are in lanes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import npnet
import reference.models
from npnet import backend, models
from npnet.base import extras
from npnet.base.arrays import Array
from npnet.lanes.choice import LEAST, in_lanes
from npnet.lanes.layout import Lanes, to_lanes
from npnet.nn import functional as F
from npnet.tape import result
from tests.missing import hide

# Rounding flips the sign at some ReLUs, in PyTorch's float32 too; how many is chance, and of two
# float32 computations that are equally right the one is easily twice as far off as the other.
FLIP_FACTOR = 3.0

# Without kinks, of each layer: Winograd's transforms lose up to three times what PyTorch's direct
# convolutions do.
SMOOTH_FACTOR, ROUNDINGS = 3.0, 1e-5


pytestmark = pytest.mark.usefixtures("numba")


def conv_result(requires_grad: bool = True) -> npnet.Tensor:
    """A result in lanes: (5, 3, 4, 4)."""
    npnet.manual_seed(1)
    x, weight = npnet.randn(5, 2, 6, 6), npnet.randn(3, 2, 3, 3, requires_grad=requires_grad)
    y = F.conv2d(x, weight)
    assert in_lanes(y)
    return y


# ---- choosing ----------------------------------------------------------------------------------


def test_names_are_checked() -> None:
    with pytest.raises(ValueError, match=r"auto, numba, numpy; got 'nunba'; did you mean 'numba'"):
        npnet.set_backend("nunba")


def test_numpy_leaves_ndarrays() -> None:
    npnet.set_backend("numpy")
    assert npnet.get_backend() == "numpy"
    y = F.conv2d(npnet.randn(4, 1, 5, 5), npnet.randn(1, 1, 3, 3))
    assert isinstance(y.values, np.ndarray)


def test_double_and_rare_options_are_numpys() -> None:
    x, weight = npnet.randn(4, 2, 7, 7), npnet.randn(2, 2, 3, 3)
    assert not in_lanes(F.conv2d(x.double(), weight.double()))
    assert not in_lanes(F.conv2d(x, weight, stride=2, dilation=2))  # they share a divisor
    assert in_lanes(F.conv2d(x, weight, dilation=2))
    assert in_lanes(F.conv2d(x, weight[:, :1], groups=2))
    assert in_lanes(F.conv2d(x, weight, stride=2, padding=1))


@pytest.mark.parametrize(
    ("name", "expected"), [("numpy", "numpy"), ("auto", "numba"), ("", "numba")]
)
def test_environment_variable(name: str, expected: str) -> None:
    code = "import npnet; print(npnet.get_backend())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NPNET_BACKEND": name},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_a_wrong_environment_variable_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npnet.train"],
        env=os.environ | {"NPNET_BACKEND": "bogus"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "NPNET_BACKEND: " in done.stderr


def test_numba_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_has_kernels", backend._has_kernels.__wrapped__)
    hide(monkeypatch, "numba")
    line = "needs numba: pip install 'npnet\\[kernels\\]'"
    with pytest.raises(extras.MissingExtraError, match=line):
        npnet.set_backend("numba")
    npnet.set_backend("auto")
    assert npnet.get_backend() == "numpy"


def test_numba_without_what_else_kernels_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba may have come with another library."""
    monkeypatch.setattr(backend, "_has_kernels", backend._has_kernels.__wrapped__)
    hide(monkeypatch, "threadpoolctl")
    npnet.set_backend("auto")
    line = "the kernels need threadpoolctl: pip install 'npnet\\[kernels\\]'"
    with pytest.warns(RuntimeWarning, match=line):
        assert npnet.get_backend() == "numpy"
    with pytest.raises(extras.MissingExtraError, match="needs threadpoolctl"):
        npnet.set_backend("numba")


def test_numba_may_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with pytest.raises(ImportError, match="switched off by NUMBA_DISABLE_JIT"):
        npnet.set_backend("numba")


# ---- tensors in lanes --------------------------------------------------------------------------


def test_shape_and_dtype_need_no_conversion() -> None:
    y = conv_result()
    assert (y.shape, y.dtype, y.ndim, y.numel()) == ((5, 3, 4, 4), np.float32, 4, 240)
    assert in_lanes(y)


@pytest.mark.parametrize("n", [1, LEAST - 1, LEAST])
def test_the_smallest_batches_are_numpys(n: int) -> None:
    images, weight = npnet.randn(n, 2, 6, 6), npnet.randn(3, 2, 3, 3)
    assert in_lanes(F.conv2d(images, weight)) == (n == LEAST)
    large = npnet.randn(n, 1024), npnet.randn(2048, 1024)
    assert in_lanes(F.linear(*large)) == (n == LEAST)
    assert not in_lanes(F.linear(images.flatten(1), npnet.randn(3, 72)))  # see choice.SMALL


def test_looking_makes_an_ndarray() -> None:
    y = conv_result(requires_grad=False)
    lanes = y.values
    assert isinstance(lanes, Lanes)
    np.testing.assert_array_equal(y.numpy(), lanes.to_array())
    assert isinstance(y.values, np.ndarray)
    y.numpy()[0, 0, 0, 0] = 7  # the tensor's memory, as in PyTorch
    assert y[0, 0, 0, 0].item() == 7


def test_elementwise_ops_stay_in_lanes() -> None:
    y = conv_result()
    for z in (y.relu(), y.tanh(), y.sigmoid(), F.max_pool2d(y, 2), F.avg_pool2d(y, 2), y + y):
        assert in_lanes(z)
    assert in_lanes(y.flatten(1))
    assert in_lanes(F.adaptive_avg_pool2d(y, 1))
    assert in_lanes(F.batch_norm(y, None, None, training=True))


def test_writing_in_place_is_seen() -> None:
    y = conv_result()
    expected = y.detach().numpy().copy() + y.detach().numpy()
    z = conv_result()
    z += conv_result()
    np.testing.assert_allclose(z.detach().numpy(), expected, rtol=1e-6)  # float32
    z = conv_result()
    z.relu_()
    np.testing.assert_array_equal(z.detach().numpy(), np.maximum(y.detach().numpy(), 0))


@pytest.mark.parametrize("through", ["base", "view"])
def test_base_and_view_share_memory(through: str) -> None:
    y = conv_result(requires_grad=False)
    flat = y.flatten(1)
    flatter = flat.view(5, 3, 16, 1)
    (y if through == "base" else flat).numpy()[...] = 7
    for tensor in (y, flat, flatter):
        assert (tensor == 7).all()
    y.data.zero_()
    assert not flat.any()


@pytest.mark.parametrize("name", ["ReLU", "LeakyReLU", "Dropout"])
@pytest.mark.parametrize("flatten", [False, True])
def test_in_place_layers_after_a_kernel(name: str, flatten: bool) -> None:
    def gradient(lib: Any) -> Any:
        layers = [lib.nn.Conv2d(2, 3, 3), *[lib.nn.Flatten()] * flatten]
        last = lib.nn.Dropout(0.0, inplace=True) if name == "Dropout" else None
        net = lib.nn.Sequential(*layers, last or getattr(lib.nn, name)(inplace=True))
        rng = np.random.default_rng(0)
        for p in net.parameters():
            values = rng.standard_normal(tuple(p.shape)).astype(np.float32)
            p.data = lib.from_numpy(values)
        images = rng.standard_normal((17, 2, 6, 6)).astype(np.float32)
        (net(lib.from_numpy(images)) ** 2).sum().backward()
        return next(net.parameters()).grad.numpy()

    expected = gradient(torch)
    np.testing.assert_allclose(  # float32 sums of 17 * 16 products
        gradient(npnet), expected, atol=1e-5 * np.abs(expected).max()
    )


def test_what_a_kernel_saved_is_not_overwritten() -> None:
    """In lanes a saved value is memory of its own: the gradient is that of the value used."""
    y, weight = conv_result(), npnet.ones(1, 3, 2, 2, requires_grad=True)
    expected = F.conv2d(conv_result(), weight).sum()
    expected.backward()
    right = weight.grad
    weight.grad = None
    z = F.conv2d(y, weight).sum()
    y += 1
    z.backward()
    assert right is not None
    assert npnet.equal(weight.grad, right)


def test_gradients_of_results_are_kept_where_asked() -> None:
    y = conv_result()
    y.retain_grad()
    y.tanh().sum().backward()
    assert y.grad is not None
    np.testing.assert_allclose(
        y.grad.numpy(),
        1 - np.tanh(y.detach().numpy()) ** 2,
        atol=1e-6,  # float32
    )


@pytest.mark.parametrize("n", [1, 15, 16, 17, 33])
def test_mean_cross_entropy_by_one_kernel(n: int) -> None:
    x = torch.randn(n, 12, generator=torch.Generator().manual_seed(n))
    weight, y = torch.eye(12).requires_grad_(), torch.arange(n) % 12
    theirs = torch.nn.functional.cross_entropy(x @ weight.T, y)
    (theirs * 3).backward()
    ours_weight = npnet.eye(12).requires_grad_()
    logits = F.linear(result(to_lanes(x.numpy())), ours_weight)
    assert in_lanes(logits)
    ours = F.cross_entropy(logits, npnet.from_numpy(y.numpy()))
    (ours * 3).backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)
    np.testing.assert_allclose(ours_weight.grad.numpy(), weight.grad.numpy(), atol=1e-6)


# ---- Winograd ----------------------------------------------------------------------------------


def resnet20_errors(library: Any, seed: int, smooth: bool = False) -> Array:
    """Of each parameter's gradient, the largest error against float64 over its largest number."""
    torch.manual_seed(seed)
    exact = create_resnet20(reference.models, torch, smooth).double()
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((16, 3, 32, 32)), np.arange(16) % 10
    torch.nn.functional.cross_entropy(exact(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    network = create_resnet20(models if library is npnet else reference.models, library, smooth)
    weights = {k: library.from_numpy(v.numpy()) for k, v in exact.state_dict().items()}
    network.load_state_dict(weights)
    images = library.from_numpy(x.astype(np.float32))
    library.nn.functional.cross_entropy(network(images), library.from_numpy(y)).backward()
    errors = [
        np.abs(p.grad.numpy() - q.grad.numpy()).max() / np.abs(q.grad.numpy()).max()
        for p, q in zip(network.parameters(), exact.parameters(), strict=True)
    ]
    return np.array(errors)


def create_resnet20(networks: Any, library: Any, smooth: bool) -> Any:
    """A `smooth` one has SiLU in the place of ReLU."""
    network = networks.create("resnet20")
    for module in [m for m in network.modules() if smooth and hasattr(m, "relu")]:
        module.relu = library.nn.SiLU()
    return network


def root_mean_square(errors: list[Array], axis: int | None = None) -> Any:
    return np.sqrt(np.mean(np.square(errors), axis))


def test_resnet20_is_about_as_exact_as_in_pytorch() -> None:
    """Over several draws: which ReLU flips in one of them is chance."""
    ours, theirs = (
        np.mean([root_mean_square([resnet20_errors(library, seed)]) for seed in range(4)])
        for library in (npnet, torch)
    )
    assert ours <= FLIP_FACTOR * theirs


def test_each_layer_of_resnet20_is_about_as_exact_as_in_pytorch() -> None:
    """With activations that have no kink, so that errors of a few roundings stay such."""
    ours, theirs = (
        root_mean_square([resnet20_errors(library, seed, smooth=True) for seed in range(4)], 0)
        for library in (npnet, torch)
    )
    assert (theirs < ROUNDINGS).all()
    assert (ours <= SMOOTH_FACTOR * theirs).all()


def test_winograd_can_be_switched_off() -> None:
    x, weight = npnet.randn(4, 32, 12, 12), npnet.randn(32, 32, 3, 3)
    fast = F.conv2d(x, weight, padding=1).numpy()
    npnet.set_winograd(False)
    direct = F.conv2d(x, weight, padding=1).numpy()
    assert (fast != direct).any()
    np.testing.assert_allclose(fast, direct, atol=1e-4 * np.abs(direct).max())
