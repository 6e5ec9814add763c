"""The training loop: fit, evaluate, predict."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from npnet import serialization
from npnet.base.arrays import Array
from npnet.models.checkpoint import Facts
from npnet.runs.artists import Artist
from npnet.runs.callbacks import Callbacks
from npnet.runs.errors import DivergedError, FailedError
from npnet.runs.watchers import TensorBoard
from npnet.serialization import checksum_of
from npnet.training.checkpoint import Progress, Store, best_file
from npnet.training.config import Config
from npnet.training.data import Data, Split
from npnet.training.learner import Learner, model_arguments
from npnet.training.metrics import Epoch, Score, sampled_accuracy
from npnet.training.ranks import is_alone, own_part, sent_bytes, together

__all__ = [
    "Training",
    "best_facts",
    "evaluate",
    "fit",
    "mirrored_accuracy",
    "predict",
    "train_epoch",
]


# Of evaluation: large enough to be fast, small enough for the activations of a ResNet-18, which
# grow with the pixels of an image: 256 images of 64x64 at once, 16 of 224x224.
EVALUATION_BATCH, EVALUATION_PIXELS = 256, 1 << 20


BY_THEN = 3  # steps a network has its program, if there is one: some are run once or twice before


class Training:
    """A run under way: everything that its epochs and its end work on, and callbacks are told of.

    `npnet.training.Callback` says what a callback may read of it, and do.

    Args:
        store: the folder of checkpoints, or the memory where nothing is written.
        log_dir: the folder for logs and pictures; None where nothing is written.
        resumed: whether the run goes on from a checkpoint, which `progress` is of.

    Example:
        >>> class Watcher(npnet.training.Callback):
        ...     def on_epoch_end(self, trainer: npnet.training.Training):
        ...         print(trainer.epoch, trainer.epochs)
        >>> data = np.eye(2, dtype=np.float32), np.arange(2)
        >>> options = {"val": data, "epochs": 2, "verbose": False}
        >>> history = npnet.training.fit(nn.Linear(2, 2), data, callbacks=[Watcher()], **options)
        1 2
        2 2
    """

    def __init__(
        self,
        config: Config,
        data: Data,
        learner: Learner,
        progress: Progress,
        store: Store,
        callbacks: Callbacks,
        log_dir: Path | None = None,
        resumed: bool = False,
    ) -> None:
        self.config, self.data, self.learner = config, data, learner
        self.progress, self.store, self.callbacks = progress, store, callbacks
        self.log_dir, self.resumed = log_dir, resumed
        self.artists = [Artist(apart=False)]
        self.should_stop, self.stopped, self.patience_is_out = False, "", ""
        self.epoch, self.step, self.done = progress.epoch, 0, 0
        self.first_epoch = progress.epoch + 1
        self.loss, self.score = float("nan"), Score()
        self.result: Mapping[str, Any] | None = None
        self.hparams: tuple[dict[str, Any], dict[str, float]] = ({}, {})
        boards = [c for c in callbacks.own if isinstance(c, TensorBoard)]
        self.tensorboard = boards[0].events if boards else None

    # ---- what callbacks read ---------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The network in training."""
        return self.learner.model

    @property
    def optimizer(self) -> Any:
        """What updates its weights."""
        return self.learner.optimizer

    @property
    def scheduler(self) -> Any:
        """What sets the learning rate; None where it stays."""
        return self.learner.scheduler

    @property
    def criterion(self) -> Any:
        """The loss of logits and targets."""
        return self.learner.criterion

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self.learner.learning_rate

    @property
    def checkpoint_dir(self) -> Path | None:
        """The folder of checkpoints; None where nothing is written."""
        return self.store.folder

    @property
    def epochs(self) -> int:
        """How many there may be."""
        return self.config.epochs

    @property
    def steps(self) -> int:
        """Of an epoch, by the count of batches that the data have."""
        return self.data.steps(self.config.batch_size)

    @property
    def total(self) -> int:
        """Images of an epoch."""
        return self.data.total

    @property
    def history(self) -> list[Epoch]:
        """The finished epochs."""
        return self.progress.history

    @property
    def best_epoch(self) -> int:
        """That of the best checkpoint; 0 before the first."""
        return self.progress.best_epoch

    @property
    def figures(self) -> str:
        """Of the epoch so far, as a progress bar shows them."""
        return self.score.figures

    @property
    def line(self) -> str:
        """The last finished epoch in one line."""
        return self.progress.line(self.epochs)

    # ---- what callbacks do -----------------------------------------------------------------------

    def stop(self, why: str = "") -> None:
        """Let no epoch come after this one, which is finished and saved."""
        self.should_stop, self.stopped = True, why

    def say(self, text: str) -> None:
        """Tell the user a line, or several."""
        self.callbacks.tell("on_message", self, text)

    def picture(self, name: str, png: bytes) -> None:
        """Tell of a picture."""
        self.callbacks.tell("on_picture", self, name, png)

    # ---- what a resume needs ---------------------------------------------------------------------

    def save_last(self) -> None:
        """Keep everything that a resume needs."""
        learner = self.learner
        self.store.save_last(
            learner.state(), self.progress, self.config, learner.lib.__name__, self.own_state()
        )

    def own_state(self) -> dict[str, Any] | None:
        """What goes with code of the user's own: digests of its files, and where callbacks stand.

        None where all is npnet's. `stopped` is the reason why a callback wants no more epochs.
        """
        parts = self.learner.parts
        if not parts.is_any:
            return None
        return {
            "files": dict(sorted(parts.files.items())),
            "callbacks": self.callbacks.state(),
            "stopped": self.stopped if self.should_stop else None,
        }

    def evaluate(self, x: Array, y: Array) -> Score:
        """Loss and accuracy of images as the data set has them, in evaluation mode.

        Nothing of the run is changed.

        Shape: x (N, C, H, W), of the dtype and size of the splits, y (N,).
        """
        return evaluate(self.learner, self.data, Split(x, y))


