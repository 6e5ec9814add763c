"""What every command of npnet does about a mistake: one line, and an exit code."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from npnet.base import signals

__all__ = [
    "FAILED",
    "USAGE_ERROR",
    "answer",
    "complain",
    "in_words",
    "is_program",
    "leave_kernels_out",
    "reason",
    "run_command",
]

USAGE_ERROR, FAILED = 2, 1  # exit codes

# Of the terminal, between which everything is laid out: below, frames find no room for their text.
SIZES = {"COLUMNS": (40, 1000), "LINES": (10, 1000)}

LONGEST = 2000  # characters of an error


def run_command(work: Callable[[], None], prog: str, stopped: str) -> int:
    """Do the work; what a user can mend is told in one line, and not as a traceback.

    Args:
        stopped: what Ctrl-C, SIGTERM and SIGHUP are answered by.

    Returns:
        The exit code: 0, 1 of work that failed, 2 of a wrong use, and 128 + the signal's number
        where one ended the work (130 of Ctrl-C).
    """
    try:
        with signals.heeded(), _fit_output():
            return _done(work, prog, stopped)
    except KeyboardInterrupt:  # another one, while the first was answered
        return _stopped(prog, stopped)


def is_program() -> bool:
    """Whether the process is a command, npnet's or the reference's, and no user's program."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # of python -m
        return str(spec.name).partition(".")[0] in ("npnet", "reference")
    return os.path.basename(getattr(main, "__file__", "")) in signals.SCRIPTS


def leave_kernels_out() -> None:
    """Let NumPy compute, unless NPNET_BACKEND says what does.

    Of a short command, whose kernels would take longer to start than all that it computes.
    """
    from npnet.backend import set_backend

    if "NPNET_BACKEND" not in os.environ:
        set_backend("numpy")


def _done(work: Callable[[], None], prog: str, stopped: str) -> int:
    """Do the work, and tell of what went wrong."""
    try:
        _check_environment()
        work()
        return _flushed(prog)
    except BaseException as error:
        # Libraries, and C code among them, may make another error of the one that a signal raised.
        if signals.asked() is not None or isinstance(error, KeyboardInterrupt):
            return _stopped(prog, stopped)
        code = _told(error, prog)
        if code is None:
            raise
        return code


def _stopped(prog: str, stopped: str) -> int:
    """Say that the user has stopped it, which is no error."""
    return complain(prog, stopped, 128 + (signals.asked() or signal.SIGINT), kind="")


def _check_environment() -> None:
    """Raise ConfigError where a variable of npnet's own is wrong."""
    from npnet.backend import get_backend
    from npnet.base.threads import get_num_threads
    from npnet.runs.errors import ConfigError

    try:
        if os.environ.get("NPNET_BACKEND"):  # else it can't be wrong, and asking imports Numba
            get_backend()
    except (ValueError, ImportError) as error:
        raise ConfigError(f"NPNET_BACKEND: {error}") from None
    try:
        get_num_threads()
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _told(error: BaseException, prog: str) -> int | None:
    """Say what went wrong, and return the exit code; None where it is npnet's own mistake."""
    from npnet.base import extras
    from npnet.base.checks import ShapeError
    from npnet.datasets import DataError
    from npnet.runs.errors import ConfigError, FailedError
    from npnet.serialization import CheckpointError

    if isinstance(error, SystemExit):  # --help was answered, or could not be
        code = error.code or _flushed(prog)
        return code if isinstance(code, int) else None  # a text is for Python to tell
    if isinstance(error, FailedError):
        return complain(prog, str(error), FAILED)
    if isinstance(error, extras.MissingExtraError):
        return complain(prog, str(error), USAGE_ERROR)
    if isinstance(error, ModuleNotFoundError) and (line := extras.told(error, prog)):
        return complain(prog, line, USAGE_ERROR)
    if isinstance(
        error, (ConfigError, DataError, CheckpointError, ShapeError, NotImplementedError)
    ):
        return complain(prog, str(error), USAGE_ERROR)
    if isinstance(error, OSError):
        if _drop_lost_output() or isinstance(error, BrokenPipeError):
            return _unwritten(error, prog)
        said = f"{reason(error)}; what was saved before is still there"
        return complain(prog, said, USAGE_ERROR)
    if isinstance(error, MemoryError):
        said = str(error) or "no more can be had"
        fix = "lower --batch_size, --image_size or --threads"
        return complain(prog, f"out of memory: {said}; {fix}", USAGE_ERROR)
    return None


