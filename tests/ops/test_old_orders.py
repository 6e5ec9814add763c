"""Numbers before tensors, PyTorch's order of old: the same results, and a warning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import npnet

CALLS: dict[str, Callable[..., Any]] = {
    "add": lambda lib, x, a: x.add(2, a),
    "add of the library": lambda lib, x, a: lib.add(x, 2, a),
    "add_": lambda lib, x, a: x.add_(-0.5, a),
    "addbmm": lambda lib, x, a: x.addbmm(1, 2, a[None], a[None]),
    "addcdiv_": lambda lib, x, a: x.addcdiv_(-2, a, a + 1),
    "addcmul": lambda lib, x, a: lib.addcmul(x, 2, a, a),
    "addcmul_": lambda lib, x, a: x.addcmul_(0.5, a, a),
    "addmm": lambda lib, x, a: lib.addmm(2, x, 3, a, a),
    "addmm with beta": lambda lib, x, a: x.addmm(2, a, a),
    "addmm_": lambda lib, x, a: x.addmm_(1, -2, a, a),
    "addmv": lambda lib, x, a: x[0].addmv(3, 2, a, a[1]),
    "addr": lambda lib, x, a: x.addr(3, 2, a[0], a[1]),
    "baddbmm": lambda lib, x, a: x[None].baddbmm(3, 2, a[None], a[None]),
    "sub": lambda lib, x, a: x.sub(2, a),
    "sub of the library": lambda lib, x, a: lib.sub(x, 2, a),
    "sub_": lambda lib, x, a: x.sub_(2, a),
}


@pytest.mark.filterwarnings("ignore:This overload of:UserWarning")
@pytest.mark.parametrize("name", CALLS)
def test_numbers_may_come_first(name: str) -> None:
    a = np.arange(9, dtype=np.float32).reshape(3, 3) / 4
    x = np.ones((3, 3), np.float32)
    with pytest.warns(UserWarning, match="numbers before tensors are deprecated"):
        mine = CALLS[name](npnet, npnet.tensor(x), npnet.tensor(a))
    theirs = CALLS[name](torch, torch.tensor(x), torch.tensor(a))
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-6)


def test_the_warning_is_the_same_for_other_numbers() -> None:
    x = npnet.ones(2)
    told = set()
    for number in (-0.5, -0.25):
        with pytest.warns(UserWarning, match="numbers before tensors") as warned:
            x.add_(number, x)
        told.add(str(warned[0].message))
    assert len(told) == 1


def test_too_many_numbers_are_refused() -> None:
    x = npnet.ones(2)
    with pytest.raises(TypeError, match="addcmul: takes value, got"):
        x.addcmul(1, 2, x, x)


def test_named_numbers_in_place() -> None:
    x, a = npnet.ones(2), npnet.tensor([1.0, 2.0])
    assert x.addcdiv_(a, a, value=-0.5) is x
    assert x.addcmul_(a, a, value=2).tolist() == [2.5, 8.5]
