"""scikit-learn's own checks of both estimators: a program, as SCIPY_ARRAY_API is read at import.

    SCIPY_ARRAY_API=1 python -m tests.sklearn.check_both

prints a line for each check, `name status`, and the reason of one that did not pass.
"""

from __future__ import annotations

import sys
import warnings

from sklearn.utils.estimator_checks import check_estimator

from npnet.sklearn import NeuralNetClassifier, NeuralNetRegressor

ESTIMATORS = {kind.__name__: kind for kind in (NeuralNetClassifier, NeuralNetRegressor)}


def main(names: list[str]) -> None:
    warnings.simplefilter("error")
    for name in names or ESTIMATORS:
        for check in check_estimator(ESTIMATORS[name](), on_skip=None, on_fail=None):
            reason = "" if check["status"] == "passed" else f" {check['exception']!r}"
            print(f"{name} {check['check_name']} {check['status']}{reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
