"""What can't be used is said in one line: what was asked, the rule, what arrived, the fix."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

from npnet import nn, optim
from npnet.base.arrays import Array
from npnet.runs.errors import DivergedError
from npnet.sklearn import NeuralNetClassifier, NeuralNetRegressor
from tests.ids import named
from tests.missing import hide
from tests.sklearn import networks

X, Y = np.random.default_rng(0).normal(size=(40, 16)), np.arange(40) % 3

PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"module": "lenet6"}, "module must be one of lenet4, .*; got 'lenet6'; did you mean 'lenet'"),
    ({"module": "lenet5"}, r"lenet5 takes images \(C, H, W\), got .* \(16,\); give X as"),
    ({"module": "lenet5", "sample_shape": (4, 4)}, r"lenet5 takes images \(C, H, W\)"),
    ({"sample_shape": (1, 4, 5)}, r"sample_shape: \(1, 4, 5\) holds 20 values, .* X has 16"),
    ({"sample_shape": "x"}, "sample_shape: must be None or whole numbers"),
    ({"sample_shape": ()}, "sample_shape: "),
    ({"module": 3}, "module: must be a name such as 'mlp' .*, a class .*, or a Module, got 3"),
    ({"module": nn.Linear(16, 7)}, r"Linear must give \(N, 3\), .* 3 classes, got \(2, 7\)"),
    ({"module": networks.Net}, "Net can't be called with .*: missing .*'width'; give .*module__"),
    ({"module": networks.Net, "module__width": 1, "module__x": 1}, "Net can't be called .*'x'"),
    ({"module": networks.Images}, r"'in_channels'; give X as images, or .* sample_shape=\(C"),
    ({"module": nn.Linear(16, 3), "module__bias": False}, "a Linear that is made already takes no"),
    ({"module": dict}, "module: dict"),
    ({"module": lambda: 3}, "must make a Module, got a int"),
    ({"module__widht": 3}, "mlp takes hidden and activation, got widht"),
    ({"module__hidden": (0,)}, r"module__hidden: widths must be >= 1, got \[0\]"),
    ({"criterion": "bce"}, "criterion must be one of cross_entropy, mse, softmax_bce; got 'bce'"),
    ({"criterion": 3}, r"criterion: must be a name, a loss such as nn.HuberLoss\(delta=2.0\)"),
    ({"criterion": "mse", "label_smoothing": 0.1}, "only the criterion cross_entropy has it"),
    ({"label_smoothing": 1.5}, "label_smoothing must be >= 0 and < 1, got 1.5"),
    ({"optimizer": "adm"}, "optimizer must be one of .*; got 'adm'; did you mean 'adam'"),
    ({"optimizer": "my_file.py:Opt"}, "optimizer must be one of"),
    ({"optimizer": 3}, "must be a name or a class such as npnet.optim.SGD, not an instance, got"),
    ({"scheduler": "stepp"}, "scheduler must be one of .*; did you mean 'step'"),
    ({"scheduler": "step", "step_size": 500}, "at least 501 epochs, got 100; lower step_size, r"),
    ({"scheduler": "onecycle", "epochs": 3}, "raise pct_start or epochs, or lower batch_size$"),
    ({"learning_rate": "x"}, "NeuralNetClassifier: learning_rate must be float, got 'x'"),
    ({"learning_rate": -1.0}, "NeuralNetClassifier: learning_rate must be > 0, got -1"),
    ({"epochs": 2.5}, "epochs must be int, got 2.5"),
    ({"nesterov": True}, "nesterov: needs the optimizer sgd"),
    ({"early_stopping": True, "validation_fraction": 1}, "validation_fraction must be > 0 and < 1"),
    ({"early_stopping": True, "validation_fraction": "x"}, "validation_fraction must be a number"),
    ({"early_stopping": True, "patience": 0}, "patience must be >= 1, got 0"),
    ({"monitor": "accuracy"}, "monitor must be one of loss, score; got 'accuracy'"),
    ({"augment": 3}, "augment must be a function of a batch and a generator, .* got 3"),
    ({"class_weight": {1: -2.0}}, "class_weight must be finite and >= 0, got -2 for class 1"),
    ({"class_weight": {1: np.nan}}, "class_weight must be finite and >= 0, got nan for class 1"),
    ({"class_weight": {2: np.inf}}, "class_weight must be finite and >= 0, got inf for class 2"),
    ({"class_weight": dict.fromkeys(range(3), 0)}, "leaves no sample a weight above zero"),
    ({"class_weight": "balance"}, "class_weight must be None, 'balanced' or a dict, got 'balance'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), PARAMETERS, ids=[named(p[0]) for p in PARAMETERS])
def test_parameters_are_checked_at_fit(options: dict[str, Any], said: str) -> None:
    model = NeuralNetClassifier(**options)
    with pytest.raises((ValueError, TypeError), match=said) as error:
        model.fit(X, Y)
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)


def test_an_optimizer_that_is_made_already() -> None:
    made = optim.SGD([nn.Parameter(np.zeros(1))])
    with pytest.raises(TypeError, match=r"must be a name or a class .*, not an instance, got SGD"):
        NeuralNetClassifier(optimizer=made).fit(X, Y)


def test_a_parameter_that_there_is_not() -> None:
    with pytest.raises(
        TypeError, match=r"parameter must be one of .*; got 'learnin_rate'; did you"
    ):
        NeuralNetClassifier(learnin_rate=3)
    with pytest.raises(ValueError, match="Invalid parameter 'learnin_rate'"):
        NeuralNetClassifier().set_params(learnin_rate=3)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (X, X[:, 0], "Unknown label type: continuous"),
        (X, np.eye(3, dtype=int)[Y], "y should be a 1d array"),
        (scipy.sparse.csr_array(X), Y, "Sparse data was passed for X, but dense data is required"),
        (X, None, "requires y to be passed"),
        (X, Y[1:], "inconsistent numbers of samples"),
        (np.where(X > 1, np.nan, X), Y, "contains NaN"),
    ],
)
def test_data(x: Any, y: Any, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        NeuralNetClassifier().fit(x, y)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (-np.ones(40), "sample_weight: must be >= 0, got -1"),
        (np.ones((40, 2)), r"sample_weight: must be of shape \(n,\), got \(40, 2\)"),
        (np.ones(39), "inconsistent numbers of samples"),
        (np.zeros(40), "sample_weight: must have a number above zero"),
        (np.full(40, np.inf), "contains infinity"),
    ],
)
@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetRegressor])
def test_weights(weights: Array, said: str, kind: Any) -> None:
    with pytest.raises(ValueError, match=said):
        kind().fit(X, Y, sample_weight=weights)


def test_classes_of_partial_fit() -> None:
    with pytest.raises(ValueError, match="the first partial_fit must be told all classes"):
        NeuralNetClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"y has \[2\], which are none of the classes \[0 1\]"):
        NeuralNetClassifier().partial_fit(X, Y, classes=[0, 1])
    model = NeuralNetClassifier().partial_fit(X, Y, classes=[2, 1, 0, 1])
    with pytest.raises(ValueError, match=r"y has \[3\], which are none of the classes"):
        model.partial_fit(X, Y + 1)
    with pytest.raises(ValueError, match=r"classes \[0 1\] are not those of the first partial_fit"):
        model.partial_fit(X, Y, classes=[0, 1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"class_weight": "balanced"}, "class_weight='balanced' needs all samples"),
        ({"scheduler": "onecycle"}, "scheduler onecycle goes by all batches"),
    ],
)
def test_what_partial_fit_can_not(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NeuralNetClassifier(**options).partial_fit(X, Y, classes=[0, 1, 2])


def test_other_classes_or_targets_on_the_way() -> None:
    model = NeuralNetClassifier(epochs=1, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match=r"warm_start goes on with the classes \[0 1 2\]"):
        model.fit(X, Y % 2)
    with pytest.raises(ValueError, match=r"y must be of the shape \(n,\) .*, got \(40, 2\)"):
        NeuralNetRegressor().partial_fit(X, Y).partial_fit(X, np.c_[Y, Y])


def test_a_loss_of_one_number_knows_no_weights() -> None:
    model = NeuralNetRegressor(criterion=lambda y, t: ((y - t) ** 2).mean(), epochs=1)
    model.fit(X, Y)
    with pytest.raises(ValueError, match="a loss for each of the 40 samples, got the shape"):
        model.fit(X, Y, sample_weight=np.ones(40))


def test_a_training_that_diverges() -> None:
    model = NeuralNetClassifier(optimizer="sgd", learning_rate=1e9)
    with pytest.raises(
        DivergedError, match=r"in step 1 of epoch \d+, at learning rate 1e\+09; lower"
    ):
        model.fit(1e3 * X, Y)


def test_not_fitted() -> None:
    for model in (NeuralNetClassifier(), NeuralNetRegressor()):
        with pytest.raises(NotFittedError):
            model.predict(X)


def test_scikit_learn_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("npnet.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    hide(monkeypatch, "sklearn")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *p: None if name == "sklearn" else find(name, *p)
    )
    with pytest.raises(ImportError, match=r"npnet.sklearn needs scikit-learn: pip install"):
        importlib.import_module("npnet.sklearn")


def test_images_with_channels_last_are_refused() -> None:
    model = NeuralNetClassifier("resnet20", epochs=1)
    with pytest.raises(ValueError, match=r"look like \(H, W, C\); give np.moveaxis\(X, -1, 1\)"):
        model.fit(np.zeros((6, 32, 32, 3), np.float32), np.arange(6) % 3)


def test_a_network_of_pytorch_is_named() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="a network of PyTorch's can't be trained here"):
        NeuralNetClassifier(torch.nn.Linear(16, 3)).fit(X, Y)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0}])
def test_the_unit_of_weights_is_of_no_matter(class_weight: Any) -> None:
    weights = 1.0 + np.arange(40) % 4
    of = [
        NeuralNetClassifier(epochs=2, random_state=0, class_weight=class_weight)
        .fit(X, Y, sample_weight=weights * unit)
        .predict_proba(X)
        for unit in (1.0, 2.0**1021)
    ]
    np.testing.assert_array_equal(of[0], of[1])


def test_a_network_that_gives_probabilities_is_told() -> None:
    ends = nn.Sequential(nn.Linear(16, 3), nn.Softmax(1))
    with pytest.warns(UserWarning, match="Sequential gives probabilities .* without softmax"):
        NeuralNetClassifier(ends, epochs=1).fit(X, Y)
    NeuralNetClassifier(ends, epochs=1, criterion="mse").fit(X, Y)


@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetRegressor])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"momentum": 0.5}, r"momentum \(with optimizer adam\)$"),
        ({"momentum": 0.5, "optimizer": optim.SGD}, r"momentum \(with optimizer SGD\)$"),
        ({"nesterov": True, "optimizer": optim.SGD}, r"nesterov \(with optimizer SGD\)$"),
        ({"milestones": [3]}, r"milestones \(with scheduler none\)$"),
        ({"scheduler": "poly", "gamma": 0.5}, r"gamma \(with scheduler poly\)$"),
        ({"weight_decay_on": "weights"}, r"weight_decay_on \(with weight_decay 0\)$"),
        (
            {"patience": 3, "monitor": "score", "validation_fraction": 0.2},
            r"monitor \(with early_stopping False\), patience .*, validation_fraction ",
        ),
    ],
)
def test_what_has_no_use_is_told(kind: Any, options: dict[str, Any], said: str) -> None:
    model = kind(epochs=1, **options)
    with pytest.warns(UserWarning, match=f"{kind.__name__}: no use is made of {said}"):
        model.fit(X, Y)


def test_what_has_a_use_is_not_told() -> None:
    used: list[dict[str, Any]] = [
        {"optimizer": "sgd", "momentum": 0.5, "nesterov": True, "milestones": []},
        {"optimizer": "rmsprop", "momentum": np.float64(0.9)},
        {"weight_decay": 0.1, "weight_decay_on": "weights"},
        {"early_stopping": True, "patience": 3, "monitor": "score"},
        {"scheduler": "exponential", "gamma": 0.5},
    ]
    for options in used:
        NeuralNetClassifier(epochs=1, **options).fit(X, Y)
