"""What the runs came to: repetitions gathered into configurations, and their statistics."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npnet.base.arrays import Array
from npnet.comparison.outcome import DamagedError, Outcome
from npnet.comparison.runs import Run
from npnet.comparison.spec import differing, labels
from npnet.datasets import AUTO

__all__ = ["Configuration", "Overfitting", "Spread", "as_recorded", "gather", "smoothed"]


# When a sentence calls a configuration overfitted. A gap of two points is several times what
# seeds alone differ by on MNIST; a tenth is more than the validation loss wavers once it is flat.
# A validation loss that rises together with that of training is another matter: steps too large.
NOTABLE_GAP = 2.0  # points of accuracy between training and validation
NOTABLE_RISE = 0.10  # of the validation loss above its minimum
LITTLE_RISE = 0.005  # is none in a report's digits


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of the finite values among those of some seeds.

    Attributes:
        count, seeds: how many values there are, and of how many seeds.
    """

    mean: float
    std: float
    count: int
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """NaN is the mean of none, and the deviation of fewer than two."""
        finite = [value for value in values if math.isfinite(value)]
        mean = float(np.mean(finite)) if finite else math.nan
        std = float(np.std(finite, ddof=1)) if len(finite) > 1 else math.nan
        return cls(mean, std, len(finite), len(values))

    def text(self, form: str = ".2f") -> str:
        """ "98.61 ± 0.05", without the deviation where there is none, and a dash for no value.

        Where some seeds have no value, it says how many have.
        """
        if math.isnan(self.mean):
            return "\N{EN DASH}"
        deviates = self.std > 0  # which NaN is not
        some = f" ({self.count} of {self.seeds} seeds)" if self.count < self.seeds else ""
        deviation = f" ± {self.std:{form.lstrip('+')}}" if deviates else ""
        return f"{self.mean:{form}}{deviation}{some}"


@dataclass(frozen=True)
class Overfitting:
    """How far training and validation part, each as the mean over seeds.

    Attributes:
        gap_best, gap_last: training less validation accuracy at the best and the last epoch, in
            points; NaN of a function.
        rise: of the validation loss at the last epoch above its minimum, as a share of that.
        train_rise: of the training loss at the last epoch above that at the turn, as a share.
        turn: the epoch of the minimum.
        last: the last epoch.
    """

    gap_best: float
    gap_last: float
    rise: float
    train_rise: float
    turn: float
    last: float

    @property
    def sentence(self) -> str:
        """What the numbers say, in words."""
        if math.isnan(self.rise):
            return f"{self.verdict}: nothing was held out for validation."
        return f"{self.verdict}: {self._loss}.{self._accuracy}"

    @property
    def _loss(self) -> str:
        if self.rise < LITTLE_RISE:
            return f"validation loss is at its minimum in the last epoch ({self.last:.0f})"
        return (
            f"validation loss ends {100 * self.rise:.0f} % above its minimum, reached in epoch "
            f"{self.turn:.0f} of {self.last:.0f}"
        )

    @property
    def _accuracy(self) -> str:
        if math.isnan(self.gap_last):
            return ""
        side = "above" if self.gap_last >= 0 else "below"
        return (
            f" Training accuracy ends {abs(self.gap_last):.2f} points {side} validation accuracy "
            f"({self.gap_best:+.2f} at the best epoch)."
        )

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if math.isnan(self.rise):
            return "Not known"
        wide = self.gap_last >= NOTABLE_GAP
        if self.rise >= NOTABLE_RISE and self.train_rise > 0:
            return "Unstable"
        if self.rise >= NOTABLE_RISE:
            return "Overfits" if wide else "Begins to overfit"
        return "Generalisation gap" if wide else "No overfitting"


@dataclass(frozen=True)
class Configuration:
    """Runs that differ in nothing but their seeds.

    Attributes:
        label: the settings that tell it from the others, shortly.
        settings: all settings but the seed.
        outcomes: of the runs that are done; at least one.
    """

    label: str
    settings: Mapping[str, Any]
    outcomes: Sequence[Outcome]

    @property
    def is_function(self) -> bool:
        return self.outcomes[0].is_function

    def spread(self, value: Callable[[Outcome], float]) -> Spread:
        """Of a number over the seeds."""
        return Spread.of([value(outcome) for outcome in self.outcomes])

    @property
    def score(self) -> float:
        """What configurations are sorted by, the larger the better.

        The validation accuracy; the test split decides only where nothing was held out. Of a
        function, the error between the samples.
        """
        if self.is_function:
            score = -self.spread(lambda outcome: outcome.figure("test", "loss")).mean
        else:
            score = self.spread(lambda outcome: outcome.figure("val", "accuracy")).mean
            if math.isnan(score):
                score = self.spread(lambda outcome: outcome.figure("test", "accuracy")).mean
        return -math.inf if math.isnan(score) else score

    @property
    def best(self) -> Outcome:
        """The seed with the lowest training loss, which the test had no part in."""
        losses = [outcome.figure("train", "loss") for outcome in self.outcomes]
        return self.outcomes[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]

    @property
    def overfitting(self) -> Overfitting:
        numbers = np.array([_overfitting(outcome) for outcome in self.outcomes])
        return Overfitting(*numbers.mean(0).tolist())

    @property
    def epochs(self) -> Array:
        """Of the lines of metrics.csv, of the seed that went on longest."""
        return max((outcome.history["epoch"] for outcome in self.outcomes), key=len)

    def curves(self, column: str, smoothing: float) -> tuple[Array, Array, Array]:
        """At `epochs`: the mean over seeds as it is, the mean of the smoothed, its deviation.

        A seed that stopped earlier stays at its last value, so that all curves end at the mean over
        the seeds of what they ended with: at `last(column)`.
        """
        rows = [outcome.history[column] for outcome in self.outcomes]
        raw = _padded(rows)
        smooth = _padded([smoothed(row, smoothing) for row in rows])
        there = np.isfinite(raw)
        count = np.maximum(there.sum(0), 1)
        free = np.maximum(count - 1, 1)  # the deviation of a sample, as in the table
        mean, middle = (np.where(there, x, 0).sum(0) / count for x in (raw, smooth))
        deviation = np.sqrt(np.where(there, (smooth - middle) ** 2, 0).sum(0) / free)
        none = ~there.any(0)
        return tuple(np.where(none, np.nan, x) for x in (mean, middle, deviation))  # type: ignore[return-value]  # three of them

    def last(self, column: str) -> Spread:
        """Of the last epoch of each seed."""
        missing = np.full(1, math.nan)
        return self.spread(lambda outcome: float(outcome.history.get(column, missing)[-1]))

    @property
    def learning_rates(self) -> Array:
        """At `epochs`: the mean over the seeds that came so far."""
        out, count = np.zeros((2, len(self.epochs)))
        for outcome in self.outcomes:
            rates = outcome.history["learning_rate"]
            out[: len(rates)] += rates
            count[: len(rates)] += 1
        return out / count


