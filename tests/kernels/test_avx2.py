"""Kernels compiled for a CPU with AVX2 alone: smaller tiles, two registers for a vector."""

from __future__ import annotations

import os
import subprocess
import sys

import llvmlite.binding
import pytest

from npnet.kernels import simd
from tests.kernels.avx2 import FEATURES

# A few shapes of every family of kernels that has tiles, against the NumPy ops. The first
# convolution hands lanes to what follows it. The others' code is the same but for the registers;
# .ci/run has all tests of numbers run on such kernels.
CODE = """
import numpy as np
import npnet
from npnet import nn
from npnet.kernels import simd

assert not simd.WIDE
layers = [
    nn.Sequential(nn.Conv2d(3, 7, 5, stride=2, padding=2), nn.Conv2d(7, 20, 3)),
    nn.Sequential(nn.Conv2d(3, 20, 1), nn.Conv2d(20, 9, 1, stride=2)),
    nn.Sequential(nn.Conv2d(3, 24, 1), nn.Conv2d(24, 17, 3, padding=1)),
    nn.Sequential(nn.Conv2d(3, 5, 2), nn.Flatten(), nn.Linear(320, 11)),
]
rng = np.random.default_rng(0)
for layer in layers:
    x = rng.standard_normal((17, 3, 9, 9), dtype=np.float32)
    results = []
    for backend in ("numba", "numpy"):
        npnet.set_backend(backend)
        layer.zero_grad()
        leaf = npnet.from_numpy(x.copy()).requires_grad_()
        y = layer(leaf)
        gy = np.sin(np.arange(y.numel(), dtype=np.float32)).reshape(y.shape)
        y.backward(npnet.from_numpy(gy))
        gradients = [p.grad.numpy() for p in layer.parameters()]
        results.append([y.detach().numpy(), leaf.grad.numpy(), *gradients])
    for i, (a, b) in enumerate(zip(*results)):
        tolerance = 1e-4 * max(1, np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=f"{layer} {i}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not simd.WIDE, reason="all tests' kernels are those for AVX2 here")
@pytest.mark.skipif(
    not llvmlite.binding.get_host_cpu_features().get("avx2"), reason="needs a CPU with AVX2"
)
def test_every_family() -> None:
    environment = {**os.environ, "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": FEATURES}
    run = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
