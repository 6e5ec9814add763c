"""The `npnet` command: what to do with its first word, and a module for each that is here alone."""

from __future__ import annotations

import importlib
import keyword
import sys
from collections.abc import Callable, Iterator, Sequence

from npnet import __version__, fit_function, train
from npnet.base.checks import unknown_name
from npnet.runs.commands import USAGE_ERROR, answer, complain

__all__ = ["COMMANDS", "main", "module_of"]

# Command -> what it does, in the order of the help text. Each but the first two has a module here,
# named after it, whose `main(argv)` returns the exit code, and which is imported when it is asked.
COMMANDS = {
    "train": "train a network: the same as python -m npnet.train",
    "fit-function": "fit a function of x by a network",
    "compare": "make a grid of runs and one report of them all",
    "recipes": "list the documented runs that train --recipe takes, or the flags of one",
    "predict": "say what pictures show, by a trained network",
    "evaluate": "test a trained network on a data set: errors, confusion, calibration",
    "plot": "draw pictures of runs: curves, confusion, errors, filters, where a network looks",
    "explore": "draw, and see every layer of a network at work: a page in the browser",
    "import": "make a checkpoint of weights that PyTorch saved",
    "export": "write a checkpoint for PyTorch, as safetensors, as ONNX or as a web page",
    "summary": "show a network layer by layer: parameters, memory, multiplications",
    "verify": "prove that a layer or a network is right: a certificate",
    "explain": "an op's equation, its derivative step by step, its code, an example with numbers",
    "check": "grade layers that you wrote in NumPy, and say which known mistake one has",
    "new-assignment": "write a folder for teachers: skeleton, tests, rubric, autograder, notebook",
    "datasets": "list, find, download and verify data sets",
    "doctor": "what a bug report needs, and a self-test of ten seconds",
    "warmup": "compile all kernels for this machine, once, so that nothing waits for them later",
    "completion": "print what makes bash, zsh or fish complete commands, flags and files",
}
# Title of a group of commands -> the command that it begins with.
_GROUPS = {
    "make a network": "train",
    "use it": "predict",
    "take it elsewhere": "import",
    "teach and learn": "verify",
    "this machine": "datasets",
}
_EXAMPLES = {
    "a network that reads digits": "train --model lenet5 --dataset mnist",
    "weights that PyTorch saved": "import model.pth --dataset mnist --output mine.safetensors",
    "the flags of a command": "train --help",
}
# What the command is called elsewhere.
_OTHERS_SAY = {
    "eval": "evaluate",
    "test": "evaluate",
    "validate": "evaluate",
    "score": "evaluate",
    "fit": "train",
    "run": "train",
    "resume": "train",
    "classify": "predict",
    "infer": "predict",
    "inference": "predict",
    "convert": "export",
    "save": "export",
    "load": "import",
    "info": "summary",
    "show": "summary",
    "sweep": "compare",
    "grid": "compare",
    "draw": "plot",
    "browse": "explore",
    "visualize": "explore",
    "visualise": "explore",
    "data": "datasets",
    "download": "datasets",
    "certify": "verify",
    "prove": "verify",
    "gradcheck": "verify",
    "derive": "explain",
    "describe": "explain",
    "grade": "check",
    "assignment": "new-assignment",
    "version": "--version",
    "help": "--help",
}


def _train(argv: Sequence[str]) -> int:
    return train.train(argv, "npnet train", train.build)


def _fit_function(argv: Sequence[str]) -> int:
    return fit_function.fit_function(argv, "npnet fit-function", fit_function.build)


_MAINS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": _train,
    "fit-function": _fit_function,
}


def module_of(command: str) -> str:
    """The module of a command that has one here."""
    name = command.replace("-", "_")
    return f"npnet.cli.{name}_" if keyword.iskeyword(name) else f"npnet.cli.{name}"


def _usage() -> str:
    from npnet.runs.help import examples, rows, titled, wrapped

    starts = {command: title for title, command in _GROUPS.items()}
    lines = [*wrapped("usage: npnet [-h] [--version] COMMAND ...", 7), ""]
    lines += wrapped("Deep learning with small networks on the CPU.")
    for command, about in COMMANDS.items():
        if command in starts:
            lines += ["", titled(starts[command])]
        lines += rows([(command, about)], column=18)
    return "\n".join([*lines, "", *examples(_EXAMPLES, "npnet")])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names. Returns the exit code."""
    args = sys.argv[1:] if argv is None else list(argv)
    if not args or args[0] in ("-h", "--help"):
        return answer(_usage(), "npnet") or (0 if args else USAGE_ERROR)
    if args[0] == "--version":
        return answer(_version(as_json="--json" in args[1:]), "npnet")
    if args[0] not in COMMANDS:
        return complain("npnet", "; ".join(_wrong(args[0])), USAGE_ERROR)
    if args[0] in _MAINS:
        return _MAINS[args[0]](args[1:])
    command = importlib.import_module(module_of(args[0]))
    return int(command.main(args[1:]))


def _wrong(command: str) -> Iterator[str]:
    """What is said of a word that is no command."""
    meant = _OTHERS_SAY.get(command.lower())
    if meant is not None:
        yield f"there is no command {command}"
        yield f"did you mean npnet {meant}?"
    else:
        yield unknown_name("command", command, COMMANDS)


def _version(as_json: bool) -> str:
    if not as_json:
        return f"npnet {__version__}\n"
    import json
    import platform

    import numpy as np

    versions = {"npnet": __version__, "numpy": np.__version__, "python": platform.python_version()}
    return json.dumps(versions) + "\n"
