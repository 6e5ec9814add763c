"""Every gradient against a difference of outputs, in float64 and without PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet.base.arrays import Array
from npnet.tensor import Tensor
from tests.cases import CASES, arrays_of, npnet_names, wants_gradient

# A central difference over 2e is off by e^2 f''' / 6, and by eps |f| / e of rounding: for e = 1e-5
# and numbers around 1 that is about 1e-11. The cases reach third derivatives of some hundreds.
STEP = 1e-5
RTOL = 1e-7

SMOOTH = [name for name, case in CASES.items() if case.smooth and any(wants_gradient(case))]


def tensors(ys: Any) -> list[Tensor]:
    return list(ys) if isinstance(ys, tuple) else [ys]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_is_the_slope(name: str) -> None:
    """vdot(gy, f(x + e v) - f(x - e v)) / 2e = vdot(gx, v) for one random direction v."""
    case = CASES[name]
    arrays, wanted = arrays_of(name, case), wants_gradient(case)
    rng = np.random.default_rng(2)
    directions = [
        np.asarray(rng.standard_normal(a.shape)) if w else None
        for a, w in zip(arrays, wanted, strict=True)
    ]

    def outputs(step: float) -> list[Tensor]:
        moved = [a if v is None else a + step * v for a, v in zip(arrays, directions, strict=True)]
        return tensors(case.call(npnet_names(), *(npnet.as_tensor(np.asarray(a)) for a in moved)))

    inputs = [npnet.tensor(a, requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
    ys = tensors(case.call(npnet_names(), *inputs))
    gys: list[Array | float] = [0.0] * len(ys)  # 0 of indices and running statistics
    for i, y in enumerate(ys):
        if y.requires_grad:
            gys[i] = gy = np.asarray(rng.standard_normal(y.shape))
            y.backward(npnet.as_tensor(gy), retain_graph=True)
    slope = sum(
        float(np.sum(gy * (high.array - low.array))) / (2 * STEP)
        for gy, high, low in zip(gys, outputs(STEP), outputs(-STEP), strict=True)
    )
    terms = [
        x.grad.array * v
        for x, v in zip(inputs, directions, strict=True)
        if v is not None and x.grad is not None
    ]
    gradient = sum(float(t.sum()) for t in terms)
    size = sum(float(np.abs(t).sum()) for t in terms)  # the sum itself may cancel
    assert abs(slope - gradient) <= RTOL * max(size, 1)


def test_nothing_here_imports_torch() -> None:
    program = "import sys, tests.ops.test_gradcheck; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_a_wrong_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npnet.ops.activation.Tanh, "backward", lambda self, gy: (gy,))
    with pytest.raises(AssertionError):
        test_gradient_is_the_slope("tanh")
