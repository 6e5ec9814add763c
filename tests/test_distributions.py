"""Categorical against torch.distributions.Categorical, and the frequencies of its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet.base.checks import ShapeError
from npnet.distributions import Categorical
from npnet.tensor import Tensor

RTOL, ATOL = 1e-12, 1e-14  # float64: sums of few terms, up to 10 in size, which may cancel


def _parameters(name: str, shape: tuple[int, ...]) -> Any:
    rng = np.random.default_rng(3)
    return rng.random(shape) + 0.01 if name == "probs" else 3 * rng.standard_normal(shape)


def _both(name: str, x: Any) -> tuple[Tensor, Any, torch.Tensor, Any]:
    """Our parameter and distribution, and PyTorch's."""
    ours = npnet.tensor(x.copy(), requires_grad=True)
    theirs = torch.tensor(x, requires_grad=True)
    return (
        ours,
        Categorical(**{name: ours}),
        theirs,
        torch.distributions.Categorical(**{name: theirs}),
    )


@pytest.mark.parametrize("shape", [(4,), (1,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("name", ["probs", "logits"])
def test_matches_torch(name: str, shape: tuple[int, ...]) -> None:
    _, ours, _, theirs = _both(name, _parameters(name, shape))
    np.testing.assert_allclose(ours.probs.detach(), theirs.probs.detach(), RTOL, ATOL)
    np.testing.assert_allclose(ours.logits.detach(), theirs.logits.detach(), RTOL, ATOL)
    np.testing.assert_array_equal(ours.mode, theirs.mode)
    assert ours.batch_shape == tuple(theirs.batch_shape)
    assert ours.event_shape == tuple(theirs.event_shape)
    assert ours.param_shape == tuple(theirs.param_shape)
    for statistic in ("mean", "variance"):
        mine, other = getattr(ours, statistic), getattr(theirs, statistic)
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == np.float64
    for expand in (True, False):
        mine, other = ours.enumerate_support(expand), theirs.enumerate_support(expand)
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("value_shape", [(), (3,), (6, 3), (6, 1)])
@pytest.mark.parametrize("name", ["probs", "logits"])
def test_log_prob_and_its_gradient(name: str, value_shape: tuple[int, ...]) -> None:
    x, ours, x_ref, theirs = _both(name, _parameters(name, (3, 5)))
    rng = np.random.default_rng(4)
    value = rng.integers(5, size=value_shape)
    y, y_ref = ours.log_prob(npnet.as_tensor(value)), theirs.log_prob(torch.as_tensor(value))
    np.testing.assert_allclose(y.detach(), y_ref.detach(), RTOL, ATOL)
    gy = rng.standard_normal(y.shape)
    y.backward(npnet.as_tensor(gy))
    y_ref.backward(torch.as_tensor(gy))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad, x_ref.grad, 1e-10, ATOL)


@pytest.mark.parametrize("shape", [(4,), (3, 5)])
@pytest.mark.parametrize("name", ["probs", "logits"])
def test_entropy_and_its_gradient(name: str, shape: tuple[int, ...]) -> None:
    x, ours, x_ref, theirs = _both(name, _parameters(name, shape))
    y, y_ref = ours.entropy(), theirs.entropy()
    np.testing.assert_allclose(y.detach(), y_ref.detach(), RTOL, ATOL)
    gy = np.random.default_rng(5).standard_normal(y.shape)
    y.backward(npnet.as_tensor(gy))
    y_ref.backward(torch.as_tensor(gy))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad, x_ref.grad, 1e-10, ATOL)


@pytest.mark.parametrize(
    ("name", "x"),
    [("probs", [0.0, 0.5, 0.5]), ("probs", [0.0, 1.0]), ("logits", [-np.inf, 0.0, 1.0])],
)
def test_classes_that_never_come(name: str, x: list[float]) -> None:
    p, ours, p_ref, theirs = _both(name, np.array(x))
    np.testing.assert_allclose(ours.logits.detach(), theirs.logits.detach(), RTOL, ATOL)
    np.testing.assert_allclose(ours.probs.detach(), theirs.probs.detach(), RTOL, ATOL)
    y, y_ref = (
        ours.entropy() + ours.log_prob(1),
        theirs.entropy() + theirs.log_prob(torch.tensor(1)),
    )
    np.testing.assert_allclose(y.detach(), y_ref.detach(), RTOL, ATOL)
    y.backward()
    y_ref.backward()
    assert p.grad is not None
    np.testing.assert_allclose(p.grad, p_ref.grad, 1e-10, ATOL)
    assert 0 not in ours.sample((2000,)).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype: Any) -> None:
    d = Categorical(npnet.as_tensor(np.array([0.25, 0.75], dtype)))
    assert d.probs.dtype == d.logits.dtype == d.entropy().dtype == d.log_prob(0).dtype == dtype


