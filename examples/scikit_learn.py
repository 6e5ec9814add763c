"""scikit-learn: a network in a pipeline, judged by cross-validation, its settings found by a grid.

    python examples/scikit_learn.py               needs pip install 'npnet[sklearn]'

The scaler and the network are fitted anew in each fold, so that nothing is known of what is held
out. The test samples are touched once, at the end.
"""

from __future__ import annotations

import argparse

from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from npnet.sklearn import NeuralNetClassifier


def main(samples: int, epochs: int, folds: int) -> None:
    x, y = load_digits(return_X_y=True)
    x = x[:samples].astype("float32")  # float32 is computed by kernels
    x, x_test, y, y_test = train_test_split(x, y[:samples], random_state=0, stratify=y[:samples])
    network = make_pipeline(StandardScaler(), NeuralNetClassifier(epochs=epochs, random_state=0))
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    for name, model in (("network", network), ("logistic regression", line)):
        scores = 100 * cross_val_score(model, x, y, cv=folds)
        print(f"{name}: {scores.mean():.1f} ± {scores.std(ddof=1):.1f} % in {folds} folds")

    choices = {
        "neuralnetclassifier__module__hidden": [(16,), (100,)],
        "neuralnetclassifier__learning_rate": [1e-3, 1e-2],
    }
    grid = GridSearchCV(network, choices, cv=folds).fit(x, y)
    results = grid.cv_results_
    for settings, score in zip(results["params"], results["mean_test_score"], strict=True):
        said = ", ".join(f"{name.rpartition('__')[2]} {value}" for name, value in settings.items())
        print(f"  {said}: {100 * score:.1f} %")
    print(f"the best of the grid on the test samples: {100 * grid.score(x_test, y_test):.1f} %")
    print(classification_report(y_test, grid.predict(x_test), zero_division=0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1797)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=3)
    args = parser.parse_args()
    main(args.samples, args.epochs, args.folds)
