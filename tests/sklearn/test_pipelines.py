"""Estimators among scikit-learn's: pipelines, searches, ensembles."""

from __future__ import annotations

import inspect
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from npnet.base.arrays import Array
from npnet.base.threads import get_num_threads
from npnet.sklearn import NeuralNetClassifier, NeuralNetRegressor
from npnet.training import Callback
from tests.sklearn import networks


def net(**options: Any) -> NeuralNetClassifier:
    return NeuralNetClassifier(
        **{"epochs": 10, "learning_rate": 0.01, "random_state": 0, **options}
    )


def single(x: Array) -> Array:
    return x.astype(np.float32)


def pipeline(**options: Any) -> Pipeline:
    """In float32, so that kernels compute."""
    return make_pipeline(StandardScaler(), FunctionTransformer(single), net(**options))


GRID = {
    "neuralnetclassifier__module__width": [4, 16],
    "neuralnetclassifier__learning_rate": np.logspace(-3, -2, 2),
}


def _grid(few: tuple[Array, Array], **options: Any) -> Array:
    model = pipeline(module=networks.Net, module__width=4, epochs=3)
    search = GridSearchCV(model, GRID, cv=3, scoring="neg_log_loss", error_score="raise", **options)
    return search.fit(*few).cv_results_["mean_test_score"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_a_grid_by_two_workers_is_the_grid_by_one(backend: str, few: tuple[Array, Array]) -> None:
    """To the bit: neither processes nor threads nor the cores that they have change anything."""
    alone = _grid(few)
    with joblib.parallel_backend(backend):
        np.testing.assert_array_equal(_grid(few, n_jobs=2), alone)


def _threads() -> tuple[int, int]:
    """npnet's threads, and those of its kernels, of this worker."""
    from npnet.kernels import _pool

    pipeline(epochs=1).fit(np.eye(20), np.arange(20) % 2)
    return get_num_threads(), _pool.get_num_threads()


@pytest.mark.slow
def test_workers_share_the_cores() -> None:
    """loky tells each worker how many are its own."""
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(_threads)() for _ in range(2))
    assert {kernels for _, kernels in found} == {1}


def test_cross_validation(few: tuple[Array, Array]) -> None:
    scores = cross_val_score(pipeline(), *few, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.9
    images = few[0].reshape(-1, 8, 8)
    np.testing.assert_array_equal(
        cross_val_score(net(), images, few[1], cv=3), cross_val_score(net(), *few, cv=3)
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "ensemble",
    [
        lambda net: CalibratedClassifierCV(net, cv=2),
        lambda net: AdaBoostClassifier(net, n_estimators=2, random_state=0),
        lambda net: BaggingClassifier(net, n_estimators=2, random_state=0),
        lambda net: VotingClassifier([("a", net), ("b", clone(net))], voting="soft"),
        lambda net: HalvingGridSearchCV(
            net.set_params(epochs=1), {"learning_rate": [0.01, 0.03]}, cv=2, resource="epochs",
            max_resources=10, min_resources=5, random_state=0,
        ),
    ],
    ids=["calibrated", "boosted", "bagged", "voting", "halving"],
)  # fmt: skip
def test_ensembles(ensemble: Any, dtype: Any, few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(dtype), few[1]
    model = ensemble(net()).fit(x, y)
    assert model.score(x, y) > 0.9
    np.testing.assert_allclose(model.predict_proba(x).sum(1), 1, rtol=1e-5)


def test_boosting_goes_by_weights(few: tuple[Array, Array]) -> None:
    model = AdaBoostClassifier(net(epochs=1), n_estimators=3, random_state=0).fit(*few)
    assert len(model.estimators_) == 3
    assert "sample_weight" in inspect.signature(net().fit).parameters


def test_importance_of_features(few: tuple[Array, Array]) -> None:
    x, y = few
    noise = np.random.default_rng(0).normal(size=(len(x), 1)) * 0.01
    model = net().fit(np.c_[x[:, 20:44], noise], y)
    found = permutation_importance(model, np.c_[x[:, 20:44], noise], y, n_repeats=3, random_state=0)
    assert found.importances_mean.argmax() != 24


def test_names_of_features(few: tuple[Array, Array]) -> None:
    frame = pd.DataFrame(few[0], columns=[f"pixel{i}" for i in range(64)])
    labels = pd.Series(few[1]).map({0: "zero", 1: "one", 2: "two"})
    model = net().fit(frame, labels)
    assert model.feature_names_in_.tolist() == frame.columns.tolist()
    assert set(model.predict(frame)) == {"zero", "one", "two"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame.rename(columns={"pixel0": "other"}))


def test_weights_are_routed(few: tuple[Array, Array]) -> None:
    x, y = few
    weights = np.linspace(0.1, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        step = net().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), step)
        found = cross_validate(model, x, y, cv=2, params={"sample_weight": weights})
        routed = model.fit(x, y, sample_weight=weights).predict_proba(x)
    assert found["test_score"].min() > 0.8
    scaled = StandardScaler().fit_transform(x)
    direct = net().fit(scaled, y, sample_weight=weights).predict_proba(scaled)
    np.testing.assert_array_equal(routed, direct)


def test_output_as_a_frame_before_the_network(few: tuple[Array, Array]) -> None:
    frame = pd.DataFrame(few[0], columns=[f"pixel{i}" for i in range(64)])
    model = make_pipeline(StandardScaler(), net()).set_output(transform="pandas").fit(frame, few[1])
    assert model[-1].feature_names_in_[0] == "pixel0"


def test_several_targets_by_a_chain(few: tuple[Array, Array]) -> None:
    x, y = few
    both = np.c_[y > 0, y > 1].astype(int)
    assert ClassifierChain(net()).fit(x, both).predict(x).shape == both.shape


def test_parameters() -> None:
    model = pipeline(module=networks.Net, module__width=3)
    names = model.get_params()
    assert names["neuralnetclassifier__module__width"] == 3
    model.set_params(neuralnetclassifier__module__width=5, neuralnetclassifier__epochs=2)
    copy = clone(model)[-1]
    assert copy.get_params()["module__width"] == 5
    assert copy.get_params()["epochs"] == 2
    assert "module__width=5" in repr(copy)
    assert NeuralNetRegressor(callbacks=[Callback()]).get_params(deep=False).keys() >= {"module"}
