"""A program to be run: a file, a module or a notebook, as Python itself would run it."""

from __future__ import annotations

import builtins
import importlib.util
import io
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from npnet.drop_in import notebook

__all__ = ["Program", "find_program"]


@dataclass(frozen=True)
class Program:
    """What is run.

    Attributes:
        path: its file.
        folder: what Python puts first into `sys.path`.
        parts: text and name of each part that is compiled alone: one, or the cells of a notebook.
        spec: of a module that is run by `-m`.
    """

    path: Path
    folder: str
    parts: list[tuple[str | bytes, str]]
    spec: ModuleSpec | None = None

    @property
    def text(self) -> str | bytes:
        """All of it, which is read before it is run."""
        if len(self.parts) == 1:
            return self.parts[0][0]
        return "\n".join(str(text) for text, _ in self.parts)

    def run(self, arguments: list[str]) -> None:
        """Run it as `__main__`, with these arguments."""
        main = ModuleType("__main__")
        vars(main).update(
            __builtins__=builtins,
            __file__=str(self.path),
            __spec__=self.spec,
            __package__=self.spec.parent if self.spec else None,
            __loader__=self.spec.loader
            if self.spec
            else SourceFileLoader("__main__", str(self.path)),
        )
        sys.argv = [str(self.path), *arguments]
        sys.path[0] = self.folder
        sys.modules["__main__"] = main
        _run(self._codes(), vars(main))

    def _codes(self) -> Iterator[CodeType]:
        for text, name in self.parts:
            if self.path.suffix == ".ipynb":
                yield from notebook.compile_cell(str(text), name)
            else:
                yield compile(text, name, "exec", dont_inherit=True)


def _run(codes: Iterator[CodeType], names: dict[str, Any]) -> None:
    """Run the codes; a traceback begins with the program, as if Python had run it."""
    try:
        for code in codes:
            exec(code, names)
    except BaseException:
        show = _show if sys.excepthook is sys.__excepthook__ else sys.excepthook

        def show_from_program(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            while trace is not None and trace.tb_frame.f_globals is not names:
                trace = trace.tb_next
            show(kind, error.with_traceback(trace), trace)

        sys.excepthook = show_from_program
        raise


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As Python does, which before 3.13 reads lines from files alone, and not those of cells."""
    if trace is not None and ".ipynb[" in trace.tb_frame.f_code.co_filename:
        traceback.print_exception(error)
    else:
        sys.__excepthook__(kind, error, trace)


def find_program(words: list[str]) -> tuple[Program, list[str]]:
    """The program that words of a command line name, and the arguments that are its own.

    Raises:
        FileNotFoundError, ImportError, OSError: there is none that can be read; says why.
        SyntaxError: a notebook that is none.
    """
    if words[0] == "-m":
        return _find_module(words[1]), words[2:]
    path = Path(words[0])
    if path.is_dir():
        path /= "__main__.py"
    folder = str(path.resolve().parent)
    if path.suffix == ".ipynb":
        return Program(path, folder, [*notebook.read_cells(path)]), words[1:]
    return Program(path, folder, [(path.read_bytes(), str(path))]), words[1:]


def _find_module(name: str) -> Program:
    sys.path[0] = str(Path.cwd())
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ImportError(
            f"No module named {name}" if spec is None else f"{name} is no Python file"
        )
    path = Path(spec.origin)
    with io.open_code(spec.origin) as file:
        text = file.read()
    return Program(path, sys.path[0], [(text, str(path))], spec)
