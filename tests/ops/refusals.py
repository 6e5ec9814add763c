"""What the tests of errors share: a call, the error it raises, and what that says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from npnet.tensor import Tensor

__all__ = ["ONE_DTYPE", "Refusal", "all_of", "check", "wanting", "zeros"]

Refusal: TypeAlias = tuple[Callable[[], Any], type[Exception], str]

ONE_DTYPE = "inputs must be of one floating point dtype, got"


def zeros(*shape: int, dtype: Any = np.float32) -> Tensor:
    return Tensor(np.zeros(shape, dtype))


def wanting(*shape: int) -> Tensor:
    return Tensor(np.ones(shape, np.float32), requires_grad=True)


def all_of(*tables: list[Refusal]) -> pytest.MarkDecorator:
    """A test for each row, named after the text."""
    rows = [row for table in tables for row in table]
    return pytest.mark.parametrize(
        ("call", "error", "text"), rows, ids=[f"{i}-{row[2][:40]}" for i, row in enumerate(rows)]
    )


def check(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    """The call raises the error, and it says the text."""
    with pytest.raises(error, match=re.escape(text)):
        call()
