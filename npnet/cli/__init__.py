"""The `npnet` command: what to do with its first word, and a module for each that is here alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from npnet import __version__, fit_function, train
from npnet.base.checks import unknown_name
from npnet.runs.commands import USAGE_ERROR, answer, complain

__all__ = ["main"]

_USAGE = """usage: npnet [-h] [--version] COMMAND ...

commands:
  train         train a network: the same as python -m npnet.train; see npnet train --help
  recipes       list the documented runs that train --recipe takes, or the flags of one
  fit-function  fit a function of x by a network; see npnet fit-function --help
  compare       make a grid of runs and one report of them all; see npnet compare --help
  warmup        compile all kernels for this machine, once, so that nothing waits for them later
"""


def _train(argv: Sequence[str]) -> int:
    return train.train(argv, "npnet train", train.build)


def _recipes(argv: Sequence[str]) -> int:
    from npnet.cli import recipes

    return recipes.main(argv)


def _fit_function(argv: Sequence[str]) -> int:
    return fit_function.fit_function(argv, "npnet fit-function", fit_function.build)


def _compare(argv: Sequence[str]) -> int:
    from npnet.cli import compare

    return compare.main(argv)


def _warmup(argv: Sequence[str]) -> int:
    from npnet.cli import warmup

    return warmup.main(argv)


_MAINS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "recipes": _recipes,
    "fit-function": _fit_function,
    "compare": _compare,
    "warmup": _warmup,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names. Returns the exit code."""
    args = sys.argv[1:] if argv is None else list(argv)
    if not args or args[0] in ("-h", "--help"):
        return answer(_USAGE, "npnet") or (0 if args else USAGE_ERROR)
    if args[0] == "--version":
        return answer(f"npnet {__version__}\n", "npnet")
    if args[0] not in _MAINS:
        return complain("npnet", unknown_name("command", args[0], _MAINS), USAGE_ERROR)
    return _MAINS[args[0]](args[1:])
