"""An evaluation as text: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from typing import Any

from npnet.base.files import printable
from npnet.prediction.evaluation import Evaluation
from npnet.prediction.text import columns
from npnet.runs.files import finite

__all__ = ["evaluation_csv", "evaluation_text", "evaluation_tree"]

MOST_CLASSES = 20  # of which a table of pairs can be read; of more the commonest pairs are told
_PAIRS = 10
_LONGEST = 12  # letters of a class above a column


def evaluation_tree(found: Evaluation, **about: Any) -> dict[str, Any]:
    """What --json prints, see docs/predict.md; `about` stands first."""
    return {
        "format": "npnet evaluation",
        **about,
        "classes": list(found.classes),
        "accuracy": found.accuracy,
        "correct": found.correct,
        "total": found.total,
        "loss": found.loss,
        "top_k": {str(k): share for k, share in found.top_k.items()},
        "per_class": [
            {"class": name, **dataclasses.asdict(score)}
            for name, score in zip(found.classes, found.per_class, strict=True)
        ],
        "confusion": found.confusion.tolist(),
        "worst_errors": [
            dataclasses.asdict(error)
            | {"true": found.classes[error.true], "predicted": found.classes[error.predicted]}
            for error in found.worst
        ],
        "calibration": {
            "ece": found.calibration.ece,
            "bins": [dataclasses.asdict(each) for each in found.calibration.bins],
        },
    }


def evaluation_csv(found: Evaluation) -> str:
    """What --csv prints: a line for each class; empty where there is no value."""
    text = io.StringIO(newline="")
    rows = finite(evaluation_tree(found)["per_class"])
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def evaluation_text(found: Evaluation) -> str:
    """Everything, in tables."""
    return "\n".join(_parts(found))


def _parts(found: Evaluation) -> Iterator[str]:
    top = f", top-2 {found.top_k[2]:.2f} %" if len(found.classes) > 2 else ""
    yield (
        f"accuracy {found.accuracy:.2f} %  ({found.correct} of {found.total}{top}; "
        f"loss {found.loss:.4f})\n"
    )
    yield _classes(found)
    yield _confusion(found) if len(found.classes) <= MOST_CLASSES else _pairs(found)
    if found.worst:
        yield _worst(found)
    yield _calibration(found)


def _classes(found: Evaluation) -> str:
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "F1", "images")]
    for name, score in zip(found.classes, found.per_class, strict=True):
        figures = [_percent(value) for value in (score.precision, score.recall, score.f1)]
        rows.append((printable(name), *figures, str(score.support)))
    return columns(rows, right=(1, 2, 3, 4))


def _confusion(found: Evaluation) -> str:
    names = [printable(name)[:_LONGEST] for name in found.classes]
    rows: list[tuple[str, ...]] = [("true \\ said", *names)]
    for name, counts in zip(names, found.confusion.tolist(), strict=True):
        rows.append((name, *(str(count) if count else "." for count in counts)))
    return columns(rows, right=range(1, len(names) + 1))


def _pairs(found: Evaluation) -> str:
    """The commonest errors, where there are too many classes for a table of all."""
    wrong = found.confusion.copy()
    wrong[range(len(wrong)), range(len(wrong))] = 0
    order = (-wrong).argsort(axis=None, kind="stable")[:_PAIRS]
    rows: list[tuple[str, ...]] = [("true", "said", "images")]
    for at in order.tolist():
        true, said = divmod(at, len(wrong))
        if wrong[true, said]:
            names = (printable(found.classes[k]) for k in (true, said))
            rows.append((*names, str(wrong[true, said])))
    return columns(rows, right=(2,)) if len(rows) > 1 else ""


def _worst(found: Evaluation) -> str:
    rows: list[tuple[str, ...]] = [("worst errors: image", "true", "said", "probability", "loss")]
    for error in found.worst:
        names = (printable(found.classes[k]) for k in (error.true, error.predicted))
        rows.append((str(error.index), *names, _share(error.probability), f"{error.loss:.2f}"))
    return columns(rows, right=(0, 3, 4))


def _calibration(found: Evaluation) -> str:
    rows: list[tuple[str, ...]] = [("calibration: sure by", "images", "mean", "right")]
    for each in found.calibration.bins:
        if each.count:
            span = f"{100 * each.low:.0f} to {100 * each.high:.0f} %"
            figures = _share(each.confidence), _share(each.accuracy)
            rows.append((span, str(each.count), *figures))
    ece = f"expected calibration error {100 * found.calibration.ece:.2f} %\n"
    return columns(rows, right=(1, 2, 3)) + ece


def _percent(value: float) -> str:
    return f"{value:.2f} %" if value == value else "-"


def _share(value: float) -> str:
    return _percent(100 * value)
