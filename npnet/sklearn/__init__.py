"""Networks as estimators of scikit-learn: in pipelines, grids and ensembles.

from npnet.sklearn import NeuralNetClassifier

model = make_pipeline(StandardScaler(), NeuralNetClassifier(random_state=0))
model.fit(X, y).score(X_test, y_test)
"""

from __future__ import annotations

from npnet.base.extras import require

require("sklearn", "sklearn", "npnet.sklearn")

from npnet.sklearn.classifier import NeuralNetClassifier  # noqa: E402  # needs scikit-learn
from npnet.sklearn.regressor import NeuralNetRegressor  # noqa: E402  # so does this

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]
