"""Recipes: every one is a valid run, flags override it, and what does not fit it is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from npnet import cli, train
from npnet.runs import commands
from npnet.runs.errors import ConfigError
from npnet.training.command_line import parse
from npnet.training.config import Config
from npnet.training.recipes import OWN, RECIPES, Recipe, command, settings
from reference import train as reference
from tests.runs import run_npnet

PROG = "npnet train"
ISSUED = {
    "lenet5-course", "lenet5-best", "convnet-course", "convnet-best",
    "resnet20-course", "resnet20-best", "resnet18-characters",
}  # fmt: skip


def flags(name: str) -> list[str]:
    """The command line that asks for a recipe."""
    return ["--recipe", name, *([] if RECIPES[name].dataset else ["--dataset", OWN])]


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_the_command_that_it_stands_for(name: str) -> None:
    config = parse(flags(name), PROG)
    spelled_out = parse(command(name).split()[2:], PROG)
    assert config == dataclasses.replace(spelled_out, recipe=name)
    assert spelled_out.recipe is None
    as_json = json.loads(json.dumps(settings(name) | {"dataset": config.dataset}))
    assert Config.from_dict(as_json, "recipe") == config, "every value has its setting's type"


def test_the_documented_runs_are_there() -> None:
    assert set(RECIPES) >= ISSUED
    course = parse(["--recipe", "resnet20-course"], PROG)
    assert (course.dataset, course.epochs, course.learning_rate) == ("cifar10", 10, 0.1)
    assert (course.schedule, course.milestones, course.gamma) == ("multistep", (5,), 0.1)
    for recipe in RECIPES.values():
        assert recipe.kind in ("course", "best")
        assert not {"model", "dataset", "seed", "checkpoint_dir"} & set(recipe.flags)


@pytest.mark.parametrize("order", [1, -1])
def test_flags_override_a_recipe(order: int) -> None:
    pairs = [["--recipe", "lenet5-course"], ["--epochs=3"], ["--learning-rate", "0.5"]]
    config = parse([word for pair in pairs[::order] for word in pair], PROG)
    plain = parse(["--recipe", "lenet5-course"], PROG)
    assert config == dataclasses.replace(plain, epochs=3, learning_rate=0.5)
    assert parse(["--recipe=lenet5-course", "--dataset", "mnist", "--model=lenet5"], PROG) == plain


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--recipe", "lenet5-bset"],
            "recipe must be one of lenet5-.*; did you mean 'lenet5-best'",
        ),
        (
            ["--recipe", "lenet5-best", "--dataset", "cifar10"],
            "is for --dataset mnist, not cifar10",
        ),
        (["--recipe", "lenet5-best", "--dataset=auto"], "is for --dataset mnist, not auto"),
        (["--recipe", "lenet5-best", "--dataset", "x.npz"], r"is for --dataset mnist, not x\.npz"),
        (["--model", "lenet4", "--recipe", "lenet5-best"], "is for --model lenet5, not lenet4"),
        (["--recipe", "lenet5-best", "--model", "lnet4"], "did you mean 'lenet4'"),
        (["--recipe", "resnet18-characters"], "images of your own, not auto; add --dataset FILE"),
        (
            ["--recipe", "resnet18-characters", "--dataset", "mnist"],
            "images of your own, not mnist",
        ),
        (["--recipe", "lenet5-best", "--config", "none.json"], "--config and --recipe both"),
        (["--recipe", "lenet5-best", "--epochs", "0"], "epochs must be >= 1"),
        (["--recipe", "lenet5-best", "--lerning_rate", "1"], "did you mean --learning_rate"),
        (["--recipe"], "[Mm]issing.*--recipe"),
    ],
)
@pytest.mark.parametrize("main", [train.main, reference.main])
def test_wrong_use_is_one_line_and_code_2(
    argv: list[str],
    message: str,
    main: Callable[[Sequence[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(argv, PROG)
    assert main(argv) == commands.USAGE_ERROR
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def stripes_recipe(small: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A recipe for images of one's own, two epochs, and the settings that ask for it."""
    recipe = Recipe("best", "stripes", "lenet4", None, {"epochs": 2, "batch_size": 32})
    monkeypatch.setitem(RECIPES, "stripes", recipe)
    places = {name: getattr(small, name) for name in ("dataset", "checkpoint_dir", "log_dir")}
    return Config.from_dict({"recipe": "stripes", **places}, "the test")


