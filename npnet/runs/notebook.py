"""Progress and history in a notebook: a live table with curves, in HTML and SVG.

It is what Jupyter shows while cells run, and what nbconvert keeps of them; where only text can be
shown, the lines of the terminal stand for it.
"""

from __future__ import annotations

import dataclasses
import html
import importlib
import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from npnet.runs.watchers import Terminal, Watcher

__all__ = ["Notebook", "in_notebook", "page", "watcher"]

_EVERY = 0.25  # seconds between two pictures of an epoch that goes on
_ROWS = 20  # of the table that are shown, the last ones
_WIDTH, _HEIGHT, _MARGIN = 300, 150, 40  # of a curve, in pixels
# Colours that colour-blind readers tell apart (Okabe and Ito, 2008), and dashes for those in grey.
_LINES = {"train": ("#0072b2", ""), "val": ("#d55e00", "5 3")}
_NAMES = {"learning_rate": "lr", "val_sampled_accuracy": ""}  # in the head of the table
_CELL = 'style="text-align:right;padding:1px 8px"'


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def watcher() -> Watcher:
    """What shows a run here: a notebook's page, or the terminal."""
    return Notebook() if in_notebook() else Terminal()


class Notebook(Watcher):
    """The cell of a notebook in which a run was started."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = 0.0

    def say(self, text: str) -> None:
        print(text)

    def on_step_end(self, trainer: Any) -> None:
        if time.monotonic() - self._last > _EVERY:
            self._show(trainer, bar=True)

    def on_checkpoint(self, trainer: Any) -> None:
        self._show(trainer)

    def on_train_end(self, trainer: Any) -> None:
        self._show(trainer)

    def _show(self, trainer: Any, bar: bool = False) -> None:
        display: Any = importlib.import_module("IPython.display").display

        self._last = time.monotonic()
        best = getattr(trainer, "best_epoch", 0)
        content = {"text/html": page(trainer.history, best, _bar(trainer) if bar else "")}
        content["text/plain"] = trainer.line if trainer.history else trainer.figures
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _bar(trainer: Any) -> str:
    """How far the epoch is."""
    return (
        f"<div>epoch {trainer.epoch}/{trainer.epochs} "
        f'<progress value="{trainer.done}" max="{trainer.total}"></progress> '
        f"{html.escape(trainer.figures)}</div>"
    )


def page(history: Sequence[Any], best_epoch: int = 0, bar: str = "") -> str:
    """The finished epochs as a table and curves, in HTML.

    Args:
        history: dataclasses of one kind, with an `epoch`; fields that end in loss or accuracy are
            drawn.
        best_epoch: is marked.
        bar: what stands above it.
    """
    if not history:
        return f"<div>{bar}</div>"
    rows = [dataclasses.asdict(record) for record in history]
    names = [name for name in rows[0] if _is_shown(name, rows)]
    head = "".join(f"<th {_CELL}>{_said(name)}</th>" for name in names)
    hidden = len(rows) - _ROWS
    lines = [_row(names, row, row["epoch"] == best_epoch) for row in rows[-_ROWS:]]
    if hidden > 0:
        lines.insert(0, f'<tr><td colspan="{len(names)}">... {hidden} more</td></tr>')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    curves = "".join(_curve(kind, rows, best_epoch) for kind in ("loss", "accuracy"))
    return f"<div>{bar}{table}<div>{curves}</div></div>"


def _is_shown(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    is_known = any(row[name] == row[name] for row in rows)  # not NaN in all
    return is_known and _NAMES.get(name) != ""


def _said(name: str) -> str:
    unit = " (%)" if name.endswith("accuracy") else " (s)" if name == "seconds" else ""
    return html.escape(_NAMES.get(name, name.replace("_", " ")) + unit)


def _row(names: Sequence[str], row: Mapping[str, Any], is_best: bool) -> str:
    cells = "".join(f"<td {_CELL}>{_number(name, row[name])}</td>" for name in names)
    return (
        f'<tr style="font-weight:bold" title="best">{cells}</tr>'
        if is_best
        else (f"<tr>{cells}</tr>")
    )


def _number(name: str, value: float) -> str:
    if value != value:
        return ""
    if name.endswith("accuracy"):
        return f"{value:.2f}"
    if name.endswith("loss"):
        return f"{value:.4f}"
    return f"{value:.1f}" if name == "seconds" else f"{value:.3g}"


# ---- curves --------------------------------------------------------------------------------------


def _curve(kind: str, rows: Sequence[Mapping[str, Any]], best_epoch: int) -> str:
    """Training and validation by epoch, as an SVG; "" where there is nothing of this kind."""
    lines = {
        split: [(row["epoch"], row[f"{split}_{kind}"]) for row in rows if f"{split}_{kind}" in row]
        for split in _LINES
    }
    known = {
        split: [(x, y) for x, y in points if math.isfinite(y)] for split, points in lines.items()
    }
    values = [y for points in known.values() for _, y in points]
    if not values:
        return ""
    epochs = [row["epoch"] for row in rows]
    place = _Place(min(epochs), max(epochs), min(values), max(values))
    parts = [_axes(place, kind)]
    if best_epoch:
        x = place.x(best_epoch)
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="4" y2="{_HEIGHT - _MARGIN}" stroke="currentColor" '
            'stroke-dasharray="1 3"/>'
        )
    for number, (split, points) in enumerate(known.items()):
        if points:
            parts.append(_line(place, split, points, number))
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{kind} by epoch" font-size="10" fill="currentColor" '
        f'style="overflow:visible">'
        f"{''.join(parts)}</svg>"
    )


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where values are in the picture."""

    first: float
    last: float
    low: float
    high: float

    def x(self, epoch: float) -> float:
        """From the left."""
        share = (epoch - self.first) / ((self.last - self.first) or 1)
        return round(_MARGIN + share * (_WIDTH - _MARGIN - 10), 1)

    def y(self, value: float) -> float:
        """From the top."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(_HEIGHT - _MARGIN - share * (_HEIGHT - _MARGIN - 8), 1)


def _axes(place: _Place, kind: str) -> str:
    bottom = _HEIGHT - _MARGIN
    unit = " (%)" if kind == "accuracy" else ""
    ticks = [
        f'<text x="{_MARGIN - 4}" y="{place.y(value) + 3}" text-anchor="end">{value:.3g}</text>'
        for value in sorted({place.low, place.high})
    ]
    ticks += [
        f'<text x="{place.x(epoch)}" y="{bottom + 12}" text-anchor="middle">{epoch}</text>'
        for epoch in sorted({place.first, place.last})
    ]
    return (
        f'<path d="M{_MARGIN} 4V{bottom}H{_WIDTH - 10}" fill="none" stroke="currentColor"/>'
        f'{"".join(ticks)}<text x="{_MARGIN}" y="{_HEIGHT - 6}">{kind}{unit} by epoch</text>'
    )


def _line(place: _Place, split: str, points: Sequence[tuple[float, float]], number: int) -> str:
    colour, dashes = _LINES[split]
    path = " ".join(f"{place.x(epoch)},{place.y(value)}" for epoch, value in points)
    dots = "".join(
        f'<circle cx="{place.x(x)}" cy="{place.y(y)}" r="2" fill="{colour}"/>'
        for x, y in (points if len(points) <= _ROWS else points[-1:])
    )
    name = {"train": "&#8212; training", "val": "- - validation"}[split]
    right = _WIDTH - 70 * (1 - number)  # its end, so that no font is too wide for it
    legend = f'<text x="{right}" y="{_HEIGHT - 6}" text-anchor="end" fill="{colour}">{name}</text>'
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="{dashes}"/>{dots}{legend}'
    )
