"""What a search draws from: a grid whose ranges and lists are each a parameter of every trial."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from npnet.comparison.grid import Grid
from npnet.comparison.ranges import Range
from npnet.comparison.spec import Spec, check_names, shown
from npnet.runs.errors import ConfigError

__all__ = ["Space"]

MOST_CORNERS = 4096  # combinations that are checked before the first trial


@dataclass(frozen=True)
class Space:
    """The settings of a search.

    Attributes:
        fixed: those that every trial has.
        free: those that a trial draws: a range, or a list of values.
    """

    grid: Grid
    fixed: Mapping[str, Any]
    free: Mapping[str, Range | list[Any]]

    @classmethod
    def of(cls, grid: Grid) -> Space:
        """The space that a grid spans.

        Raises:
            ConfigError: there is nothing to draw, or what no search can: several seeds, separate
                runs, a range among other values; or a combination is impossible.
        """
        if grid.runs:
            raise ConfigError(
                f"compare: {grid.name}: runs can't be searched, settings and grid can; write "
                "their values as lists and ranges of grid, or leave out --search"
            )
        free: dict[str, Range | list[Any]] = {}
        for name, values in grid.searched.items():
            ranges = [value for value in values if isinstance(value, Range)]
            if ranges and len(values) > 1:
                raise ConfigError(
                    f"compare: {name}: a range stands alone, got {' '.join(map(str, values))}; "
                    "give one range, or several values"
                )
            free[name] = ranges[0] if ranges else values
        if "seed" in free:
            raise ConfigError(
                "compare: seed: a trial of a search is one run, with one seed; give --seed 0, or "
                "compare the best settings over --seeds 3 afterwards"
            )
        if not free:
            raise ConfigError(
                "compare: --search has nothing to draw; give a setting a range, such as "
                "--learning_rate 1e-4..1e-1, or several values"
            )
        single = {name: values[0] for name, values in grid.axes.items() if name not in free}
        rest = {name: value for name, value in grid.settings.items() if name not in free}
        space = cls(grid, rest | single, free)
        space._check_validation()
        return space

    @property
    def name(self) -> str:
        """What the study is called: searches of other settings have other names.

        The folder of the data, of which no bit of a run depends, is no part of it.
        """
        fixed = {name: value for name, value in self.fixed.items() if name != "data_dir"}
        tree = [self.grid.command, fixed, self.free]
        text = json.dumps(tree, sort_keys=True, default=str)
        return f"{self.grid.name}-{zlib.crc32(text.encode()):08x}"

    @property
    def seed(self) -> int:
        """Of the runs, and of what is drawn."""
        return self.spec({name: ends(values)[0] for name, values in self.free.items()}).seed

    @property
    def is_function(self) -> bool:
        """Whether trials fit functions, whose error is to be small."""
        return self.grid.command == "fit-function"

    def spec(self, values: Mapping[str, Any]) -> Spec:
        """The run of a trial. ConfigError where these values can't go together."""
        return Spec.from_dict(self.grid.command, {**self.fixed, **values}, self.grid.name)

    def lines(self) -> list[str]:
        """What is drawn from, a line for each parameter."""
        width = max(map(len, self.free))
        return [f"{name:{width}}  {_drawn(values)}" for name, values in self.free.items()]

    def corners(self) -> list[Spec]:
        """The ends of ranges and the values of lists, combined.

        Where these are too many, the first and the last of each list are, or the first alone.

        Raises:
            ConfigError: a combination is impossible.
        """
        check_names(self.grid.command, [*self.fixed, *self.free], self.grid.name)
        axes = {name: ends(values) for name, values in self.free.items()}
        for most in (2, 1):
            if math.prod(map(len, axes.values())) > MOST_CORNERS:
                axes = {name: [values[0], values[-1]][:most] for name, values in axes.items()}
        settled = Grid(self.grid.name, command=self.grid.command, settings=self.fixed, axes=axes)
        return settled.specs(MOST_CORNERS)

    def _check_validation(self) -> None:
        """Raise ConfigError where nothing is held out to choose by."""
        if any(getattr(spec.config, "val_ratio", 1) == 0 for spec in self.corners()):
            raise ConfigError(
                "compare: val_ratio: a search chooses by the accuracy on what is held out for "
                "validation, got 0; raise it, 0.2 is the default"
            )


def ends(values: Range | list[Any]) -> list[Any]:
    """The two ends of a range, or all values of a list."""
    return [values.low, values.high] if isinstance(values, Range) else list(values)


def _drawn(values: Range | list[Any]) -> str:
    if not isinstance(values, Range):
        return "one of " + ", ".join(map(shown, values))
    kind = "whole numbers " if values.is_whole else ""
    scale = "logarithmic" if values.is_log else "linear"
    return f"{kind}{shown(values.low)} to {shown(values.high)}, {scale}"
