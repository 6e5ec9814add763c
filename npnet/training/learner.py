"""What learns: a network, its loss, its optimizer and its schedule, in npnet or in PyTorch.

The two libraries have the same names, so that one text serves both: `lib` is the module `npnet`
or `torch`. That is how `reference.train` repeats a run.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import npnet
from npnet import models
from npnet.base.arrays import Array
from npnet.base.group import several
from npnet.base.trees import mapped
from npnet.compiler import EagerStep, ShardedStep, Step
from npnet.nn.parallel import DistributedDataParallel
from npnet.runs import streams
from npnet.runs.arguments import arguments
from npnet.runs.errors import ConfigError, DivergedError
from npnet.runs.optimizers import optimizer
from npnet.runs.own import blamed
from npnet.runs.weights import arrays, load_arrays
from npnet.tape import result
from npnet.training.config import Config
from npnet.training.data import Data
from npnet.training.parts import NONE, Parts, made, own_criterion, own_optimizer, own_scheduler
from npnet.training.ranks import is_alone
from npnet.training.schedules import scheduler, steps_each_batch

__all__ = [
    "Batch",
    "Learner",
    "initial_model",
    "model_arguments",
    "moving_average",
    "parameter_groups",
]


_IN_TRAINING = "a training step of the network, loss or optimizer"


class Batch(NamedTuple):
    """What a batch gave: the mean loss, and the logits (n, classes) that it came from."""

    loss: float
    logits: Array


def initial_model(config: Config, data: Data, parts: Parts = NONE) -> npnet.nn.Module:
    """The network that `config` names, with the initial weights that belong to its seed.

    One that the user has made already stays as it is.

    Raises:
        ConfigError: one of the user's own can't be made.
    """
    npnet.manual_seed(config.seed)
    channels, classes = data.image_shape[0], len(data.classes)
    if parts.model is None:
        return models.create(config.model, in_channels=channels, num_classes=classes)
    if isinstance(parts.model, npnet.nn.Module):
        return parts.model
    model = made(parts.model, model_arguments(config, data, parts), "model", config.model)
    if not isinstance(model, npnet.nn.Module):
        raise ConfigError(
            f"model: {config.model} made a {type(model).__name__}, not a npnet.nn.Module"
        )
    return model


def _check_parameters(model: Any, what: str) -> None:
    """Refuse a network that has nothing to train. Raises ConfigError."""
    weights = list(model.parameters())
    if any(weight.requires_grad for weight in weights):
        return
    why = "all its parameters have requires_grad=False"
    if not weights:
        why = "it has no parameters; make its layers in __init__: self.fc = nn.Linear(...)"
    raise ConfigError(f"model: {what} has nothing to train: {why}")


def _set_batch_norm(config: Config, model: Any, lib: Any) -> None:
    """Raises ConfigError if there is no batch norm that settings could be of."""
    kinds = (lib.nn.BatchNorm1d, lib.nn.BatchNorm2d, lib.nn.BatchNorm3d)
    layers = [m for m in model.modules() if isinstance(m, kinds)]
    if config.batch_norm == "shard" and not layers:
        raise ConfigError(f"batch_norm: {config.model} has no batch norm; leave it out")
    if config.batch_norm_momentum is None:
        return
    layers = [m for m in layers if m.track_running_stats]
    if not layers:
        raise ConfigError(
            f"batch_norm_momentum: {config.model} has no batch norm with running statistics; leave "
            "it out"
        )
    for layer in layers:
        layer.momentum = config.batch_norm_momentum


def model_arguments(config: Config, data: Data, parts: Parts) -> dict[str, Any]:
    """What the network is made with."""
    given = {"in_channels": data.image_shape[0], "num_classes": len(data.classes)}
    if parts.model is None:
        return given
    if isinstance(parts.model, npnet.nn.Module):
        return {}
    return arguments(parts.model, config.model_args, given, "model_args", config.model)


class Learner:
    """A network in training.

    Args:
        config: the run's settings.
        model: the network, a `nn.Module` of `lib`.
        data: what it learns; here only the counts of classes and of batches matter.
        lib: the module `npnet` or `torch`.
        parts: what is the user's own.

    Attributes:
        evaluated: the network that is validated, saved and tested: `model`, or with `ema` the
            average of what it was.

    Raises:
        ConfigError: the schedule does not fit the count of batches.
    """

    def __init__(
        self, config: Config, model: Any, data: Data, lib: Any, parts: Parts = NONE
    ) -> None:
        self.config, self.model, self.lib, self.parts = config, model, lib, parts
        _check_parameters(model, config.model)
        _set_batch_norm(config, model, lib)
        self.criterion, self._target = _criterion(config, parts, len(data.classes), lib)
        self.optimizer = _optimizer(config, parts, model, lib)
        self._average = moving_average(model, config.ema, lib) if config.ema is not None else None
        self.evaluated = model if self._average is None else self._average.module
        self._forward = npnet.compile(self.evaluated) if lib is npnet else self.evaluated
        smoothing = config.label_smoothing  # of training alone
        trained_by = (
            lib.nn.CrossEntropyLoss(label_smoothing=smoothing) if smoothing else self.criterion
        )
        compiles = lib is npnet and config.criterion != "softmax_bce"  # which has no kernel
        by_shards = config.batch_norm == "shard"
        alone = is_alone() or by_shards or not compiles
        shared = model if alone else DistributedDataParallel(model)
        self._step = (npnet.compile if compiles else EagerStep)(shared, trained_by, self.optimizer)
        if by_shards:
            self._step = ShardedStep(self._step, lib, several())
        if parts.scheduler is not None:
            self.scheduler = own_scheduler(parts.scheduler, self.optimizer, config.scheduler)
        else:
            batches = data.steps(config.batch_size)
            self.scheduler = scheduler(config, self.optimizer, lib.optim.lr_scheduler, batches)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def unshared(self) -> str | None:
        """Why each of several ranks did the whole of the last batch; None if they shared it."""
        step = self._step
        if is_alone() or isinstance(step, ShardedStep):
            return None
        return step.unshared if isinstance(step, Step) else "its loss or library has no programs"

    def seed(self, seed: int, epoch: int) -> None:
        """Let dropout draw the numbers that belong to an epoch, whatever came before."""
        stream = np.random.SeedSequence((seed, streams.DROPOUT, epoch))
        self.lib.manual_seed(int(stream.generate_state(1, np.uint32)[0]))

    def train_step(self, x: Array, y: Array) -> Batch:
        """Forward, loss, backward, clipping, update, average and schedule on one batch.

        Raises:
            DivergedError: the loss is not finite; the parameters are still those before the step.
        """
        self.model.train()
        with blamed(_IN_TRAINING):
            loss = self._step.gradients(
                self.lib.from_numpy(x), self._target(self.lib.from_numpy(y))
            )
        if not math.isfinite(loss.item()):
            raise DivergedError(self._where_not_finite(x))
        if self.config.clip_grad_norm is not None:
            self.lib.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_grad_norm)
        with blamed(_IN_TRAINING):
            self.optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        if steps_each_batch(self.config):
            self.scheduler.step()
        return Batch(loss.item(), self._step.output.numpy())

    def evaluate_batch(self, x: Array, y: Array) -> Batch:
        """Loss, of labels as they are, and logits in evaluation mode; nothing is changed."""
        self.evaluated.eval()
        with self.lib.no_grad(), blamed("the network or its loss"):
            logits = self._forward(self.lib.from_numpy(x))
            loss = self.criterion(logits, self._target(self.lib.from_numpy(y)))
        return Batch(loss.item(), logits.numpy())

    def predict(self, x: Array) -> Array:
        """Logits (n, classes) of standardised images (n, C, H, W)."""
        self.evaluated.eval()
        with self.lib.no_grad():
            logits: Array = self._forward(self.lib.from_numpy(x)).numpy()
        return logits

    def end_epoch(self, loss: float) -> None:
        """Let a schedule of epochs take its step; `loss` is what a plateau is seen by."""
        if self.config.schedule == "plateau":
            self.scheduler.step(loss)
        elif self.scheduler is not None and not steps_each_batch(self.config):
            with blamed("the scheduler"):
                self.scheduler.step()

    def _where_not_finite(self, x: Array) -> str:
        """The first layer whose output on this batch is not finite."""
        found: list[str] = []

        def look(name: str) -> Callable[..., None]:
            def hook(module: Any, args: Any, y: Any) -> None:
                if not found and not np.isfinite(y.detach().numpy()).all():
                    found.append(f"the output of layer {name} ({type(module).__name__})")

            return hook

        leaves = [(n, m) for n, m in self.model.named_modules() if not list(m.children())]
        with contextlib.ExitStack() as hooks, self.lib.no_grad():
            for name, module in leaves:
                hooks.callback(module.register_forward_hook(look(name)).remove)
            self.model(self.lib.from_numpy(x))
        return found[0] if found else "only the loss itself; every layer's output is finite"

    # ---- state ---------------------------------------------------------------------------------

    def weights(self) -> dict[str, Array]:
        """Parameters and buffers of `evaluated` by name: copies, row-major as files need them."""
        return arrays(self.evaluated)

    def load_weights(self, weights: dict[str, Array]) -> None:
        """Take parameters and buffers, also as the average. RuntimeError if they do not fit."""
        for module in {self.model, self.evaluated}:
            load_arrays(module, weights, self.lib)

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, as a tree that `npnet.save` takes."""
        state = {
            "weights": {name: result(array) for name, array in self.weights().items()},
            "optimizer": mapped(self.optimizer.state_dict(), _saved),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
        }
        if self._average is not None:
            trained = {name: result(array) for name, array in arrays(self.model).items()}
            state["average"] = {"of": trained, "n_averaged": int(self._average.n_averaged)}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from where `state` stood."""
        self.load_weights({name: tensor.array for name, tensor in state["weights"].items()})
        if self._average is not None:
            trained = state["average"]["of"]
            load_arrays(self.model, {k: tensor.array for k, tensor in trained.items()}, self.lib)
            self._average.n_averaged.fill_(state["average"]["n_averaged"])
        self.optimizer.load_state_dict(mapped(state["optimizer"], self._restored))
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])

    def _restored(self, value: Any) -> Any:
        """A saved tensor as one of `lib`, copied; anything else as it is."""
        is_tensor = isinstance(value, npnet.Tensor)
        return self.lib.from_numpy(np.array(value.array)) if is_tensor else value


def _saved(value: Any) -> Any:
    """A tensor of either library as npnet's, copied; anything else as it is."""
    is_tensor = hasattr(value, "detach")
    return result(np.array(value.detach().numpy())) if is_tensor else value


