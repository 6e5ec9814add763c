"""Fit a function by a network: `python -m npnet.fit_function`. `--help` lists the flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from npnet.base import extras
from npnet.runs.commands import run_command

if TYPE_CHECKING:
    from npnet.fitting.config import FitConfig
    from npnet.fitting.learner import Fitter
    from npnet.fitting.samples import Samples

__all__ = ["build", "fit_function", "main"]


def build(config: FitConfig, samples: Samples) -> Fitter:
    """A network of npnet with its optimizer and schedule."""
    import npnet
    from npnet.fitting.learner import Fitter, initial_network

    return Fitter(config, samples, initial_network(config), npnet)


def main(argv: Sequence[str] | None = None) -> int:
    """Fit as the command line says. Returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    return fit_function(argv, "python -m npnet.fit_function", build)


def fit_function(
    argv: Sequence[str], prog: str, build: Callable[[FitConfig, Samples], Fitter]
) -> int:
    """Fit as `argv` says a network that `build` makes. Returns the exit code."""

    def work() -> None:
        extras.check("train", prog)
        from npnet.fitting.config import FitConfig
        from npnet.fitting.run import run
        from npnet.runs.flags import read_flags

        run(read_flags(_joined(argv), FitConfig(), prog), build)

    return run_command(work, prog, "stopped; what was finished is in the folder of the run")


def _joined(argv: Sequence[str]) -> list[str]:
    """`--expression -x` as `--expression=-x`: what follows is a function, and never a flag."""
    words = iter(argv)
    return [f"{word}={next(words, '')}" if word == "--expression" else word for word in words]


if __name__ == "__main__":
    raise SystemExit(main())
