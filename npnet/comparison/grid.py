"""A grid of runs: settings, lists to be combined, and where they come from.

A grid file is YAML:

    about: one sentence that heads the report
    command: train                  # or fit-function: what makes a run; default train
    seeds: 3                        # short for seed: [0, 1, 2] in grid
    settings: {dataset: mnist, epochs: 10}          # common to all runs
    grid: {model: [lenet4, lenet5], library: [npnet, pytorch]}    # each combination is a run
    runs:                           # optional: each of these is combined with all of grid
      - {optimizer: adam, learning_rate: 3e-4}
      - {optimizer: sgd, learning_rate: 1e-2}

Every name is a flag of the command, or `library`: whether npnet or PyTorch makes the run. A number
may be a range, such as 1e-4..1e-1, in settings and in grid; then the grid is searched.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from npnet.base.checks import check_number, unknown_name
from npnet.base.files import printable
from npnet.comparison import grid_file
from npnet.comparison.ranges import Range
from npnet.comparison.spec import COMMANDS, Spec, check_names, typed
from npnet.runs.errors import ConfigError

__all__ = ["Grid", "builtin_names", "load", "seed_values"]

MOST_SEEDS = 1000
MOST_RUNS = 1000  # unless somebody asks for more: a product of lists grows faster than one thinks
_NAMED = 3  # lists, in the name of a folder
_BUILTIN = resources.files("npnet.comparison") / "grids"


@dataclass(frozen=True)
class Grid:
    """Runs to be made: `settings`, changed by each of `runs`, changed by each product of `axes`.

    Attributes:
        name: what the report and its folder are called.
        about: one sentence on what is compared.
        command: what makes a run, one of `COMMANDS`.
    """

    name: str = "comparison"
    about: str = ""
    command: str = "train"
    settings: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, list[Any]] = field(default_factory=dict)
    runs: tuple[Mapping[str, Any], ...] = ()

    @property
    def folder(self) -> str:
        """What its folder is called: its name, or, where nobody gave it one, what is in it.

        Such a grid has the names of its lists, and a sum of everything but the seeds, of which more
        may be added later: no two grids write over one another.
        """
        if self.name not in (Grid.name, *COMMANDS):
            return self.name
        everything = [self.command, self.settings, self.axes, self.runs]
        lists = [name for name in self.searched if name != "seed"]
        text = json.dumps(_without_seed(everything), sort_keys=True, default=str)
        return "-".join([self.name, *lists[:_NAMED], f"{zlib.crc32(text.encode()):08x}"])

    @property
    def searched(self) -> dict[str, list[Any]]:
        """The lists of several values, and the ranges, each as a list of its own."""
        settings = {k: [v] for k, v in self.settings.items() if isinstance(v, Range)}
        axes = {k: v for k, v in self.axes.items() if len(v) > 1 or isinstance(v[0], Range)}
        return settings | axes

    def override(self, axes: Mapping[str, list[Any]]) -> Grid:
        """The grid with these values in place of all that it says of the same names."""
        kept = {name: values for name, values in self.axes.items() if name not in axes}
        return dataclasses.replace(
            self,
            settings={k: v for k, v in self.settings.items() if k not in axes},
            axes=kept | dict(axes),
            runs=tuple({k: v for k, v in r.items() if k not in axes} for r in self.runs),
        )

    def specs(self, most: int = MOST_RUNS) -> list[Spec]:
        """Every run, checked; equal ones once, and the seeds of a configuration side by side.

        Args:
            most: how many combinations there may be.

        Raises:
            ConfigError: a combination is impossible; says which, and how many others are. Or there
                are too many, or a range among them.
        """
        self._check_ranges()
        axes = dict(self.axes)
        if len(axes.get("data_dir", ())) > 1:
            raise ConfigError("compare: data_dir: a comparison takes its data from one folder")
        if "seed" in axes:
            axes["seed"] = axes.pop("seed")  # last: it changes fastest
        self._check_count(most)
        rows = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
        combinations = [(run, row) for run in self.runs or ({},) for row in rows]
        specs: dict[Spec, None] = {}
        errors: list[str] = []
        for run, row in combinations:
            try:
                spec = Spec.from_dict(self.command, {**self.settings, **run, **row}, self.name)
            except ConfigError as error:
                said = ", ".join(f"{name} {value}" for name, value in {**run, **row}.items())
                errors.append(f"{error}{f' (in the combination {said})' if said else ''}")
                continue
            specs[spec] = None
        if errors:
            more = f"; {len(errors)} of {len(combinations)} combinations are impossible"
            raise ConfigError(errors[0] + (more if len(errors) > 1 else ""))
        return list(specs)

    def _check_ranges(self) -> None:
        """Raise ConfigError where a value is a range: no list of runs has all of its numbers."""
        for one in (self.settings, *self.runs):
            _check_no_range(one.items())
        _check_no_range((name, value) for name, values in self.axes.items() for value in values)

    def _check_count(self, most: int) -> None:
        """Raise ConfigError where there are more than `most` combinations; none is made for it."""
        check_names(self.command, self.axes, self.name)
        count = math.prod(map(len, self.axes.values())) * max(len(self.runs), 1)
        if count > most:
            lists = [f"{len(v):,} of {k}" for k, v in self.axes.items() if len(v) > 1]
            lists += [f"{len(self.runs):,} in runs"] if len(self.runs) > 1 else []
            said = f"{count:,}" if count < 10**15 else "more than 10^15"
            raise ConfigError(
                f"compare: {self.name} has {said} runs ({' times '.join(lists)}), and --max_runs "
                f"allows {most:,}; shorten a list, or raise --max_runs"
            )


def _check_no_range(values: Iterable[tuple[str, Any]]) -> None:
    for name, value in values:
        if isinstance(value, Range):
            raise ConfigError(
                f"compare: {name}: {value} is a range, from which a search draws; add --search 50 "
                "for fifty trials, or list the values of a grid"
            )


def _without_seed(tree: Any) -> Any:
    """Nested settings, without the seeds."""
    if isinstance(tree, Mapping):
        return {name: _without_seed(value) for name, value in tree.items() if name != "seed"}
    return [_without_seed(value) for value in tree] if isinstance(tree, (list, tuple)) else tree


def builtin_names() -> list[str]:
    """The comparisons that come with npnet."""
    return sorted(p.name.removesuffix(".yaml") for p in _BUILTIN.iterdir())


def load(source: str) -> Grid:
    """The grid that a name or a YAML file says; by the name of a command, an empty one of it.

    Raises:
        ConfigError: there is no such grid, or it is written wrongly.
    """
    if source in COMMANDS:
        return Grid(source, command=source)
    if source in builtin_names():
        return _read((_BUILTIN / f"{source}.yaml").read_text("utf-8"), source, source)
    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        known = unknown_name("compare: the comparison", source, builtin_names())
        raise ConfigError(f"{known}, or name a grid file (.yaml)")
    return _read(grid_file.read(path), path.stem, printable(source))


def _read(text: str, name: str, source: str) -> Grid:
    tree = grid_file.parse(text, source)
    _check_kind(source, "the file", tree, dict, "names with their values")
    for key in tree:
        if key not in _PARTS:
            raise ConfigError(f"compare: {source}: {unknown_name('a part', str(key), _PARTS)}")
    for key, (kind, rule) in _PARTS.items():
        if key in tree:
            _check_kind(source, key, tree[key], kind, rule)
    command = tree.get("command", "train")
    if command not in COMMANDS:
        raise ConfigError(f"compare: {source}: {unknown_name('command', command, COMMANDS)}")
    return _grid(tree, command, name, source)


def _grid(tree: dict[str, Any], command: str, name: str, source: str) -> Grid:
    axes = {}
    for key, values in tree.get("grid", {}).items():
        if isinstance(alone := typed(command, key, values), Range):
            axes[key] = [alone]
            continue
        _check_kind(source, f"grid: {key}", values, list, "a list of at least one value")
        axes[key] = [typed(command, key, value) for value in values]
    if "seeds" in tree:
        if "seed" in axes or "seed" in tree.get("settings", {}):
            raise ConfigError(
                f"compare: {source}: seeds counts seeds and seed lists them; leave one of them out"
            )
        axes["seed"] = seed_values(tree["seeds"], source)
    runs = tree.get("runs", [])
    for run in runs:
        _check_kind(source, "runs", run, dict, "a list of settings, each {name: value}")
        for key in run:
            if key in axes:
                raise ConfigError(
                    f"compare: {source}: {key} is in grid and in runs; leave one of them out"
                )
    return Grid(
        name,
        tree.get("about", ""),
        command,
        _typed_all(command, tree.get("settings", {})),
        axes,
        tuple(_typed_all(command, run) for run in runs),
    )


def _typed_all(command: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {name: typed(command, name, value) for name, value in settings.items()}


# Part of a grid file -> its type, and the rule in words.
_PARTS: dict[str, tuple[type, str]] = {
    "about": (str, "a sentence"),
    "command": (str, "the name of a command"),
    "seeds": (int, "how many seeds there are"),
    "settings": (dict, "names with their values"),
    "grid": (dict, "names with lists of values"),
    "runs": (list, "a list of settings, each {name: value}"),
}


def _check_kind(source: str, what: str, value: Any, kind: type, rule: str) -> None:
    if type(value) is not kind or (kind is list and not value):
        raise ConfigError(f"compare: {source}: {what} must be {rule}, got {value!r}")


def seed_values(count: int, source: str) -> list[Any]:
    """The seeds that `--seeds COUNT` is short for."""
    try:
        check_number(f"compare: {source}", "seeds", count, least=1, most=MOST_SEEDS)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return list(range(count))
