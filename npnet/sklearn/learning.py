"""What trains an estimator's network, on arrays in memory.

The trainer of `npnet.training` learns images of one float type from files, and saves as it goes;
here samples have weights, may be float64 and of any shape, targets may be numbers, and nothing is
written. Optimizers, schedules, moving average and the streams of random numbers are the trainer's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import npnet
from npnet import nn
from npnet.base.arrays import Array
from npnet.base.threads import one_blas_thread
from npnet.compiler import EagerStep
from npnet.compiler.cache import unasked
from npnet.random import drawing_apart
from npnet.runs import streams
from npnet.runs.callbacks import Callbacks
from npnet.runs.errors import DivergedError
from npnet.runs.optimizers import optimizer
from npnet.runs.weights import load_arrays
from npnet.sklearn.plan import Best, Plan, Record, Samples
from npnet.training.config import Config
from npnet.training.learner import moving_average, parameter_groups
from npnet.training.schedules import scheduler, steps_each_batch

__all__ = ["Learning", "outputs"]

# Of evaluation, as in the trainer: samples at once, and values of all of them.
_BATCH, _VALUES = 256, 1 << 20


class Learning:
    """A network that learns samples in memory. Callbacks are given it.

    It has what `npnet.training.Callback` says of a run in memory, but for `data`, `score` and
    `evaluate`: samples need not have classes.

    Args:
        network: takes batches of the inputs' dtype.
        samples: how many there will be in an epoch, which some schedules count by.
        finished: epochs that the network has learnt already, by which orders are drawn.

    Attributes:
        model: the network in training.
        evaluated: `model`, or with `ema` the average of what it was.
        optimizer, scheduler: as `plan` says; scheduler may be None.
        config, criterion: as `plan` has them.
        epoch, epochs: the epoch that goes on, from 1, or was the last; how many there may be.
        step, steps: steps done in this epoch; how many it has.
        loss: of the last step.
        history: a `Record` of each finished epoch.
        best_epoch: which was the best on the samples that were held out; 0 without any.
        should_stop: what a callback sets to let no epoch come after this one.

    Raises:
        ConfigError: the schedule does not fit the count of batches.
    """

    history: list[Record]
    log_dir = checkpoint_dir = tensorboard = result = None  # of a run that writes files
    resumed = False

    def __init__(self, plan: Plan, network: nn.Module, samples: int, finished: int = 0) -> None:
        self.plan, self.model = plan, network
        self.epoch, self.epochs = finished, plan.config.epochs
        self.step, self.best_epoch = 0, 0
        self.steps = len(_bounds(samples, plan.config.batch_size))
        self.loss, self.history = math.nan, []
        self.should_stop = False
        self.optimizer = self._new_optimizer()
        self.scheduler = self._new_scheduler(self.steps)
        decay = plan.config.ema
        self._average = None if decay is None else moving_average(network, decay, npnet)
        self._ready()

    def _ready(self) -> None:
        """Make what no pickle holds: the programs."""
        self.evaluated = self.model if self._average is None else self._average.module
        self._step = npnet.compile(self.model, self.plan.criterion.mean, self.optimizer)
        self._weighted = EagerStep(self.model, self.plan.criterion.weighted, self.optimizer)
        self.forward = npnet.compile(self.evaluated)

    def __getstate__(self) -> dict[str, Any]:
        programs = ("evaluated", "_step", "_weighted", "forward")
        return {name: value for name, value in self.__dict__.items() if name not in programs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._ready()

    def _new_optimizer(self) -> Any:
        config, groups = self.plan.config, parameter_groups(self.plan.config, self.model)
        if self.plan.optimizer is not None:
            options = {"weight_decay": config.weight_decay} if config.weight_decay else {}
            return self.plan.optimizer(groups, lr=config.learning_rate, **options)
        names = ("weight_decay", "momentum", "nesterov")
        options = {name: getattr(config, name) for name in names}
        return optimizer(config.optimizer, groups, npnet.optim, lr=config.learning_rate, **options)

    def _new_scheduler(self, batches: int) -> Any:
        if self.plan.scheduler is not None:
            return self.plan.scheduler(self.optimizer)
        return scheduler(self.plan.config, self.optimizer, npnet.optim.lr_scheduler, batches)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def config(self) -> Config:
        """The settings."""
        return self.plan.config

    @property
    def criterion(self) -> Callable[..., Any]:
        """The loss of outputs and targets."""
        return self.plan.criterion.mean

    def stop(self, why: str = "") -> None:
        """Let no epoch come after this one; the reason is told where `verbose` asks for it."""
        self.should_stop = True
        if why and self.plan.verbose:
            self.say(why)

    def say(self, text: str) -> None:
        """Tell the user a line, or several."""
        print(text)

    # ---- training ------------------------------------------------------------------------------

    def train(
        self,
        samples: Samples,
        held_out: Samples | None,
        epochs: int,
        callbacks: Callbacks,
    ) -> None:
        """Learn the samples for some epochs; with others held out, until these get no better for
        `patience` epochs, and then take the weights of the best epoch.

        Raises:
            DivergedError: a loss or weight is not finite.
        """
        self.should_stop, best = False, Best(self.plan)
        self.steps = len(_bounds(len(samples), self.plan.config.batch_size))
        last = self.epoch + epochs
        with one_blas_thread(), unasked():
            callbacks.tell("on_train_start", self)
            while self.epoch < last and not self.should_stop:
                self._train_epoch(samples, held_out, best, callbacks)
            if best.weights is not None:
                load_arrays(self.evaluated, best.weights, npnet)
                self.best_epoch = best.epoch
            callbacks.tell("on_train_end", self)
        for module in (self.model, self.evaluated):
            module.eval()
            module.zero_grad()  # nobody needs the gradients, which are as large as the weights

    def _train_epoch(
        self, samples: Samples, held_out: Samples | None, best: Best, callbacks: Callbacks
    ) -> None:
        start, rate = time.perf_counter(), self.learning_rate
        self.epoch += 1
        callbacks.tell("on_epoch_start", self)
        with drawing_apart((self.plan.seed, streams.DROPOUT, self.epoch)):
            loss, val_loss, val_score = self._learn(samples, callbacks), math.nan, math.nan
        if held_out is not None:
            y = self.predict(held_out.x)
            val_loss = self._loss(y, held_out)
            self._check_finite(val_loss)
            val_score = self.plan.score(y, held_out.y, held_out.weights)
        else:
            self._check_finite(0.0)
        seconds = time.perf_counter() - start
        record = Record(self.epoch, rate, loss, val_loss, val_score, seconds)
        self.history.append(record)
        self._end_epoch(record)
        callbacks.tell("on_epoch_end", self)
        if held_out is not None:
            best.see(record, self.evaluated)
            self.should_stop |= best.is_out_of_patience(self.epoch)
        if self.plan.verbose:
            self.say(str(record))

    def _learn(self, samples: Samples, callbacks: Callbacks) -> float:
        """Go through the samples once; the mean loss on the way."""
        total = 0.0
        for number, at in enumerate(self._batches(len(samples))):
            self.step = number + 1
            x = samples.x[at]  # a copy: a network may write to what it is given
            if self.plan.augment is not None:
                seeds = self.plan.seed, streams.AUGMENT, self.epoch, number
                x = self.plan.augment(x, np.random.default_rng(seeds))
            weights = None if samples.weights is None else samples.weights[at]
            self.loss = self._train_step(x, samples.y[at], weights)
            total += self.loss * len(x)
            callbacks.tell("on_step_end", self)
        return total / len(samples)

    def _batches(self, count: int) -> Iterator[Array]:
        """Which samples each batch has: in an order of seed and epoch, unless one batch has all."""
        bounds = _bounds(count, self.plan.config.batch_size)
        order = np.arange(count)
        if len(bounds) > 1:
            order = streams.epoch_order(self.plan.seed, self.epoch, count)
        for start, stop in bounds:
            yield order[start:stop]

    def _train_step(self, x: Array, y: Array, weights: Array | None) -> float:
        self.model.train()
        inputs, target = npnet.from_numpy(x), npnet.from_numpy(y)
        if weights is None:
            loss = self._step.gradients(inputs, target).item()
        else:
            loss = self._weighted.gradients(inputs, (target, npnet.from_numpy(weights))).item()
        if not math.isfinite(loss):
            raise self._diverged(
                f"the loss is not finite in step {self.step} of epoch {self.epoch}"
            )
        if self.plan.config.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.config.clip_grad_norm)
        self.optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        if self.scheduler is not None and self._steps_each_batch:
            self.scheduler.step()
        return float(loss)

    @property
    def _steps_each_batch(self) -> bool:
        return self.plan.scheduler is None and steps_each_batch(self.plan.config)

    def _end_epoch(self, record: Record) -> None:
        """Let a schedule of epochs take its step; plateau sees the loss."""
        if isinstance(self.scheduler, npnet.optim.lr_scheduler.ReduceLROnPlateau):
            held_out = not math.isnan(record.val_loss)
            self.scheduler.step(record.val_loss if held_out else record.train_loss)
        elif self.scheduler is not None and not self._steps_each_batch:
            self.scheduler.step()

    def _check_finite(self, val_loss: float) -> None:
        """A step that blows up shows in the loss of the next one, which an epoch's last has not."""
        if not math.isfinite(val_loss):
            raise self._diverged(f"the validation loss is not finite after epoch {self.epoch}")
        if not all(np.isfinite(p.array).all() for p in self.model.parameters()):
            raise self._diverged(f"weights are not finite after epoch {self.epoch}")

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"diverged: {what}, at learning rate {self.learning_rate:g}; lower learning_rate, set "
            "clip_grad_norm=1.0, or bring the features to one scale (StandardScaler)"
        )

    # ---- evaluation ----------------------------------------------------------------------------

    def predict(self, x: Array) -> Array:
        """The outputs (n, k) of inputs (n, ...)."""
        return outputs(self.forward, x)

    def _loss(self, y: Array, samples: Samples) -> float:
        with npnet.no_grad():
            losses = self.plan.criterion.each(npnet.from_numpy(y), npnet.from_numpy(samples.y))
        return float(np.average(losses.array.astype(np.float64), weights=samples.weights))


def outputs(forward: Callable[..., Any], x: Array) -> Array:
    """What a network in evaluation mode gives for inputs (n, ...), batch by batch."""
    size = min(_BATCH, max(16, _VALUES // math.prod(x.shape[1:]) // 16 * 16))
    found = []
    with npnet.no_grad(), one_blas_thread(), unasked():
        for start in range(0, len(x), size):
            # A copy: a network may write to what it is given.
            found.append(forward(npnet.from_numpy(np.array(x[start : start + size]))).array)
    return np.concatenate(found)


def _bounds(count: int, size: int) -> list[tuple[int, int]]:
    """From where to where each batch goes. One sample that is left over joins the batch before it:
    batch norm can't do with one.
    """
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))
