"""Results as text: a table for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from npnet.base.files import printable
from npnet.prediction.predictor import Prediction
from npnet.runs.files import finite

__all__ = ["columns", "percent", "predictions_csv", "predictions_table", "predictions_tree"]


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Lines of aligned cells, two blanks between; the columns `right` end on one line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if k in right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def percent(share: float) -> str:
    """A probability of 0 to 1, in percent; what has no value is "-"."""
    return f"{100 * share:.2f} %" if share == share else "-"


def predictions_table(predictions: Sequence[Prediction]) -> str:
    """A line for each picture that could be read."""
    head = ("picture", "class", "probability", "else", "")
    rows = [head, *(_row(each) for each in predictions if not each.error)]
    if not any(row[3] for row in rows[1:]):
        rows = [(*row[:3], row[4]) for row in rows]
    return columns(rows, right=(2,)) if len(rows) > 1 else ""


def _row(each: Prediction) -> tuple[str, ...]:
    if not each.top:
        return each.picture, "-", "-", "", each.note
    best, *rest = each.top
    others = ", ".join(f"{printable(name)} {percent(share)}" for name, _, share in rest)
    return each.picture, printable(best.name), percent(best.probability), others, each.note


def predictions_tree(predictions: Sequence[Prediction], prepared: str) -> list[dict[str, Any]]:
    """What --json prints, see docs/predict.md."""
    return [_object(each, prepared) for each in predictions]


def _object(each: Prediction, prepared: str) -> dict[str, Any]:
    top = [{"class": name, "label": label, "probability": share} for name, label, share in each.top]
    first: dict[str, Any] = top[0] if top else dict.fromkeys(("class", "label", "probability"))
    said = {
        "picture": each.picture,
        **first,
        "top": top,
        "prepared": prepared,
        "inverted": each.inverted,
        "note": each.note or None,
        "error": each.error or None,
    }
    return finite(said)


def predictions_csv(predictions: Sequence[Prediction], top: int) -> str:
    """What --csv prints: a line for each picture, empty where there is no value."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    names = ["class", "probability"]
    ranked = [f"{name}_{k}" for k in range(2, top + 1) for name in names]
    writer.writerow(["picture", *names, *ranked, "note", "error"])
    for each in predictions:
        guesses = [value for guess in each.top for value in (guess.name, guess.probability)]
        blank = [""] * (2 * top - len(guesses))
        writer.writerow([each.picture, *guesses, *blank, each.note, each.error])
    return text.getvalue()