def train_epoch(training: Training, epoch: int) -> Score:
    """Go through the training split once, in the order, and augmented, as seed and epoch say.

    Args:
        epoch: from 1.

    Raises:
        DivergedError: a loss is not finite; says which step, and where it came from.
    """
    learner, config, data = training.learner, training.config, training.data
    score = training.score = Score()
    batches, before = data.epoch(config.seed, epoch, config.batch_size), sent_bytes()
    for step, (x, y) in enumerate(batches, 1):
        try:
            batch = learner.train_step(x, y)
        except DivergedError as error:
            if not np.isfinite(x).all():
                raise DivergedError(
                    f"the samples of step {step} of epoch {epoch} have values that are NaN or "
                    "infinite; mend the data"
                ) from None
            raise DivergedError(
                f"diverged: the loss is not finite in step {step} of epoch {epoch}, at learning "
                f"rate {learner.learning_rate:g}; not finite is {error}; lower --learning_rate, or "
                "set --clip_grad_norm 1"
            ) from None
        score.add(batch.loss, batch.logits, y)
        if epoch == training.first_epoch and step == min(training.steps, BY_THEN):
            _tell_of_ranks(training, (sent_bytes() - before) / step)
        training.step, training.done, training.loss = step, score.total, batch.loss
        training.callbacks.tell("on_step_end", training)
    return score


def _tell_of_ranks(training: Training, sent: float) -> None:
    """Say what several ranks give each other in a step, or that they do the same work."""
    why = training.learner.unshared
    if not is_alone() and why is None:
        training.say(f"each rank gives {sent / 1e6:.2f} MB a step to every other")
    if why is not None:
        training.say(f"every rank computes whole batches, which is right but no faster: {why}")


def evaluate(learner: Learner, data: Data, split: Split) -> Score:
    """Loss, accuracy and logits of a split, in evaluation mode; ranks share its batches."""
    score, size = Score(keep=True), _batch_size(data)
    if not isinstance(split, Split):  # of the user's own, which has an order alone
        for x, y in data.batches(split, size):
            score.add(*learner.evaluate_batch(x, y), y)
        return score
    first, last = own_part(math.ceil(len(split) / size))
    own = Split(split.x[first * size : last * size], split.y[first * size : last * size])
    found = [(*learner.evaluate_batch(x, y), y) for x, y in data.batches(own, size)]
    for batch in together(found):
        score.add(*batch)
    return score


def _batch_size(data: Data) -> int:
    """Of evaluation; a multiple of the sixteen images that kernels take side by side."""
    *_, height, width = (1, 1, *data.image_shape)
    fit = EVALUATION_PIXELS // (height * width) // 16 * 16
    return min(EVALUATION_BATCH, max(16, fit))


def mirrored_accuracy(learner: Learner, data: Data, split: Split) -> float:
    """Percent of the images whose logits, in the mean with their mirror image's, are right."""
    correct = 0
    for x, y in data.batches(split, _batch_size(data)):
        mirrored = np.ascontiguousarray(x[..., ::-1])
        logits = learner.predict(x) + learner.predict(mirrored)
        correct += int((logits.argmax(1) == y).sum())
    return 100 * correct / len(split)


