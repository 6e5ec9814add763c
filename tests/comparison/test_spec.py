"""A run's settings, from words to values, and back to a command line and a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npnet.comparison.grid import Grid
from npnet.comparison.spec import COMMANDS, Spec, differing, labels, typed
from npnet.fitting.config import FitConfig
from npnet.runs.errors import ConfigError
from npnet.runs.flags import read_flags
from npnet.training.command_line import parse
from npnet.training.config import Config


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("learning_rate", "1e-3", 1e-3),
        ("epochs", "3", 3),
        ("epochs", "3.5", "3.5"),  # is refused later, as it is written
        ("nesterov", "True", True),
        ("nesterov", "false", False),
        ("patience", "none", None),
        ("patience", "4", 4),
        ("scheduler", "none", "none"),
        ("milestones", "2,5", (2, 5)),
        ("library", "pytorch", "pytorch"),
        ("nothing", "1", "1"),
        ("epochs", 3, 3),
    ],
)
def test_words_become_values(name: str, word: Any, value: object) -> None:
    found = typed("train", name, word)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "lenet5", "learning_rate": 3e-4, "seed": 7},
        {"nesterov": True, "clip_grad_norm": 1.0, "patience": 3},
        {"scheduler": "multistep", "milestones": (2, 5), "nesterov": False, "patience": None},
        {"data_dir": "a folder", "epochs": 10},
        {"recipe": "lenet5-course", "epochs": 3},
        {"recipe": "convnet-best", "augment": False, "scheduler": "none", "patience": None},
    ],
)
def test_command_line_asks_for_the_same_settings(settings: dict[str, Any]) -> None:
    spec = Spec.from_dict("train", settings, "test")
    program = COMMANDS["train"].programs["npnet"]
    arguments = spec.arguments()
    assert tuple(arguments[: len(program)]) == program
    assert parse(arguments[len(program) :], "test") == Config.from_dict(settings, "test")


def test_what_was_named_stands_in_the_command_line() -> None:
    """Also where it is the default: another version may have another one."""
    spec = Spec.from_dict("train", {"model": Config.model, "library": "pytorch"}, "test")
    assert spec.shell_line() == f"python -m reference.train --model {Config.model}"


def test_labels_say_what_differs() -> None:
    specs = Grid(
        axes={
            "model": ["lenet4", "lenet5"],
            "learning_rate": [0.1, 1e-4],
            "scheduler": ["none", "step"],
            "patience": [None, 2],
            "seed": [0, 1],
        }
    ).specs()
    names = differing(specs)
    assert set(names) == {"model", "learning_rate", "scheduler", "patience"}
    said = labels(specs, names)
    assert said[0] == "lenet4, learning_rate 0.1, no scheduler, no patience"
    assert said[-1] == "lenet5, learning_rate 0.0001, step, patience 2"
    assert labels(specs, [])[0] == "lenet4"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["runs/a.safetensors", "runs/b.safetensors"], ["a.safetensors", "b.safetensors"]),
        (
            ["a/best.safetensors", "b/best.safetensors"],
            ["a/best.safetensors", "b/best.safetensors"],
        ),
        (
            ["/x/a/best.st", "x/a/best.st", "b/best.st"],
            ["/x/a/best.st", "x/a/best.st", "b/best.st"],
        ),
        ([None, "a/best.safetensors"], ["no init_from", "best.safetensors"]),
        (["a/best.safetensors", "a/best.safetensors"], ["best.safetensors"] * 2),
    ],
)
def test_labels_tell_paths_apart(paths: list[str | None], said: list[str]) -> None:
    values = ({"model": "lenet4", "init_from": path} for path in paths)
    specs = [Spec.from_dict("train", value, "test") for value in values]
    assert labels(specs, ["init_from"]) == [str(Path(path)) for path in said]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 100, "learning_rate": 1e-4},
        {"range": (-3.0, 3.0), "widths": (8,), "expression": "-x sin x", "batch_size": None},
    ],
)
def test_command_line_of_a_fit(settings: dict[str, Any]) -> None:
    spec = Spec.from_dict("fit-function", settings, "test")
    program, *flags = spec.arguments()[1:]
    assert program == "npnet.fit_function"
    assert read_flags(flags, FitConfig(), "test") == FitConfig(**settings)


def test_words_of_a_fit() -> None:
    assert typed("fit-function", "range", "-3,3") == (-3.0, 3.0)
    assert typed("fit-function", "widths", "8") == (8,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"range": [1.0]}, r"range must be tuple\[float, float\], got \[1.0\]"),
        ({"widths": [8, 2.5]}, r"widths must be tuple\[int, ...\]"),
        ({"expression": "y"}, "y"),
    ],
)
def test_wrong_settings_of_a_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Spec.from_dict("fit-function", settings, "test")
