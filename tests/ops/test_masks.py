"""`kept` against np.where, and the arrays that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npnet.base.checks import ShapeError
from npnet.ops.masks import kept

VALUES = np.array([[1.5, -2.0, np.nan], [np.inf, -0.0, 3.0]])
KEEP = np.array([[True, False, False], [False, True, True]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("part", [np.s_[:], np.s_[:, ::2], np.s_[:0]])
def test_as_where(dtype: Any, part: Any) -> None:
    values, keep = VALUES.astype(dtype)[part], KEEP[part]
    y = kept(values, keep)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.where(keep, values, dtype(0)))


@pytest.mark.parametrize(
    ("values", "keep", "error"),
    [
        (VALUES.tolist(), KEEP, TypeError),
        (VALUES, KEEP.tolist(), TypeError),
        (np.ones((2, 3), np.int64), KEEP, TypeError),
        (VALUES, KEEP.astype(np.uint8), TypeError),
        (VALUES, KEEP[:1], ShapeError),
        (VALUES[:, :2], KEEP, ShapeError),
        (VALUES.ravel(), KEEP, ShapeError),
    ],
)
def test_what_it_refuses(values: Any, keep: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="kept: "):
        kept(values, keep)
