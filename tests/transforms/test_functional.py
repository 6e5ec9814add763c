"""transforms.functional beside torchvision's, and the parameters that are drawn."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

import npnet
from npnet import transforms
from npnet.transforms import functional
from tests.torchvision_import import import_torchvision
from tests.transforms.pictures import drawn, picture
from tests.transforms.test_parity import assert_same

Mode = transforms.InterpolationMode
START, END = [[0, 0], [18, 0], [18, 13], [0, 13]], [[2, 1], [16, 3], [18, 12], [1, 10]]
# A place is a quotient of float32, right to 4e-6, where neighbours differ by up to the fill, 9.
PLACES = 5e-5
UNTIED = [[2, 1], [15, 3], [17, 12], [1, 9]]  # no place lies midway between pixels
FIELD = np.random.default_rng(1).uniform(-0.2, 0.2, (1, 14, 19, 2)).astype(np.float32)

# name: arguments after the image.
CALLS: dict[str, list[tuple[Any, ...]]] = {
    "adjust_brightness": [(0,), (0.5,), (1.75,)],
    "adjust_contrast": [(0,), (0.5,), (1.75,)],
    "adjust_gamma": [(0.5,), (2.0, 0.75)],
    "adjust_hue": [(0.25,), (-0.375,)],
    "adjust_saturation": [(0,), (0.5,), (1.75,)],
    "adjust_sharpness": [(0,), (0.5,), (1.75,)],
    "affine": [
        (20, [2, -1], 1.25, [8, -4]),
        (-35.5, (0, 3), 0.75, 10, Mode.BILINEAR, [5]),
        (90, [0, 0], 1.0, [0.0, 0.0], Mode.BILINEAR, None, [3, 4]),
        (10, [0, 0], 1, 0, Mode.NEAREST, 7),
    ],
    "autocontrast": [()],
    "center_crop": [(9,), ([8, 11],), (25,)],
    "crop": [(2, 3, 5, 6), (-3, -2, 10, 30), (20, 2, 3, 3)],
    "equalize": [()],
    "five_crop": [(5,), ((6, 4),)],
    "gaussian_blur": [(3,), ([5, 3],), ([3, 7], [0.5, 1.5]), (5, 2.0)],
    "get_dimensions": [()],
    "get_image_num_channels": [()],
    "get_image_size": [()],
    "hflip": [()],
    "invert": [()],
    "pad": [(2,), ([1, 2],), ([1, 2, 3, 4], 9), (3, 0, "reflect")],
    "perspective": [
        (START, END),
        (START, UNTIED, Mode.NEAREST, [3]),
        (START, END, Mode.BILINEAR, 9),
    ],
    "posterize": [(2,), (8,)],
    "resize": [([7, 30],), (9,), ([40],), ([6, 8], Mode.NEAREST)],
    "resized_crop": [(2, 3, 8, 9, [6, 5])],
    "rgb_to_grayscale": [(), (3,)],
    "rotate": [
        (33,),
        (-20.5, Mode.BILINEAR, False, None, [4]),
        (45, Mode.BILINEAR),
        (70, Mode.NEAREST, True),
        (10, Mode.NEAREST, False, [2, 3], 5),
    ],
    "solarize": [(0,), (1,)],
    "ten_crop": [(5,), ((6, 4), True)],
    "vflip": [()],
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    return import_torchvision().transforms


def as_theirs(theirs: Any, arguments: tuple[Any, ...]) -> list[Any]:
    known = theirs.InterpolationMode
    return [known(a.value) if isinstance(a, Mode) else a for a in arguments]


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except Exception as error:
        return error


def compare(ours: Any, expected: Any, atol: float) -> None:
    if isinstance(expected, (tuple, list)):
        assert len(ours) == len(expected)
        for a, b in zip(ours, expected, strict=True):
            compare(a, b, atol)
    elif isinstance(expected, (int, float)):
        assert ours == expected
    else:
        assert_same(ours, expected, atol)


@pytest.mark.parametrize("name", list(CALLS))
def test_of_a_picture(theirs: Any, name: str) -> None:
    compared = 0
    for mode, arguments in itertools.product(("L", "RGB", "RGBA", "F", "P"), CALLS[name]):
        x = picture(mode)
        expected = outcome(getattr(theirs.functional, name), x, *as_theirs(theirs, arguments))
        if isinstance(expected, Exception):
            continue
        ours = getattr(functional, name)(x, *arguments)
        if name == "gaussian_blur":  # a sum in float32, rounded
            assert ours.mode == expected.mode
            assert np.abs(np.asarray(ours, float) - np.asarray(expected, float)).max() <= 1
        else:
            compare(ours, expected, 0)
        compared += 1
    assert compared >= 2 * len(CALLS[name])


@pytest.mark.parametrize("name", list(CALLS))
def test_of_a_tensor(theirs: Any, name: str) -> None:
    compared = 0
    for shape, dtype, arguments in itertools.product(
        ((1, 14, 19), (3, 14, 19), (2, 3, 14, 19)), ("uint8", "float32", "float64"), CALLS[name]
    ):
        x = drawn(shape, dtype)
        copy = x.copy()
        expected = outcome(
            getattr(theirs.functional, name),
            torch.from_numpy(x.copy()),
            *as_theirs(theirs, arguments),
        )
        if not isinstance(expected, Exception):
            # Sums in float32 differ in their order; of integers they are rounded.
            atol = PLACES if name == "perspective" else 1e-5
            atol = atol if dtype != "uint8" else 1
            compare(getattr(functional, name)(npnet.from_numpy(x), *arguments), expected, atol)
            compared += 1
        assert_array_equal(x, copy, err_msg="the input was written to")
    assert compared >= 3 * len(CALLS[name])


def test_elastic_transform(theirs: Any) -> None:
    for mode in ("L", "RGB"):
        expected = theirs.functional.elastic_transform(picture(mode), torch.from_numpy(FIELD))
        ours = functional.elastic_transform(picture(mode), npnet.from_numpy(FIELD))
        assert ours.mode == expected.mode
        difference = np.asarray(ours).astype(int) - np.asarray(expected)
        assert np.abs(difference).max() <= 1
    x = drawn((3, 14, 19), "float32")
    for interpolation, fill in (("bilinear", [0.5]), ("nearest", None), ("bilinear", None)):
        expected = theirs.functional.elastic_transform(
            torch.from_numpy(x),
            torch.from_numpy(FIELD),
            theirs.InterpolationMode(interpolation),
            fill,
        )
        ours = functional.elastic_transform(
            npnet.from_numpy(x), npnet.from_numpy(FIELD), Mode(interpolation), fill
        )
        assert_same(ours, expected, 2e-5)
    with pytest.raises(ValueError, match=r"shape \(1, 14, 19, 2\), got \(1, 3, 3, 2\)"):
        functional.elastic_transform(npnet.from_numpy(x), npnet.zeros(1, 3, 3, 2))


def test_from_one_kind_to_another(theirs: Any) -> None:
    ns = theirs.functional
    x = picture("RGB")
    assert_same(functional.to_tensor(x), ns.to_tensor(x))
    assert_same(functional.to_tensor(np.asarray(x)), ns.to_tensor(np.array(x)))
    assert_same(functional.pil_to_tensor(x), ns.pil_to_tensor(x))
    array = drawn((3, 4, 5), "float32")
    ours, expected = npnet.from_numpy(array), torch.from_numpy(array)
    assert_same(functional.to_pil_image(ours), ns.to_pil_image(expected))
    assert_same(
        functional.convert_image_dtype(ours, npnet.uint8),
        ns.convert_image_dtype(expected, torch.uint8),
    )
    assert_same(functional.normalize(ours, [0.5], [0.25]), ns.normalize(expected, [0.5], [0.25]))
    assert_same(functional.to_grayscale(x, 3), ns.to_grayscale(x, 3))


def test_erase(theirs: Any) -> None:
    x = drawn((3, 6, 7), "float32")
    for inplace in (False, True):
        ours, expected = npnet.from_numpy(x.copy()), torch.from_numpy(x.copy())
        result = functional.erase(ours, 1, 2, 3, 4, npnet.tensor(0.5), inplace)
        theirs.functional.erase(expected, 1, 2, 3, 4, torch.tensor(0.5), inplace)
        assert (result is ours) == inplace
        assert_array_equal(ours, expected)
        assert (result.array[:, 1:4, 2:6] == 0.5).all()


# ---- what is drawn -----------------------------------------------------------------------------

PARAMETERS: dict[str, Callable[[Any], Any]] = {
    "RandomCrop": lambda ns: ns.RandomCrop.get_params(Image.new("L", (9, 7)), (5, 4)),
    "RandomResizedCrop": lambda ns: ns.RandomResizedCrop.get_params(
        Image.new("L", (40, 30)), [0.3, 0.9], [0.75, 1.5]
    ),
    "RandomRotation": lambda ns: ns.RandomRotation.get_params([-20, 50]),
    "RandomAffine": lambda ns: _flat(
        ns.RandomAffine.get_params([-20, 50], (0.25, 0.5), (0.5, 1.5), [-8, 8, -3, 3], [40, 30])
    ),
    "RandomPerspective": lambda ns: np.ravel(ns.RandomPerspective.get_params(40, 30, 0.5)),
    "GaussianBlur": lambda ns: ns.GaussianBlur.get_params(0.5, 2),
    "ColorJitter": lambda ns: ns.ColorJitter.get_params((0.5, 1.5), None, (1, 2), (-0.25, 0.5))[
        1::2
    ],
    "RandomErasing": lambda ns: ns.RandomErasing.get_params(
        (npnet if ns is transforms else torch).zeros(3, 40, 30), (0.02, 0.3), (0.3, 3.3), [0.0]
    )[:4],
    "AutoAugment": lambda ns: _flat(ns.AutoAugment.get_params(25)),
    "ElasticTransform": lambda ns: np.asarray(
        ns.ElasticTransform.get_params([20.0, 30.0], [2.0, 3.0], [30, 40])
    )[0, 3:30:9, ::13].ravel(),
}


def _flat(values: Any) -> list[float]:
    parts = [np.ravel(np.asarray(value, float)) for value in values]
    return np.concatenate(parts).tolist()


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_parameters_are_drawn_as_torchvision_draws_them(theirs: Any, name: str) -> None:
    """Means and deviations of 300 draws of each number: within six standard errors."""
    npnet.manual_seed(0)
    torch.manual_seed(0)
    count = 300
    samples = [
        np.array([np.atleast_1d(np.asarray(PARAMETERS[name](ns), float)) for _ in range(count)])
        for ns in (transforms, theirs)
    ]
    ours, expected = samples
    assert ours.shape == expected.shape
    spread = np.maximum(ours.std(0), expected.std(0))
    assert (np.abs(ours.mean(0) - expected.mean(0)) <= 6 * spread * np.sqrt(2 / count) + 1e-9).all()
    assert (np.abs(ours.std(0) - expected.std(0)) <= 0.2 * spread + 1e-9).all()


AUGMENTS: list[Callable[[Any], Any]] = [
    lambda ns: ns.AutoAugment(),
    lambda ns: ns.AutoAugment(ns.AutoAugmentPolicy.CIFAR10),
    lambda ns: ns.AutoAugment(ns.AutoAugmentPolicy.SVHN, fill=5),
    lambda ns: ns.RandAugment(3, 14),
    lambda ns: ns.TrivialAugmentWide(),
    lambda ns: ns.AugMix(),
    lambda ns: ns.AugMix(all_ops=False, chain_depth=2),
]


@pytest.mark.parametrize("build", AUGMENTS, ids=range(len(AUGMENTS)))
def test_augmentations_change_pictures_as_much_as_torchvisions(theirs: Any, build: Any) -> None:
    """Mean and deviation of what many draws make of one photograph."""
    npnet.manual_seed(0)
    torch.manual_seed(0)
    smooth = Image.fromarray(drawn((6, 6, 3))).resize((32, 32), 2)
    changes = []
    for ns in (transforms, theirs):
        change = build(ns)
        results = [np.asarray(change(smooth), float) for _ in range(150)]
        assert {r.shape for r in results} == {(32, 32, 3)}
        changes.append([np.abs(r - np.asarray(smooth, float)).mean() for r in results])
    ours, expected = map(np.array, changes)
    error = np.hypot(ours.std(), expected.std()) / 12  # of the difference of means of 150
    assert abs(ours.mean() - expected.mean()) <= 5 * error
    of_tensor = build(transforms)(npnet.from_numpy(drawn((3, 16, 16))))
    assert (of_tensor.shape, of_tensor.dtype) == ((3, 16, 16), np.uint8)
    assert repr(build(transforms)).split("(")[0] == repr(build(theirs)).split("(")[0]


def test_policies_are_torchvisions(theirs: Any) -> None:
    for policy in transforms.AutoAugmentPolicy:
        expected = theirs.AutoAugment(theirs.AutoAugmentPolicy(policy.value)).policies
        assert transforms.AutoAugment(policy).policies == expected


def test_random_choices_are_drawn_evenly() -> None:
    npnet.manual_seed(0)
    x = npnet.zeros(1, 2, 2)
    choice = transforms.RandomChoice([lambda x: 0, lambda x: 1, lambda x: 2], p=[1, 2, 1])
    counts = np.bincount([choice(x) for _ in range(2000)])
    assert np.abs(counts / 2000 - [0.25, 0.5, 0.25]).max() < 0.05
    order = transforms.RandomOrder([lambda s: s + "a", lambda s: s + "b", lambda s: s + "c"])
    assert {order("") for _ in range(200)} == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_linear_transformation(theirs: Any) -> None:
    rng = np.random.default_rng(0)
    matrix, mean = rng.random((12, 12), np.float32), rng.random(12, np.float32)
    x = rng.random((5, 3, 2, 2), np.float32)
    ours = transforms.LinearTransformation(npnet.from_numpy(matrix), npnet.from_numpy(mean))
    expected = theirs.LinearTransformation(torch.from_numpy(matrix), torch.from_numpy(mean))
    for part in (x, x[0]):
        assert_same(ours(npnet.from_numpy(part)), expected(torch.from_numpy(part)), 1e-5)
    with pytest.raises(ValueError, match="must be square"):
        transforms.LinearTransformation(npnet.zeros(3, 4), npnet.zeros(3))


def test_a_name_of_torchvisions_is_here(theirs: Any) -> None:
    for ours, expected in ((transforms, theirs), (functional, theirs.functional)):
        public = {
            name
            for name, value in vars(expected).items()
            if not name.startswith("_")
            and getattr(value, "__module__", "").startswith("torchvision.transforms")
        }
        missing = {name for name in public if not hasattr(ours, name)}
        assert missing == set()
