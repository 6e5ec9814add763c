"""Every transform on every kind of input, beside torchvision's."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

import npnet
from npnet import transforms
from npnet.tensor import Tensor
from tests.torchvision_import import import_torchvision
from tests.transforms.pictures import MODES, drawn, picture

Build = Callable[[Any], Any]

# Ranges of one value stand for what is drawn, since the libraries' random numbers differ; PyTorch
# draws in float32, which must hold the value.
GEOMETRIC: dict[str, Build] = {
    "resize 9": lambda ns: ns.Resize(9),
    "resize (7, 30)": lambda ns: ns.Resize((7, 30)),
    "resize [40]": lambda ns: ns.Resize([40]),
    "resize max_size": lambda ns: ns.Resize(9, max_size=11),
    "resize same": lambda ns: ns.Resize((14, 19)),
    "resize one axis": lambda ns: ns.Resize((14, 8)),
    "resize nearest": lambda ns: ns.Resize((9, 25), ns.InterpolationMode.NEAREST),
    "resize nearest-exact": lambda ns: ns.Resize((9, 25), ns.InterpolationMode.NEAREST_EXACT),
    "resize bicubic": lambda ns: ns.Resize((6, 31), ns.InterpolationMode.BICUBIC),
    "resize by constant": lambda ns: ns.Resize(6, 3),
    "centre crop": lambda ns: ns.CenterCrop(9),
    "centre crop (8, 11)": lambda ns: ns.CenterCrop((8, 11)),
    "centre crop larger": lambda ns: ns.CenterCrop((17, 12)),
    "pad": lambda ns: ns.Pad(2),
    "pad fill": lambda ns: ns.Pad((1, 3), fill=1),
    "pad four": lambda ns: ns.Pad((1, 2, 3, 0)),
    "pad edge": lambda ns: ns.Pad((1, 2, 3, 0), padding_mode="edge"),
    "pad reflect": lambda ns: ns.Pad(3, padding_mode="reflect"),
    "pad symmetric": lambda ns: ns.Pad(3, padding_mode="symmetric"),
    "random crop": lambda ns: ns.RandomCrop((18, 23), padding=2),
    "random crop pad_if_needed": lambda ns: ns.RandomCrop((14, 19), pad_if_needed=True, fill=1),
    "horizontal flip": lambda ns: ns.RandomHorizontalFlip(1),
    "horizontal flip never": lambda ns: ns.RandomHorizontalFlip(0),
    "vertical flip": lambda ns: ns.RandomVerticalFlip(1),
    "rotation": lambda ns: ns.RandomRotation((33, 33)),
    "rotation 180": lambda ns: ns.RandomRotation((180, 180)),
    "rotation expand": lambda ns: ns.RandomRotation((33, 33), expand=True),
    "rotation centre": lambda ns: ns.RandomRotation((-20, -20), center=(3, 5), fill=1),
    "affine": lambda ns: ns.RandomAffine((20, 20), (0, 0), (1.25, 1.25), (9, 9, -4, -4)),
    "affine centre": lambda ns: ns.RandomAffine((-7, -7), center=(3, 5), fill=1),
    "resized crop": lambda ns: ns.RandomResizedCrop((8, 9), (1, 1), (19 / 14, 19 / 14)),
    "random apply": lambda ns: ns.RandomApply([ns.CenterCrop(5), ns.Pad(1)], p=1),
    "random apply never": lambda ns: ns.RandomApply([ns.CenterCrop(5)], p=0),
    "random order": lambda ns: ns.RandomOrder([ns.Pad(1), ns.Pad(2)]),
    "random choice": lambda ns: ns.RandomChoice([ns.Pad(1), ns.CenterCrop(5)], p=[0, 1]),
    "perspective never": lambda ns: ns.RandomPerspective(p=0),
    "compose": lambda ns: ns.Compose([ns.Resize(8), ns.Compose([ns.CenterCrop(6)]), ns.Pad(1)]),
}
SMOOTH: dict[str, Build] = {  # whose interpolation not every mode of Pillow has
    "rotation bilinear": lambda ns: ns.RandomRotation((33, 33), ns.InterpolationMode.BILINEAR),
    "affine bilinear": lambda ns: ns.RandomAffine(
        (20, 20), None, (0.75, 0.75), (5, 5), ns.InterpolationMode.BILINEAR, fill=1
    ),
}
ON_PICTURES: dict[str, Build] = {
    "rotation 90": lambda ns: ns.RandomRotation((90, 90)),  # of Tensors: midway between pixels
    "resize box": lambda ns: ns.Resize((6, 31), ns.InterpolationMode.BOX),
    "resize hamming": lambda ns: ns.Resize((6, 31), ns.InterpolationMode.HAMMING),
    "resize lanczos": lambda ns: ns.Resize((6, 31), ns.InterpolationMode.LANCZOS),
    "rotation bicubic": lambda ns: ns.RandomRotation((33, 33), ns.InterpolationMode.BICUBIC),
}
COLOUR: dict[str, Build] = {
    "grey": lambda ns: ns.Grayscale(),
    "grey 3": lambda ns: ns.Grayscale(3),
    "random grey": lambda ns: ns.RandomGrayscale(1),
    "random grey never": lambda ns: ns.RandomGrayscale(0),
    "brightness": lambda ns: ns.ColorJitter(brightness=(1.375, 1.375)),
    "contrast": lambda ns: ns.ColorJitter(contrast=(0.625, 0.625)),
    "saturation": lambda ns: ns.ColorJitter(saturation=(1.75, 1.75)),
    "hue": lambda ns: ns.ColorJitter(hue=(0.1875, 0.1875)),
    "hue back": lambda ns: ns.ColorJitter(hue=(-0.3125, -0.3125)),
    "invert": lambda ns: ns.RandomInvert(1),
    "invert never": lambda ns: ns.RandomInvert(0),
    "posterize": lambda ns: ns.RandomPosterize(3, 1),
    "solarize": lambda ns: ns.RandomSolarize(0.75, 1),
    "sharper": lambda ns: ns.RandomAdjustSharpness(1.75, 1),
    "smoother": lambda ns: ns.RandomAdjustSharpness(0.25, 1),
    "autocontrast": lambda ns: ns.RandomAutocontrast(1),
    "equalize": lambda ns: ns.RandomEqualize(1),
    "blur": lambda ns: ns.GaussianBlur((5, 3), (0.75, 0.75)),
    "blur 7": lambda ns: ns.GaussianBlur(7, 1.5),
}
CONVERTING: dict[str, Build] = {
    "to tensor": lambda ns: ns.ToTensor(),
    "pil to tensor": lambda ns: ns.PILToTensor(),
    "normalised": lambda ns: ns.Compose(
        [ns.Grayscale(3), ns.ToTensor(), ns.Normalize((0.5, 0.4, 0.3), (0.5, 0.25, 2))]
    ),
    "there and back": lambda ns: ns.Compose([ns.PILToTensor(), ns.ToPILImage()]),
}


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    import_torchvision()
    from torchvision import transforms

    return transforms


SHAPES = ((14, 19), (1, 14, 19), (3, 14, 19), (2, 3, 14, 19), (2, 2, 1, 14, 19), (0, 3, 14, 19))

# Pillow takes pictures of mode L and RGB alone there.
TWO_MODES = {"posterize", "solarize", "autocontrast", "equalize"}

# What torchvision's documentation says and its code does not: the padded picture keeps its mode
# (its values are right).
UNLIKE = {
    *(
        (name, mode)
        for name in ("pad edge", "pad reflect", "pad symmetric")
        for mode in ("CMYK", "YCbCr", "HSV")
    ),
}


def outcome(build: Build, ns: Any, x: Any) -> Any:
    """What a transform makes of x, or an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's of its own deprecations
        try:
            return build(ns)(x)
        except Exception as error:
            return error


