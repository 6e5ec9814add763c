"""The files that every run writes by the same names, and the text of those that hold figures."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Sequence
from typing import Any

__all__ = [
    "CONFIG",
    "EVENTS",
    "LAST",
    "METRICS",
    "RESULT",
    "SNAPSHOTS",
    "finite",
    "to_csv",
    "to_json",
]

CONFIG, METRICS, RESULT = "config.json", "metrics.csv", "result.json"
LAST = "last.safetensors"  # everything that a resume needs
SNAPSHOTS = "snapshots"  # folder of the weights by epoch, beside it, of a run with --record
EVENTS = "events.out.tfevents.*"  # TensorBoard's


def to_json(result: Any) -> str:
    """The text of result.json and its like: strict JSON, with null for what is not finite."""
    return json.dumps(finite(result), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def finite(tree: Any) -> Any:
    """The same nested dicts and lists with None for numbers that are not finite."""
    if isinstance(tree, dict):
        return {key: finite(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def to_csv(history: Sequence[Any]) -> str:
    """The text of metrics.csv: a line for each record, dataclasses of one kind; at least one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([field.name for field in dataclasses.fields(history[0])])
    writer.writerows(dataclasses.astuple(record) for record in history)
    return text.getvalue()
