"""Callbacks of estimators: those of npnet.training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from npnet.base.arrays import Array
from npnet.sklearn import NeuralNetClassifier
from npnet.training import Callback


class Teller(Callback):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_train_start(self, trainer: Any) -> None:
        self.told.append(("start", trainer.epochs, trainer.steps))

    def on_epoch_start(self, trainer: Any) -> None:
        self.told.append(("epoch", trainer.epoch))

    def on_step_end(self, trainer: Any) -> None:
        assert np.isfinite(trainer.loss)
        self.told.append(trainer.step)

    def on_epoch_end(self, trainer: Any) -> None:
        assert trainer.history[-1].epoch == trainer.epoch
        self.told.append(trainer.history[-1].train_loss)

    def on_train_end(self, trainer: Any) -> None:
        self.told.append("end")

    def close(self) -> None:
        self.told.append("closed")


class Stopper(Callback):
    def on_step_end(self, trainer: Any) -> None:
        if trainer.epoch == 2:
            trainer.stop("two are enough")


def net(*callbacks: Callback, **options: Any) -> NeuralNetClassifier:
    options = {"epochs": 2, "batch_size": 45, "random_state": 0, **options}
    return NeuralNetClassifier(callbacks=list(callbacks), **options)


def test_are_told_of_the_training(few: tuple[Array, Array]) -> None:
    teller = Teller()
    model = net(teller).fit(*few)
    losses = [row["train_loss"] for row in model.history_]
    epochs = [[("epoch", n), 1, 2, losses[n - 1]] for n in (1, 2)]
    assert teller.told == [("start", 2, 2), *epochs[0], *epochs[1], "end", "closed"]


def test_stop_after_the_epoch_and_say_why(
    few: tuple[Array, Array], capsys: pytest.CaptureFixture[str]
) -> None:
    teller = Teller()
    model = net(Stopper(), teller, epochs=9, verbose=True).fit(*few)
    assert model.n_iter_ == 2
    assert teller.told.count(2) == 2  # the epoch was finished
    assert "two are enough" in capsys.readouterr().out
    model.set_params(callbacks=None).partial_fit(*few)  # it was that fit which should stop
    assert model.n_iter_ == 3


def test_see_the_network_and_change_it(few: tuple[Array, Array]) -> None:
    class Freezer(Callback):
        def on_step_end(self, trainer: Any) -> None:
            trainer.optimizer.param_groups[0]["lr"] = 0.0

    slow = net(Freezer(), epochs=1, batch_size=90)
    np.testing.assert_array_equal(
        slow.fit(*few).predict_proba(few[0]),
        slow.set_params(epochs=5).fit(*few).predict_proba(few[0]),
    )


def test_validation_is_in_the_history_as_the_trainer_has_it(few: tuple[Array, Array]) -> None:
    seen = []

    class Reader(Callback):
        def on_epoch_end(self, trainer: Any) -> None:
            seen.append(trainer.history[-1].val_accuracy)

    model = net(Reader(), early_stopping=True).fit(*few)
    assert seen == [100 * row["val_score"] for row in model.history_]


def test_errors_come_as_they_are_and_all_are_closed(few: tuple[Array, Array]) -> None:
    class Broken(Callback):
        def on_epoch_end(self, trainer: Any) -> None:
            raise KeyError("mine")

    teller = Teller()
    with pytest.raises(KeyError, match="mine"):
        net(teller, Broken()).fit(*few)
    assert teller.told[-1] == "closed"


def test_a_clone_has_its_own(few: tuple[Array, Array]) -> None:
    teller = Teller()
    clone(net(teller)).fit(*few)
    assert teller.told == []


@pytest.mark.parametrize("given", [3, [3], [Teller]])
def test_what_is_no_callback(given: Any, few: tuple[Array, Array]) -> None:
    with pytest.raises(TypeError, match=r"callbacks must be a list of instances of npnet.training"):
        net().set_params(callbacks=given).fit(*few)


def test_a_line_for_each_epoch(
    few: tuple[Array, Array], capsys: pytest.CaptureFixture[str]
) -> None:
    net(verbose=1, early_stopping=True).fit(*few)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1  train loss ")
    assert "val score" in lines[0]
    net().fit(*few)
    assert capsys.readouterr().out == ""
