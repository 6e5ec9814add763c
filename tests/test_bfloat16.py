"""bfloat16: a name to ask for, and no dtype."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import npnet


def test_no_dtype_is_bfloat16() -> None:
    x = npnet.ones(2)
    assert x.dtype != npnet.bfloat16
    assert x.dtype in [npnet.bfloat16, npnet.float32]
    assert x.dtype not in (npnet.float16, npnet.bfloat16)
    assert pickle.loads(pickle.dumps(npnet.bfloat16)) is npnet.bfloat16
    assert copy.deepcopy(npnet.bfloat16) is npnet.bfloat16


@pytest.mark.parametrize(
    "ask",
    [
        lambda dtype: npnet.ones(2, dtype=dtype),
        lambda dtype: npnet.tensor([1.0], dtype=dtype),
        lambda dtype: npnet.ones(2).to(dtype),
        lambda dtype: npnet.ones(2).type(dtype),
        lambda dtype: npnet.nn.Linear(2, 2).to(dtype),
        lambda dtype: npnet.nn.Linear(2, 2, dtype=dtype),
        lambda dtype: npnet.set_default_dtype(dtype),
    ],
)
def test_tensors_of_it_are_refused(ask: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="bfloat16"):
        ask(npnet.bfloat16)
