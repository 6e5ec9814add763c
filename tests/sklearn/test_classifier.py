"""NeuralNetClassifier: what it learns, by which arithmetic, and what it keeps."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import npnet
from npnet import nn, optim
from npnet.base.arrays import Array
from npnet.sklearn import NeuralNetClassifier
from npnet.sklearn.learning import _bounds
from npnet.training.config import Config
from tests.ids import named
from tests.sklearn import networks


def net(module: Any = "mlp", **options: Any) -> NeuralNetClassifier:
    return NeuralNetClassifier(module, **{"epochs": 5, "random_state": 0, **options})


def test_learns_the_digits(digits: list[Array]) -> None:
    x, x_test, y, y_test = digits
    model = make_pipeline(StandardScaler(), NeuralNetClassifier(epochs=50, random_state=0))
    assert model.fit(x, y).score(x_test, y_test) > 0.97


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_computes_in_the_type_of_x(dtype: Any, few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(dtype), few[1]
    model = net().fit(x, y)
    assert {p.dtype for p in model.module_.parameters()} == {np.dtype(dtype)}
    assert model.predict_proba(x).dtype == dtype
    assert model.predict(x).dtype == y.dtype


def test_whole_numbers_are_computed_in_float64(few: tuple[Array, Array]) -> None:
    x, y = few
    whole = (16 * x).astype(np.uint8)
    same = net().fit(whole.astype(float), y).predict_proba(whole.astype(float))
    np.testing.assert_array_equal(net().fit(whole, y).predict_proba(whole), same)


def test_same_seed_same_bits_and_the_users_numbers_are_left(few: tuple[Array, Array]) -> None:
    x, y = few
    npnet.manual_seed(7)
    first = npnet.rand(3).numpy()
    npnet.manual_seed(7)
    options = {"module": networks.Net, "module__width": 8, "batch_size": 16}
    one, other = net(**options).fit(x, y), net(**options).fit(x, y)
    np.testing.assert_array_equal(npnet.rand(3).numpy(), first)
    np.testing.assert_array_equal(one.predict_proba(x), other.predict_proba(x))
    assert (net(**options, random_state=1).fit(x, y).predict_proba(x) != one.predict_proba(x)).any()


def test_history(few: tuple[Array, Array]) -> None:
    model = net(epochs=3, learning_rate=0.5, scheduler="exponential", optimizer="sgd").fit(*few)
    assert [row["epoch"] for row in model.history_] == [1, 2, 3]
    assert [row["learning_rate"] for row in model.history_] == pytest.approx([0.5, 0.05, 0.005])
    assert set(model.history_[0]) == {"epoch", "learning_rate", "train_loss", "seconds"}
    assert model.n_iter_ == 3
    assert not hasattr(model, "best_epoch_")


# ---- early stopping --------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["loss", "score"])
def test_early_stopping_takes_the_best_weights(monitor: str, digits: list[Array]) -> None:
    x, x_test, y, _ = digits
    options = {"learning_rate": 0.03, "early_stopping": True, "patience": 3, "monitor": monitor}
    model = net(epochs=60, **options).fit(x[:300], y[:300])
    values = [row[f"val_{monitor}"] for row in model.history_]
    best = int(np.argmin(values) if monitor == "loss" else np.argmax(values)) + 1
    assert model.best_epoch_ == best
    assert model.n_iter_ == best + 3 < 60
    # the same run, stopped there
    short = net(epochs=best, **options).fit(x[:300], y[:300])
    np.testing.assert_array_equal(model.predict_proba(x_test), short.predict_proba(x_test))


def test_each_class_gives_its_share(few: tuple[Array, Array]) -> None:
    x, y = few
    model = net(early_stopping=True, validation_fraction=0.5, epochs=1)
    seen: list[Array] = []

    class Spy(nn.CrossEntropyLoss):
        def forward(self, input: Any, target: Any) -> Any:
            seen.append(target.numpy())
            return super().forward(input, target)

    model.set_params(criterion=Spy()).fit(x, y)
    train, held_out = seen
    for labels in (train, held_out):
        assert np.ptp(np.bincount(labels)) <= 1 + np.ptp(np.bincount(y))
        assert len(labels) == 45


def test_early_stopping_of_a_class_with_one_sample(few: tuple[Array, Array]) -> None:
    x, y = few
    y = np.where(np.arange(len(y)) == 5, 9, y)
    assert net(early_stopping=True).fit(x, y).classes_.tolist() == [0, 1, 2, 9]


# ---- weights -----------------------------------------------------------------------------------


def test_weights_are_as_repetitions_in_batches_and_with_a_balance(few: tuple[Array, Array]) -> None:
    x, y = few[0][:40], few[1][:40]
    weights = np.arange(40) % 4
    options = {"class_weight": "balanced", "batch_size": 200, "epochs": 20}
    one = net(**options).fit(x, y, sample_weight=weights)
    other = net(**options).fit(x.repeat(weights, 0), y.repeat(weights))
    np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(x), rtol=1e-9)


def test_the_unit_of_weights_changes_nothing(few: tuple[Array, Array]) -> None:
    x, y = few
    weights = np.linspace(0.5, 1.5, len(y))
    one = net(optimizer="sgd", batch_size=16).fit(x, y, sample_weight=weights)
    other = net(optimizer="sgd", batch_size=16).fit(x, y, sample_weight=1024 * weights)
    np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(x), rtol=1e-9)


@pytest.mark.parametrize("criterion", ["cross_entropy", "mse", "softmax_bce", None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equal_weights_are_no_weights(criterion: Any, dtype: Any, few: tuple[Array, Array]) -> None:
    """By the step without weights, which kernels do, and by the one with them."""
    criterion = nn.MultiMarginLoss() if criterion is None else criterion
    x, y = few[0].astype(dtype), few[1]
    one = net(criterion=criterion).fit(x, y)
    other = net(criterion=criterion).fit(x, y, sample_weight=np.ones(len(y)))
    np.testing.assert_allclose(one.predict_proba(x), other.predict_proba(x), rtol=1e-3)


def test_class_weights(few: tuple[Array, Array]) -> None:
    x, y = few
    weights = {0: 1.0, 1: 2.0, 2: 5.0}
    one = net(class_weight=weights).fit(x, y)
    other = net().fit(x, y, sample_weight=[weights[label] for label in y])
    np.testing.assert_array_equal(one.predict_proba(x), other.predict_proba(x))
    parts = net(class_weight=weights)
    parts.partial_fit(x, y, classes=[0, 1, 2])
    assert (parts.predict_proba(x) != net().partial_fit(x, y, [0, 1, 2]).predict_proba(x)).any()


# ---- going on ----------------------------------------------------------------------------------


def test_partial_fits_are_epochs_of_a_fit(few: tuple[Array, Array]) -> None:
    x, y = few
    options = {"batch_size": 16, "scheduler": "poly", "epochs": 4, "ema": 0.9}
    parts = net(**options)
    for _ in range(4):
        parts.partial_fit(x, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(parts.predict_proba(x), net(**options).fit(x, y).predict_proba(x))
    assert parts.n_iter_ == 4
    assert [row["epoch"] for row in parts.history_] == [1, 2, 3, 4]


def test_partial_fit_goes_on_after_fit(few: tuple[Array, Array]) -> None:
    model = net(epochs=2).fit(*few)
    before = model.history_[-1]["train_loss"]
    for _ in range(20):
        model.partial_fit(*few)
    assert model.n_iter_ == len(model.history_) == 22
    assert model.history_[-1]["train_loss"] < before


def test_warm_start(few: tuple[Array, Array]) -> None:
    model = net(epochs=3, warm_start=True).fit(*few)
    first = model.history_
    model.fit(*few)
    assert model.history_[0]["train_loss"] < first[-1]["train_loss"]
    assert net(epochs=3).fit(*few).fit(*few).history_[0]["train_loss"] == first[0]["train_loss"]


# ---- networks ----------------------------------------------------------------------------------


def test_the_mlp_is_sized_by_the_data(few: tuple[Array, Array]) -> None:
    model = net(module__hidden=(20, 10), module__activation="tanh").fit(*few)
    widths = [m.weight.shape for m in model.module_.modules() if isinstance(m, nn.Linear)]
    assert widths == [(20, 64), (10, 20), (3, 10)]


def test_a_class_gets_its_arguments_and_the_sizes(few: tuple[Array, Array]) -> None:
    model = net(networks.Net, module__width=5).fit(*few)
    assert model.module_.first.weight.shape == (5, 64)
    assert model.module_.last.weight.shape == (3, 5)
    assert not model.module_.training
    given = clone(model).set_params(module__width=6).fit(*few)
    assert given.module_.first.weight.shape == (6, 64)
    assert given.get_params()["module__width"] == 6
    assert repr(given).count("module__width=6") == 1


def test_a_module_is_copied_with_its_weights(few: tuple[Array, Array]) -> None:
    mine = nn.Linear(64, 3)
    before = mine.weight.detach().numpy().copy()
    model = net(mine, epochs=1, learning_rate=1e-12).fit(*few)
    np.testing.assert_array_equal(mine.weight.detach().numpy(), before)
    np.testing.assert_allclose(model.module_.weight.detach().numpy(), before, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_is_written_to_x(dtype: Any, few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(dtype) - 0.5, few[1]
    before = x.copy()
    net(networks.overwriting, batch_size=16).fit(x, y).predict(x)
    net(networks.overwriting, batch_size=200, early_stopping=True).fit(x, y).predict(x)
    np.testing.assert_array_equal(x, before)


def test_a_network_without_a_program_is_no_news(few: tuple[Array, Array]) -> None:
    x, y = few[0].astype(np.float32), few[1]
    net(networks.Branching).fit(x, y).predict(x)  # warnings are errors here


def test_one_sample_that_is_left_over(few: tuple[Array, Array]) -> None:
    assert _bounds(33, 16) == [(0, 16), (16, 33)]
    assert _bounds(34, 16) == [(0, 16), (16, 32), (32, 34)]
    assert _bounds(1, 16) == [(0, 1)]
    x, y = few
    net(networks.Net, module__width=4, batch_size=16).fit(x[:33], y[:33])  # batch norm needs two


# ---- training options --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True, "learning_rate": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1, "weight_decay_on": "weights"},
        {"optimizer": optim.RMSprop, "weight_decay": 0.1},
        {"scheduler": "onecycle", "batch_size": 16},
        {"scheduler": "warmup_cosine", "warmup_epochs": 1.5, "batch_size": 16},
        {"scheduler": lambda o: optim.lr_scheduler.StepLR(o, 2)},
        {"clip_grad_norm": 0.1, "label_smoothing": 0.1, "ema": 0.9},
        {"learning_rate": np.float32(0.01), "batch_size": np.int64(20), "milestones": np.arange(0)},
        {"augment": lambda x, rng: x + rng.normal(0, 0.1, x.shape)},
    ],
    ids=named,
)
def test_options_change_the_training(options: dict[str, Any], few: tuple[Array, Array]) -> None:
    x, y = few
    plain = net().fit(x, y).predict_proba(x)
    assert (net(**options).fit(x, y).predict_proba(x) != plain).any()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_plateau_sees_the_loss(early_stopping: bool, few: tuple[Array, Array]) -> None:
    options: dict[str, Any] = {"scheduler": "plateau", "plateau_patience": 0, "gamma": 0.5}
    options |= {"patience": 99} if early_stopping else {}
    model = net(learning_rate=1.0, epochs=20, early_stopping=early_stopping, **options).fit(*few)
    losses = [row["val_loss" if early_stopping else "train_loss"] for row in model.history_]
    rate, best = 1.0, np.inf
    for row, loss in zip(model.history_, losses, strict=True):
        assert row["learning_rate"] == rate
        rate, best = (rate, loss) if loss < best * (1 - 1e-4) else (rate / 2, best)
    assert rate < 1


# Of the trainer, and why no estimator has them: docs/sklearn.md.
LEFT_OUT = {
    *("dataset", "data_dir", "image_size", "model", "model_args", "init_from"),  # X and module
    *("seed", "val_ratio", "use_scheduler"),  # random_state, validation_fraction, scheduler
    *("cutout", "alternating_flip", "mirror_test"),  # `augment` is a function
    *("batch_norm", "batch_norm_momentum"),  # of the network
    "bias_lr_factor",  # of an optimizer of one's own
    *("threads", "allreduce"),  # of the process, and of several
    *(
        "checkpoint_dir",
        "log_dir",
        "log_every",
        "log_images",
        "record",
        "resume",
        "config",
        "recipe",
    ),  # files
}


def test_every_setting_of_the_trainer_is_a_parameter_or_left_out() -> None:
    parameters = NeuralNetClassifier().get_params()
    names = {field.name for field in dataclasses.fields(Config)}
    assert names - parameters.keys() == LEFT_OUT


def test_defaults_are_the_trainers() -> None:
    parameters, other = NeuralNetClassifier().get_params(), {"optimizer", "learning_rate", "epochs"}
    fields = {field.name: field for field in dataclasses.fields(Config)}
    for name in (parameters.keys() & fields.keys()) - other - {"augment", "patience", "callbacks"}:
        assert parameters[name] == fields[name].default, name
