"""transforms.v2 for pictures, beside torchvision's."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from numpy.testing import assert_array_equal

import npnet
import npnet.transforms
from npnet.transforms import v2
from tests.torchvision_import import import_torchvision
from tests.transforms.pictures import picture


def pipeline(ns: Any, library: Any, scale: bool) -> Any:
    return ns.Compose(
        [
            ns.CenterCrop(9),
            ns.ToImage(),
            ns.ToDtype(library.float32, scale=scale),
            ns.Normalize([0.5], [0.25]),
            ns.ToPureTensor(),
        ]
    )


def test_a_pipeline_of_v2_is_torchvisions() -> None:
    import_torchvision()
    from torchvision.transforms import v2 as theirs

    for mode, scale in (("RGB", True), ("L", True), ("RGB", False)):
        ours = pipeline(v2, npnet, scale)(picture(mode))
        expected = pipeline(theirs, torch, scale)(picture(mode))
        assert_array_equal(ours, expected.numpy())
        assert ours.dtype == npnet.float32
    array = np.asarray(picture("RGB"))
    assert_array_equal(v2.ToImage()(array), theirs.ToImage()(array.copy()).numpy())


def test_the_functions_of_v2_are_torchvisions() -> None:
    theirs: Any = import_torchvision().transforms.v2.functional
    image, ours = picture(), importlib.import_module("npnet.transforms.v2.functional")
    assert v2.functional is ours
    results = []
    for f, library in ((ours, npnet), (theirs, torch)):
        x = f.horizontal_flip(f.to_dtype(f.to_image(image), library.float32, scale=True))
        results.append(np.asarray(f.normalize(f.vertical_flip(x), [0.5] * 3, [0.25] * 3)))
    assert_array_equal(*results)
