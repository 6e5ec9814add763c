"""NeuralNetRegressor: one target or several, of any loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from npnet import nn
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.sklearn import NeuralNetRegressor
from tests.ids import named


def net(**options: Any) -> NeuralNetRegressor:
    return NeuralNetRegressor(**{"epochs": 5, "random_state": 0, **options})


@pytest.fixture
def curve() -> tuple[Array, Array]:
    """200 samples of two smooth functions of two variables."""
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    return x, np.c_[np.sin(2 * x[:, 0]) * x[:, 1], x[:, 0] ** 2]


def test_learns_a_curve(curve: tuple[Array, Array]) -> None:
    x, y = curve
    model = net(epochs=200, learning_rate=0.01).fit(x[:150], y[:150])
    assert model.score(x[150:], y[150:]) > 0.95


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_predictions_have_the_shape_of_y(dtype: Any, curve: tuple[Array, Array]) -> None:
    x, y = curve[0].astype(dtype), curve[1]
    for targets in (y, y[:, 0], y[:, :1]):
        predicted = net().fit(x, targets).predict(x)
        assert predicted.shape == targets.shape
        assert predicted.dtype == dtype


@pytest.mark.parametrize(
    "criterion",
    ["mse", "l1", "huber", "smooth_l1", nn.HuberLoss(delta=0.1), nn.L1Loss, F.mse_loss],
    ids=named,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equal_weights_are_no_weights(
    criterion: Any, dtype: Any, curve: tuple[Array, Array]
) -> None:
    x, y = curve[0].astype(dtype), curve[1]
    one = net(criterion=criterion).fit(x, y).predict(x)
    other = net(criterion=criterion).fit(x, y, sample_weight=np.ones(len(y))).predict(x)
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_weights_are_as_repetitions(curve: tuple[Array, Array]) -> None:
    x, y = curve[0][:40], curve[1][:40]
    weights = np.arange(40) % 4
    one = net(epochs=20).fit(x, y, sample_weight=weights).predict(x)
    other = net(epochs=20).fit(x.repeat(weights, 0), y.repeat(weights, 0)).predict(x)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_early_stopping_by_the_score(curve: tuple[Array, Array]) -> None:
    x, y = curve
    options = {"early_stopping": True, "monitor": "score", "learning_rate": 0.05}
    model = net(epochs=300, patience=5, validation_fraction=0.2, **options).fit(x, y)
    scores = [row["val_score"] for row in model.history_]
    assert model.best_epoch_ == np.argmax(scores) + 1 == model.n_iter_ - 5


def test_the_score_that_is_watched_is_r2(curve: tuple[Array, Array]) -> None:
    x, y = curve
    weights = np.linspace(0, 1, len(y))
    got = NeuralNetRegressor._score_of(y + x, y, weights)
    assert got == pytest.approx(r2_score(y, y + x, sample_weight=weights))


def test_partial_fits_are_epochs_of_a_fit(curve: tuple[Array, Array]) -> None:
    x, y = curve
    parts = net()
    for _ in range(5):
        parts.partial_fit(x, y)
    np.testing.assert_array_equal(parts.predict(x), net().fit(x, y).predict(x))


def test_scaled_targets(curve: tuple[Array, Array]) -> None:
    x, y = curve
    far = 1e4 + 1e3 * y
    model = TransformedTargetRegressor(
        net(epochs=200, learning_rate=0.01), transformer=StandardScaler()
    )
    assert model.fit(x, far).score(x, far) > 0.95
