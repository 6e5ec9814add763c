"""Grids: lists become runs, files and names are read, and what can't be is told before any run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from npnet.comparison.grid import Grid, builtin_names, load
from npnet.runs.errors import ConfigError


def written(folder: Path, text: str) -> Grid:
    path = folder / "mine.yaml"
    path.write_text(text)
    return load(str(path))


def values(grid: Grid, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(spec.settings[name] for name in names) for spec in grid.specs()]


def test_lists_are_combined_and_seeds_change_fastest() -> None:
    grid = Grid(axes={"seed": [0, 1], "model": ["lenet4", "lenet5"], "epochs": [3]})
    assert values(grid, "model", "seed", "epochs") == [
        ("lenet4", 0, 3), ("lenet4", 1, 3), ("lenet5", 0, 3), ("lenet5", 1, 3),
    ]  # fmt: skip


def test_equal_runs_are_made_once() -> None:
    assert values(Grid(axes={"gamma": [0.1, 0.5, 0.1]}), "gamma") == [(0.1,), (0.5,)]


def test_file_with_every_part(tmp_path: Path) -> None:
    grid = written(
        tmp_path,
        """
        about: Two optimizers.
        command: train
        seeds: 2
        settings: {dataset: digits, clip_grad_norm: 10, milestones: [2, 4]}
        grid: {library: [npnet, pytorch], scheduler: [none, multistep]}
        runs:
          - {optimizer: adam, learning_rate: 3e-4}
          - {optimizer: sgd, learning_rate: 1e-2, patience: none}
        """,
    )
    assert (grid.name, grid.about) == ("mine", "Two optimizers.")
    found = values(grid, "optimizer", "learning_rate", "library", "scheduler", "seed")
    assert len(found) == 2 * 2 * 2 * 2
    assert found[0] == ("adam", 3e-4, "npnet", "none", 0)
    assert found[-1] == ("sgd", 1e-2, "pytorch", "multistep", 1)
    assert set(values(grid, "clip_grad_norm", "milestones", "patience")) == {(10.0, (2, 4), None)}


def test_override_replaces_the_name_everywhere() -> None:
    grid = Grid(
        settings={"epochs": 10, "batch_size": 8},
        axes={"model": ["lenet4", "lenet5"]},
        runs=({"optimizer": "adam", "gamma": 0.2}, {"optimizer": "sgd", "gamma": 0.3}),
    )
    changed = grid.override({"epochs": [1], "model": ["lenet"], "optimizer": ["nadam"]})
    assert values(changed, "epochs", "batch_size", "model", "optimizer", "gamma") == [
        (1, 8, "lenet", "nadam", 0.2), (1, 8, "lenet", "nadam", 0.3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not YAML"),
        ("[1]", "the file must be names with their values"),
        ("", "the file must be names with their values, got None"),
        ("girds: {}", "a part must be one of .*; got 'girds'"),
        ("command: tarin", "command must be one of .*; did you mean 'train'"),
        ("seeds: many", "seeds must be how many seeds there are, got 'many'"),
        ("seeds: 0", "seeds must be >= 1 and <= 1000, got 0"),
        ("seeds: 1" + "0" * 400, "<= 1000, got more than any float"),
        ("about: 2020-13-45", "is not YAML"),
        ("grid: {model: lenet4}", "grid: model must be a list of at least one value"),
        ("grid: {model: []}", "grid: model must be a list of at least one value"),
        ("runs: [3]", "runs must be a list of settings"),
        ("grid: {model: [lenet4]}\nruns: [{model: lenet5}]", "model is in grid and in runs"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        written(tmp_path, text)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"modle": ["lenet4"]}, "a setting must be one of .*; did you mean 'model'"),
        ({"threads": [1, 2]}, "threads is set by the comparison itself"),
        ({"library": ["torch"]}, "library must be one of npnet, pytorch; .*did you mean 'pytorch'"),
        ({"library": [["npnet"]]}, "library must be one of"),
        ({"epochs": ["many"]}, "epochs must be int, got 'many'"),
        ({"model": ["lenet4", "lent5"]}, r"did you mean 'lenet5'.*in the combination model lent5"),
        (
            {"nesterov": [True], "optimizer": ["sgd", "adam", "nadam"]},
            "needs the optimizer sgd .*optimizer adam.*; 2 of 3 combinations are impossible",
        ),
    ],
)
def test_impossible_combinations_are_told(axes: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Grid(axes=axes).specs()


def test_unknown_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'lenet-losses'.*or name a grid file"):
        load("lenet-loses")
    with pytest.raises(ConfigError, match=r"can't read nowhere\.yaml"):
        load("nowhere.yaml")


@pytest.mark.parametrize("name", builtin_names())
def test_every_comparison_of_npnet_is_possible(name: str) -> None:
    grid = load(name)
    assert grid.about.endswith(".")
    assert len({spec.configuration for spec in grid.specs()}) >= 4


def test_lenet_losses_is_the_course_s() -> None:
    grid = load("lenet-losses")
    assert len(grid.specs()) == 12
    settings = values(grid, "optimizer", "learning_rate", "use_scheduler", "epochs")
    assert set(settings) == {("adam", 2e-3, True, 10)}
