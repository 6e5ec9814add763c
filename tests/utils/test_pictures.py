"""make_grid and save_image beside torchvision's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image

import npnet
from npnet.base.checks import ShapeError
from npnet.utils import make_grid, save_image
from tests.torchvision_import import import_torchvision


@pytest.fixture(scope="module")
def theirs() -> Any:
    return import_torchvision().utils


SHAPES = [(5, 6), (1, 5, 6), (3, 5, 6), (1, 1, 5, 6), (1, 3, 5, 6), (11, 1, 5, 6), (8, 3, 5, 6)]
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"nrow": 3, "padding": 0},
    {"nrow": 20, "padding": 3, "pad_value": 0.5},
    {"normalize": True},
    {"normalize": True, "scale_each": True, "pad_value": 1},
    {"normalize": True, "value_range": (-0.5, 1.0)},
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_grids_are_torchvisions(theirs: Any, arguments: Any, dtype: str) -> None:
    for shape in SHAPES:
        x = np.random.default_rng(0).normal(0.5, 1, shape).astype(dtype)
        copy = x.copy()
        expected = theirs.make_grid(torch.from_numpy(x.copy()), **arguments)
        ours = make_grid(npnet.tensor(x, requires_grad=True), **arguments)
        assert (ours.dtype, ours.requires_grad) == (dtype, False)
        assert_array_equal(ours, expected.numpy())
        images = list(x) if x.ndim == 4 else [x]
        as_list = make_grid(list(map(npnet.from_numpy, images)), **arguments)
        expected = theirs.make_grid(list(map(torch.from_numpy, images)), **arguments)
        assert_array_equal(as_list, expected.numpy())
        assert_array_equal(x, copy)


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_grids_of_integers(theirs: Any, dtype: str) -> None:
    x = np.arange(5 * 3 * 4 * 4).reshape(5, 3, 4, 4).astype(dtype)
    expected = theirs.make_grid(torch.from_numpy(x), nrow=2, pad_value=7)
    assert_array_equal(make_grid(npnet.from_numpy(x), nrow=2, pad_value=7), expected.numpy())
    with pytest.raises(RuntimeError, match=r"does not hold; give tensor\.float"):
        make_grid(npnet.from_numpy(x), normalize=True)
    with pytest.raises(RuntimeError, match="must be floats from 0 to 1"):
        save_image(npnet.from_numpy(x), io.BytesIO(), format="png")


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_files_are_torchvisions(theirs: Any, arguments: Any, tmp_path: Path) -> None:
    for number, shape in enumerate(SHAPES):
        x = np.random.default_rng(0).normal(0.5, 1, shape).astype(np.float32)
        paths = [tmp_path / f"{who}{number}.png" for who in ("ours", "theirs")]
        save_image(npnet.tensor(x), paths[0], **arguments)
        theirs.save_image(torch.from_numpy(x), paths[1], **arguments)
        ours, expected = (Image.open(path) for path in paths)
        assert ours.mode == expected.mode
        assert_array_equal(np.asarray(ours), np.asarray(expected))


def test_an_open_file_needs_a_format() -> None:
    file = io.BytesIO()
    save_image(npnet.rand(3, 4, 4), file, format="bmp")
    file.seek(0)
    assert Image.open(file).size == (4, 4)
    save_image(npnet.rand(3, 4, 4), file, "png")


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a Tensor or a list of Tensors, got ndarray"):
        make_grid(np.zeros((3, 4, 4)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got a list with int"):
        make_grid([3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="value_range must be a tuple"):
        make_grid(npnet.rand(3, 4, 4), normalize=True, value_range=[0, 1])  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="must have one shape"):
        make_grid([npnet.rand(3, 4, 4), npnet.rand(3, 4, 5)])
    for shape in ((0, 3, 4, 4), (2, 3, 4, 4, 5), (4,)):
        with pytest.raises(ShapeError, match=r"must have the axes \(B, C, H, W\)"):
            make_grid(npnet.zeros(*shape))