def assert_same(ours: Any, theirs: Any, atol: float = 0) -> None:
    if isinstance(theirs, Image.Image):
        assert isinstance(ours, Image.Image), repr(ours)
        assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
        assert_array_equal(np.array(ours), np.array(theirs))
        assert ours.getpalette() == theirs.getpalette()
        return
    assert isinstance(ours, Tensor), repr(ours)
    assert isinstance(theirs, torch.Tensor), repr(theirs)
    assert ours.shape == tuple(theirs.shape)
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    array = theirs.numpy().astype(np.float64)
    assert_allclose(ours.numpy().astype(np.float64), array, rtol=0, atol=atol)


@pytest.mark.parametrize("name", [*GEOMETRIC, *SMOOTH, *ON_PICTURES, *COLOUR, *CONVERTING])
def test_a_picture_becomes_what_torchvision_makes_of_it(theirs: ModuleType, name: str) -> None:
    build = (GEOMETRIC | SMOOTH | ON_PICTURES | COLOUR | CONVERTING)[name]
    compared = 0
    least = 2 if name in TWO_MODES else 3
    for mode in MODES:
        x = picture(mode)
        expected, ours = outcome(build, theirs, x), outcome(build, transforms, x)
        if (name, mode) in UNLIKE:
            assert ours.mode == mode
            assert_array_equal(np.array(ours), np.array(expected))
        elif not isinstance(expected, Exception):
            if name.startswith("blur"):  # a sum in float32, rounded
                assert np.abs(np.asarray(ours, float) - np.asarray(expected, float)).max() <= 1
            else:
                assert_same(ours, expected)
            compared += 1
    assert compared >= least, "modes that torchvision takes"


