"""A notebook as a program: its cells of code, one after another.

What only a notebook's server understands is left out: statements that start with % or !, and cells
that start with a magic of another language. Where the program may want what they do, as a
shell's command, stderr says that they were not run. The value of a cell's last line is printed, as
there.
"""

from __future__ import annotations

import ast
import io
import json
import linecache
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

__all__ = ["compile_cell", "read_cells"]

# Cells that begin with one of these hold Python below it.
_OF_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")
# What stands behind one of these is Python.
_TIMED = re.compile(r"%(time|prun)\s+(?!-)")

# What a program may need: files that a command fetches, a folder, a value, another program.
_WANTED = re.compile(r"!(?!\s*(pip|conda|nvidia-smi)\b)|%(cd|run)\b|[\w, ]+= *[!%]")


def read_cells(path: Path) -> Iterator[tuple[str, str]]:
    """Text and name of each cell of code, with empty lines where something is left out.

    Raises:
        ValueError: the file is no notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sheets = notebook.get("worksheets", [notebook])  # of notebooks before version 4
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no notebook: {error}") from None
    code = (cell for cell in cells if cell.get("cell_type") == "code")
    for number, cell in enumerate(code, 1):
        text = "".join(cell.get("source", cell.get("input", "")))
        yield _python_of(text), f"{path}[{number}]"


def _python_of(cell: str) -> str:
    first = cell.lstrip().split(maxsplit=1)[:1]
    if first and first[0].startswith("%%") and first[0] not in _OF_PYTHON:
        return ""
    lines = cell.split("\n")
    # A cell that begins indented is moved to the left as a whole.
    first_line = next((line for line in lines if line.strip()), "")
    indent = first_line[: len(first_line) - len(first_line.lstrip())]
    kept: list[str] = []
    for line in (line.removeprefix(indent) for line in lines):
        kept.append(line if _is_unfinished(line, kept) else _left(line))
    return "\n".join(kept)


def _is_unfinished(line: str, before: list[str]) -> bool:
    """Whether a line that may be a magic goes on with the statement before: there % is Python's."""
    if line.lstrip()[:1] not in ("%", "!") or not before:
        return False
    if before[-1].endswith("\\"):
        return True
    try:
        for _ in tokenize.generate_tokens(io.StringIO("\n".join(before)).readline):
            pass
    except tokenize.TokenError:  # a bracket or a string is open
        return True
    except SyntaxError:
        return False
    return False


def _left(line: str) -> str:
    """The line of Python; `pass` where it is none, so that a block is not left empty."""
    indent = line[: len(line) - len(line.lstrip())]
    said = line.strip()
    if timed := _TIMED.match(said):
        return indent + said[timed.end() :]
    if _WANTED.match(said):
        words = f"a notebook's command was not run: {said}\n"
        return f"{indent}if True: __import__('sys').stderr.write({words!r})"
    if said.startswith(("%", "!")) or re.match(r"\?|[\w.]+\?+$", said):
        return f"{indent}pass"
    return line


def compile_cell(text: str, name: str) -> Iterator[CodeType]:
    """The cell's code; its last line apart, so that its value is shown."""
    # Tracebacks show the lines of a file; these are of none.
    linecache.cache[name] = (len(text), None, [f"{line}\n" for line in text.split("\n")], name)
    tree = ast.parse(text, name)
    last = tree.body[-1:]
    shown = bool(last) and isinstance(last[0], ast.Expr) and not text.rstrip().endswith(";")
    if shown:
        tree.body.pop()
    yield compile(tree, name, "exec", dont_inherit=True)
    if shown:
        yield compile(ast.Interactive(last), name, "single", dont_inherit=True)
