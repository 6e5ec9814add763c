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
from npnet.sklearn.inputs import check_weights, scaled
from npnet.sklearn.plan import Samples

__all__ = ["NeuralNetClassifier"]

Self = TypeVar("Self", bound="NeuralNetClassifier")


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """A network that tells classes apart.

        NeuralNetClassifier(epochs=50, random_state=0).fit(X, y)
        NeuralNetClassifier("lenet5", early_stopping=True).fit(images, y)
        NeuralNetClassifier(MyNet, module__width=64, optimizer="sgd", learning_rate=0.1)

    X is features (n, f), flat to `sample_shape`, or images (n, H, W) or (n, C, H, W). What is
    float64, or no float, is computed in float64 by NumPy; float32 in float32 by kernels, which is
    faster, above all for images. A network gets batches (n, f) or (n, *sample_shape) and gives
    (n, classes): logits, whose softmax is `predict_proba`. Nothing is written to any file.

    Parameters that `npnet train` has too are as there, and checked at fit:

    Args:
        module: the network. "mlp", sized by the data, with module__hidden=(100,) and
            module__activation="relu"; a name of `npnet.models.MODELS`, for images, which are
            resized to the least size that it takes; a class of nn.Module, or a function that makes
            one; or a Module, which is copied with its weights, as for fine-tuning.
        module__NAME: an argument of the name's or class's own. Those called in_features or
            n_features, in_channels, num_classes, n_classes, out_features or n_outputs are what the
            data say, unless they are given.
        criterion: cross_entropy, mse (against one-hot targets) or softmax_bce; a loss such as
            nn.MultiMarginLoss(); or a function of outputs and class numbers.
        label_smoothing: share of each target that is spread over all classes (cross_entropy).
        class_weight: None; "balanced", which gives each class the same sum of weights; or a dict.
        optimizer: sgd, adam, adamw, nadam, rmsprop, adadelta, adagrad, adamax or radam; or a class
            of `npnet.optim`, called with the parameters, lr and, if any, weight_decay.
        learning_rate, momentum, nesterov, weight_decay, weight_decay_on: of the optimizer; see
            `npnet train --help`.
        scheduler: none, poly, step, multistep, exponential, cosine, warmup_cosine,
            warmup_exponential, onecycle or plateau; or a function of the optimizer that gives a
            scheduler, which takes a step after each epoch.
        step_size, milestones, gamma, warmup_epochs, min_learning_rate, plateau_patience,
            pct_start, div_factor, final_div_factor: of the scheduler.
        batch_size: samples in a step, or all if they are fewer. One that is left over joins the
            batch before it.
        epochs: how often `fit` goes through the samples at most.
        early_stopping: hold out validation_fraction of the samples, stop after `patience` epochs in
            which `monitor`, "loss" or "score", of these got no better, and take the weights of the
            best epoch. Each class gives its share, where both parts have room for all classes.
        clip_grad_norm: scale gradients down to this norm where it is larger.
        ema: decay of a moving average of the weights, which validates and predicts.
        augment: what changes each batch of training inputs at random: a function of the batch, an
            ndarray, and a numpy.random.Generator, such as `transforms.RandomAffine(5).transform`.
        sample_shape: what a row of X is to the network, such as (1, 28, 28).
        callbacks: instances of `npnet.training.Callback`. `clone`, and so a grid, copies them.
        random_state: of the initial weights, the order of samples, dropout, augmentation and what
            is held out. The same number gives the same bits, in any process, on any count of cores.
        warm_start: let `fit` go on with the weights that are there, by a new optimizer.
        verbose: print a line for each epoch.

    Attributes:
        classes_: the classes (k,), sorted.
        module_: the network that was trained, in evaluation mode.
        history_: a dict for each epoch: epoch, learning_rate, train_loss, seconds, and with
            early_stopping val_loss and val_score.
        n_iter_: finished epochs. best_epoch_: with early_stopping, whose weights these are.
        n_features_in_, feature_names_in_: as of any estimator. sample_shape_: of one sample.

    Raises (fit):
        ValueError, TypeError: a parameter or the data can't be used; says which, and why.
        npnet.runs.errors.DivergedError: a loss or weight is not finite.

    Example:
        >>> from npnet.sklearn import NeuralNetClassifier
        >>> x, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "yes", "yes", "no"]
        >>> model = NeuralNetClassifier(epochs=40, learning_rate=0.1, random_state=0)
        >>> model.fit(x, y).predict(x).tolist()
        ['no', 'yes', 'yes', 'no']
    """

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
        """Train a new network.

        Args:
            X: (n, f) or images, see above; y: classes (n,).
            sample_weight: how much each sample counts (n,): the loss is the sum of weight times
                loss over the sum of weights, and samples of weight 0 are left out.
        """
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
        """Train for one epoch on these samples; optimizer and schedule go on from call to call.

        They are those that the first call made; early_stopping is for `fit` alone.

        Args:
            classes: all that there will be; needed by the first call.
            sample_weight: as of `fit`, but the loss is divided by the count of samples.
        """
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
        """Samples with the targets of the loss.

        Args:
            labels: class numbers.
            normalise: as of `_weighed`; also, whether these are all samples.
        """
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
        if balanced and weights is not None:
            weights = scaled(weights)
        if not isinstance(self.class_weight, str):
            own = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
            self._check_class_weights(own)
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
        weights = own[labels] if weights is None else weights * own[labels]
        if not weights.any():
            raise ValueError(
                "NeuralNetClassifier: class_weight leaves no sample a weight above zero"
            )
        return weights

    def _check_class_weights(self, own: Array) -> None:
        for label, weight in zip(self.classes_, own, strict=True):
            if not 0 <= weight < np.inf:
                raise ValueError(
                    "NeuralNetClassifier: class_weight must be finite and >= 0, got "
                    f"{weight:g} for class {label}"
                )

    def _criterion(self, outputs: int) -> criteria.Criterion:
        return criteria.classification(self.criterion, outputs, self.label_smoothing)

    def _strata(self, y: Array, room: int) -> Array | None:
        """The classes, where each has two samples and both parts have room for all."""
        labels = y if y.ndim == 1 else y.argmax(1)
        counts = np.unique(labels, return_counts=True)[1]
        return labels if counts.min() > 1 and len(counts) <= room else None

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
