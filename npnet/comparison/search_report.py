"""What the report of a comparison shows of a search: its trials as a table, and two pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from npnet.comparison import search_figures
from npnet.comparison.space import Space
from npnet.comparison.spec import counted, shown
from npnet.comparison.study import Record, Study

__all__ = ["Trials"]

BEST = 8  # trials of which the report has curves and matrices
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Trials:
    """The trials of a search, as a report shows them.

    Attributes:
        records: the best first.
        shares: of the settings in what makes a trial good.
    """

    space: Space
    records: Sequence[Record]
    shares: dict[str, float]

    @classmethod
    def of(cls, study: Study, total: int) -> Trials:
        """The first `total` trials of a study."""
        return cls(study.space, study.records(total), study.importances())

    @property
    def complete(self) -> list[Record]:
        """Those with a score, the best first."""
        return [record for record in self.records if record.state == "complete"]

    @property
    def summary(self) -> str:
        """How many there are of each kind, and what the best has."""
        kinds = Counter(record.state for record in self.records)
        counts = ", ".join(f"{count} {state}" for state, count in kinds.items())
        said = f"{counted(len(self.records), 'trial')} ({counts})" if counts else "0 trials"
        if not self.complete:
            return f"{said}."
        best = self.complete[0]
        values = ", ".join(f"{name} {shown(value)}" for name, value in best.values.items())
        measure = "a test error" if self.space.is_function else "a validation accuracy"
        unit = "" if self.space.is_function else " %"
        return f"{said}: the best has {values}, and {measure} of {self._score(best)}{unit}."

    def facts(self) -> dict[str, Any]:
        """What the templates show."""
        with_hosts = len({record.host for record in self.records}) > 1
        return {
            "columns": ["trial", *self.space.free, *(["machine"] if with_hosts else []), "state"],
            "measure": self._measure,
            "rows": [self._row(record, with_hosts) for record in self.records],
            "drawn": self.space.lines(),
            "best": min(BEST, sum(record.is_ours for record in self.complete)),
            "is_function": self.space.is_function,
        }

    def pictures(self) -> list[tuple[str, bytes, str]]:
        """Name, bytes and caption of each."""
        found = []
        if self.shares:
            found.append(
                (
                    "importances.svg",
                    search_figures.importances(self.shares),
                    "The share of each setting in what makes a trial good: how far the values of "
                    "the best trials are from those of all that are complete (PED-ANOVA).",
                )
            )
        if any(record.values for record in self.records):
            data = search_figures.parallel_coordinates(
                self.records, self.space.free, self._measure, self.space.is_function
            )
            said = (
                "A line for each trial, through its values to what it came to; the better, the "
                "stronger. A pruned trial has values alone."
            )
            found.append(("trials.svg", data, said))
        return found

    @property
    def _measure(self) -> str:
        return "test error" if self.space.is_function else "validation %"

    def _score(self, record: Record) -> str:
        if record.score is None:
            return DASH
        return f"{record.score:.3g}" if self.space.is_function else f"{record.score:.2f}"

    def _row(self, record: Record, with_hosts: bool) -> dict[str, Any]:
        state = record.state
        if state == "pruned":
            state = f"pruned after epoch {record.epoch}"
        elif record.reason:
            state = f"{state}: {record.reason}"
        values = [
            shown(record.values[name]) if name in record.values else DASH
            for name in self.space.free
        ]
        hosts = [record.host] if with_hosts else []
        cells = [str(record.number), *values, *hosts, state]
        return {"cells": cells, "score": self._score(record)}
