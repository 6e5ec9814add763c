"""Transforms against torchvision's, and what they say when their input is wrong."""

from __future__ import annotations

import copy
import pickle
from types import ModuleType

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import npnet
from npnet import transforms
from npnet.base.checks import ShapeError
from npnet.base.pictures import array_to_picture, picture_to_array
from tests.campaign import trials
from tests.torchvision_import import import_torchvision
from tests.transforms.pictures import picture

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
    y = transforms.Resize(size, antialias=antialias)(npnet.as_tensor(x)).numpy()
    expected = v2.Resize(size, antialias=antialias)(torch.from_numpy(x)).numpy()
    assert y.dtype == dtype
    assert y.shape == expected.shape
    tolerance = RESIZE[dtype]
    assert_allclose(y.astype(np.float64), expected, rtol=0, atol=tolerance)
    assert_array_equal(x, copy, err_msg="the input was written to")


def test_resize_takes_strided_images() -> None:
    x = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), np.uint8).transpose(0, 3, 1, 2)
    resize = transforms.Resize((13, 31))
    assert_array_equal(resize(npnet.as_tensor(x)), resize(npnet.as_tensor(np.ascontiguousarray(x))))


def test_resize_max_size_matches_torchvision(v2: ModuleType) -> None:
    x = np.zeros((1, 20, 90), np.uint8)
    for size, most in [(10, 30), (10, 45), (10, 60)]:
        expected = v2.Resize(size, max_size=most)(torch.from_numpy(x)).shape
        assert transforms.Resize(size, max_size=most)(npnet.as_tensor(x)).shape == tuple(expected)


def test_resize_of_an_image_does_not_depend_on_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = npnet.as_tensor(np.random.default_rng(1).random((50, 3, 28, 28), dtype=np.float32))
    resize = transforms.Resize(32)
    whole = resize(x)
    assert_array_equal(whole[7], resize(x[7]))
    monkeypatch.setattr("npnet.transforms.resize._CHUNK", 5000)  # a few images at a time
    assert_array_equal(whole, resize(x))


def test_resize_keeps_a_constant_image() -> None:
    x = np.full((1, 1, 28, 28), 255, np.uint8)
    for size in (9, 32, 224):
        assert transforms.Resize(size)(x).min() == 255


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
    y = pipeline(npnet.as_tensor(x))
    assert y.shape == (6, 1, 32, 32)
    assert y.dtype == np.float32
    assert_array_equal(y[2], pipeline(npnet.as_tensor(x[2])))
    assert_array_equal(y, pipeline(x), err_msg="an ndarray (N, C, H, W)")


def test_ndarrays_whose_channels_may_be_last_are_refused() -> None:
    for shape in ((280, 280, 3), (3, 4, 4), (28, 28), (5, 32, 32, 3), (5, 3, 4, 4), (5, 6, 9, 9)):
        x = np.zeros(shape, np.uint8)
        for transform in (
            transforms.Resize(8),
            transforms.RandomHorizontalFlip(),
            transforms.Pad(1),
        ):
            with pytest.raises(TypeError, match=r"got an ndarray of shape .* axis; (put|give) "):
                transform(x)
    with pytest.raises(TypeError, match=r"ToTensor: .*x.transpose\(0, 3, 1, 2\)"):
        transforms.ToTensor()(np.zeros((5, 32, 32, 3), np.uint8))


def test_an_ndarray_of_channels_first_is_a_picture() -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 9, 11), np.uint8)
    pipeline = transforms.Compose([transforms.CenterCrop(4), transforms.ToTensor()])
    assert_array_equal(pipeline(x), x[:, 2:6, 4:8].astype(np.float32) / 255)
    last = transforms.ToTensor()(x)  # which alone takes any ndarray for (H, W, C), as torchvision
    assert_array_equal(last, x.transpose(2, 0, 1).astype(np.float32) / 255)
    same = transforms.Resize((9, 11))(x)
    same.array[:] = 0
    assert x.any(), "the item was written to"