def test_whole_numbers_and_lists_as_weights() -> None:
    np.testing.assert_allclose(Categorical(npnet.tensor([1, 3])).probs, [0.25, 0.75])
    np.testing.assert_allclose(Categorical([1.0, 3.0]).probs, [0.25, 0.75])


# ---- sampling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample_shape", [(), (7,), (2, 3), (0,)])
@pytest.mark.parametrize("batch", [(), (4,), (2, 4)])
def test_shape_of_samples(sample_shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    y = Categorical(logits=npnet.zeros(*batch, 5)).sample(sample_shape)
    assert y.shape == (*sample_shape, *batch)
    assert y.dtype == np.int64
    assert not y.requires_grad


@pytest.mark.parametrize("classes", [1, 2, 3, 7, 10])
def test_frequencies(classes: int) -> None:
    npnet.manual_seed(0)
    probs = np.random.default_rng(1).random((3, classes))
    d, draws = Categorical(npnet.as_tensor(probs)), 20_000
    samples = d.sample((draws,)).numpy()
    for row in range(3):
        found = np.bincount(samples[:, row], minlength=classes) / draws
        p = d.probs.numpy()[row]
        assert np.all(np.abs(found - p) <= 5 * np.sqrt(p * (1 - p) / draws))  # 5 sigma


def test_samples_follow_the_seed() -> None:
    d = Categorical(npnet.ones(10))
    npnet.manual_seed(5)
    first = d.sample((20,))
    second = d.sample((20,))
    npnet.manual_seed(5)
    assert npnet.equal(first, d.sample((20,)))
    assert not npnet.equal(first, second)


# ---- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["probs", "logits"])
def test_expand(name: str) -> None:
    x, ours, x_ref, theirs = _both(name, _parameters(name, (3, 5)))
    ours, theirs = ours.expand((2, 3)), theirs.expand((2, 3))
    assert ours.batch_shape == (2, 3)
    assert ours.sample((4,)).shape == (4, 2, 3)
    ours.entropy().sum().backward()
    theirs.entropy().sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad, x_ref.grad, 1e-10, ATOL)


@pytest.mark.parametrize("name", ["probs", "logits"])
def test_empty_batch(name: str) -> None:
    d = Categorical(**{name: npnet.ones(0, 4)})
    assert d.sample((3,)).shape == (3, 0)
    assert d.entropy().shape == d.mode.shape == d.log_prob(npnet.zeros(0)).shape == (0,)


def test_repr() -> None:
    assert repr(Categorical(npnet.ones(2, 3))) == "Categorical(probs: (2, 3))"
    assert repr(Categorical(logits=npnet.ones(3))) == "Categorical(logits: (3,))"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of probs and logits is needed, got none"),
        ({"probs": [1.0], "logits": [1.0]}, "got both"),
        ({"probs": [0.5, -0.5]}, r"probs must be finite and >= 0, got -0.5; for log prob.* logits"),
        ({"probs": [0.5, np.nan]}, "probs must be finite and >= 0, got nan$"),
        ({"probs": [0.5, np.inf]}, "probs must be finite and >= 0, got inf$"),
        ({"probs": [[1.0, 0.0], [0.0, 0.0]]}, "probs must not all be 0"),
        ({"logits": [0.0, np.nan]}, "logits must be < inf, got nan"),
        ({"logits": [0.0, np.inf]}, "logits must be < inf, got inf"),
        ({"logits": [-np.inf, -np.inf]}, "logits must not all be -inf"),
        ({"probs": 0.5}, r"last axis with at least one class, got shape \(\)"),
        ({"logits": np.ones((2, 0))}, r"last axis with at least one class, got shape \(2, 0\)"),
    ],
)
def test_wrong_parameters(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Categorical(**arguments)


@pytest.mark.parametrize(("value", "shown"), [(5, "5"), (-1, "-1"), (0.5, "0.5"), ([0, 7], "7")])
def test_wrong_values(value: Any, shown: str) -> None:
    with pytest.raises(ValueError, match=f"whole numbers from 0 to 4, got {shown}$"):
        Categorical(npnet.ones(5)).log_prob(npnet.as_tensor(value))


def test_value_that_does_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"log_prob: shapes \(2,\) and \(3,\)"):
        Categorical(npnet.ones(3, 5)).log_prob(npnet.tensor([0, 1]))


def test_without_validation() -> None:
    d = Categorical(Tensor([0.5, -0.5, 1.0]), validate_args=False)
    assert d.probs.tolist() == [0.5, -0.5, 1.0]
