"""Random transforms: their cores against torchvision's, what they draw, and from what."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet import transforms
from npnet.base.checks import ShapeError
from npnet.transforms.crop import crop
from npnet.transforms.cutout import erase
from npnet.transforms.flip import hflip
from tests.torchvision_import import import_torchvision

# Shares of images are counted over 4,000 of them: four standard deviations of a fair coin's.
SHARE = 4 * 0.5 / 4000**0.5

TRANSFORMS: dict[str, Callable[[], transforms.RandomTransform]] = {
    "crop": lambda: transforms.RandomCrop(12, padding=3),
    "flip": lambda: transforms.RandomHorizontalFlip(),
    "affine": lambda: transforms.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10),
    "bilinear affine": lambda: transforms.RandomAffine(20, interpolation="bilinear", fill=9),
    "cutout": lambda: transforms.Cutout(5, n_holes=2),
}


@pytest.fixture(scope="module")
def F() -> ModuleType:
    import_torchvision()
    from torchvision.transforms import functional

    return functional


def drawn(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return (np.random.default_rng(0).random(shape) * 255).astype(dtype)


# ---- cores -------------------------------------------------------------------------------------


def test_crop_is_torchvisions(F: ModuleType) -> None:
    x = drawn((4, 3, 11, 9))
    top, left = np.array([0, 3, 4, 1]), np.array([0, 5, 2, 3])
    expected = [
        F.crop(torch.from_numpy(x[i]), int(top[i]), int(left[i]), 7, 4).numpy() for i in range(4)
    ]
    assert_array_equal(crop(x, top, left, 7, 4), expected)


def test_flip_is_torchvisions(F: ModuleType) -> None:
    x = drawn((3, 2, 5, 6), "float32")
    y = hflip(x, np.array([True, False, True]))
    assert_array_equal(y[[0, 2]], F.hflip(torch.from_numpy(x[[0, 2]])).numpy())
    assert_array_equal(y[1], x[1])


def test_erase_is_torchvisions(F: ModuleType) -> None:
    x = drawn((2, 3, 9, 8))
    fill = torch.tensor([1, 2, 3], dtype=torch.uint8).reshape(3, 1, 1)
    expected = [
        F.erase(torch.from_numpy(x[i]), top, left, 4, 4, fill).numpy()
        for i, (top, left) in enumerate([(0, 0), (5, 3)])
    ]
    y = erase(x, np.array([0, 5]), np.array([0, 3]), 4, fill.numpy().reshape(3))
    assert_array_equal(y, expected)


def test_erase_beyond_the_border_hides_what_is_inside() -> None:
    y = erase(np.ones((1, 1, 4, 4)), np.array([-1]), np.array([3]), 3, np.zeros(1))
    assert_array_equal(y[0, 0], [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])


# ---- what is drawn -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_the_generator_alone_decides(name: str, dtype: str) -> None:
    transform, x = TRANSFORMS[name](), drawn((20, 1, 12, 12), dtype)
    copy = x.copy()
    y = transform(npnet.as_tensor(x), np.random.default_rng((0, 1))).numpy()
    assert y.dtype == dtype
    assert y.shape == x.shape
    assert_array_equal(x, copy, err_msg="the input was written to")
    assert_array_equal(y, transform(x, np.random.default_rng((0, 1))), err_msg="of an ndarray")
    assert not np.array_equal(y, transform(x, np.random.default_rng((0, 2))))
    assert transform(npnet.as_tensor(x[0])).shape == x[0].shape, "one image"
    assert transform(npnet.as_tensor(x[:0])).shape == (0, 1, 12, 12), "no image"


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_manual_seed_is_the_default(name: str) -> None:
    transform, x = TRANSFORMS[name](), drawn((20, 1, 12, 12))
    npnet.manual_seed(3)
    y = transform(x)
    npnet.manual_seed(3)
    assert_array_equal(y, transform(x))
    assert not np.array_equal(y, transform(x))


def test_compose_hands_the_generator_on() -> None:
    inner = transforms.Compose([transforms.RandomCrop(12, padding=3)])
    pipeline = transforms.Compose([inner, transforms.ToTensor()])
    x = drawn((30, 1, 12, 12))
    assert_array_equal(pipeline(x, np.random.default_rng(4)), pipeline(x, np.random.default_rng(4)))


def test_a_subclass_defines_transform_alone() -> None:
    class Darker(transforms.RandomTransform):
        def __init__(self, most: float) -> None:
            self.most = most

        def transform(self, images: Any, rng: np.random.Generator) -> Any:
            return images - rng.uniform(0, self.most, len(images))[:, None, None, None]

    x = np.ones((3, 2, 6, 6))
    y = Darker(1)(x, np.random.default_rng(0))
    assert_array_equal(y, Darker(1)(npnet.as_tensor(x), np.random.default_rng(0)))
    assert len(np.unique(y)) == 3


def test_half_of_the_images_are_mirrored() -> None:
    x = npnet.as_tensor(np.tile(np.array([0, 1], np.uint8), (4000, 1, 1, 1)))
    y = transforms.RandomHorizontalFlip()(x, np.random.default_rng(0)).numpy()
    assert abs(y[:, 0, 0, 0].mean() - 0.5) < SHARE


def test_every_crop_is_equally_likely() -> None:
    x = np.broadcast_to(np.arange(9, dtype=np.uint8).reshape(3, 3), (4000, 1, 3, 3))
    y = transforms.RandomCrop((1, 2)).transform(x, np.random.default_rng(0))
    counts = np.bincount(y[:, 0, 0, 0], minlength=9) / 4000
    assert_allclose(counts, np.array([1, 1, 0] * 3) / 6, atol=SHARE)


def test_a_square_of_cutout_is_centred_anywhere() -> None:
    x = np.ones((4000, 1, 4, 4), np.float32)
    hidden = 1 - transforms.Cutout(1).transform(x, np.random.default_rng(0)).mean((0, 1))
    assert_allclose(hidden, 1 / 16, atol=SHARE)


def test_repr_is_torchvisions() -> None:
    import_torchvision()
    from torchvision import transforms as theirs

    def build(ns: ModuleType) -> list[object]:
        mode = ns.InterpolationMode.BILINEAR
        return [
            ns.RandomCrop(32, padding=4),
            ns.RandomHorizontalFlip(),
            ns.RandomAffine(10),
            ns.RandomAffine((0, 5), (0.1, 0.2), (0.9, 1.1), 10, mode, fill=3, center=(1, 2)),
        ]

    assert list(map(repr, build(transforms))) == list(map(repr, build(theirs)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: transforms.RandomHorizontalFlip(1.5), ValueError, "p must be .* 1.5"),
        (lambda: transforms.RandomCrop(0), ValueError, "size must be >= 1, got 0"),
        (lambda: transforms.RandomCrop(4, padding_mode="edges"), ValueError, "mean 'edge'"),
        (
            lambda: transforms.RandomCrop(5)(npnet.as_tensor(np.zeros((1, 4, 9)))),
            ShapeError,
            "at most that of the padded images, 4x9, got 5x5; set padding",
        ),
        (lambda: transforms.Cutout(0), ValueError, "length must be >= 1, got 0"),
        (
            lambda: transforms.Cutout(2, fill=(1, 2))(npnet.as_tensor(np.zeros((3, 4, 4)))),
            ShapeError,
            "one number for each channel, got 2 for 3",
        ),
        (
            lambda: transforms.Cutout(2, fill=300)(npnet.as_tensor(np.zeros((1, 4, 4), np.uint8))),
            ValueError,
            "fill of uint8 images must be >= 0 and <= 255, got 300",
        ),
        (lambda: transforms.RandomAffine(-1), ValueError, "degrees must be >= 0, got -1"),
        (lambda: transforms.RandomAffine((1, 2, 3)), ValueError, "degrees must be 2 numbers"),
        (lambda: transforms.RandomAffine(0, (2, 0)), ValueError, "translate must be .* got 2"),
        (lambda: transforms.RandomAffine(0, scale=(0, 1)), ValueError, "scale must be > 0"),
        (lambda: transforms.RandomAffine(0, shear=(1, 2, 3)), ValueError, "2 or 4 numbers"),
        (lambda: transforms.RandomAffine(np.nan), ValueError, "degrees must be >= 0, got nan"),
        (lambda: transforms.RandomAffine(0, center=(1,)), ValueError, "center must be 2 numbers"),
        (
            lambda: transforms.RandomAffine(0, interpolation="bilinaer"),
            ValueError,
            "did you mean 'bilinear'",
        ),
        (
            lambda: transforms.RandomAffine(0, fill=(1, 2))(npnet.as_tensor(np.zeros((3, 4, 4)))),
            ShapeError,
            "one number for each channel, got 2 for 3",
        ),
        (
            lambda: transforms.RandomHorizontalFlip()(npnet.as_tensor(np.zeros(4))),
            ShapeError,
            "RandomHorizontalFlip: images must have the axes",
        ),
    ],
)
def test_errors_say_what_is_wrong(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
