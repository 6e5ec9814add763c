"""Run a program that was written for PyTorch, as it is: `python -m npnet.run program.py`.

In this process, and those that the program starts by `multiprocessing`, `import torch` and `import
torchvision` give npnet; neither need be installed. Arguments, exit code, tracebacks and Ctrl-C are
the program's own, as under `python`. What the program and its own modules need and npnet has not
is named before it starts.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

PROG = "python -m npnet.run"

USAGE = f"""usage: {PROG} [--anyway] program.py [arguments]
       {PROG} [--anyway] notebook.ipynb
       {PROG} [--anyway] -m module [arguments]

Run a program that was written for PyTorch, as it is, on npnet: in it, torch and torchvision are
npnet. What it needs and npnet has not is named at once, and nothing is run (exit code 2); where
only a branch of an if needs it, it is named and the program runs.

options:
  --anyway    run it as far as it goes
"""


def main() -> None:
    """Do what the command line says; the exit code is the program's."""
    words = sys.argv[1:]
    anyway = words[:1] == ["--anyway"]
    words = words[anyway:]
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    if not words or words == ["-m"] or (words[0].startswith("-") and words[0] != "-m"):
        _complain(f"{USAGE}{_wrong(words)}")
    from npnet.drop_in import find_program, install, missing_names

    install()
    try:
        program, arguments = find_program(words)
    except (OSError, ImportError, ValueError) as error:
        _complain(f"{PROG}: error: {_reason(error)}")
    missing = [] if anyway else missing_names(program.path, program.text, program.folder)
    for name in missing:
        print(name, file=sys.stderr)
    needed = sum(name.is_sure for name in missing)
    if needed:
        count = f"{needed} name{'s' if needed > 1 else ''}"
        _complain(f"{PROG}: nothing was run: npnet lacks {count}; --anyway runs till there")
    program.run(arguments)


def _wrong(words: list[str]) -> str:
    if not words or words == ["-m"]:
        return f"{PROG}: error: say which {'module' if words else 'program'} to run"
    return f"{PROG}: error: there is no option {words[0]}; the program's own stand after its name"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"can't read {error.filename}: {error.strerror}"
    return str(error)


def _complain(text: str) -> None:
    print(text, file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
