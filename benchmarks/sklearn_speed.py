"""Seconds of a fit of the digits by NeuralNetClassifier and by scikit-learn's MLPClassifier.

Both are an MLP of one hidden layer with ReLU, trained by Adam at a learning rate of 1e-3 in batches
of 128 for the same count of epochs, without early stopping or weight decay, on one thread each.
Accuracy is of 450 digits that were held out, the mean of three seeds.
"""

from __future__ import annotations

import argparse
import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from harness import Timing, environment, interleave, report
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import npnet
from npnet.sklearn import NeuralNetClassifier

SEEDS = 3


@dataclass(frozen=True)
class Result:
    """A fit of a hidden layer in a dtype: seconds and accuracy (percent) by estimator."""

    hidden: int
    dtype: str
    seconds: dict[str, Timing]
    accuracy: dict[str, float]


def _npnet(hidden: int, epochs: int, seed: int = 0) -> Any:
    return NeuralNetClassifier(module__hidden=(hidden,), epochs=epochs, random_state=seed)


def _sklearn(hidden: int, epochs: int, seed: int = 0) -> Any:
    return MLPClassifier(
        (hidden,),
        alpha=0.0,
        batch_size=128,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=seed,
    )


ESTIMATORS = {"npnet": _npnet, "scikit-learn": _sklearn}


def measure(hidden: int, dtype: Any, epochs: int, rounds: int) -> Result:
    """Time and test both estimators, which take turns."""
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, random_state=0, stratify=y)
    scaler = StandardScaler().fit(x)
    x, x_test = (scaler.transform(part).astype(dtype) for part in (x, x_test))
    fits = {
        name: functools.partial(make(hidden, epochs).fit, x, y) for name, make in ESTIMATORS.items()
    }
    accuracy = {
        name: 100
        * np.mean([make(hidden, epochs, s).fit(x, y).score(x_test, y_test) for s in range(SEEDS)])
        for name, make in ESTIMATORS.items()
    }
    return Result(hidden, np.dtype(dtype).name, interleave(fits, rounds), accuracy)


def _row(r: Result) -> list[str]:
    seconds = [_text(timing) for timing in r.seconds.values()]
    ratio = r.seconds["scikit-learn"].median / r.seconds["npnet"].median
    accuracy = [f"{value:.2f} %" for value in r.accuracy.values()]
    return [str(r.hidden), r.dtype, *seconds, f"{ratio:.2f}", *accuracy]


def _text(t: Timing) -> str:
    return f"{t.median:.2f} [{t.first_quartile:.2f}, {t.third_quartile:.2f}]"


def main(argv: Sequence[str] | None = None) -> None:
    """Read the flags and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore", ConvergenceWarning)  # as many epochs as were asked for
    npnet.set_num_threads(1)
    results = [
        measure(hidden, dtype, options.epochs, options.rounds)
        for hidden in (100, 500)
        for dtype in (np.float64, np.float32)
    ]
    rows = [_row(result) for result in results]
    columns = ["hidden", "dtype", "npnet s [q1, q3]", "scikit-learn s [q1, q3]", "ratio"]
    columns += ["npnet accuracy", "scikit-learn accuracy"]
    about = {**environment(threads=1), "scikit-learn": sklearn.__version__}
    title = f"Fit of 1,347 digits, {options.epochs} epochs"
    report(title, about, columns, rows, results, options.json)


if __name__ == "__main__":
    main()
