"""RandomAffine: its core against torchvision's, its kernel against NumPy, and what it draws."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import npnet
from npnet import transforms
from npnet.transforms.affine import affine, inverse_matrices
from tests.torchvision_import import import_torchvision

# torchvision computes places in another order of operations; a byte may round to its neighbour.
AFFINE = {"uint8": 1.0, "float32": 255 * 1e-5, "float64": 255 * 1e-12}


@pytest.fixture(scope="module")
def F() -> ModuleType:
    import_torchvision()
    from torchvision.transforms import functional

    return functional


def drawn(shape: tuple[int, ...], dtype: str = "uint8") -> Any:
    return (np.random.default_rng(0).random(shape) * 255).astype(dtype)


@pytest.mark.parametrize("fill", [0.0, 100.0])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", list(AFFINE))
def test_affine_is_torchvisions(F: ModuleType, dtype: str, mode: str, fill: float) -> None:
    rng = np.random.default_rng(1)
    x = drawn((6, 3, 20, 27), dtype)
    angle, scale = rng.uniform(-180, 180, 6), rng.uniform(0.5, 2, 6)
    translate, shear = np.rint(rng.uniform(-6, 6, (6, 2))), rng.uniform(-30, 30, (6, 2))
    centre = np.array([3.0, -2.0])
    matrices = inverse_matrices(angle, translate, scale, shear, centre)
    expected = [
        F.affine(
            torch.from_numpy(x[i]),
            float(angle[i]),
            translate[i].astype(int).tolist(),
            float(scale[i]),
            shear[i].tolist(),
            interpolation=F.InterpolationMode(mode),
            fill=[fill] * 3,
            center=[27 / 2 + 3.0, 20 / 2 - 2.0],
        ).numpy()
        for i in range(6)
    ]
    y = affine(x, matrices, mode, np.full(3, fill))
    assert y.dtype == dtype
    assert_allclose(y.astype(np.float64), expected, rtol=0, atol=AFFINE[dtype])


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("count", [1, 16, 17])
def test_affine_has_the_same_bits_in_both_backends(count: int, mode: str) -> None:
    x = drawn((count, 2, 21, 18))
    transform = transforms.RandomAffine(40, (0.3, 0.3), (0.5, 1.5), (-9, 9, -9, 9), mode, (3, 200))
    found = []
    for backend, threads in (("numpy", 1), ("numba", 1), ("numba", 2)):
        npnet.set_backend(backend)
        npnet.set_num_threads(threads)
        found.append(transform(x, np.random.default_rng(5)).tobytes())
    assert found[0] == found[1] == found[2]


def test_affine_of_many_images_is_that_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    x = drawn((9, 1, 12, 12), "float32")
    matrices = inverse_matrices(np.arange(9.0), np.zeros((9, 2)), np.ones(9), np.zeros((9, 2)))
    whole = affine(x, matrices, "bilinear", np.zeros(1))
    monkeypatch.setattr("npnet.transforms.affine._CHUNK", 300)  # two images at a time
    assert_array_equal(affine(x, matrices, "bilinear", np.zeros(1)), whole)


@pytest.mark.parametrize("size", [8, 9])
def test_affine_draws_within_its_ranges(size: int) -> None:
    transform = transforms.RandomAffine((10, 20), (0.25, 0), (2, 3))
    m = inverse_matrices(*transform._draw(1000, (size, size), np.random.default_rng(0)))
    forward = np.linalg.inv(m[:, :, :2])
    scale = np.sqrt(np.linalg.det(forward))
    angle = np.degrees(np.arctan2(forward[:, 1, 0], forward[:, 0, 0]))
    shift = -np.einsum("nij,nj->ni", forward, m[:, :, 2])
    for values, least, most in ((scale, 2, 3), (angle, 10, 20), (shift[:, 0], -2, 2)):
        assert least <= values.min() + 1e-9 < least + (most - least) / 10
        assert most >= values.max() - 1e-9 > most - (most - least) / 10
    assert_allclose(shift[:, 0], np.rint(shift[:, 0]), atol=1e-9)
    assert_allclose(shift[:, 1], 0, atol=1e-9)
