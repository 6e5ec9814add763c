"""What the tests of errors share: a call, the error it raises, and what that says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

import npnet
from npnet.nn import functional as F
from npnet.tensor import Tensor

__all__ = ["ONE_DTYPE", "Refusal", "all_of", "check", "wanting", "zeros"]

Refusal: TypeAlias = tuple[Callable[[], Any], type[Exception], str]

ONE_DTYPE = "inputs must be of one floating point dtype, got"


def zeros(*shape: int, dtype: Any = np.float32) -> Tensor:
    return npnet.as_tensor(np.zeros(shape, dtype))


def wanting(*shape: int) -> Tensor:
    return npnet.tensor(np.ones(shape, np.float32), requires_grad=True)


def all_of(*tables: list[Refusal]) -> pytest.MarkDecorator:
    """A test for each row, named after the op and the text."""
    rows = [row for table in tables for row in table]
    names = [f"{i}-{_op(row)}{row[2][:40]}" for i, row in enumerate(rows)]
    return pytest.mark.parametrize(("call", "error", "text"), rows, ids=names)


def _op(row: Refusal) -> str:
    """The functions that a row calls, where its text does not name them."""
    call, _, text = row
    called = [name for name in call.__code__.co_names if name in F.__all__]
    return "".join(f"{name}-" for name in called if not text.startswith(name))


def check(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    """The call raises the error, and it says the text."""
    with pytest.raises(error, match=re.escape(text)):
        call()
