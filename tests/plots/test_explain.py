"""What a network saw and where it looked, on networks of which one can say it by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator, default_rng
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet import Tensor, nn
from npnet.base.arrays import Array
from npnet.base.checks import ShapeError
from npnet.plots import explain


class Twice(nn.Module):
    """A convolution, a ReLU that writes in place and is used again, and a Dropout that idles."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.norm = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3 * 6 * 5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.relu(self.conv(x)))
        x = self.relu(self.norm(x))
        return self.fc(x.flatten(1))


@pytest.fixture
def rng() -> Generator:
    return default_rng(0)


@pytest.fixture
def model() -> Twice:
    npnet.manual_seed(0)
    made = Twice()
    made.drop.eval()
    return made


@pytest.fixture
def image(rng: Generator) -> Array:
    return rng.standard_normal((2, 6, 5), dtype=np.float32)


def test_maps_are_those_of_each_layer_in_its_order(model: Twice, image: Array) -> None:
    maps = explain.feature_maps(model, image)
    assert list(maps) == ["conv", "relu", "norm", "relu, call 2"]
    assert all(each.shape == (3, 6, 5) for each in maps.values())
    model.eval()
    with npnet.no_grad():
        conv = model.conv(Tensor(image[None])).array[0]
    assert conv.min() < 0  # so that ReLU in place would have changed it
    assert_array_equal(maps["conv"], conv)
    assert_array_equal(maps["relu"], np.maximum(conv, 0))
    assert_array_equal(maps["relu, call 2"], np.maximum(maps["norm"], 0))


def test_the_network_is_left_as_it_was(model: Twice, image: Array) -> None:
    before = {name: array.array.copy() for name, array in model.state_dict().items()}
    copy = image.copy()
    for call in (
        lambda: explain.feature_maps(model, image),
        lambda: explain.input_gradient(model, image, 1),
        lambda: explain.occlusion(model, image, 1),
        lambda: explain.probabilities(model, image),
    ):
        call()
        assert [m.training for m in model.modules()] == [True, True, True, False, True, True]
    assert_array_equal(image, copy)
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())
    for name, array in model.state_dict().items():  # the running mean of batch norm among them
        assert_array_equal(array.array, before[name], err_msg=name)


def test_the_gradient_of_a_linear_network_is_its_weight(rng: Generator) -> None:
    weight = rng.standard_normal((4, 12), dtype=np.float32)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    linear[1].load_state_dict({"weight": Tensor(weight), "bias": npnet.zeros(4)})
    with npnet.no_grad():  # as whoever predicts is in it
        gradient = explain.input_gradient(linear, npnet.zeros(1, 3, 2, 2), 2)
    assert_array_equal(gradient, weight[2].reshape(3, 2, 2))
    assert_array_equal(explain.saliency(gradient), np.abs(gradient).max(0))


class Pixel(nn.Module):
    """The logit of class 1 is one pixel, of class 0 zero."""

    def forward(self, x: Tensor) -> Tensor:
        return npnet.stack([0 * x[:, 0, 2, 3], x[:, 0, 2, 3]], 1)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 1), (2, 2), (3, 2), (5, 5)])
def test_occlusion_is_the_mean_over_the_patches_that_hide_a_pixel(size: int, stride: int) -> None:
    x = np.zeros((1, 5, 7), np.float32)
    x[0, 2, 3] = 3.0
    drop = explain.occlusion(Pixel(), x, 1, size, stride, fill=-1.0)
    lost = 1 / (1 + np.exp(-3.0)) - 1 / (1 + np.exp(1.0))
    rows = sorted({*range(0, 6 - size, stride), 5 - size})
    columns = sorted({*range(0, 8 - size, stride), 7 - size})
    expected = np.zeros((5, 7))
    for i in range(5):
        for j in range(7):
            hides = [
                a <= 2 < a + size and b <= 3 < b + size
                for a in rows
                for b in columns
                if a <= i < a + size and b <= j < b + size
            ]
            expected[i, j] = lost * np.mean(hides)
    assert_allclose(drop, expected, atol=1e-7)  # of float32 in the network


def test_fill_may_be_a_colour(model: Twice, image: Array) -> None:
    drop = explain.occlusion(model, image, 0, 6 - 1, 1, fill=(1.0, -1.0))
    hidden = image.copy()
    hidden[:, :5, :] = np.array([1, -1])[:, None, None]
    whole, part = (explain.probabilities(model, x)[0] for x in (image, hidden))
    assert_allclose(drop[0], whole - part, atol=1e-7)


def test_probabilities_of_one_image_and_of_several(model: Twice, rng: Generator) -> None:
    batch = rng.standard_normal((3, 2, 6, 5), dtype=np.float32)
    shares = explain.probabilities(model, batch)
    assert shares.shape == (3, 4)
    assert_allclose(shares.sum(1), 1)
    assert_allclose(explain.probabilities(model, Tensor(batch[1])), shares[1], atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 5), (2, 2, 6, 5), (1, 1, 2, 6, 5)])
def test_one_image_is_wanted(model: Twice, shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    for call in (
        lambda: explain.feature_maps(model, x),
        lambda: explain.input_gradient(model, x, 0),
        lambda: explain.occlusion(model, x, 0),
    ):
        with pytest.raises(ShapeError, match=r"x must be one image, \(C, H, W\)"):
            call()


def test_errors_name_the_rule(model: Twice, image: Array) -> None:
    with pytest.raises(ValueError, match="one of the 4 classes, 0 to 3, got 4"):
        explain.input_gradient(model, image, 4)
    with pytest.raises(ValueError, match="one of the 4 classes, 0 to 3, got -1"):
        explain.occlusion(model, image, -1)
    with pytest.raises(ValueError, match="size must be <= 5"):
        explain.occlusion(model, image, 0, size=6)
    with pytest.raises(ValueError, match="stride must be <= 2"):
        explain.occlusion(model, image, 0, size=2, stride=3)
    with pytest.raises(ShapeError, match="fill must be a number, or one for each of 2 channels"):
        explain.occlusion(model, image, 0, fill=(1.0, 2.0, 3.0))
    with pytest.raises(ShapeError, match=r"a score for each class, \(N, classes\), got \(1, 3, 6"):
        explain.input_gradient(model.conv, image, 0)
