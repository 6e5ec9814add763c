"""Ops of two tensors whose result does not have the common dtype."""

import numpy as np
import pytest
import torch

import npnet

KINDS = ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("kind", [*KINDS, "int32"])
@pytest.mark.parametrize("exponents", ["int64", "uint8"])
def test_ldexp(kind, exponents):
    results = []
    for library in (npnet, torch):
        x = library.tensor([0.25, 3, -1]).to(getattr(library, kind))
        y = library.ldexp(x, library.tensor([16, 0, 1]).to(getattr(library, exponents)))
        results.append((str(y.dtype).removeprefix("torch."), y.double().tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kinds", [("float32", "float64"), ("float64", "float32")], ids=str)
def test_huber_loss(kinds, reduction):
    results = []
    for library in (npnet, torch):
        x = library.tensor([0.25, 3, -1], dtype=getattr(library, kinds[0]))
        t = library.tensor([1.3, 0.9, -1.2], dtype=getattr(library, kinds[1]))
        results.append(library.nn.functional.huber_loss(x, t, reduction).numpy())
    assert results[0].dtype == results[1].dtype
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_the_gradient_of_huber_loss():
    x = npnet.tensor([1.0, 5.0], requires_grad=True)
    npnet.nn.functional.huber_loss(x, npnet.zeros(2).double(), reduction="sum").backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [1, 1]