def test_a_tensor_that_requires_a_gradient_gets_one_or_is_refused() -> None:
    x = npnet.tensor(np.ones((1, 2, 2), np.float32), requires_grad=True)
    transforms.Normalize((0.5,), (0.25,))(x).sum().backward()
    assert x.grad is not None
    assert_array_equal(x.grad.numpy(), np.full((1, 2, 2), 4, np.float32))
    with pytest.raises(RuntimeError, match=r"Pad: the Tensor requires a gradient.*x.detach\(\)"):
        transforms.Pad(1)(x)


def test_transforms_are_copied_and_pickled() -> None:
    pipeline = transforms.Compose([transforms.RandomCrop(8, padding=1), transforms.ToTensor()])
    x = np.random.default_rng(0).integers(0, 256, (4, 1, 8, 8), np.uint8)
    expected = pipeline(x, np.random.default_rng(1)).numpy()
    for other in (copy.deepcopy(pipeline), pickle.loads(pickle.dumps(pipeline))):
        assert_array_equal(other(x, np.random.default_rng(1)).numpy(), expected)


@pytest.mark.campaign
def test_a_batch_of_pictures_is_resized_as_pillow_resizes_each() -> None:
    rng = np.random.default_rng(0)
    modes = (transforms.InterpolationMode.BILINEAR, transforms.InterpolationMode.BICUBIC)
    for _ in range(trials(100, 1_000)):
        height, width, *size = (int(v) for v in rng.integers(1, rng.choice((8, 40, 150)), 4))
        channels, mode = int(rng.choice((1, 3))), modes[rng.integers(2)]
        x = rng.integers(0, 256, (2, channels, height, width), np.uint8)
        if rng.random() < 0.2:
            x = np.where(x < 128, np.uint8(0), np.uint8(255))  # edges, where a spline overshoots
        y = transforms.Resize(size, mode).pictures(x, rng)
        for image, resized in zip(x, y, strict=True):
            expected = array_to_picture(image).resize(size[::-1], mode.pillow)
            assert_array_equal(
                resized, picture_to_array(expected), err_msg=f"{x.shape} to {size}, {mode}"
            )


