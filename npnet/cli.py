"""The `npnet` command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from npnet import __version__, fit_function, train
from npnet.base.checks import unknown_name
from npnet.runs.commands import USAGE_ERROR, answer, complain, run_command

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
    from npnet.training import recipe_table

    return run_command(lambda: recipe_table.show(argv), "npnet recipes", "stopped")


def _fit_function(argv: Sequence[str]) -> int:
    return fit_function.fit_function(argv, "npnet fit-function", fit_function.build)


def _compare(argv: Sequence[str]) -> int:
    from npnet.comparison import command_line

    return command_line.main(argv)


def _warmup(argv: Sequence[str]) -> int:
    from npnet import warmup

    return warmup.main(argv)


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
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
    if args[0] not in _COMMANDS:
        return complain("npnet", unknown_name("command", args[0], _COMMANDS), USAGE_ERROR)
    return _COMMANDS[args[0]](args[1:])


if __name__ == "__main__":
    raise SystemExit(main())
