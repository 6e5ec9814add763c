"""transforms.v2 for pictures, beside torchvision's."""

from __future__ import annotations

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
    assert v2.functional is npnet.transforms.functional
