"""Flags off a dataclass: every type, both spellings, help at any width, and what is meant."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import pytest

from npnet.fitting.config import FitConfig
from npnet.runs.declared import docs_of, flags_of, positional
from npnet.runs.errors import ConfigError
from npnet.runs.flags import read_flags
from npnet.runs.help import help_text
from npnet.training.config import Config


@dataclass(frozen=True)
class Settings:
    """What it does.

    And more of it.
    """

    GROUPS: ClassVar[dict[str, str]] = {"first": "count", "second": "pair"}
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"name": ("a", "b")}
    PATHS: ClassVar[tuple[str, ...]] = ("path",)
    EXAMPLES: ClassVar[dict[str, str]] = {
        "one": "x --count 3",
        "another": "y --name b --many 1 2 3",
    }

    file: str = positional()
    """what to read"""
    more: tuple[str, ...] = positional((), required=False)
    """what else"""
    count: int = 1
    """how many"""
    rate: float | None = None
    """how fast; default: as fast as can be"""
    name: str = "a"
    """a or b"""
    pair: tuple[float, float] = (0.0, 1.0)
    """from where to where"""
    many: tuple[int, ...] = ()
    """some"""
    switch: bool = False
    """on or off"""
    on_by_default: bool = True
    """off or on"""
    path: str | None = None
    """a file"""


def read(*argv: str) -> Settings:
    return read_flags(argv, Settings(), "prog")


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        (["x"], "file", "x"),
        (["x", "y", "z"], "more", ("y", "z")),
        (["-"], "file", "-"),
        (["--", "--count"], "file", "--count"),
        (["x", "--", "-y"], "more", ("-y",)),
        (["x", "--count", "-3"], "count", -3),
        (["--count=7", "x"], "count", 7),
        (["x", "--count", "1", "--count", "2"], "count", 2),
        (["x", "--rate", "1e-3"], "rate", 1e-3),
        (["x", "--rate", "-inf"], "rate", float("-inf")),
        (["x", "--rate", "None"], "rate", None),
        (["x", "--pair", "-1", "2"], "pair", (-1.0, 2.0)),
        (["x", "--pair=-1", "2"], "pair", (-1.0, 2.0)),
        (["--many", "1", "2", "--switch", "x"], "many", (1, 2)),
        (["x", "--many"], "many", ()),
        (["x", "--switch"], "switch", True),
        (["x", "--switch", "--no_switch"], "switch", False),
        (["x", "--no-on-by-default"], "on_by_default", False),
        (["x", "--path", "a b"], "path", "a b"),
        (["x", "--path="], "path", ""),
        (["x", "--name", "--", "y"], "name", "a"),
    ],
)
def test_values(argv: list[str], field: str, value: object) -> None:
    if argv[-2:] == ["--", "y"]:
        with pytest.raises(ConfigError, match="Missing a value of --name: --name NAME"):
            read(*argv)
        return
    assert getattr(read(*argv), field) == value


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "^Missing FILE"),
        (["x", "--count"], "^Missing a value of --count: --count INT"),
        (["x", "--pair", "1"], "^Missing 2 values of --pair: --pair FLOAT FLOAT, got 1"),
        (["x", "--count", "many"], "^--count: must be a whole number, got 'many'"),
        (["x", "--count", "1.5"], "^--count: must be a whole number"),
        (["x", "--many", "1", "two"], "^--many: must be a whole number, got 'two'"),
        (["x", "--rate", "none"], "^--rate: must be a number, got 'none'"),
        (["x", "--switch=true"], "^switch: is a switch .* write --switch alone, or --no_switch"),
        (["x", "--no-switch=1"], "write --no-switch alone, or --switch"),
        (["x", "--cuont", "3"], "^Unrecognized options: --cuont 3; did you mean --count"),
        (["x", "-n", "3"], "^Unrecognized options: -n 3"),
        (["x", "---count", "3"], "^Unrecognized options"),
        (["x", "--no_count"], "^Unrecognized options: --no_count"),
        (["x", "--COUNT", "3"], "did you mean --count"),
    ],
)
def test_wrong_words(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(*argv)
    assert str(caught.value).endswith(" (see prog --help)")


ELSEWHERE = {
    "--lr 0.1": "--learning_rate",
    "--bs=32": "--batch_size",
    "--wd 0": "--weight_decay",
    "--lr_scheduler cosine": "--scheduler",
    "--lr-scheduler cosine": "--scheduler",
    "--num_epochs 3": "--epochs",
    "--arch resnet18": "--model",
    "--data mnist": "--dataset",
    "--loss mse": "--criterion",
    "--optim adam": "--optimizer",
    "--early-stopping 3": "--patience",
    "--grad-clip 1": "--clip_grad_norm",
    "--pretrained x": "--init_from",
    "--output-dir x": "--checkpoint_dir",
    "--device cpu": "computes on the CPU; --threads",
    "--gpu": "computes on the CPU; --threads",
    "--num-workers 4": "no process is needed",
    "--dropout 0.5": "a layer of a network",
    "--amp": "float32 throughout",
}


@pytest.mark.parametrize("words", ELSEWHERE)
def test_what_others_call_a_flag(words: str) -> None:
    with pytest.raises(ConfigError, match=ELSEWHERE[words]):
        read_flags(words.split(), Config(), "npnet train")


def test_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert (
        help_text(dataclasses.replace(Settings(), count=5), "prog")
        == """\
usage: prog [-h] FILE [MORE ...] [--FLAG VALUE ...]

What it does.

And more of it.

arguments:
  FILE                  what to read
  MORE                  what else

first:
  --count INT           how many (default: 5)
  --rate FLOAT          how fast; default: as fast as can be
  --name NAME           a or b (default: a)

second:
  --pair FLOAT FLOAT    from where to where (default: 0 1)
  --many INT ...        some
  --switch              on or off
  --no_on_by_default    switch off: off or on
  --path PATH           a file

examples:
  # one
  prog x --count 3
  # another
  prog y --name b --many 1 2 3

--flag VALUE and --flag=VALUE are the same, and so are - and _ in a name;
--no_flag takes a switch back.
"""
    )


@pytest.mark.parametrize("settings", [Config(), FitConfig()], ids=["train", "fit-function"])
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_help_fits_its_terminal(
    columns: int, settings: Config | FitConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = help_text(settings, "npnet train")
    words = set(text.replace("\\\n", " ").split())
    assert all(len(line) <= columns or " " not in line.strip() for line in text.splitlines())
    for flag in flags_of(type(settings)):
        assert flag.shown in words  # and not broken
    about = " ".join(docs_of(type(settings)).values()).split()
    assert set(about) <= {word.strip("()") for word in words} | words
    for python in ("{None}", "None", "\x1b", "STR", "True", "False"):
        assert python not in text


def test_every_flag_has_its_help_and_group() -> None:
    for settings in (Config, FitConfig):
        assert docs_of(settings).keys() == {field.name for field in dataclasses.fields(settings)}
        assert {flag.group for flag in flags_of(settings)} == set(settings.GROUPS)
    groups = ["data", "network", "optimisation", "schedule", "regularisation", "output", "machine"]
    assert set(groups) < set(Config.GROUPS)


def test_examples_can_be_run() -> None:
    from npnet.training.command_line import parse

    for words in Config.EXAMPLES.values():
        if "--resume" not in words and ".py" not in words:
            parse(words.split(), "npnet train")