@pytest.mark.campaign
def test_a_batch_of_pictures_is_mapped_as_pillow_maps_each() -> None:
    rng = np.random.default_rng(1)
    for _ in range(trials(100, 3_000)):
        height, width = (int(v) for v in rng.integers(1, rng.choice((4, 40)), 2))
        channels, mode = int(rng.choice((1, 3))), str(rng.choice(("nearest", "bilinear")))
        x = rng.integers(0, 256, (2, channels, height, width), np.uint8)
        step = float(rng.choice((30, 45, 90)))  # among them places midway between pixels
        angle = step * round(rng.uniform(-180, 180) / step) if rng.random() < 0.4 else 33.3
        scale = float(rng.choice((1, 1.5, rng.uniform(0.3, 3))))
        shear = float(rng.choice((0, rng.uniform(-40, 40))))
        transform = transforms.RandomAffine(
            (angle, angle), (0.4, 0.4), (scale, scale), (shear, shear), mode, fill=5
        )
        seed = int(rng.integers(1 << 30))
        y = transform.pictures(x, np.random.default_rng(seed))
        matrices = transform._pillow(2, (width, height), np.random.default_rng(seed))
        for image, matrix, mapped in zip(x, matrices.tolist(), y, strict=True):
            fill = 5 if channels == 1 else (5,) * 3
            expected = array_to_picture(image).transform(
                (width, height), 0, matrix, transform.interpolation.pillow, fillcolor=fill
            )
            assert_array_equal(mapped, picture_to_array(expected), err_msg=f"{x.shape} {transform}")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: transforms.Resize(0), ValueError, "Resize: size must be >= 1, got 0"),
        (lambda: transforms.Resize(32.0), ValueError, "must be 1 or 2 whole numbers, got 32.0"),
        (lambda: transforms.Resize((1, 2, 3)), ValueError, "must be 1 or 2 whole numbers"),
        (lambda: transforms.Resize(8, "bilinaer"), ValueError, "did you mean 'bilinear'"),
        (
            lambda: transforms.Resize(8, "lanczos")(npnet.as_tensor(np.zeros((1, 2, 3)))),
            ValueError,
            "of Tensors must be nearest, .*, got lanczos; PIL images take it: put ToTensor",
        ),
        (lambda: transforms.Resize(8, max_size=8), ValueError, "max_size must be larger"),
        (
            lambda: transforms.Resize(8)(npnet.as_tensor(np.zeros((1, 2, 3), bool))),
            TypeError,
            "must be numbers, got bool",
        ),
        (
            lambda: transforms.Resize(8)(npnet.as_tensor(np.zeros(28))),
            ShapeError,
            r"must have the axes \(..., C, H, W\) or \(H, W\), got shape = \(28,\)",
        ),
        (
            lambda: transforms.Resize(8)([[1, 2], [3, 4]]),
            TypeError,
            r"takes PIL images and npnet Tensors \(..., C, H, W\), got builtins.list",
        ),
        (
            lambda: transforms.Resize(8)(npnet.as_tensor(np.zeros((1, 0, 28)))),
            ShapeError,
            "must have pixels, got 0x",
        ),
        (lambda: transforms.Normalize((0,), (0,)), ValueError, "std must not be 0"),
        (lambda: transforms.Normalize((0,), (1e-60,)), ValueError, "std must not be 0"),
        (lambda: transforms.Normalize((np.nan,), (1,)), ValueError, "mean must be finite, got nan"),
        (
            lambda: transforms.Normalize((0, 0), (1, 1))(npnet.as_tensor(np.zeros((3, 2, 2)))),
            ShapeError,
            r"one number for each channel, got 2 for 3; images.shape = \(1, 3, 2, 2\)",
        ),
        (
            lambda: transforms.Normalize((0,), (1,))(
                npnet.as_tensor(np.zeros((1, 2, 2), np.uint8))
            ),
            TypeError,
            r"must be float, got uint8 \(put ToTensor\(\) before it\)",
        ),
        (
            lambda: transforms.Normalize((0,), (1,))(npnet.as_tensor(np.zeros((2, 2)))),
            ShapeError,
            r"the axes \(..., C, H, W\), got shape = \(2, 2\)",
        ),
        (
            lambda: transforms.Normalize((0,), (1,))(picture()),
            TypeError,
            r"takes Tensors, got a PIL image; put ToTensor\(\) before it",
        ),
        (lambda: transforms.PILToTensor()(np.zeros((2, 2))), TypeError, "takes PIL images, got nd"),
        (lambda: transforms.ToTensor()(np.zeros(3)), ShapeError, r"got shape \(3,\)"),
        (
            lambda: transforms.ToTensor()(Image.new("I;16", (2, 2), 40000)),
            ValueError,
            r"becomes int16, which ends at 32767, got 40000; use PILToTensor\(\)",
        ),
        (
            lambda: transforms.ToPILImage()(np.zeros((2, 2, 5), np.uint8)),
            ShapeError,
            "of 1 to 4 channels, .* got ndarray of shape",
        ),
        (
            lambda: transforms.ToPILImage()(np.full((2, 2), 2.0)),
            ValueError,
            "floats must lie from 0 to 1, got 2 to 2; undo Normalize",
        ),
        (
            lambda: transforms.ToPILImage("RGBA")(np.zeros((2, 2, 3), np.uint8)),
            ValueError,
            "mode must be RGB or YCbCr or HSV for 3 channels of uint8, got 'RGBA'",
        ),
        (
            lambda: transforms.ToPILImage()(np.zeros((2, 2), np.int64)),
            TypeError,
            "no mode holds 1 channels of int64",
        ),
        (lambda: transforms.ConvertImageDtype(bool), TypeError, "must be float or integer"),
        (lambda: transforms.Grayscale(2), ValueError, "must be 1 or 3, got 2"),
        (
            lambda: transforms.Grayscale()(npnet.as_tensor(np.zeros((4, 2, 2)))),
            ShapeError,
            "must have 1 or 3 channels, got 4",
        ),
        (lambda: transforms.Lambda(3), TypeError, "lambd must be callable, got int"),
        (lambda: transforms.Pad(-1), ValueError, "padding must be >= 0, got -1"),
        (lambda: transforms.Pad((1, 2, 3)), ValueError, "1 or 2 or 4 whole numbers"),
        (lambda: transforms.Pad(1, padding_mode="edges"), ValueError, "did you mean 'edge'"),
    ],
)
def test_errors_say_what_is_wrong(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
