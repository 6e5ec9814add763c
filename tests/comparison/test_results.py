"""Statistics over seeds, smoothing, and what is called overfitting."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.base.arrays import Array
from npnet.comparison.results import Overfitting, Spread, as_recorded, gather, smoothed
from npnet.comparison.runs import Run
from npnet.runs.files import METRICS, RESULT
from tests.comparison.conftest import made


def changed(run: Run, **values: Any) -> None:
    path = run.folder / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_spread() -> None:
    assert Spread.of([98.0, 99.0, 100.0]) == Spread(99.0, 1.0, 3, 3)
    assert Spread.of([98.0, math.nan, 100.0]).mean == 99.0
    assert Spread.of([98.0, 99.0, 100.0]).text() == "99.00 ± 1.00"
    assert Spread.of([1.5, 2.5]).text("+.1f") == "+2.0 ± 0.7"
    assert Spread.of([3.0, 3.0]).text(".0f") == "3"
    assert Spread.of([98.0]).text() == "98.00"
    assert Spread.of([math.nan]).text() == "\N{EN DASH}"


def plainly_smoothed(x: Array, weight: float) -> list[float]:
    """By the formula."""
    out = []
    for t in range(len(x)):
        r = min(t, len(x) - 1 - t)
        weights = np.array([float(weight) ** abs(d) for d in range(-r, r + 1)])
        out.append(float(weights @ x[t - r : t + r + 1] / weights.sum()))
    return out


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9, 40])
def test_smoothing(count: int, weight: float) -> None:
    values = np.random.default_rng(0).random(count)
    smooth = smoothed(values, weight)
    np.testing.assert_allclose(smooth, plainly_smoothed(values, weight), rtol=1e-12)
    np.testing.assert_array_equal(smooth[:1], values[:1])
    np.testing.assert_array_equal(smooth[-1:], values[-1:])


def test_smoothing_of_nothing_and_of_gaps() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, 2.0])
    np.testing.assert_array_equal(smoothed(values, 0.0), values)
    expected = [1.0, np.nan, (0.5 * 1 + 3 + 0.5 * 2) / 2, np.inf, 2.0]
    np.testing.assert_allclose(smoothed(values, 0.5), expected)
    assert smoothed(np.full(50, 7.0), 0.99) == pytest.approx(np.full(50, 7.0))


def test_seeds_are_gathered_and_the_best_comes_first(tmp_path: Path) -> None:
    runs = made(tmp_path, {"model": ["lenet4", "lenet5"], "seed": [0, 1]}, [90, 92, 95, 99])
    first, second = gather(runs)
    assert (first.label, second.label) == ("lenet5", "lenet4")
    assert first.spread(lambda o: o.figure("test", "accuracy")) == Spread(
        97, 2 * math.sqrt(2), 2, 2
    )
    assert len(first.outcomes) == 2


def test_runs_without_a_result_are_left_out(tmp_path: Path) -> None:
    runs = made(tmp_path, {"model": ["lenet4", "lenet5"], "seed": [0, 1]}, [90, 92, 95, 99])
    for run in runs[:3]:
        (run.folder / RESULT).unlink()
    (only,) = gather(runs)
    assert (only.label, len(only.outcomes)) == ("lenet5", 1)


def test_functions_are_sorted_by_error(tmp_path: Path) -> None:
    runs = made(tmp_path, {"learning_rate": [0.1, 0.2]}, [90, 90], kind="function")
    changed(runs[0], test={"loss": 2.0})
    assert [c.label for c in gather(runs)] == ["learning_rate 0.2", "learning_rate 0.1"]


def test_best_seed_is_the_one_that_came_closest_to_its_samples(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": [0, 1, 2]}, [90, 90, 90])
    for run, loss in zip(runs, (0.3, 0.1, 0.2), strict=True):
        changed(run, train={"loss": loss, "accuracy": None})
    (configuration,) = gather(runs)
    assert configuration.best.folder == runs[1].folder


def test_null_is_not_a_number_and_comes_last(tmp_path: Path) -> None:
    runs = made(tmp_path, {"gamma": [0.1, 0.2]}, [90, 80])
    changed(runs[0], val=None, test={"loss": None, "accuracy": None})
    last = gather(runs)[-1]
    assert last.label == "gamma 0.1"
    assert math.isnan(last.outcomes[0].figure("val", "accuracy"))
    assert math.isnan(last.outcomes[0].figure("test", "loss"))
    assert last.best.folder == runs[0].folder


def test_curves_of_seeds_that_stopped_at_different_epochs(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": [0, 1]}, [90, 80])
    path = runs[1].folder / METRICS
    path.write_text("\n".join(path.read_text().splitlines()[:3]))  # of ten epochs
    changed(runs[1], epochs=2, best_epoch=1)
    (configuration,) = gather(runs)
    mean, smooth, deviation = configuration.curves("val_accuracy", 0.6)
    np.testing.assert_allclose(mean, [85] * 10)
    np.testing.assert_allclose(smooth, mean)
    np.testing.assert_allclose(deviation, [50**0.5] * 10)
    assert configuration.last("val_accuracy") == Spread(85, 50**0.5, 2, 2)


def test_curves_end_where_the_table_says(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": [0, 1, 2]}, [90, 80, 85])
    for run, count in zip(runs, (10, 5, 7), strict=True):
        path = run.folder / METRICS
        header, *rows = [line.split(",") for line in path.read_text().splitlines()][: count + 1]
        for row in rows:
            row[2:6] = [f"{float(cell) * (1 + math.sin(int(row[0]))):.3f}" for cell in row[2:6]]
        path.write_text("\n".join(map(",".join, [header, *rows])))
        changed(run, epochs=count, best_epoch=1)
    (configuration,) = gather(runs)
    for column in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        _, smooth, deviation = configuration.curves(column, 0.6)
        last = configuration.last(column)
        assert (smooth[-1], deviation[-1]) == pytest.approx((last.mean, last.std), rel=1e-12)


def test_overfitting_of_a_configuration(tmp_path: Path) -> None:
    """The made-up loss is 1 in epoch 2 of 4, 1.2 at the end; the gap grows by a point an epoch."""
    (configuration,) = gather(made(tmp_path, {"seed": [0, 1], "epochs": [4]}, [90, 80]))
    found = configuration.overfitting
    assert found.train_rise < 0
    numbers = (found.gap_best, found.gap_last, found.rise, found.turn, found.last)
    assert numbers == pytest.approx((4, 4, 0.2, 2, 4))
    assert found.sentence == (
        "Overfits: validation loss ends 20 % above its minimum, reached in epoch 2 of 4. Training "
        "accuracy ends 4.00 points above validation accuracy (+4.00 at the best epoch)."
    )


@pytest.mark.parametrize(
    ("gap", "rise", "verdict", "loss"),
    [
        (2.0, 0.1, "Overfits", "ends 10 % above its minimum, reached in epoch 3 of 9"),
        (1.99, 0.1, "Begins to overfit", "ends 10 % above"),
        (2.0, 0.09, "Generalisation gap", "ends 9 % above"),
        (-1.0, 0.0, "No overfitting", "is at its minimum in the last epoch (9)"),
        (math.nan, 0.5, "Begins to overfit", "ends 50 % above"),
    ],
)
def test_verdicts(gap: float, rise: float, verdict: str, loss: str) -> None:
    found = Overfitting(gap_best=gap, gap_last=gap, rise=rise, train_rise=-0.1, turn=3, last=9)
    assert found.sentence.startswith(f"{verdict}: validation loss {loss}")
    assert ("points" in found.sentence) == (not math.isnan(gap))
    assert ("below" in found.sentence) == (gap < 0)


def test_losses_that_rise_together_are_no_overfitting() -> None:
    found = Overfitting(gap_best=3, gap_last=3, rise=0.5, train_rise=0.4, turn=3, last=9)
    assert found.sentence.startswith("Unstable: validation loss ends 50 % above its minimum")


def test_seeds_without_a_value_are_counted() -> None:
    assert Spread.of([98, math.nan, 99]).text() == "98.50 ± 0.71 (2 of 3 seeds)"


def test_without_validation_nothing_is_said(tmp_path: Path) -> None:
    (run,) = made(tmp_path, {"epochs": [3]}, [90])
    rows = (run.folder / METRICS).read_text().splitlines()
    cut = [",".join([*row.split(",")[:4], "nan", "nan", "0.5"]) for row in rows[1:]]
    (run.folder / METRICS).write_text("\n".join([rows[0], *cut]))
    (configuration,) = gather([run])
    assert configuration.overfitting.sentence == ("Not known: nothing was held out for validation.")


def test_runs_on_different_data_are_no_repetitions(tmp_path: Path) -> None:
    """Where `auto` came to the digits for one seed and to MNIST for another."""
    runs = made(tmp_path, {"seed": [0, 1, 2, 3]}, [88, 98, 99, 0])
    shutil.rmtree(runs[3].folder)  # was never begun
    for run in runs[1:3]:
        changed(run, dataset="mnist")
    digits, mnist = sorted(gather(as_recorded(runs)), key=lambda c: c.label)
    assert (digits.label, len(digits.outcomes)) == ("digits", 1)
    assert (mnist.label, len(mnist.outcomes)) == ("mnist", 2)
    assert [run.spec.config.dataset for run in as_recorded(runs)] == [
        *("digits", "mnist", "mnist", "auto")
    ]


def test_runs_that_agree_on_their_data(tmp_path: Path) -> None:
    runs = made(tmp_path, {"seed": [0, 1, 2, 3]}, [88, 89, 0, 0])
    (runs[2].folder / RESULT).unlink()
    (runs[2].folder / "config.json").write_text('{"dataset": "digits"}')
    shutil.rmtree(runs[3].folder)
    recorded = as_recorded(runs)
    assert {run.spec.config.dataset for run in recorded} == {"digits"}
    assert "--dataset digits" in recorded[3].spec.shell_line()
    assert as_recorded(recorded) == recorded


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        pytest.param("[" * 99_999, id="deep"),
        '{"dataset": 3}',
        '{"dataset": "x"}',
        "\xff",
    ],
)
def test_a_torn_record_names_no_data(tmp_path: Path, text: str) -> None:
    runs = made(tmp_path, {"seed": [0]}, [90])
    for name in (RESULT, "config.json"):
        (runs[0].folder / name).write_text(text, encoding="latin-1")
    assert [run.spec.config.dataset for run in as_recorded(runs)] == ["auto"]
