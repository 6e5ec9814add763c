"""Networks as estimators of scikit-learn: in pipelines, grids and ensembles."""

from __future__ import annotations

from npnet.sklearn.classifier import NeuralNetClassifier
from npnet.sklearn.regressor import NeuralNetRegressor

__all__ = ["NeuralNetClassifier", "NeuralNetRegressor"]
