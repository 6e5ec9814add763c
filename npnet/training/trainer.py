"""The training loop: fit, evaluate, predict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from npnet.base.arrays import Array
from npnet.models.checkpoint import Facts
from npnet.runs.callbacks import Callback
from npnet.runs.errors import DivergedError
from npnet.serialization import checksum_of
from npnet.training.checkpoint import Checkpoints, Progress, best_file
from npnet.training.config import Config
from npnet.training.data import Data, Split
from npnet.training.learner import Learner
from npnet.training.metrics import Epoch, Score, sampled_accuracy

__all__ = ["Training", "best_facts", "evaluate", "fit", "predict", "train_epoch"]


# Of evaluation: large enough to be fast, small enough for the activations of a ResNet-18, which
# grow with the pixels of an image: 256 images of 64x64 at once, 16 of 224x224.
EVALUATION_BATCH, EVALUATION_PIXELS = 256, 1 << 20


@dataclass(frozen=True)
class Training:
    """A run under way: everything that its epochs and its end work on."""

    config: Config
    data: Data
    learner: Learner
    progress: Progress
    checkpoints: Checkpoints
    callback: Callback

    @property
    def log_dir(self) -> Path:
        """The folder for logs and pictures, which has a name by now."""
        return Path(str(self.config.log_dir))


def train_epoch(
    learner: Learner, data: Data, config: Config, epoch: int, callback: Callback
) -> Score:
    """Go through the training split once, in the order, and augmented, as seed and epoch say.

    Args:
        epoch: from 1.

    Raises:
        DivergedError: a loss is not finite; says which step, and where it came from.
    """
    learner.seed(config.seed, epoch)  # dropout's masks follow from the epoch, as the order does
    score = Score()
    batches = data.epoch(config.seed, epoch, config.batch_size)
    for step, (x, y) in enumerate(batches, 1):
        try:
            batch = learner.train_step(x, y)
        except DivergedError as error:
            raise DivergedError(
                f"diverged: the loss is not finite in step {step} of epoch {epoch}, at learning "
                f"rate {learner.learning_rate:g}; not finite is {error}; lower --learning_rate, or "
                "set --clip_grad_norm 1"
            ) from None
        score.add(batch.loss, batch.logits, y)
        callback.on_batch(epoch, score.total, len(data.train), score)
    return score


def evaluate(learner: Learner, data: Data, split: Split) -> Score:
    """Loss, accuracy and logits of a split, in evaluation mode."""
    score = Score(keep=True)
    for x, y in data.batches(split, _batch_size(data)):
        batch = learner.evaluate_batch(x, y)
        score.add(batch.loss, batch.logits, y)
    return score


def _batch_size(data: Data) -> int:
    """Of evaluation; a multiple of the sixteen images that kernels take side by side."""
    _, height, width = data.image_shape
    fit = EVALUATION_PIXELS // (height * width) // 16 * 16
    return min(EVALUATION_BATCH, max(16, fit))


def predict(learner: Learner, data: Data, x: Array) -> Array:
    """Logits (N, classes) of images (N, C, H, W) as they are stored in `data`'s splits."""
    split = Split(x, np.zeros(len(x), np.int64))
    logits = [learner.predict(images) for images, _ in data.batches(split, _batch_size(data))]
    return np.concatenate(logits) if logits else np.empty((0, len(data.classes)), np.float32)


def fit(training: Training) -> None:
    """Train until `epochs` are finished or `patience` is out; save after each epoch.

    Its progress says where to begin, and is kept up to date.

    Raises:
        DivergedError: see `train_epoch`, or the weights of an epoch are not finite; the
            checkpoints are those of the last finished epoch.
    """
    config, data, learner = training.config, training.data, training.learner
    progress, callback = training.progress, training.callback
    while progress.epoch < config.epochs and not _out_of_patience(config, progress):
        start, number, rate = time.perf_counter(), progress.epoch + 1, learner.learning_rate
        train = train_epoch(learner, data, config, number, callback)
        val = evaluate(learner, data, data.val)
        _check_finite(learner, val, number, rate)
        sampled = sampled_accuracy(val.logits, data.val.y, config.seed, number)
        seconds = time.perf_counter() - start
        epoch = Epoch(
            number, rate, train.loss, train.accuracy, val.loss, val.accuracy, sampled, seconds
        )
        learner.end_epoch(train.loss if np.isnan(val.loss) else val.loss)
        best = None
        if progress.add(epoch):
            best = best_file(learner.weights(), best_facts(config, data, progress))
            progress.best_checksum = checksum_of(best)
        callback.on_measured(epoch, progress)
        # Before best: a run killed between the two has the weights of both in the one.
        training.checkpoints.save_last(learner.state(), progress, config, learner.lib.__name__)
        if best is not None:
            training.checkpoints.save_best(best)
        callback.on_epoch(epoch, progress)
    if progress.epoch < config.epochs:
        callback.on_message(
            f"stopped early: no better validation accuracy for {config.patience} epochs"
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


def best_facts(config: Config, data: Data, progress: Progress) -> dict[str, str]:
    """What a user of the best weights must know, as texts beside them in the file."""
    return Facts(
        config.model,
        {"in_channels": data.image_shape[0], "num_classes": len(data.classes)},
        data.name,
        data.classes,
        data.image_shape,
        data.mean,
        data.std,
        data.pixels,
        progress.best_epoch,
        progress.history[progress.best_epoch - 1].val_accuracy,
    ).to_metadata()


def _out_of_patience(config: Config, progress: Progress) -> bool:
    waited = progress.epoch - progress.best_epoch
    return config.patience is not None and waited >= config.patience
