"""`npnet check`: grades layers written in NumPy, and says what a wrong one looks like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from npnet.base import extras
from npnet.base.files import atomic_write, user_path
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError, FailedError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from npnet.grading import Rubric, Submission

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet check"


@dataclass(frozen=True)
class Options:
    """Grade layers that you wrote in NumPy: what is right, and which known mistake a wrong one has.

    FILE is Python with classes that have forward and backward (an optimizer: update), or that are
    subclasses of npnet.autograd.Function; FILE:NAME is one of them. What kind of layer each is its
    name says, or --kind. The file is executed in a process of its own with limits of time and
    memory. docs/grading.md says what a layer must have, and lists the mistakes that are known.

    Exit code 1: something is not right.
    """

    PATHS: ClassVar[tuple[str, ...]] = ("file", "rubric", "junit", "gradescope")
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "kind": (
            "linear", "relu", "sigmoid", "tanh", "conv2d", "max_pool2d", "avg_pool2d",
            "batch_norm1d", "batch_norm2d", "cross_entropy", "dropout", "lenet", "lenet5", "sgd",
            "adam",
        ),
        "gradients": ("add", "overwrite"),
    }  # fmt: skip
    GROUPS: ClassVar[dict[str, str]] = {
        "what is asked": "kind",
        "output": "json",
        "limits": "seconds",
    }
    EXAMPLES: ClassVar[dict[str, str]] = {
        "all layers of a file": "my_layer.py",
        "one of them, whose name does not say its kind": "my_layer.py:Mine --kind conv2d",
        "for Gradescope": "my_layer.py --rubric rubric.yaml --gradescope results.json",
    }

    file: str = positional()
    """Python file with layers, or FILE.py:NAME"""
    kind: str = ""
    """what the layers are; default: what their names say"""
    rubric: str = ""
    """YAML file with the layers that are asked for, points, and limits"""
    gradients: str = "add"
    """of a second call: add up, as in PyTorch, or overwrite; a rubric says it too"""
    json: bool = False
    """print the answer for a program to read"""
    junit: str = ""
    """file to write as JUnit's XML"""
    gradescope: str = ""
    """file to write as Gradescope's results.json"""
    overwrite: bool = False
    """write over files that are there"""
    seconds: float = 10.0
    """for each case; a rubric says it too"""
    megabytes: int = 2048
    """of memory; a rubric says it too"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Grade the file that `argv` names. Returns the exit code."""
    leave_kernels_out()
    return run_command(lambda: _work(read_flags(argv, Options(), PROG)), PROG, "stopped")


def _work(options: Options) -> None:
    outputs = {name: getattr(options, name) for name in ("junit", "gradescope")}
    for name, path in outputs.items():
        if path and user_path(path).exists() and not options.overwrite:
            raise ConfigError(f"{name}: {path} is there already; --overwrite writes over it")
    if not options.json:
        extras.require("rich", "train", PROG)
    result = _graded(options)
    from npnet.grading import report

    for name, path in outputs.items():
        if path:
            atomic_write(user_path(path), getattr(report, name)(result).encode())
    if options.json:
        print(json.dumps(result.facts(), indent=1))
    else:
        from rich.console import Console

        report.show(result, Console(highlight=False))
    if not result.passed:
        wrong = [layer.name for layer in result.layers if not layer.passed]
        raise FailedError(f"not right: {', '.join(wrong) or result.file}")


def _graded(options: Options) -> Submission:
    from npnet.grading import Rubric, grade_file, read_rubric

    place, separator, name = options.file.rpartition(":")
    is_named = bool(separator) and place.endswith(".py")
    path = user_path(place if is_named else options.file)
    if path.suffix != ".py":
        raise ConfigError(f"FILE: must be Python, FILE.py or FILE.py:NAME, got {options.file}")
    if options.gradients not in Options.CHOICES["gradients"]:
        raise ConfigError(f"gradients: must be add or overwrite, got {options.gradients!r}")
    if not options.seconds > 0 or options.megabytes <= 0:
        raise ConfigError(
            f"seconds, megabytes: must be above 0, got {options.seconds}, {options.megabytes}"
        )
    rubric = read_rubric(user_path(options.rubric)) if options.rubric else Rubric()
    names = [name] if is_named else ()
    return grade_file(Path(path), names, options.kind, _changed(rubric, options))


def _changed(rubric: Rubric, options: Options) -> Rubric:
    """The rubric with what flags say, where they say another thing than their defaults."""
    limits = {
        name: getattr(options, name)
        for name in ("seconds", "megabytes")
        if getattr(options, name) != getattr(Options, name)
    }
    adds_up = rubric.adds_up and options.gradients == "add"
    return replace(rubric, adds_up=adds_up, limits=replace(rubric.limits, **limits))
