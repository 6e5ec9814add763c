"""`npnet recipes`: the recipes with what they came to, and the flags of one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from npnet.base.checks import unknown_name
from npnet.runs.commands import run_command
from npnet.runs.errors import ConfigError
from npnet.runs.flags import positional, read_flags
from npnet.training.config import Config
from npnet.training.recipes import OWN, RECIPES, Recipe, command, settings, words

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet recipes"

TABLE_WIDTH = 80  # characters


@dataclass(frozen=True)
class Options:
    """List the recipes that --recipe of npnet train takes, or the flags of one of them.

    Accuracy is of the test images, the mean over seeds; time is of all epochs of a run with one
    thread, on the machine of docs/results.md; - is not measured.
    """

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"name": tuple(RECIPES)}
    EXAMPLES: ClassVar[dict[str, str]] = {"the flags of one": "lenet5-best"}

    name: str | None = positional(None, required=False)
    """of a recipe; default: all of them"""
    json: bool = False
    """print the answer for a program to read"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Print the table, or the recipe that `argv` names. Returns the exit code."""
    return run_command(lambda: _show(read_flags(argv, Options(), PROG)), PROG, "stopped")


def _show(options: Options) -> None:
    from rich.console import Console

    if options.name is not None and options.name not in RECIPES:
        raise ConfigError(unknown_name("recipe", options.name, RECIPES))
    if options.json:
        named = RECIPES if options.name is None else [options.name]
        print(json.dumps([_described(name) for name in named], indent=1))
        return
    console = Console(highlight=False)
    console.width = max(
        console.width, TABLE_WIDTH
    )  # a narrower terminal breaks lines; no name is cut
    if options.name is not None:
        _show_one(console, options.name)
    else:
        _show_all(console)


def _described(name: str) -> dict[str, Any]:
    """What --json says of a recipe."""
    recipe = RECIPES[name]
    flags = {flag: value for flag, value in settings(name).items() if flag != "recipe"}
    return {
        "name": name,
        "kind": recipe.kind,
        "summary": recipe.summary,
        "flags": flags,
        "notes": recipe.notes,
        "accuracy": recipe.accuracy,
        "seconds": recipe.seconds,
        "command": command(name),
    }


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
