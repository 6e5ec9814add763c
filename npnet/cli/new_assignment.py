"""`npnet new-assignment`: a folder for a teacher, with all that an assignment needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from npnet.base.files import user_path
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.flags import positional, read_flags

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet new-assignment"


@dataclass(frozen=True)
class Options:
    """Write a folder for a teacher: an assignment in which students write layers in NumPy.

    It has a skeleton for students with tests that show nothing of a solution, the same as a
    notebook, a rubric, and what Gradescope runs. Nothing is overwritten.
    """

    PATHS: ClassVar[tuple[str, ...]] = ("directory",)
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "name": (
            "lenet", "lenet5", "mlp", "linear", "relu", "sigmoid", "tanh", "conv2d", "max_pool2d",
            "avg_pool2d", "batch_norm1d", "batch_norm2d", "cross_entropy", "dropout", "sgd", "adam",
        ),
    }  # fmt: skip
    EXAMPLES: ClassVar[dict[str, str]] = {
        "a whole LeNet, layer by layer": "lenet",
        "a convolution, in a folder of this name": "conv2d homework5",
    }

    name: str = positional()
    """lenet, lenet5, mlp, or a kind of layer such as conv2d"""
    directory: str = positional("", required=False)
    """folder to write; default: the name"""
    json: bool = False
    """print the files for a program to read"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Write the assignment that `argv` names. Returns the exit code."""
    leave_kernels_out()
    return run_command(lambda: _work(read_flags(argv, Options(), PROG)), PROG, "stopped")


def _work(options: Options) -> None:
    from npnet.grading.assignment import write_assignment

    folder = user_path(options.directory or options.name)
    paths = [str(path) for path in write_assignment(options.name, folder)]
    if options.json:
        print(json.dumps({"folder": str(folder), "files": paths}, indent=1))
        return
    for path in paths:
        print(path)
    print(f"\n{folder}/README.md says what is for whom.")
