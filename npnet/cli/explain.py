"""`npnet explain`: an op's equation, its derivative step by step, its code, numbers and paper."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from npnet import optim
from npnet.base.checks import nearest
from npnet.base.extras import require
from npnet.base.files import printable
from npnet.explain.catalogue import OPS, WITHOUT, op_named
from npnet.explain.show import as_dict, listed, show
from npnet.runs.commands import leave_kernels_out, run_command
from npnet.runs.errors import ConfigError, FailedError
from npnet.runs.flags import positional, read_flags

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["SETTINGS", "Options", "main"]

PROG = "npnet explain"


@dataclass(frozen=True)
class Options:
    """Explain an op: its equation, its backward pass derived in steps, the NumPy code that does
    both, an example of a few numbers, and where it comes from.

    The example is computed when you ask, forward and backward, and its gradients are compared with
    finite differences; one of each is written out as the chain rule says it. Without OP, the ops
    are listed.

    Exit code 1: the example's gradients are not what finite differences give.
    """

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"op": tuple(OPS)}
    EXAMPLES: ClassVar[dict[str, str]] = {
        "convolution": "conv2d",
        "a layer by its name, with all that its code calls": "BatchNorm2d --helpers",
        "for a program": "softmax --json",
    }

    op: str | None = positional(None, required=False)
    """name of an op or of its layer; default: list them"""
    code: bool = True
    """print the code"""
    helpers: bool = False
    """print what the code calls too, such as im2col"""
    json: bool = False
    """print the answer for a program to read"""


SETTINGS = Options


def main(argv: Sequence[str]) -> int:
    """Print the explanation that `argv` asks for. Returns the exit code."""
    leave_kernels_out()
    return run_command(lambda: _work(read_flags(argv, Options(), PROG)), PROG, "stopped")


def _work(options: Options) -> None:
    if options.op is None:
        _list(options)
        return
    op = op_named(options.op)
    if op is None:
        raise ConfigError(_unknown(options.op))
    if options.json:
        answer = as_dict(op)
        print(json.dumps(answer, indent=1))
        agrees = answer["example"]["agrees"]
    else:
        agrees = show(op, _console(), options.helpers, options.code).agrees
    if not agrees:
        raise FailedError(f"{op}: its gradients are not what finite differences give")


def _console() -> Console:
    console: Console = require("rich.console", "train", PROG).Console(highlight=False)
    return console


def _unknown(name: str) -> str:
    op = name.rpartition(".")[2]
    if op in WITHOUT:
        return f"OP: {op} has no derivative: {WITHOUT[op]}"
    wanted = name.rpartition(".")[2].lower()
    for rule in optim.__all__:
        if rule.lower() == wanted:
            return (
                f"OP: {rule} is an optimizer and no op: help(npnet.optim.{rule}) has its equation"
            )
    near = nearest(name, OPS)
    hint = f"did you mean {near}? " if near else ""
    return f"OP: there is no op {printable(name)}; {hint}({PROG} lists all)"


def _list(options: Options) -> None:
    groups = listed()
    if options.json:
        print(json.dumps(groups, indent=1))
        return
    console = _console()
    for title, ops in groups.items():
        console.print(f"{title}:", style="bold")
        console.print("  " + ", ".join(ops), markup=False)
    console.print(f"\n{PROG} conv2d explains one of {len(OPS)}", style="dim")
