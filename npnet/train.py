"""Train a network: `python -m npnet.train --model lenet5`. `--help` lists the flags."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from npnet.base import extras
from npnet.base.group import current_group
from npnet.runs.commands import is_program
from npnet.runs.ranks import run_ranks

if TYPE_CHECKING:
    from npnet.training.config import Config
    from npnet.training.data import Data
    from npnet.training.learner import Learner
    from npnet.training.parts import Parts
    from npnet.training.trainer import Training

__all__ = ["build", "main", "train"]

ARTISTS = 1  # processes that draw pictures: a second one gains nothing over its own start


def build(config: Config, data: Data, parts: Parts | None = None) -> Learner:
    """A network of npnet, or the user's own, with its loss, optimizer and schedule."""
    import npnet
    from npnet.training.learner import Learner, initial_model
    from npnet.training.parts import NONE

    parts = NONE if parts is None else parts
    return Learner(config, initial_model(config, data, parts), data, npnet, parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says. Returns the exit code."""
    return train(sys.argv[1:] if argv is None else argv, "python -m npnet.train", build)


def _put_aside(training: Training) -> None:
    """Keep what is there from Python's cycle collector, which would walk it all again at the end.

    These are libraries and data, which stay as long as the process. Of what belongs to code of the
    user's own nobody knows that.
    """
    if is_program() and not training.learner.parts.is_any:
        gc.freeze()


def train(argv: Sequence[str], prog: str, build: Callable[[Config, Data, Parts], Learner]) -> int:
    """Train as `argv` says a network that `build` makes. Returns the exit code."""

    def work(prog: str) -> None:
        extras.check("train", prog)
        from npnet.training.command_line import parse
        from npnet.training.run import Surroundings, run

        several = current_group() is not None  # a process that MPI has begun is not to be forked
        run(
            parse(argv, prog),
            build,
            Surroundings(begun=_put_aside, artists=ARTISTS if is_program() and not several else 0),
        )

    return run_ranks(work, prog, "stopped; --resume goes on after the last finished epoch")


if __name__ == "__main__":
    raise SystemExit(main())
