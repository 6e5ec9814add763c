"""Train a network: `python -m npnet.train --model lenet5`. `--help` lists the flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from npnet.training.config import Config
    from npnet.training.data import Data
    from npnet.training.learner import Learner

__all__ = ["build", "main", "run_command", "train"]

USAGE_ERROR, DIVERGED, INTERRUPTED = 2, 1, 130  # exit codes; 130 is the shell's for Ctrl-C


def build(config: Config, data: Data) -> Learner:
    """A network of npnet with its loss, optimizer and schedule."""
    import npnet
    from npnet.training.learner import Learner, initial_model

    return Learner(config, initial_model(config, data), data, npnet)


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says. Returns the exit code."""
    return train(sys.argv[1:] if argv is None else argv, "python -m npnet.train", build)


def train(argv: Sequence[str], prog: str, build: Callable[[Config, Data], Learner]) -> int:
    """Train as `argv` says a network that `build` makes. Returns the exit code."""

    def work() -> None:
        from npnet.training.command_line import parse
        from npnet.training.run import run

        run(parse(argv, prog), build)

    return run_command(work, prog, "stopped; --resume goes on after the last finished epoch")


def run_command(work: Callable[[], None], prog: str, stopped: str) -> int:
    """Do the work; what a user can mend is told in one line, and not as a traceback.

    Args:
        stopped: what Ctrl-C is answered by.

    Returns:
        The exit code.
    """
    from npnet._checks import ShapeError
    from npnet._threads import get_num_threads
    from npnet.backend import get_backend
    from npnet.datasets import DataError
    from npnet.serialization import CheckpointError
    from npnet.training.config import ConfigError
    from npnet.training.learner import DivergedError

    try:
        get_backend()
    except (ValueError, ImportError) as error:
        return _complain(prog, f"NPNET_BACKEND: {error}", USAGE_ERROR)
    try:
        get_num_threads()
    except ValueError as error:
        return _complain(prog, str(error), USAGE_ERROR)
    try:
        work()
    except (ConfigError, DataError, CheckpointError, ShapeError, NotImplementedError) as error:
        return _complain(prog, str(error), USAGE_ERROR)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _complain(
            prog,
            f"{error.strerror or error}{where}; what was saved before is still there",
            USAGE_ERROR,
        )
    except MemoryError as error:
        return _complain(
            prog,
            f"out of memory: {error or 'no more can be had'}; lower --batch_size or --image_size",
            USAGE_ERROR,
        )
    except DivergedError as error:
        return _complain(prog, str(error), DIVERGED)
    except KeyboardInterrupt:
        return _complain(prog, stopped, INTERRUPTED)
    return 0


def _complain(prog: str, message: str, code: int) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
