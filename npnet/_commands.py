"""What every command of npnet does about a mistake: one line, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

__all__ = ["FAILED", "INTERRUPTED", "USAGE_ERROR", "complain", "reason", "run_command"]

USAGE_ERROR, FAILED, INTERRUPTED = 2, 1, 130  # exit codes; 130 is the shell's for Ctrl-C


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
    from npnet.training.config import ConfigError, FailedError

    try:
        get_backend()
    except (ValueError, ImportError) as error:
        return complain(prog, f"NPNET_BACKEND: {error}", USAGE_ERROR)
    try:
        get_num_threads()
    except ValueError as error:
        return complain(prog, str(error), USAGE_ERROR)
    try:
        work()
    except FailedError as error:
        return complain(prog, str(error), FAILED)
    except (ConfigError, DataError, CheckpointError, ShapeError, NotImplementedError) as error:
        return complain(prog, str(error), USAGE_ERROR)
    except BrokenPipeError:  # whoever reads the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return complain(prog, f"{reason(error)}; what was saved before is still there", USAGE_ERROR)
    except MemoryError as error:
        return complain(
            prog,
            f"out of memory: {str(error) or 'no more can be had'}; lower --batch_size, "
            "--image_size or --threads",
            USAGE_ERROR,
        )
    except KeyboardInterrupt:
        return complain(prog, stopped, INTERRUPTED)
    return 0


def reason(error: OSError) -> str:
    """What the system said, and of which file."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def complain(prog: str, message: str, code: int) -> int:
    """Say on standard error, in one line, what is wrong. Returns the exit code."""
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return code
