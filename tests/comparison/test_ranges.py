"""Ranges: how they are written, on the command line and in grid files, and what none can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from npnet.cli.compare import parse
from npnet.comparison.grid import Grid, load
from npnet.comparison.ranges import Range
from npnet.comparison.space import Space
from npnet.comparison.spec import typed
from npnet.runs.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "low", "high", "is_log"),
    [
        ("1e-4..1e-1", 1e-4, 0.1, True),
        ("0.1..1", 0.1, 1.0, False),  # a factor of ten is not more than ten
        ("0..0.5", 0.0, 0.5, False),
        ("-1..100", -1.0, 100.0, False),
        ("1e-4..1e-1:linear", 1e-4, 0.1, False),
        ("0.1..0.2:log", 0.1, 0.2, True),
        (" .5...9 ", 0.5, 0.9, False),
    ],
)
def test_numbers(text: str, low: float, high: float, is_log: bool) -> None:
    assert typed("train", "learning_rate", text) == Range(low, high, is_log)


@pytest.mark.parametrize(
    ("text", "written", "is_log"),
    [("16..128", "16..128:linear", False), ("16..512", "16..512:log", True)],
)
def test_whole_numbers(text: str, written: str, is_log: bool) -> None:
    found = typed("train", "batch_size", text)
    assert found.is_whole
    assert found.is_log is is_log
    assert str(found) == written
    assert typed("train", "batch_size", written) == found


def test_only_numbers_have_ranges() -> None:
    assert typed("train", "dataset", "../mine..x.npz") == "../mine..x.npz"
    assert typed("train", "milestones", "1..2") == "1..2"
    assert typed("train", "clip_grad_norm", "1..2") == Range(1.0, 2.0, False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "learning_rate",
            "1e-1..1e-4",
            r"goes from the smaller .*, got 1e-1..1e-4; write 1e-4..1e-1",
        ),
        ("learning_rate", "0.1..0.1", r"goes from the smaller .*; write 0.1$"),
        ("learning_rate", "0..0.1:log", r"is logarithmic only from above 0, .*or write :linear"),
        ("learning_rate", "small..0.1", r"has two numbers, LOW..HIGH, got small..0.1"),
        ("learning_rate", "..0.1", "has two numbers"),
        ("learning_rate", "0.1..", "has two numbers"),
        ("learning_rate", "0.1..inf", "has two finite numbers"),
        ("learning_rate", "nan..1", "has two finite numbers"),
        ("learning_rate", "0.1..1:logarithmic", "is written LOW..HIGH, LOW..HIGH:log or"),
        ("batch_size", "16..32.5", r"has two whole numbers, .* got 16..32.5"),
        ("batch_size", "0..512:log", "is logarithmic only from above 0"),
    ],
)
def test_wrong_ranges(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"compare: {name}: a range {message}"):
        typed("train", name, text)


def test_in_a_grid_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "settings: {dataset: digits, momentum: 0.5..0.99}\n"
        "grid: {learning_rate: 1e-4..1e-1, batch_size: [16..128], optimizer: [sgd, adam]}\n"
    )
    space = Space.of(load(str(path)))
    assert space.fixed == {"dataset": "digits"}
    assert space.free == {
        "momentum": Range(0.5, 0.99, False), "learning_rate": Range(1e-4, 0.1, True),
        "batch_size": Range(16, 128, False), "optimizer": ["sgd", "adam"],
    }  # fmt: skip
    assert space.lines() == [
        "momentum       0.5 to 0.99, linear",
        "learning_rate  0.0001 to 0.1, logarithmic",
        "batch_size     whole numbers 16 to 128, linear",
        "optimizer      one of sgd, adam",
    ]


def test_a_grid_has_no_ranges(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate: 0.0001..0.1:log is a range.*--search"):
        parse(["--learning_rate", "1e-4..1e-1"])[0].specs()
    (tmp_path / "g.yaml").write_text("runs: [{momentum: 0.1..0.2}]")
    with pytest.raises(ConfigError, match=r"momentum: .* is a range"):
        load(str(tmp_path / "g.yaml")).specs()


def test_a_list_is_part_of_the_folder_and_a_range_too() -> None:
    folder = parse(["--learning_rate", "1e-4..1e-1", "--model", "lenet4", "--search", "2"])[
        1
    ].output
    assert folder.name.startswith("comparison-learning_rate-")
    assert folder.name.endswith("-search")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid(axes={"model": ["lenet4"]}), "--search has nothing to draw; give a setting a range"),
        (Grid(axes={"learning_rate": [Range(0.1, 1.0, True), 2.0]}), "a range stands alone"),
        (Grid(axes={"seed": [0, 1], "epochs": [1, 2]}), "a trial of a search is one run"),
        (Grid(axes={"epochs": [1, 2]}, runs=({"gamma": 0.5},)), "runs can't be searched"),
        (Grid(axes={"momentum": [Range(0.5, 1.0, False)]}), "momentum must be >= 0 and < 1"),
        (Grid(axes={"val_ratio": [0.0], "epochs": [1, 2]}), "val_ratio: a search chooses by"),
        (Grid(axes={"modle": ["a", "b"]}), "did you mean 'model'"),
        (
            Grid(axes={"optimizer": ["sgd", "adam"], "nesterov": [True, False]}),
            "nesterov: needs the optimizer sgd .*in the combination optimizer adam, nesterov True",
        ),
    ],
)
def test_spaces_that_can_not_be_searched(grid: Grid, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Space.of(grid)


def test_the_corners_of_a_large_space_are_few() -> None:
    axes = {"batch_size": list(range(1, 100)), "epochs": list(range(1, 100)), "model": ["lenet4"]}
    assert len(Space.of(Grid(axes=axes)).corners()) == 4


def test_a_study_is_named_after_what_is_drawn_but_not_the_place_of_the_data() -> None:
    def name(**axes: object) -> str:
        axes |= {"learning_rate": [Range(1e-3, 0.1, True)]}
        return Space.of(
            Grid(axes={k: v if isinstance(v, list) else [v] for k, v in axes.items()})
        ).name

    assert name(data_dir="here") == name(data_dir="there") == name()
    assert len({name(), name(seed=1), name(epochs=3), name(batch_size=[16, 32])}) == 4
