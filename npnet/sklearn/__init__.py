"""Networks as estimators of scikit-learn: in pipelines, grids and ensembles.

from npnet.sklearn import NeuralNetClassifier

model = make_pipeline(StandardScaler(), NeuralNetClassifier(random_state=0))
model.fit(X, y).score(X_test, y_test)
"""

from __future__ import annotations

from npnet.sklearn.classifier import NeuralNetClassifier
from npnet.sklearn.regressor import NeuralNetRegressor

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]
