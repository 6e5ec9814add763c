"""NeuralNetClassifier: a network that tells classes apart, as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

import npnet
from npnet.base.arrays import Array
from npnet.nn import functional as F
from npnet.sklearn import criteria
from npnet.sklearn.base import NeuralNet
from npnet.sklearn.inputs import check_weights
from npnet.sklearn.plan import Samples

__all__ = ["NeuralNetClassifier"]

Self = TypeVar("Self", bound="NeuralNetClassifier")


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """doc"""

    _what = "classes"

    def __init__(
        self,
        module: Any = "mlp",
        *,
        criterion: Any = "cross_entropy",
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        weight_decay_on: str = "all",
        scheduler: Any = "none",
        step_size: int = 2,
        milestones: Sequence[int] = (),
        gamma: float = 0.1,
        warmup_epochs: float = 1.0,
        min_learning_rate: float = 0.0,
        plateau_patience: int = 2,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        batch_size: int = 128,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        monitor: str = "loss",
        clip_grad_norm: float | None = None,
        ema: float | None = None,
        augment: Any = None,
        sample_shape: Sequence[int] | None = None,
        callbacks: Sequence[Any] | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool | int = False,
        **module__arguments: Any,
    ) -> None:
        arguments = module__arguments
        del module__arguments
        self._set(locals())

    # ---- training ------------------------------------------------------------------------------

    def fit(self: Self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        first = self._is_first()
        x, y = self._validated(X, y, first)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if first:
            self.classes_ = classes
        elif not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"NeuralNetClassifier: warm_start goes on with the classes {self.classes_}, but y "
                f"has {classes}; set warm_start=False to begin anew"
            )
        samples = self._samples_of(x, labels, sample_weight, normalise=True)
        self._learn(samples, len(self.classes_), first)
        return self

    def partial_fit(
        self: Self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        first = not hasattr(self, "module_")
        if first and classes is None:
            raise ValueError(
                "NeuralNetClassifier: the first partial_fit must be told all classes: "
                "classes=np.unique(y_of_all)"
            )
        x, y = self._validated(X, y, first)
        check_classification_targets(y)
        if classes is not None:
            check_classification_targets(classes)
            classes = np.unique(classes)
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"NeuralNetClassifier: classes {classes} are not those of the first "
                    f"partial_fit, {self.classes_}"
                )
            self.classes_ = classes
        samples = self._samples_of(x, self._known(y), sample_weight, normalise=False)
        self._learn_on(samples, len(self.classes_), first)
        return self

    def _samples_of(self, x: Array, labels: Array, sample_weight: Any, normalise: bool) -> Samples:
        weights = self._weights(labels, sample_weight, x, balanced=normalise)
        targets = self._criterion(len(self.classes_)).targets(labels, self._dtype)
        return self._weighed(x, targets, weights, normalise)

    def _known(self, y: Array) -> Array:
        """The number of each label among the classes."""
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"NeuralNetClassifier: y has {unknown[:5]}, which are none of the classes "
                f"{self.classes_}; name all of them in the first partial_fit"
            )
        return np.searchsorted(self.classes_, y)

    def _weights(self, labels: Array, sample_weight: Any, x: Array, balanced: bool) -> Array | None:
        """The weight of each sample, times that of its class; None where all are alike."""
        weights = None if sample_weight is None else check_weights(sample_weight, x)
        if self.class_weight is None:
            return weights
        if not isinstance(self.class_weight, str):
            own = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
        elif self.class_weight != "balanced":
            raise ValueError(
                "NeuralNetClassifier: class_weight must be None, 'balanced' or a dict, got "
                f"{self.class_weight!r}"
            )
        elif not balanced:
            raise ValueError(
                "NeuralNetClassifier: class_weight='balanced' needs all samples, which "
                "partial_fit does not see; give the weights as a dict: dict(zip(classes, "
                "compute_class_weight('balanced', classes=classes, y=y_of_all)))"
            )
        else:
            sums = np.bincount(labels, weights, minlength=len(self.classes_)).astype(np.float64)
            there = sums > 0
            own = np.where(there, sums.sum() / (there.sum() * np.where(there, sums, 1)), 0)
        return own[labels] if weights is None else weights * own[labels]

    def _criterion(self, outputs: int) -> criteria.Criterion:
        return criteria.classification(self.criterion, outputs, self.label_smoothing)

    def _strata(self, y: Array) -> Array | None:
        """The classes, where each has two samples."""
        labels = y if y.ndim == 1 else y.argmax(1)
        return labels if np.unique(labels, return_counts=True)[1].min() > 1 else None

    # ---- outputs -------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sample (n,)."""
        y = self._outputs(X)
        return self.classes_[y.argmax(1)]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class (n, classes), in the order of `classes_`: the softmax."""
        return F.softmax(npnet.from_numpy(self._outputs(X)), 1).numpy()

    @staticmethod
    def _score_of(y: Array, target: Array, weights: Array | None) -> float:
        labels = target if target.ndim == 1 else target.argmax(1)
        return float(np.average(y.argmax(1) == labels, weights=weights))
