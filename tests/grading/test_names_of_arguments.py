"""What students call self and ctx is theirs."""

from __future__ import annotations

from typing import Any

import numpy as np

import npnet
from npnet.testing import check_layer


def test_self_by_another_name() -> None:
    class Linear:
        def __init__(this, n_in: int, n_out: int) -> None:
            this.W, this.b = np.zeros((n_in, n_out)), np.zeros(n_out)

        def forward(me, x: np.ndarray) -> np.ndarray:
            me.x = x
            return x @ me.W + me.b

        def backward(s, g: np.ndarray) -> tuple[np.ndarray, ...]:
            return g @ s.W.T, s.x.T @ g, g.sum(0)

    check_layer(Linear)


def test_ctx_by_another_name() -> None:
    class ReLU(npnet.autograd.Function):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(context: Any, g: Any) -> Any:
            (x,) = context.saved_tensors
            return g * (x > 0)

    check_layer(ReLU)
