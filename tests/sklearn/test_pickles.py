"""Estimators and modules in pickles: plain arrays and class names, and the same bits elsewhere."""

from __future__ import annotations

import copy
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

import npnet
from npnet import nn
from npnet.base.arrays import Array
from npnet.sklearn import NeuralNetClassifier, NeuralNetRegressor
from tests.sklearn import networks

ROOT = Path(__file__).parents[2]

ELSEWHERE = """
import pickle, sys, joblib, numpy as np
folder = sys.argv[1]
x, want = np.load(folder + "/x.npy"), np.load(folder + "/want.npy")
with open(folder + "/m.pickle", "rb") as file:
    models = [pickle.load(file), joblib.load(folder + "/m.joblib")]
models.append(joblib.load(folder + "/m.joblib", mmap_mode="r"))
print([bool((model.predict_proba(x) == want).all()) for model in models])
"""


def fitted(few: tuple[Array, Array], dtype: Any = np.float64, **options: Any) -> Any:
    model = NeuralNetClassifier(
        networks.Net, module__width=8, epochs=3, batch_size=32, random_state=0, **options
    )
    return model.fit(few[0].astype(dtype), few[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("module", ["mlp", "own"])
def test_another_process_predicts_the_same_bits(
    dtype: Any, module: str, few: tuple[Array, Array], tmp_path: Path
) -> None:
    x = few[0].astype(dtype)
    model = fitted(few, dtype) if module == "own" else NeuralNetClassifier(epochs=3).fit(x, few[1])
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "want.npy", model.predict_proba(x))
    (tmp_path / "m.pickle").write_bytes(pickle.dumps(model))
    joblib.dump(model, tmp_path / "m.joblib")
    found = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == "[True, True, True]\n", found.stderr


def test_a_pickle_holds_arrays_and_names(few: tuple[Array, Array]) -> None:
    """No programs and no state of the optimizer: little more than the weights."""
    model = fitted(few, np.float32)
    model.predict(few[0])  # there are programs now
    data = pickle.dumps(model)
    weights = sum(value.nbytes for value in model.module_.state_dict().values())
    assert len(data) < weights + 8000
    texts = {arg for op, arg, _ in pickletools.genops(data) if "UNICODE" in op.name}
    modules = {text for text in texts if text.startswith(("npnet.", "numba", "llvmlite", "ctypes"))}
    assert modules <= {
        "npnet.compiler.inference",  # of CompiledModel, which is made anew
        "npnet.nn.modules.batchnorm",
        "npnet.nn.modules.dropout",
        "npnet.nn.modules.linear",
        "npnet.nn.parameter",
        "npnet.sklearn.classifier",
        "npnet.tensor",
    }


def test_npnet_load_executes_no_pickle(few: tuple[Array, Array], tmp_path: Path) -> None:
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(fitted(few)))
    with pytest.raises(Exception, match="pickle"):
        npnet.load(path)


def test_copies_are_apart(few: tuple[Array, Array]) -> None:
    model = fitted(few)
    want = model.predict_proba(few[0])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(few[0]), want)
        other.partial_fit(*few)
        assert (other.predict_proba(few[0]) != want).any()
        np.testing.assert_array_equal(model.predict_proba(few[0]), want)


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"scheduler": "poly"}], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_partial_fit_goes_on_as_if_there_had_been_no_pickle(
    options: dict[str, Any], dtype: Any, few: tuple[Array, Array]
) -> None:
    x, y = few[0].astype(dtype), few[1]
    model = NeuralNetClassifier(random_state=0, optimizer="adam", batch_size=32, **options)
    model.partial_fit(x, y, classes=[0, 1, 2])
    other = pickle.loads(pickle.dumps(model)).partial_fit(x, y)
    want = model.partial_fit(x, y).predict_proba(x)
    np.testing.assert_array_equal(other.predict_proba(x), want)
    assert other.history_[-1]["train_loss"] == model.history_[-1]["train_loss"]


def test_a_regressor_and_one_that_is_not_fitted(few: tuple[Array, Array]) -> None:
    assert pickle.loads(pickle.dumps(NeuralNetRegressor(epochs=3))).epochs == 3
    model = NeuralNetRegressor(epochs=2, random_state=0).fit(few[0], few[0][:, :2])
    other = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(other.predict(few[0]), model.predict(few[0]))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_compiled_model_is_pickled_as_its_model(protocol: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    compiled = npnet.compile(model)
    x = npnet.rand(16, 3)
    with npnet.no_grad():
        want = compiled(x).numpy()
    other, plain = pickle.loads(pickle.dumps((compiled, model), protocol))
    assert type(other).__name__ == "CompiledModel"
    assert other._orig_mod is plain  # as they were: one network
    with npnet.no_grad():
        np.testing.assert_array_equal(other(x).numpy(), want)
