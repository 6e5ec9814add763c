"""Clipping, and parameters as one vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import npnet
from npnet import nn
from npnet.base.checks import ShapeError

LIBRARIES = pytest.mark.parametrize("lib", [npnet, torch], ids=["npnet", "torch"])


def with_gradients(lib: Any, scale: float = 1.0) -> list[Any]:
    rng = np.random.default_rng(0)
    tensors = []
    for shape in ((3, 4), (4,), (2, 2)):
        p = lib.nn.Parameter(lib.zeros(*shape, dtype=lib.float64))
        p.grad = lib.tensor(scale * rng.standard_normal(shape))
        tensors.append(p)
    return [*tensors, lib.nn.Parameter(lib.zeros(1))]  # one without a gradient


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.1, 1e6])
def test_clip_grad_norm_is_torch_s(max_norm: float, norm_type: float) -> None:
    ours, theirs = with_gradients(npnet), with_gradients(torch)
    total = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    reference = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert_allclose(total.item(), reference.item(), rtol=1e-12)
    for a, b in zip(ours[:-1], theirs[:-1], strict=True):
        assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)


@LIBRARIES
def test_clipping_takes_one_tensor_a_generator_or_nothing(lib: Any) -> None:
    tensors = with_gradients(lib)
    lib.nn.utils.clip_grad_norm_(tensors[0], 0.5)
    assert tensors[0].grad.norm().item() == pytest.approx(0.5, rel=1e-5)
    lib.nn.utils.clip_grad_norm_((p for p in tensors), 0.1)
    assert lib.nn.utils.clip_grad_norm_([tensors[-1]], 1.0).item() == 0.0


@LIBRARIES
def test_a_norm_that_is_not_finite(lib: Any) -> None:
    tensors = with_gradients(lib, math.inf)
    with pytest.raises(RuntimeError, match=r"not finite|non-finite"):
        lib.nn.utils.clip_grad_norm_(tensors, 1.0, error_if_nonfinite=True)
    assert not math.isfinite(lib.nn.utils.clip_grad_norm_(tensors, 1.0).item())


@LIBRARIES
def test_clip_grad_value(lib: Any) -> None:
    tensors = with_gradients(lib)
    lib.nn.utils.clip_grad_value_(tensors, 0.3)
    assert all(p.grad.abs().max().item() <= 0.3 for p in tensors[:-1])
    assert any(p.grad.abs().max().item() == 0.3 for p in tensors[:-1])


def test_bad_limits_are_refused() -> None:
    for clip in (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_):
        with pytest.raises(ValueError, match=f"{clip.__name__}: .* must be >= 0, got nan"):
            clip(with_gradients(npnet), math.nan)  # type: ignore[operator]


@LIBRARIES
def test_parameters_as_one_vector_and_back(lib: Any) -> None:
    net, other = lib.nn.Linear(3, 2), lib.nn.Linear(3, 2)
    vector = lib.nn.utils.parameters_to_vector(net.parameters())
    assert tuple(vector.shape) == (8,)
    vector.sum().backward()
    assert net.weight.grad.tolist() == [[1.0] * 3] * 2
    lib.nn.utils.vector_to_parameters(vector.detach(), other.parameters())
    assert other.weight.tolist() == net.weight.tolist()
    assert other.bias.tolist() == net.bias.tolist()


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"vec must be \(8,\), got \(7,\)"):
        nn.utils.vector_to_parameters(npnet.ones(7), nn.Linear(3, 2).parameters())


@pytest.mark.parametrize("infinite", [math.inf, float("inf"), np.inf])
def test_an_infinite_bound_measures_and_changes_nothing(infinite: float) -> None:
    p = npnet.zeros(2).requires_grad_()
    p.grad = npnet.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([p], infinite).item() == 5.0
    nn.utils.clip_grad_value_([p], infinite)
    np.testing.assert_array_equal(p.grad.numpy(), [3, 4])
    for clip in (nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_):
        for wrong in (math.nan, -math.inf, -1.0):
            with pytest.raises(ValueError, match="must be >= 0, got"):
                clip([p], wrong)
