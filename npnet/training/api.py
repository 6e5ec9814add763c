"""`Trainer` and `fit`: the trainer of the command line for a program's own network and data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import npnet
from npnet import models, nn, optim
from npnet.base.checks import unknown_name
from npnet.models.origin import code_of
from npnet.runs.callbacks import Callback, unknown_hook
from npnet.runs.errors import ConfigError
from npnet.runs.notebook import watcher
from npnet.runs.own import is_own
from npnet.tensor import Tensor
from npnet.training.config import OWN_PARTS, SCHEDULERS, Config
from npnet.training.given import Source, evaluated, given_data, name_of, predicted
from npnet.training.history import History
from npnet.training.learner import Learner, initial_model
from npnet.training.metrics import Score
from npnet.training.parts import Parts
from npnet.training.run import Surroundings, run
from npnet.training.trainer import Training
from npnet.utils.data import DataLoader

__all__ = ["Trainer", "fit"]

Network = nn.Module | Callable[..., nn.Module] | str
_NOT_HERE = ("config", "dataset", "model", "callbacks")  # settings that are said otherwise


class Trainer:
    """Trains a network of one's own, or npnet's, as `npnet train` does.

        trainer = npnet.training.Trainer(Net(), train=(x, y), test=(x_test, y_test), epochs=5)
        history = trainer.fit()
        print(history.best.val_accuracy, history.test_accuracy)

    It is the engine of the command: from the same seed, settings and initial weights come the same
    bits. Nothing is written to the disk, unless `checkpoint_dir` (best.safetensors, what a resume
    needs, config.json) or `log_dir` (log.txt, metrics.csv, TensorBoard, pictures, result.json) is
    given; `resume=True` goes on from `checkpoint_dir`.

    Args:
        model: a Module, which is trained in place from the weights that it has; a class or function
            that makes one, given in_channels and num_classes where it takes them, after the seed
            was set; or one of npnet's by name ("lenet5").
        train: what is learnt: a name ("mnist") or path as `--dataset` takes it; a pair of arrays
            (x, y); a data set; or a DataLoader. Pictures as arrays (N, H, W), (N, C, H, W) or
            (N, H, W, C) are standardised as the command's are, from uint8 or float. Data sets,
            loaders and arrays of other shapes are taken as they are: float samples and class
            numbers. A loader keeps its order and batch size.
        val: what chooses the best weights; None holds `val_ratio` of `train` out (of a loader
            nothing, and the last epoch counts as the best).
        test: what the best weights are tested on at the end; None is the test split of named data,
            else nothing.
        callbacks: see `Callback`.
        verbose: show the progress, in a notebook as a live table and curve.
        settings: those of `npnet train --help` by name, such as epochs=10, optimizer="adam",
            learning_rate=1e-3, patience=3, model_args=("width=32",). `optimizer` may also be a
            class, a function of the parameters, or an optimizer that is made already; `scheduler` a
            class or function of the optimizer, or a scheduler; `criterion` a module or a function
            of logits and class numbers.

    Attributes:
        model: the network; after `fit` in evaluation, with the weights of the best epoch.

    Raises:
        ConfigError: a setting that is not known or can't be used.

    Example:
        >>> data = np.eye(2, dtype=np.float32), np.arange(2)
        >>> options = {"epochs": 3, "learning_rate": 10.0, "verbose": False}
        >>> trainer = npnet.training.Trainer(nn.Linear(2, 2), train=data, val=data, **options)
        >>> history = trainer.fit()
        >>> history.best.val_accuracy
        100.0
    """

    def __init__(
        self,
        model: Network,
        *,
        train: Source,
        val: Source = None,
        test: Source = None,
        callbacks: Sequence[Callback] = (),
        verbose: bool = True,
        **settings: Any,
    ) -> None:
        _check_callbacks(callbacks)
        _check_names(settings)
        own = {name: value for name, value in settings.items() if _is_own(name, value)}
        _check_beside(settings, own, model, train, val)
        names = {name: _spelling(value) for name, value in own.items()}
        named = {**settings, **names, "dataset": name_of(train), "model": _model_name(model)}
        self._config = Config.from_dict(named, "settings")
        self._parts = Parts(
            model=None if isinstance(model, str) else model,
            callbacks=tuple(callbacks),
            files=_files(model, named["model"]),
            **own,
        )
        if self._config.spellings and isinstance(model, str):
            spelled = Parts.of(self._config)
            files = {k: v for k, v in spelled.files.items() if k == model}
            self._parts = dataclasses.replace(self._parts, model=spelled.model, files=files)
        self._saves, self._logs = "checkpoint_dir" in settings, "log_dir" in settings
        if self._config.resume and not self._saves:
            raise ConfigError("resume: goes on from checkpoint_dir; name that too")
        self._data = train, val, test
        self._verbose = verbose
        self._training: Training | None = None
        self._running: Training | None = None
        self._given = model

    @property
    def model(self) -> Any:
        """The network; None before `fit` has made it of a class or a name."""
        if self._training is not None:
            return self._training.learner.evaluated
        return self._given if isinstance(self._given, nn.Module) else None

    def fit(self) -> History:
        """Train, and load the weights of the best epoch.

        Returns:
            The finished epochs, and what the test came to.

        Raises:
            ConfigError: the data or the network can't be used.
            FailedError: the loss is not finite any more (DivergedError), or a callback failed.
        """
        around = Surroundings(
            lambda config, say: given_data(config, *self._data, say),
            self._parts,
            watcher if self._verbose else lambda: None,
            self._saves,
            self._logs,
            self._begun,
        )
        try:
            result = run(self._config, _build, around)
        finally:
            self._running = None
        self._training = result.training
        self._training.model.eval()
        return History(result.progress, result.test, self._training.result)

    def _begun(self, training: Training) -> None:
        self._running = training

    def stop(self, why: str = "") -> None:
        """Let no epoch come after the one under way, which is finished and saved.

        For what watches the run while `fit` trains; a callback is also told of the run itself.
        """
        if self._running is None:
            raise ConfigError("stop: nothing is being trained; call it while fit() runs")
        self._running.stop(why)

    def evaluate(self, data: Source = None) -> Score:
        """Loss and accuracy of other data, or of the test data, with the weights as they are now.

        Args:
            data: of the kind that `train` was.
        """
        return evaluated(self._fitted("evaluate"), data)

    def predict(self, x: Any) -> Tensor:
        """Logits (N, classes) of samples of the kind that `train` had, an array or a Tensor."""
        return npnet.from_numpy(predicted(self._fitted("predict"), x))

    def _fitted(self, what: str) -> Training:
        if self._training is None:
            raise ConfigError(f"{what}: nothing is trained yet; call fit() first")
        return self._training


def fit(model: Network, data: Source, **settings: Any) -> History:
    """Train a network on data: `Trainer(model, train=data, **settings).fit()`, see there.

    history = npnet.training.fit(Net(), (x, y), epochs=5)

    Example:
        >>> data = np.eye(2, dtype=np.float32), np.arange(2)
        >>> options = {"epochs": 3, "learning_rate": 10.0, "verbose": False}
        >>> history = npnet.training.fit(nn.Linear(2, 2), data, val=data, test=data, **options)
        >>> history.test_accuracy
        100.0
    """
    return Trainer(model, train=data, **settings).fit()


def _build(config: Config, data: Any, parts: Parts) -> Learner:
    return Learner(config, initial_model(config, data, parts), data, npnet, parts)


# ---- names ---------------------------------------------------------------------------------------


def _check_names(settings: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(Config) if field.name not in _NOT_HERE]
    for name in settings:
        if name not in known:
            raise ConfigError(f"Trainer: {unknown_name('a setting', name, known)}")


def _check_beside(
    settings: Mapping[str, Any], own: Mapping[str, Any], model: Network, train: Source, val: Source
) -> None:
    """Refuse a setting beside an object that says it already: it would have no effect."""
    said: dict[str, tuple[str, Any]] = {}  # setting -> whose it is, and its value there
    rule = own.get("optimizer")
    if isinstance(rule, optim.Optimizer):
        names = "learning_rate", "momentum", "nesterov", "weight_decay", "weight_decay_on"
        for name in (*names, "bias_lr_factor"):
            key = "lr" if name == "learning_rate" else name
            said[name] = "the optimizer", rule.param_groups[0].get(key)
    if "scheduler" in own:
        for name in ("use_scheduler", *(name for names in SCHEDULERS.values() for name in names)):
            said[name] = "the scheduler", None
    if isinstance(model, nn.Module):
        said["model_args"] = "the network", ()
    if isinstance(train, DataLoader):
        said["batch_size"] = "the DataLoader", train.batch_size
        said["val_ratio"] = "the DataLoader", 0
    if val is not None:
        said["val_ratio"] = "val", None
    for name in settings.keys() & said.keys():
        whose, value = said[name]
        if settings[name] != value:
            raise ConfigError(
                f"{name}: {settings[name]!r} would have no effect, since {whose} is given as it "
                "is; leave it out"
            )


def _check_callbacks(callbacks: Any) -> None:
    if not isinstance(callbacks, (list, tuple)):
        raise ConfigError(f"callbacks: must be a list of them, got a {type(callbacks).__name__}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            kind = callback.__name__ if isinstance(callback, type) else type(callback).__name__
            fix = f"; write {kind}()" if isinstance(callback, type) else ""
            raise ConfigError(
                f"callbacks: each must be an instance of npnet.training.Callback, got {kind}{fix}"
            )
        if unknown_hook(callback):
            raise ConfigError(f"callbacks: {unknown_hook(callback)}")


def _is_own(name: str, value: Any) -> bool:
    """Whether a setting is an object in place of a name."""
    return name in OWN_PARTS and not isinstance(value, str)


def _spelling(value: Any) -> str:
    """How a run calls something of the user's: module:Name."""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}:{kind.__qualname__}"


def _files(model: Network, name: str) -> dict[str, str]:
    """The digest of the file of a network that is not npnet's, by how the run calls it."""
    return {name: code_of(model)} if is_own(name) and not isinstance(model, str) else {}


def _model_name(model: Network) -> str:
    """How a run calls the network: npnet's by its own name."""
    if isinstance(model, str):
        return model
    if not callable(model):
        raise ConfigError(
            f"model: must be a Module, a class or function that makes one, or a name of npnet's, "
            f"got a {type(model).__name__}"
        )
    kind = type(model) if isinstance(model, nn.Module) else model
    names = [name for name, spec in models.MODELS.items() if spec.build is kind]
    return names[0] if names else _spelling(model)
