"""The figures of a run, held against scikit-learn's, and the file that they are written to."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from npnet.training.config import Config
from npnet.training.metrics import (
    class_scores,
    confusion_matrix,
    sampled_accuracy,
    top_k_accuracy,
    worst_errors,
)
from tests.runs import run_npnet

RNG = np.random.default_rng(3)
Y = RNG.integers(0, 7, 500)
LOGITS = RNG.standard_normal((500, 7)).astype(np.float32) + 2 * np.eye(7, dtype=np.float32)[Y]
LOGITS[:, 6] -= 50  # a class that is never predicted
P = np.exp(LOGITS.astype(np.float64))
P /= P.sum(1, keepdims=True)


def test_class_scores_are_those_of_scikit_learn() -> None:
    counts = confusion_matrix(Y, LOGITS.argmax(1), 7)
    np.testing.assert_array_equal(counts, sk.confusion_matrix(Y, LOGITS.argmax(1)))
    expected = sk.precision_recall_fscore_support(Y, LOGITS.argmax(1), zero_division=np.nan)
    for found, theirs in zip(class_scores(counts), zip(*expected, strict=True), strict=True):
        *shares, support = dataclasses.astuple(found)
        np.testing.assert_allclose(shares, 100 * np.array(theirs[:3]), rtol=1e-12)
        assert support == theirs[3]
    assert np.isnan(class_scores(counts)[6].precision)


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_top_k_is_that_of_scikit_learn(k: int) -> None:
    expected = 100 * sk.top_k_accuracy_score(Y, LOGITS, k=k)
    assert top_k_accuracy(LOGITS, Y, k) == pytest.approx(expected, rel=1e-12)


def test_of_equal_logits_the_lower_class_is_first() -> None:
    assert top_k_accuracy(np.zeros((4, 4)), np.arange(4), 1) == 25
    assert top_k_accuracy(np.zeros((4, 4)), np.arange(4), 3) == 75


def test_sampled_accuracy_is_near_its_expected_value() -> None:
    expected = 100 * P[np.arange(500), Y].mean()
    drawn = [sampled_accuracy(LOGITS, Y, 0, epoch) for epoch in range(100)]
    assert len(set(drawn)) > 10
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * 50 / np.sqrt(500 * 100))
    assert sampled_accuracy(LOGITS, Y, 0, 7) == drawn[7]
    assert sampled_accuracy(100 * np.eye(7)[Y], Y, 0, 1) == 100


def test_worst_errors_are_the_largest_losses() -> None:
    errors = worst_errors(LOGITS, Y, 20)
    losses = -np.log(P[np.arange(500), Y])
    losses[LOGITS.argmax(1) == Y] = -1
    assert [e.index for e in errors] == np.argsort(-losses, kind="stable")[:20].tolist()
    np.testing.assert_allclose([e.loss for e in errors], np.sort(losses)[::-1][:20], rtol=1e-5)
    np.testing.assert_allclose([e.probability for e in errors], [P[e.index].max() for e in errors])
    assert worst_errors(np.eye(7), np.arange(7), 20) == []


def test_what_is_not_finite_is_never_right() -> None:
    logits = np.full((3, 2), np.nan)
    assert sampled_accuracy(logits, np.array([0, 1, 1]), 0, 1) == 0
    assert top_k_accuracy(logits, np.array([0, 1, 1]), 1) == 0
    assert np.isnan(sampled_accuracy(np.empty((0, 1)), np.empty(0, np.int64), 0, 1))


def test_mirror_images_are_tested_besides(
    small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_npnet(dataclasses.replace(small, mirror_test=True))
    test = json.loads((Path(str(small.log_dir)) / "result.json").read_text())["test"]
    training = run.training
    x, y = next(training.data.batches(training.data.test, len(training.data.test)))
    both = training.learner.predict(x) + training.learner.predict(x[..., ::-1].copy())
    assert test["mirrored_accuracy"] == 100 * (both.argmax(1) == y).mean()
    assert test["accuracy"] == run.test.accuracy  # of the images as they are
    assert f"with mirror images {test['mirrored_accuracy']:.2f} %" in capsys.readouterr().out


@pytest.mark.parametrize("val_ratio", [0.0, 0.2])
def test_result_json(small: Config, val_ratio: float) -> None:
    run = run_npnet(dataclasses.replace(small, val_ratio=val_ratio))
    result = json.loads((Path(str(small.log_dir)) / "result.json").read_text())
    assert (result["format"], result["kind"]) == ("npnet result", "classification")
    assert result["test"]["accuracy"] == run.test.accuracy == result["test"]["top_k"]["1"]
    assert list(result["test"]["top_k"]) == ["1", "2", "3", "4"]
    assert np.trace(result["confusion"]) == result["test"]["correct"]
    assert (result["val"] is None) == (val_ratio == 0)
    assert len(result["per_class"]) == 4
