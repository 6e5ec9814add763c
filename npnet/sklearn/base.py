"""What the classifier and the regressor share: parameters, fit, partial_fit, outputs."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from npnet import nn
from npnet.base.arrays import Array
from npnet.base.checks import unknown_name
from npnet.models.outputs import is_softmax, softmax_advice
from npnet.random import drawing_apart
from npnet.runs import streams
from npnet.runs.callbacks import Callback, Callbacks
from npnet.runs.errors import ConfigError
from npnet.sklearn.criteria import Criterion
from npnet.sklearn.inputs import FLOATS, as_rows, check_given, scaled, shape_of_samples
from npnet.sklearn.learning import Learning, outputs
from npnet.sklearn.networks import build, check_outputs, in_memory, input_size
from npnet.sklearn.plan import Plan, Record, Samples
from npnet.sklearn.settings import MONITORS, as_value_error, config_of, unused
from npnet.training.schedules import steps_each_batch
from npnet.transforms import Resize

__all__ = ["NeuralNet"]

Self = TypeVar("Self", bound="NeuralNet")

_ARGUMENT = "module__"  # begins the parameters that are the module's arguments
_TAKE_SOFTMAX = ("cross_entropy", "softmax_bce", "CrossEntropyLoss")  # of what they are given


class NeuralNet(BaseEstimator):
    """A network as an estimator of scikit-learn. `NeuralNetClassifier` says what is what."""

    module: Any
    criterion: Any
    sample_shape: Any
    optimizer: Any
    scheduler: Any
    augment: Any
    callbacks: Any
    random_state: Any
    early_stopping: bool
    validation_fraction: float
    monitor: str
    warm_start: bool
    verbose: Any
    module_: nn.Module
    _dtype: type[np.generic]
    _learning: Learning | None
    _what: str  # the outputs are of

    def _set(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters as they are, as scikit-learn's `clone` wants; `fit` checks them."""
        arguments = parameters.pop("arguments")
        for name in ("self", "__class__"):
            parameters.pop(name, None)
        for name in arguments:
            self._check_argument(name)
        for name, value in (parameters | arguments).items():
            setattr(self, name, value)

    def _check_argument(self, name: str) -> None:
        if not name.startswith(_ARGUMENT):
            known = self._get_param_names()
            raise TypeError(unknown_name(f"{type(self).__name__}: parameter", name, known))

    # ---- parameters ----------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name, the module's arguments as module__NAME among them."""
        own = {key: value for key, value in vars(self).items() if key.startswith(_ARGUMENT)}
        return {**super().get_params(deep), **own}

    def set_params(self: Self, **params: Any) -> Self:
        """Change parameters by name, the module's arguments as module__NAME among them."""
        own = {key: value for key, value in params.items() if key.startswith(_ARGUMENT)}
        super().set_params(**{key: value for key, value in params.items() if key not in own})
        for key, value in own.items():
            setattr(self, key, value)
        return self

    @property
    def _arguments(self) -> dict[str, Any]:
        found = {key: value for key, value in vars(self).items() if key.startswith(_ARGUMENT)}
        return {key.removeprefix(_ARGUMENT): value for key, value in found.items()}

    # ---- what the two kinds of estimators say --------------------------------------------------

    def _criterion(self, outputs: int) -> Criterion:
        raise NotImplementedError

    @staticmethod
    def _score_of(y: Array, target: Array, weights: Array | None) -> float:
        raise NotImplementedError

    # ---- data ----------------------------------------------------------------------------------

    def _validated(self, X: Any, y: Any, first: bool, **options: Any) -> tuple[Array, Array]:
        """Samples as the network takes them, and y, both checked by scikit-learn."""
        rows, given = as_rows(X)
        dtype = FLOATS if first else self._dtype
        rows, y = validate_data(self, rows, y, reset=first, dtype=dtype, **options)
        if first:
            self._dtype = rows.dtype.type
            self.sample_shape_ = shape_of_samples(self.sample_shape, given, rows.shape[1])
        return self._samples(rows, given), y

    def _samples(self, rows: Array, given: tuple[int, ...] | None) -> Array:
        check_given(given, self.sample_shape_)
        x = rows.reshape(len(rows), *self.sample_shape_)
        size = input_size(self.module, self.sample_shape_)
        return x if size is None else Resize(size).transform(x)

    def _weighed(self, x: Array, y: Array, weights: Array | None, normalise: bool) -> Samples:
        """Samples with weights, those of weight zero left out.

        Args:
            normalise: let the weights have the mean 1, so that their unit changes nothing.
        """
        if weights is None:
            return Samples(x, y)
        there = weights > 0
        if not there.all():
            x, y, weights = x[there], y[there], weights[there]
        if normalise:
            weights = scaled(weights)
            weights = weights / weights.mean()
        with np.errstate(over="ignore"):
            weights = weights.astype(self._dtype)
        if not np.isfinite(weights).all():
            raise ValueError(
                f"sample_weight: too large for {np.dtype(self._dtype)}; divide all by the largest"
            )
        return Samples(x, y, weights)

    def _split(self, samples: Samples) -> tuple[Samples, Samples | None]:
        """The samples that are learnt, and those that are held out for early stopping."""
        if not self.early_stopping:
            return samples, None
        count = len(samples)
        held_out = min(max(1, round(count * self.validation_fraction)), count - 1)
        if held_out < 1:
            raise ValueError(
                f"{type(self).__name__}: early_stopping needs two samples, got {count}"
            )
        train, others = train_test_split(
            np.arange(count),
            test_size=held_out,
            random_state=self._seed,
            stratify=self._strata(samples.y, min(held_out, count - held_out)),
        )
        return samples.take(train), samples.take(others)

    def _strata(self, y: Array, room: int) -> Array | None:
        """Groups of samples of which both parts of a split get their share; None for none.

        Args:
            room: samples of the smaller part.
        """
        return None

    # ---- training ------------------------------------------------------------------------------

    def _learn(
        self,
        samples: Samples,
        n_outputs: int,
        first: bool,
    ) -> None:
        """Train on samples for all epochs, with early stopping where it is asked for.

        Args:
            first: whether the network is new, or the one that is there goes on.
        """
        self._seed = self._drawn_seed()
        plan = self._plan(n_outputs, True)
        train, held_out = self._split(samples)
        network = self._network(samples.x, n_outputs) if first else self.module_
        learning = self._new_learning(plan, network, len(train))
        self._train(learning, train, held_out, plan.config.epochs)
        self.history_, self.n_iter_ = _table(learning.history), learning.epoch
        self.__dict__.pop("best_epoch_", None)
        if held_out is not None:
            self.best_epoch_ = learning.best_epoch
        self._learning = None  # the optimizer's state would be twice the weights

    def _learn_on(self, samples: Samples, n_outputs: int, first: bool) -> None:
        """Train on samples for one epoch more: `partial_fit`."""
        if first:
            self._seed, self.history_, self.n_iter_ = self._drawn_seed(), [], 0
        plan = self._plan(n_outputs, first)
        if plan.scheduler is None and steps_each_batch(plan.config):
            raise ValueError(
                f"{type(self).__name__}: scheduler {self.scheduler} goes by all batches, of which "
                "partial_fit sees some; take one that goes by epochs, such as poly, or none"
            )
        if first or self._learning is None:
            network = self._network(samples.x, n_outputs) if first else self.module_
            self._learning = self._new_learning(plan, network, len(samples), self.n_iter_)
        self._learning.plan = plan
        self._train(self._learning, samples, None, 1)
        self.history_ = [*self.history_, *_table(self._learning.history[-1:])]
        self.n_iter_ = self._learning.epoch

    def _train(
        self, learning: Learning, train: Samples, held_out: Samples | None, epochs: int
    ) -> None:
        callbacks = self._callbacks()
        try:
            learning.train(train, held_out, epochs, callbacks)
        finally:
            callbacks.close()
        self.module_, self._forward = learning.evaluated, learning.forward

    def _callbacks(self) -> Callbacks:
        """The user's, told as npnet's own are: an error of theirs is raised as it is."""
        given = [] if self.callbacks is None else self.callbacks
        callbacks = list(given) if isinstance(given, (list, tuple)) else [given]
        for callback in callbacks:
            if not isinstance(callback, Callback):
                fix = "; make an instance of it" if isinstance(callback, type) else ""
                raise TypeError(
                    f"{type(self).__name__}: callbacks must be a list of instances of "
                    f"npnet.training.Callback, got {callback!r}{fix}"
                )
        return Callbacks(callbacks)

    def _drawn_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _plan(self, n_outputs: int, first: bool) -> Plan:
        name = type(self).__name__
        parameters = self.get_params(deep=False)
        if self.monitor not in MONITORS:
            raise ValueError(f"{name}: {unknown_name('monitor', self.monitor, MONITORS)}")
        if self.augment is not None and not callable(self.augment):
            raise TypeError(
                f"{name}: augment must be a function of a batch and a generator, such as "
                f"transforms.RandomAffine(5).transform, got {self.augment!r}"
            )
        config = config_of(name, parameters)
        defaults = {
            key: value.default for key, value in inspect.signature(type(self)).parameters.items()
        }
        said = unused(parameters, defaults, config)
        if said and first:
            warnings.warn(f"{name}: no use is made of {said}", stacklevel=4)
        return Plan(
            config,
            self._seed,
            self._criterion(n_outputs),
            self._score_of,
            self.monitor,
            None if isinstance(self.optimizer, str) else self.optimizer,
            None if isinstance(self.scheduler, str) else self.scheduler,
            self.augment,
            bool(self.verbose),
        )

    def _network(self, x: Array, n_outputs: int) -> nn.Module:
        """A new network, tried on two of the samples."""
        with drawing_apart((self._seed, streams.SPLIT)):
            network = build(self.module, self._arguments, self.sample_shape_, n_outputs)
            network.to(self._dtype)
            y = check_outputs(network, x[:2], n_outputs, self._what)
        loss = getattr(self.criterion, "__name__", self.criterion)
        loss = loss if isinstance(loss, str) else type(loss).__name__
        if loss in _TAKE_SOFTMAX and self._what == "classes" and is_softmax(y):
            said = softmax_advice(type(network).__name__, loss)
            warnings.warn(f"{type(self).__name__}: {said}", stacklevel=4)
        return network

    def _new_learning(
        self, plan: Plan, network: nn.Module, samples: int, finished: int = 0
    ) -> Learning:
        try:
            return Learning(plan, network, samples, finished)
        except ConfigError as error:
            raise as_value_error(error, type(self).__name__) from None

    def _is_first(self) -> bool:
        """Whether `fit` begins anew."""
        return not (self.warm_start and hasattr(self, "module_"))

    # ---- outputs -------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """What the network gives for X: (n, outputs)."""
        check_is_fitted(self)
        rows, given = as_rows(X)
        rows = validate_data(self, rows, reset=False, dtype=self._dtype)
        return outputs(self._forward, self._samples(rows, given))

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "module_"):
            in_memory(self.module_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _table(history: Sequence[Record]) -> list[dict[str, float]]:
    """Records as rows of a table, without what no samples were held out for."""
    rows = [dataclasses.asdict(record) for record in history]
    return [{k: v for k, v in row.items() if v == v} for row in rows]