def test_a_run_remembers_its_recipe(
    stripes_recipe: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """config.json names the recipe and every setting, which no later recipe changes."""
    run_npnet(stripes_recipe)
    folder = stripes_recipe.checkpoint_dir
    saved = json.loads((Path(folder) / "config.json").read_text())
    assert (saved["recipe"], saved["epochs"], saved["batch_size"]) == ("stripes", 2, 32)
    changed = dataclasses.replace(RECIPES["stripes"], flags={"epochs": 9})
    monkeypatch.setitem(RECIPES, "stripes", changed)
    again = parse(["--config", f"{folder}/config.json", "--seed", "1"], PROG)
    assert (again.recipe, again.epochs, again.batch_size, again.seed) == ("stripes", 2, 32, 1)
    resumed = parse(["--resume", "--checkpoint_dir", folder, "--epochs", "3"], PROG)
    assert run_npnet(resumed).progress.epoch == 3
    monkeypatch.setitem(RECIPES, "other", changed)
    other = parse(["--resume", "--checkpoint_dir", folder, "--recipe", "other"], PROG)
    with pytest.raises(ConfigError, match="recipe was 'stripes' and is 'other'"):
        run_npnet(other)


def test_a_settings_file_may_name_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"recipe": "lenet5-course", "seed": 3}))
    plain = parse(["--recipe", "lenet5-course"], PROG)
    assert Config.from_json(path) == dataclasses.replace(plain, seed=3)
    path.write_text(json.dumps({"recipe": "lenet5"}))
    with pytest.raises(ConfigError, match="did you mean 'lenet5-"):
        Config.from_json(path)
    path.write_text(json.dumps({"recipe": None}))
    assert Config.from_json(path) == Config()


def test_the_list(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    measured = dataclasses.replace(RECIPES["lenet5-best"], accuracy=99.514, seconds=171.0)
    monkeypatch.setitem(RECIPES, "lenet5-best", measured)
    monkeypatch.setitem(RECIPES, "unmeasured", Recipe("best", "none yet", "mlp", "digits", {}))
    assert cli.main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines]
    assert [row[0] for row in rows if row and row[0] in RECIPES] == list(RECIPES)
    assert ["lenet5-best", "mnist", "lenet5", "best", "99.51", "%", "2.9", "min"] in rows
    assert ["unmeasured", "digits", "mlp", "best", "-", "-"] in rows
    assert ["resnet18-characters", OWN, "resnet18"] in [row[:3] for row in rows]
    for name in RECIPES:
        assert command(name) in lines


@pytest.mark.parametrize("name", RECIPES)
def test_one_recipe(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["recipes", name]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert command(name) in lines
    assert " ".join(["npnet train", *flags(name)]) in lines
    for flag in RECIPES[name].flags:
        assert any(line.split()[:1] == [f"--{flag}"] for line in lines)
    notes = RECIPES[name].notes
    assert not notes or notes in lines


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["-h"], 0, "usage: npnet recipes"),
        (["lenet5-bset"], 2, "did you mean 'lenet5-best'?"),
        (["lenet5-best", "lenet5-course"], 2, "Unrecognized options: lenet5-course"),
    ],
)
def test_use_of_the_list(
    argv: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["recipes", *argv]) == code
    out, err = capsys.readouterr()
    assert message in (err if code else out)
    assert err.count("\n") == (1 if code else 0)