def _overfitting(outcome: Outcome) -> list[float]:
    epochs = outcome.history["epoch"]
    last = int(epochs[-1])
    best = int(outcome.figure("best_epoch"))

    def gap(epoch: int) -> float:
        return outcome.at("train_accuracy", epoch) - outcome.at("val_accuracy", epoch)

    losses = outcome.history["val_loss"]
    if not np.isfinite(losses).any():
        return [gap(best), gap(last), math.nan, math.nan, math.nan, last]
    turn = int(np.nanargmin(losses))

    def rise(values: Array) -> float:
        return float(values[-1]) / max(float(values[turn]), np.finfo(float).tiny) - 1

    rises = rise(losses), rise(outcome.history["train_loss"])
    return [gap(best), gap(last), *rises, float(epochs[turn]), last]


def _padded(rows: Sequence[Array]) -> Array:
    """Rows of several lengths as one array; each goes on with its last value."""
    longest = max(map(len, rows))
    return np.stack([np.pad(row, (0, longest - len(row)), "edge") for row in rows])


def smoothed(values: Array, weight: float) -> Array:
    """A mean over the epochs on both sides, which lags behind neither way.

        y_t = sum over |d| <= r of weight**|d| x_(t+d) / sum over |d| <= r of weight**|d|

    r is the smaller of how many values there are before t and after t: the first and the last value
    are the run's own. TensorBoard's average of the past alone would end where the curve was before.

    Args:
        weight: 0 leaves the values as they are; values that are not finite stay, and do not count.
    """
    out = np.array(values, dtype=float)
    finite = np.isfinite(out)
    x = out[finite]
    if weight == 0 or len(x) < 3:
        return out
    at = np.arange(len(x))
    r = np.minimum(at, at[::-1])
    # Sums over one side: of all of it, less those beyond r.
    past, future = _decayed(x, weight), _decayed(x[::-1], weight)[::-1]
    beyond = weight ** (r + 1.0)
    early, late = np.maximum(at - r - 1, 0), np.minimum(at + r + 1, len(x) - 1)
    total = past + future - x
    total -= np.where(at - r > 0, beyond * past[early], 0)
    total -= np.where(at + r < len(x) - 1, beyond * future[late], 0)
    inner = slice(1, -1)  # the ends are exact
    norm = 1 + 2 * weight * (1 - weight**r) / (1 - weight)
    x[inner] = (total / norm)[inner]
    out[finite] = x
    return out


def _decayed(x: Array, weight: float) -> Array:
    """y_t = sum over d >= 0 of weight**d x_(t-d)."""
    out, value = np.empty_like(x), 0.0
    for i, each in enumerate(x.tolist()):
        value = weight * value + each
        out[i] = value
    return out


def as_recorded(runs: Sequence[Run]) -> list[Run]:
    """The runs with the data set that they used in the place of "auto".

    It may differ from run to run, as MNIST may come or go: figures on different images are no
    repetitions of one another. What was never begun counts as the others, where they agree.
    """
    used = {run.name: run.dataset for run in runs if _asks_auto(run)}
    known = set(used.values()) - {None}
    common = known.pop() if len(known) == 1 else AUTO
    return [
        _on(run, used[run.name] or common) if run.name in used else run  # a name or "auto"
        for run in runs
    ]


def _asks_auto(run: Run) -> bool:
    return getattr(run.spec.config, "dataset", None) == AUTO


def _on(run: Run, dataset: str | None) -> Run:
    """The same run with its data set named."""
    config = dataclasses.replace(run.spec.config, dataset=dataset)
    return dataclasses.replace(run, spec=dataclasses.replace(run.spec, config=config))


def gather(runs: Sequence[Run]) -> list[Configuration]:
    """The configurations of which a run is done, the best first; damaged runs are not.

    Args:
        runs: as `as_recorded` gives them.
    """
    names = differing([run.spec for run in runs])
    groups: dict[tuple[tuple[str, Any], ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(run.spec.configuration, []).append(run)
    configurations = []
    titles = labels([group[0].spec for group in groups.values()], names)
    for name, (settings, group) in zip(titles, groups.items(), strict=True):
        outcomes = _whole(group)
        if outcomes:
            configurations.append(Configuration(name, dict(settings), outcomes))
    return sorted(configurations, key=lambda configuration: -configuration.score)


def _whole(runs: Sequence[Run]) -> list[Outcome]:
    outcomes = []
    for run in runs:
        with contextlib.suppress(DamagedError):
            outcomes.append(run.outcome())
    return [outcome for outcome in outcomes if outcome is not None]
