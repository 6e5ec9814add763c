"""NeuralNetRegressor: a network that gives numbers, as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from npnet.base.arrays import Array
from npnet.sklearn import criteria
from npnet.sklearn.base import NeuralNet
from npnet.sklearn.inputs import check_weights
from npnet.sklearn.plan import Samples

__all__ = ["NeuralNetRegressor"]

Self = TypeVar("Self", bound="NeuralNetRegressor")


class NeuralNetRegressor(RegressorMixin, NeuralNet):
    """A network that gives numbers.

        NeuralNetRegressor(epochs=200, random_state=0).fit(X, y)

    Parameters are those of `NeuralNetClassifier`, but for class_weight and label_smoothing. y is
    (n,) or (n, targets), and the network gives (n, targets). Targets far from the unit scale are
    learnt slowly: `sklearn.compose.TransformedTargetRegressor` scales them.

    Args:
        criterion: mse, l1, huber or smooth_l1; a loss such as nn.HuberLoss(delta=2.0); or a
            function of outputs and targets.
        monitor: of early_stopping: "loss", or "score", which is R^2.

    Attributes:
        module_, history_, n_iter_, best_epoch_, n_features_in_, feature_names_in_, sample_shape_:
            as of the classifier.

    Example:
        >>> from npnet.sklearn import NeuralNetRegressor
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> model = NeuralNetRegressor(epochs=40, learning_rate=0.1, random_state=0)
        >>> model.fit(x, x[:, 0] ** 2).predict(x).shape
        (20,)
    """

    _what = "targets"

    def __init__(
        self,
        module: Any = "mlp",
        *,
        criterion: Any = "mse",
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
        """Train a new network.

        Args:
            X: (n, f) or images; y: targets (n,) or (n, targets).
            sample_weight: how much each sample counts (n,): the loss is the sum of weight times
                loss over the sum of weights, and samples of weight 0 are left out.
        """
        first = self._is_first()
        self._learn(*self._samples_of(X, y, sample_weight, first, normalise=True), first)
        return self

    def partial_fit(self: Self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these samples; optimizer and schedule go on from call to call.

        They are those that the first call made; early_stopping is for `fit` alone.
        """
        first = not hasattr(self, "module_")
        self._learn_on(*self._samples_of(X, y, sample_weight, first, normalise=False), first)
        return self

    def _samples_of(
        self, X: Any, y: Any, sample_weight: Any, first: bool, normalise: bool
    ) -> tuple[Samples, int]:
        x, y = self._validated(X, y, first, multi_output=True, y_numeric=True)
        shape = y.shape[1:]
        if first:
            self._target_shape = shape
        elif shape != self._target_shape:
            had = f"(n, {self._target_shape[0]})" if self._target_shape else "(n,)"
            raise ValueError(
                f"NeuralNetRegressor: y must be of the shape {had} as in the first fit, got "
                f"{y.shape}"
            )
        weights = None if sample_weight is None else check_weights(sample_weight, x)
        targets = y.reshape(len(y), -1).astype(self._dtype)
        return self._weighed(x, targets, weights, normalise), targets.shape[1]

    def _criterion(self, outputs: int) -> criteria.Criterion:
        return criteria.regression(self.criterion)

    # ---- outputs -------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """The targets (n,) or (n, targets), as y of `fit` had them, in the dtype of the network."""
        y = self._outputs(X)
        return y.reshape(len(y), *self._target_shape)

    @staticmethod
    def _score_of(y: Array, target: Array, weights: Array | None) -> float:
        return float(r2_score(target, y, sample_weight=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