def _criterion(
    config: Config, parts: Parts, classes: int, lib: Any
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The loss of logits and a target, and what makes that target of class numbers."""
    F, name = lib.nn.functional, config.criterion
    if parts.criterion is not None:
        return own_criterion(parts.criterion, name), lambda y: y

    def one_hot(y: Any) -> Any:
        return F.one_hot(y, classes).to(lib.float32)

    def softmax_bce(logits: Any, target: Any) -> Any:
        return F.binary_cross_entropy(F.softmax(logits, 1), target)

    if name == "cross_entropy":
        return F.cross_entropy, lambda y: y
    return {"mse": F.mse_loss, "softmax_bce": softmax_bce}[name], one_hot


def _optimizer(config: Config, parts: Parts, model: Any, lib: Any) -> Any:
    options = {
        "lr": config.learning_rate,
        "weight_decay": config.weight_decay,
        "momentum": config.momentum,
        "nesterov": config.nesterov,
    }
    if parts.optimizer is not None:
        return own_optimizer(parts.optimizer, list(model.parameters()), options, config.optimizer)
    return optimizer(config.optimizer, parameter_groups(config, model), lib.optim, **options)


def moving_average(model: Any, decay: float, lib: Any) -> Any:
    """The average of the model, whose decay grows to `decay`.

    In step n it is at most (1 + n) / (10 + n), so that the first steps are soon forgotten.

    Source: TensorFlow, `tf.train.ExponentialMovingAverage` with `num_updates`.
    """
    swa_utils = lib.optim.swa_utils
    average = functools.partial(_averaged, swa_utils.get_ema_multi_avg_fn, decay)
    return swa_utils.AveragedModel(model, multi_avg_fn=average, use_buffers=True)


def _averaged(
    rule: Callable[[float], Any], decay: float, averages: Any, values: Any, count: Any
) -> None:
    """Step n of the average, in a function that pickles have by its name."""
    n = int(count)
    rule(min(decay, (1 + n) / (10 + n)))(averages, values, count)


def parameter_groups(config: Config, model: Any) -> Any:
    """The parameters in groups: those that weight decay pulls, then those that it spares, and of
    each the biases after the others where they have a learning rate of their own.
    """
    spares, factor = config.weight_decay_on == "weights", config.bias_lr_factor
    groups: dict[tuple[bool, bool], dict[str, Any]] = {}
    for name, p in model.named_parameters():
        is_spared, is_bias = spares and p.ndim < 2, factor != 1 and name.endswith("bias")
        if (is_spared, is_bias) not in groups:
            options = {"weight_decay": 0.0} if is_spared else {}
            options |= {"lr": config.learning_rate * factor} if is_bias else {}
            groups[is_spared, is_bias] = {"params": [], **options}
        groups[is_spared, is_bias]["params"].append(p)
    return [groups[key] for key in sorted(groups)]
