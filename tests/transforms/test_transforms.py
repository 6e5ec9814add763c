"""Transforms against torchvision's, and what they say when their input is wrong."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from npnet import transforms
from npnet._checks import ShapeError
from tests.torchvision_import import import_torchvision

# Errors of float32 resizing grow with the products summed (one row of weights) and with what the
# pixel positions lose in float32, which is where torch computes the weights: 1e-5 of the range.
RESIZE = {"uint8": 1.0, "float32": 255 * 1e-5, "float64": 1e-10}


@pytest.fixture(scope="module")
def v2() -> ModuleType:
    import_torchvision()
    from torchvision.transforms import v2

    return v2


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 1, 28, 28), 32),
        ((2, 3, 32, 32), (28, 20)),
        ((3, 1, 8, 8), 28),
        ((2, 1, 50, 33), 12),
        ((2, 1, 33, 50), [7]),
        ((2, 1, 5, 7), (1, 1)),
        ((1, 1, 3, 1), (9, 4)),
        ((3, 40, 30), 25),
        ((0, 1, 28, 28), 32),
    ],
)
def test_resize_matches_torchvision(
    v2: ModuleType, shape: tuple[int, ...], size: int | list[int], antialias: bool, dtype: str
) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random(shape) * 255).astype(dtype)
    copy = x.copy()
    y = transforms.Resize(size, antialias=antialias)(x)
    expected = v2.Resize(size, antialias=antialias)(torch.from_numpy(x)).numpy()
    assert y.dtype == dtype
    assert y.shape == expected.shape
    tolerance = RESIZE[dtype]
    assert_allclose(y.astype(np.float64), expected, rtol=0, atol=tolerance)
    assert_array_equal(x, copy, err_msg="the input was written to")


def test_resize_takes_strided_images() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), np.uint8).transpose(0, 3, 1, 2)
    resize = transforms.Resize((13, 31))
    assert_array_equal(resize(x), resize(np.ascontiguousarray(x)))


def test_resize_max_size_matches_torchvision(v2: ModuleType) -> None:
    x = np.zeros((1, 20, 90), np.uint8)
    for size, most in [(10, 30), (10, 45), (10, 60)]:
        expected = v2.Resize(size, max_size=most)(torch.from_numpy(x)).shape
        assert transforms.Resize(size, max_size=most)(x).shape == tuple(expected)


def test_resize_of_an_image_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).random((50, 3, 28, 28), dtype=np.float32)
    resize = transforms.Resize(32)
    whole = resize(x)
    assert_array_equal(whole[7], resize(x[7]))
    monkeypatch.setattr("npnet.transforms.resize._CHUNK", 5000)  # a few images at a time
    assert_array_equal(whole, resize(x))


def test_resize_keeps_a_constant_image() -> None:
    x = np.full((1, 1, 28, 28), 255, np.uint8)
    for size in (9, 32, 224):
        assert transforms.Resize(size)(x).min() == 255


def test_to_tensor_divides_as_torch_does() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    y = transforms.ToTensor()(x)
    assert y.dtype == np.float32
    assert_array_equal(y, torch.from_numpy(x).float().div(255).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_to_tensor_leaves_other_dtypes(dtype: str) -> None:
    x = np.ones((1, 2, 2), dtype)
    assert transforms.ToTensor()(x) is x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("mean", "std"), [((0.1, 0.2, 0.3), (0.5, 0.25, 2.0)), ((0.5,), (0.3081,)), ([0.5], [0.5])]
)
def test_normalize_matches_torchvision(
    v2: ModuleType, mean: tuple[float, ...], std: tuple[float, ...], dtype: str
) -> None:
    x = np.random.default_rng(2).random((4, 3, 5, 6)).astype(dtype)
    expected = v2.Normalize(mean, std)(torch.from_numpy(x)).numpy()
    y = transforms.Normalize(mean, std)(x)
    assert y.dtype == dtype
    assert_array_equal(y, expected)
    assert transforms.Normalize(mean, std, inplace=True)(x) is x
    assert_array_equal(x, expected)


@pytest.mark.parametrize("padding", [2, (1, 3), (1, 2, 3, 0), [0]])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_pad_matches_torchvision(v2: ModuleType, padding: int | tuple[int, ...], mode: str) -> None:
    x = np.random.default_rng(3).integers(0, 256, (2, 3, 5, 6), np.uint8)
    theirs = list(padding) if isinstance(padding, tuple) else padding
    expected = v2.Pad(theirs, fill=7, padding_mode=mode)(torch.from_numpy(x)).numpy()
    assert_array_equal(transforms.Pad(padding, fill=7, padding_mode=mode)(x), expected)


def test_compose_applies_in_order_to_a_batch_and_to_one_image() -> None:
    pipeline = transforms.Compose(
        [transforms.Resize(32), transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    x = np.random.default_rng(4).integers(0, 256, (6, 1, 28, 28), np.uint8)
    y = pipeline(x)
    assert y.shape == (6, 1, 32, 32)
    assert y.dtype == np.float32
    assert_array_equal(y[2], pipeline(x[2]))
    assert_array_equal(y, pipeline(SimpleNamespace(array=x)), err_msg="a Tensor")


def test_repr_is_torchvisions() -> None:
    import_torchvision()
    from torchvision import transforms as theirs

    def build(ns: ModuleType) -> object:
        return ns.Compose([ns.Resize(32), ns.Pad(2), ns.ToTensor(), ns.Normalize((0.5,), (0.25,))])

    assert repr(build(transforms)) == repr(build(theirs))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: transforms.Resize(0), ValueError, "Resize: size must be >= 1, got 0"),
        (lambda: transforms.Resize(32.0), ValueError, "must be 1 or 2 whole numbers, got 32.0"),
        (lambda: transforms.Resize((1, 2, 3)), ValueError, "must be 1 or 2 whole numbers"),
        (lambda: transforms.Resize(8, "bilinaer"), ValueError, "did you mean 'bilinear'"),
        (lambda: transforms.Resize(8, "nearest"), NotImplementedError, "must be bilinear, got nea"),
        (lambda: transforms.Resize(8, max_size=8), ValueError, "max_size must be larger"),
        (lambda: transforms.Resize(8)(np.zeros((1, 2, 3), int)), TypeError, "uint8 or float"),
        (
            lambda: transforms.Resize(8)(np.zeros((28, 28))),
            ShapeError,
            r"3 axes .*got 2: .*\(28, 2",
        ),
        (
            lambda: transforms.Resize(8)(np.zeros((1, 0, 28))),
            ShapeError,
            "must have pixels, got 0x",
        ),
        (lambda: transforms.Normalize((0,), (0,)), ValueError, "std must not be 0"),
        (lambda: transforms.Normalize((0,), (1e-60,)), ValueError, "std must not be 0"),
        (lambda: transforms.Normalize((np.nan,), (1,)), ValueError, "mean must be finite, got nan"),
        (
            lambda: transforms.Normalize((0, 0), (1, 1))(np.zeros((3, 2, 2))),
            ShapeError,
            r"one number for each channel, got 2 for 3; images.shape = \(3, 2, 2\)",
        ),
        (
            lambda: transforms.Normalize((0,), (1,))(np.zeros((1, 2, 2), np.uint8)),
            TypeError,
            r"must be float, got uint8 \(put ToTensor\(\) before it\)",
        ),
        (lambda: transforms.Pad(-1), ValueError, "padding must be >= 0, got -1"),
        (lambda: transforms.Pad((1, 2, 3)), ValueError, "1 or 2 or 4 whole numbers"),
        (lambda: transforms.Pad(1, padding_mode="edges"), ValueError, "did you mean 'edge'"),
    ],
)
def test_errors_say_what_is_wrong(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
