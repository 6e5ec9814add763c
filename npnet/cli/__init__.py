"""The `npnet` command: what to do with its first word, and a module for each that is here alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from npnet import __version__, fit_function, train
from npnet.base.checks import unknown_name
from npnet.runs.commands import USAGE_ERROR, answer, complain

__all__ = ["main"]

# Command -> what it does, in the order of the help text. Each but the first two has a module here,
# named after it, whose `main(argv)` returns the exit code, and which is imported when it is asked.
_COMMANDS = {
    "train": "train a network: the same as python -m npnet.train; see npnet train --help",
    "fit-function": "fit a function of x by a network; see npnet fit-function --help",
    "recipes": "list the documented runs that train --recipe takes, or the flags of one",
    "compare": "make a grid of runs and one report of them all; see npnet compare --help",
    "datasets": "list, find, download and verify data sets; see npnet datasets --help",
    "doctor": "what a bug report needs, and a self-test of ten seconds",
    "warmup": "compile all kernels for this machine, once, so that nothing waits for them later",
}


def _train(argv: Sequence[str]) -> int:
    return train.train(argv, "npnet train", train.build)


def _fit_function(argv: Sequence[str]) -> int:
    return fit_function.fit_function(argv, "npnet fit-function", fit_function.build)


_MAINS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "fit-function": _fit_function,
}


def _usage() -> str:
    lines = "".join(f"  {name:<12}  {about}\n" for name, about in _COMMANDS.items())
    return f"usage: npnet [-h] [--version] COMMAND ...\n\ncommands:\n{lines}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names. Returns the exit code."""
    args = sys.argv[1:] if argv is None else list(argv)
    if not args or args[0] in ("-h", "--help"):
        return answer(_usage(), "npnet") or (0 if args else USAGE_ERROR)
    if args[0] == "--version":
        return answer(f"npnet {__version__}\n", "npnet")
    if args[0] not in _COMMANDS:
        return complain("npnet", unknown_name("command", args[0], _COMMANDS), USAGE_ERROR)
    if args[0] in _MAINS:
        return _MAINS[args[0]](args[1:])
    command = importlib.import_module(f"npnet.cli.{args[0].replace('-', '_')}")
    return int(command.main(args[1:]))
