"""result.json: what a run came to, as the one file that other programs read.

    {"format": "npnet result", "kind": "classification",
     "model": "lenet5", "dataset": "mnist", "classes": ["0", ...], "parameters": 61706,
     "epochs": finished, "best_epoch": from 1, "seconds": of all epochs that metrics.csv has,
     "train": {"loss", "accuracy"},                           of the best epoch
     "val": {"loss", "accuracy", "sampled_accuracy"},         of it too; null if none was held out
     "test": {"loss", "accuracy", "sampled_accuracy", "top_k": {"1", ...}, "correct", "total"},
     "per_class": [{"class", "precision", "recall", "f1", "support"}, ...],
     "confusion": [[images of the class of the row that were taken for the column's, ...], ...],
     "worst_errors": [{"index", "true", "predicted", "probability", "loss"}, ...]}

"class", "true" and "predicted" are names from "classes", "index" is the image's in the test split.
With --mirror_test, "test" has "mirrored_accuracy" too: by the mean of the logits of each image and
its mirror image. Everything under "test" and below it is of the best checkpoint on the test split,
in the units of `training.metrics`; what has no value there is null, such as the precision of a
class that was never predicted. A seed gives the same file but for "seconds".
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from typing import Any

from npnet.runs.files import finite
from npnet.training.checkpoint import Progress
from npnet.training.config import Config
from npnet.training.data import Data
from npnet.training.learner import Learner
from npnet.training.metrics import (
    Score,
    class_scores,
    confusion_matrix,
    sampled_accuracy,
    top_k_accuracy,
    worst_errors,
)

__all__ = ["classes_csv", "classification", "summary_line"]

TOP_K = 5  # the largest k, where there are so many classes
_TEST_EPOCH = 0  # whose random numbers no validation draws
WORST = 30  # errors in result.json and in errors.png


def classification(
    config: Config, data: Data, learner: Learner, progress: Progress, test: Score
) -> dict[str, Any]:
    """The content of result.json.

    Args:
        test: of the best checkpoint on `data.test`, with its logits.
    """
    best = progress.history[progress.best_epoch - 1]
    val = {
        "loss": best.val_loss,
        "accuracy": best.val_accuracy,
        "sampled_accuracy": best.val_sampled_accuracy,
    }
    confusion = confusion_matrix(test.labels, test.predicted, len(data.classes))
    return {
        "format": "npnet result",
        "kind": "classification",
        "model": config.model,
        "dataset": data.name,
        "classes": list(data.classes),
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "seconds": sum(e.seconds for e in progress.history if not math.isnan(e.seconds)),
        "train": {"loss": best.train_loss, "accuracy": best.train_accuracy},
        "val": val if len(data.val) else None,
        "test": _test(config, data, test),
        "per_class": [
            {"class": name, **dataclasses.asdict(score)}
            for name, score in zip(data.classes, class_scores(confusion), strict=True)
        ],
        "confusion": confusion.tolist(),
        "worst_errors": [
            dataclasses.asdict(error)
            | {"true": data.classes[error.true], "predicted": data.classes[error.predicted]}
            for error in worst_errors(test.logits, test.labels, WORST)
        ],
    }


def _test(config: Config, data: Data, test: Score) -> dict[str, Any]:
    logits, y = test.logits, test.labels
    top_k = range(1, min(TOP_K, len(data.classes)) + 1)
    return {
        "loss": test.loss,
        "accuracy": test.accuracy,
        "sampled_accuracy": sampled_accuracy(logits, y, config.seed, _TEST_EPOCH),
        "top_k": {str(k): top_k_accuracy(logits, y, k) for k in top_k},
        "correct": test.correct,
        "total": test.total,
    }


def classes_csv(result: dict[str, Any]) -> str:
    """The text of classes.csv: a line for each class; empty where there is no value."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, result["per_class"][0])
    writer.writeheader()
    writer.writerows(finite(result["per_class"]))
    return text.getvalue()


def summary_line(result: dict[str, Any]) -> str:
    """What the terminal says of it besides the accuracy."""
    test = result["test"]
    present = [score for score in result["per_class"] if score["support"]]
    worst = min(present, key=lambda score: score["recall"])
    mirrored = test.get("mirrored_accuracy")
    return (
        f"sampled {test['sampled_accuracy']:.2f} % (with the class drawn by the network's "
        f"probabilities, in place of the largest), top-2 {test['top_k']['2']:.2f} %, "
        f"worst class {worst['class']} (recall {worst['recall']:.2f} %)"
        + ("" if mirrored is None else f", with mirror images {mirrored:.2f} %")
    )