def predict(learner: Learner, data: Data, x: Array) -> Array:
    """Logits (N, classes) of images (N, C, H, W) as they are stored in `data`'s splits."""
    split = Split(x, np.zeros(len(x), np.int64))
    logits = [learner.predict(images) for images, _ in data.batches(split, _batch_size(data))]
    return np.concatenate(logits) if logits else np.empty((0, len(data.classes)), np.float32)


def fit(training: Training) -> None:
    """Train until `epochs` are finished or somebody stops it; save after each epoch.

    Its progress says where to begin, and is kept up to date.

    Raises:
        DivergedError: see `train_epoch`, or the weights of an epoch are not finite; the
            checkpoints are those of the last finished epoch.
        FailedError: a callback failed, or changed what was saved already.
    """
    while training.epoch < training.epochs:
        why = _asked_to_stop(training)
        if why is not None:
            training.say("stopped early" + (f": {why}" if why else ""))
            break
        _fit_epoch(training)
    training.callbacks.tell("on_train_end", training)


def _asked_to_stop(training: Training) -> str | None:
    """Why a callback wants no more epochs, in any rank; "" if it did not say."""
    stops = training.should_stop or training.patience_is_out
    own = (training.stopped or training.patience_is_out) if stops else None
    return next((why for why in together([own]) if why is not None), None)


def _fit_epoch(training: Training) -> None:
    config, data, learner = training.config, training.data, training.learner
    progress, tell = training.progress, training.callbacks.tell
    start, number = time.perf_counter(), progress.epoch + 1
    learner.seed(config.seed, number)  # dropout's masks follow from the epoch, as the order does
    training.epoch, training.step, training.done = number, 0, 0
    tell("on_epoch_start", training)
    rate = learner.learning_rate
    train = train_epoch(training, number)
    val = evaluate(learner, data, data.val)
    _check_finite(learner, val, number, rate)
    sampled = sampled_accuracy(val.logits, val.labels, config.seed, number)
    seconds = time.perf_counter() - start
    epoch = Epoch(
        number, rate, train.loss, train.accuracy, val.loss, val.accuracy, sampled, seconds
    )
    learner.end_epoch(train.loss if np.isnan(val.loss) else val.loss)
    best = None
    if progress.add(epoch):
        best = best_file(learner.weights(), best_facts(learner, data, progress))
        progress.best_checksum = checksum_of(best)
    tell("on_epoch_end", training)
    # Before best: a run killed between the two has the weights of both in the one.
    training.save_last()
    if best is not None:
        training.store.save_best(best)
    _tell_of_checkpoint(training)


def _tell_of_checkpoint(training: Training) -> None:
    """Call `on_checkpoint`, and see to it that nothing is other than what was saved.

    Raises:
        FailedError: a callback of the user's has changed it.
    """
    if not training.callbacks.user_overrides("on_checkpoint"):
        training.callbacks.tell("on_checkpoint", training)
        return
    before = serialization.to_bytes(training.learner.state())
    training.callbacks.tell("on_checkpoint", training)
    if serialization.to_bytes(training.learner.state()) != before:
        raise FailedError(
            "callbacks: on_checkpoint changed weights, optimizer or schedule after they were "
            "saved, which a resume would lose; do it in on_epoch_end"
        )


def _check_finite(learner: Learner, val: Score, epoch: int, rate: float) -> None:
    """A step that blows up shows in the loss of the next one, which an epoch's last does not have.

    Raises:
        DivergedError: the validation loss, or without one a weight, is not finite.
    """
    if val.total:
        what, finite = "the validation loss is", np.isfinite(val.loss)
    else:
        arrays = learner.weights().values()
        what, finite = "weights are", all(np.isfinite(array).all() for array in arrays)
    if not finite:
        raise DivergedError(
            f"diverged: {what} not finite after epoch {epoch}, at learning rate {rate:g}; lower "
            "--learning_rate, or set --clip_grad_norm 1"
        )


def best_facts(
    learner: Learner, data: Data, progress: Progress, code: str | None = None
) -> dict[str, str]:
    """What a user of the best weights must know, as texts beside them in the file.

    Where the user gave data as they are, nobody knows how to make such of pictures.

    Args:
        code: of the file of the user's own network when these weights were trained; None is the one
            that the run began with.
    """
    parts = learner.parts
    if code is None:
        code = parts.files.get(learner.config.model, "") if parts.model is not None else ""
    facts = Facts(
        learner.config.model,
        model_arguments(learner.config, data, learner.parts),
        data.name,
        data.classes,
        data.image_shape,
        data.mean,
        data.std,
        data.pixels,
        progress.best_epoch,
        progress.history[progress.best_epoch - 1].val_accuracy,
        code,
    ).to_metadata()
    if data.is_standardised:
        return facts
    return {k: v for k, v in facts.items() if k not in ("image_shape", "mean", "std", "pixels")}
