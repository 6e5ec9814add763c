"""`npnet recipes`: the recipes with what they came to, and the flags of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from npnet.base.checks import unknown_name
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from npnet.training.config import Config
from npnet.training.recipes import OWN, RECIPES, Recipe, command, settings, words

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["main"]

TABLE_WIDTH = 80  # characters

_USAGE = """usage: npnet recipes [-h] [NAME]

List the recipes that --recipe of npnet train takes, or the flags of one of them. Accuracy is of the
test images, the mean over seeds; time is of all epochs of a run with one thread, on the machine of
docs/results.md; - is not measured.
"""


def main(argv: Sequence[str]) -> int:
    """Print the table, or the recipe that `argv` names. Returns the exit code."""
    return run_command(lambda: _show(argv), "npnet recipes", "stopped")


def _show(argv: Sequence[str]) -> None:
    from rich.console import Console

    if any(arg in ("-h", "--help") for arg in argv):
        print(_USAGE, end="")
        return
    if len(argv) > 1:
        raise ConfigError(f"it takes the name of one recipe, got {' '.join(argv)}")
    if argv and argv[0] not in RECIPES:
        raise ConfigError(unknown_name("recipe", argv[0], RECIPES))
    console = Console(highlight=False)
    console.width = max(
        console.width, TABLE_WIDTH
    )  # a narrower terminal breaks lines; no name is cut
    if argv:
        _show_one(console, argv[0])
    else:
        _show_all(console)


def _show_all(console: Console) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)  # without frames it fits into 80 columns
    for title in ("recipe", "data set", "network", "kind"):
        table.add_column(title, no_wrap=True)
    for title in ("accuracy", "time"):
        table.add_column(title, no_wrap=True, justify="right")
    for name, recipe in RECIPES.items():
        what = recipe.dataset or OWN, recipe.model, recipe.kind
        table.add_row(name, *what, _accuracy(recipe), _time(recipe))
    console.print(table)
    for name, recipe in RECIPES.items():
        console.print(f"\n[bold]{name}[/bold]: {recipe.summary}", soft_wrap=True)
        console.print(command(name), soft_wrap=True)


def _show_one(console: Console, name: str) -> None:
    from rich import box
    from rich.table import Table

    recipe = RECIPES[name]
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    table = Table("flag", "value", "default", box=box.SIMPLE_HEAD)
    for flag, value in settings(name).items():
        if flag != "recipe":
            table.add_row(f"--{flag}", _shown(value), _shown(defaults[flag]))
    console.print(f"[bold]{name}[/bold] ({recipe.kind}): {recipe.summary}", soft_wrap=True)
    console.print(f"accuracy {_accuracy(recipe)}, time {_time(recipe)}")
    console.print(table)
    if recipe.notes:
        console.print(recipe.notes, soft_wrap=True)
    own = "" if recipe.dataset else f" --dataset {OWN}"
    console.print(f"npnet train --recipe {name}{own}\nis\n{command(name)}", soft_wrap=True)


def _accuracy(recipe: Recipe) -> str:
    return "-" if recipe.accuracy is None else f"{recipe.accuracy:.2f} %"


def _time(recipe: Recipe) -> str:
    if recipe.seconds is None:
        return "-"
    minutes = recipe.seconds / 60
    if minutes < 2:
        return f"{recipe.seconds:.0f} s"
    return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"


def _shown(value: object) -> str:
    if value in (None, ()):
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(words(value))