# ---- output ------------------------------------------------------------------------------------


def answer(text: str, prog: str) -> int:
    """Print what was asked for, such as a help text. Returns the exit code."""
    with _fit_output():
        try:
            print(text, end="")
            _flush()
        except OSError as error:
            return _unwritten(error, prog)
    return 0


def reason(error: OSError) -> str:
    """What the system said, and of which file."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"


def complain(prog: str, message: str, code: int, kind: str = "error: ") -> int:
    """Say on standard error, in one line, what is wrong. Returns the exit code.

    In a terminal that is narrower, the line breaks between words.
    """
    line = " ".join(message.split())
    if len(line) > LONGEST:  # something long was given where a name or a number must be
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
    if sys.stderr is not None:
        try:
            print(in_words(f"{prog}: {kind}{shown}", sys.stderr), file=sys.stderr, flush=True)
        except OSError:  # there may be no terminal any more
            _let_go(sys.stderr)
    return code


def in_words(text: str, stream: Any) -> str:
    """The same lines, broken between words where a terminal would break them within.

    What is written to a file or a pipe stays as it is, for programs that read it.
    """
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size()[0]
    return "\n".join(map(functools.partial(_wrapped, width), text.splitlines()))


def _wrapped(width: int, line: str) -> str:
    if len(line) <= width:
        return line
    if set(line) == {"-"}:  # the rule of a table
        return line[:width]
    indent = line[: len(line) - len(line.lstrip())] + "  "
    return "\n".join(
        textwrap.wrap(
            line,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    )


def _flush() -> None:
    """Write what is printed. At Python's exit, an error of that would be a traceback."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _flushed(prog: str) -> int:
    """`_flush`. Returns the exit code."""
    try:
        _flush()
    except OSError as error:
        return _unwritten(error, prog)
    return 0


def _unwritten(error: OSError, prog: str) -> int:
    """Say that standard output takes no more. Returns the exit code."""
    _drop_lost_output()
    if isinstance(error, BrokenPipeError):  # whoever reads the output has enough of it
        return FAILED
    return complain(prog, f"standard output can't be written: {reason(error)}", USAGE_ERROR)


def _drop_lost_output() -> bool:
    """Where the output can't be written, let what is left of it go nowhere; whether it was so."""
    try:
        _flush()
    except OSError:
        _let_go(sys.stdout)
        return True
    return False


def _let_go(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere; at Python's exit it would be exit code 120."""
    with contextlib.suppress(OSError):  # of a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def _fit_output() -> Iterator[None]:
    """Print whatever the terminal is: of some size, escapes for what it can't show, or none."""
    with contextlib.ExitStack() as stack:
        if sys.stdout is None:  # as after >&- in a shell; libraries expect one
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        elif isinstance(sys.stdout, io.TextIOWrapper):
            stack.callback(sys.stdout.reconfigure, errors=sys.stdout.errors)
            sys.stdout.reconfigure(errors="backslashreplace")
        before = {name: os.environ.get(name) for name in SIZES}
        stack.callback(_set_variables, before)
        _set_variables({name: _size(name, at) for at, name in enumerate(SIZES)})
        yield


def _size(name: str, at: int) -> str | None:
    """What COLUMNS or LINES must say: nothing where the terminal itself says it rightly."""
    said, (least, most) = os.environ.get(name), SIZES[name]
    size = shutil.get_terminal_size()[at]  # by the variable, where that is a number above 0
    is_right = least <= size <= most and (said is None or re.fullmatch("[0-9]+", said))
    return said if is_right else str(min(max(size, least), most))


def _set_variables(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is not None:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