@pytest.mark.parametrize("name", [*GEOMETRIC, *SMOOTH, *COLOUR])
def test_a_tensor_becomes_what_torchvision_makes_of_it(theirs: ModuleType, name: str) -> None:
    build = (GEOMETRIC | SMOOTH | COLOUR)[name]
    compared = 0
    for shape, dtype in itertools.product(
        SHAPES, ("uint8", "float32", "float64", "int16", "int32")
    ):
        x = drawn(shape, dtype)
        copy = x.copy()
        expected = outcome(build, theirs, torch.from_numpy(x.copy()))
        ours = outcome(build, transforms, npnet.as_tensor(x))
        assert_array_equal(x, copy, err_msg="the input was written to")
        if not isinstance(expected, Exception):
            # Integers are rounded from sums in float32, which differ in their order.
            assert_same(ours, expected, atol=1e-5 if np.dtype(dtype).kind == "f" else 1)
            compared += 1
    assert compared >= (3 if name in ("posterize", "equalize") else 9), "that torchvision takes"


# ---- from one kind to another ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 7, 2), (3, 1, 1)])
def test_to_tensor_of_an_ndarray_is_torchvisions(
    theirs: ModuleType, shape: tuple[int, ...]
) -> None:
    for dtype in ("uint8", "float32", "float64", "int16", "int32", "int64", "bool"):
        x = drawn(shape, dtype)
        assert_same(transforms.ToTensor()(x), theirs.ToTensor()(x))


def test_to_pil_image_is_torchvisions(theirs: ModuleType) -> None:
    arguments = [
        ((4, 5), "uint8", None),
        ((1, 4, 5), "uint8", None),
        ((2, 4, 5), "uint8", None),
        ((3, 4, 5), "uint8", None),
        ((3, 4, 5), "uint8", "HSV"),
        ((4, 4, 5), "uint8", "CMYK"),
        ((3, 4, 5), "float32", None),
        ((1, 4, 5), "float64", None),
        ((1, 4, 5), "float32", "F"),
        ((1, 4, 5), "int32", None),
        ((1, 4, 5), "int16", None),
    ]
    for shape, dtype, mode in arguments:
        x = drawn(shape, dtype)
        ours = transforms.ToPILImage(mode)(npnet.as_tensor(x))
        assert_same(ours, theirs.ToPILImage(mode)(torch.from_numpy(x)))
        last = x.transpose(1, 2, 0) if x.ndim == 3 else x
        assert_same(transforms.ToPILImage(mode)(last), ours)


def test_convert_image_dtype_is_torchvisions(theirs: ModuleType) -> None:
    names = ("uint8", "int8", "int16", "int32", "int64", "float32", "float64")
    for have, want in itertools.product(names, names):
        x = drawn((3, 4, 5), have)
        expected = outcome(
            lambda ns, want=want: ns.ConvertImageDtype(getattr(torch, want)),
            theirs,
            torch.from_numpy(x),
        )
        ours = outcome(
            lambda ns, want=want: ns.ConvertImageDtype(want), transforms, npnet.as_tensor(x)
        )
        if isinstance(expected, Exception):
            assert type(ours) is type(expected), (have, want)
        else:
            assert_same(ours, expected)


def test_normalize_is_torchvisions(theirs: ModuleType) -> None:
    arguments = [((0.1, 0.2, 0.3), (0.5, 0.25, 2.0)), ((0.5,), (0.3081,)), ([0.5], [0.5])]
    for (mean, std), dtype in itertools.product(arguments, ("float32", "float64")):
        for shape in ((3, 5, 6), (4, 3, 5, 6), (2, 4, 3, 5, 6)):
            x = drawn(shape, dtype)
            expected = theirs.Normalize(mean, std)(torch.from_numpy(x))
            assert_same(transforms.Normalize(mean, std)(npnet.as_tensor(x)), expected)
            written = npnet.as_tensor(x.copy())
            assert transforms.Normalize(mean, std, inplace=True)(written) is written
            assert_same(written, expected)


def test_repr_is_torchvisions(theirs: ModuleType) -> None:
    builds = [*GEOMETRIC.values(), *SMOOTH.values(), *COLOUR.values(), *CONVERTING.values()]
    builds.append(lambda ns: ns.RandomErasing(0.3))
    for build in builds:
        assert repr(build(transforms)).split() == repr(build(theirs)).split()


# ---- where torchvision cannot run --------------------------------------------------------------


def test_small_pictures_have_these_values() -> None:
    """Pillow's and torchvision's, written down."""
    x = Image.frombytes("L", (4, 3), bytes(range(0, 240, 20)))
    found = {
        "resize": np.array(transforms.Resize((2, 3))(x)).tolist(),
        "tensor": transforms.Resize((2, 3))(transforms.PILToTensor()(x)).tolist(),
        "grey": np.array(transforms.Grayscale()(Image.new("RGB", (1, 1), (10, 200, 90)))).tolist(),
        "to tensor": transforms.ToTensor()(x.crop((0, 0, 2, 1))).tolist(),
    }
    assert found == {
        "resize": [[36, 60, 84], [136, 160, 184]],
        "tensor": [[[36, 60, 84], [136, 160, 184]]],
        "grey": [[131]],
        "to tensor": [[[0, np.float32(20) / np.float32(255)]]],
    }
