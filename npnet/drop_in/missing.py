"""What a program needs of torch and npnet has not, found before the program runs.

The syntax trees of the program and of its own modules are read: which of torch's names their code
says (`names.py`), which of that code is reached from the program at all, and whether npnet has the
name. A network among others that nobody builds stops nothing; what is behind `hasattr`, `try` or a
GPU is left to the program, which has thought of it.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from npnet.drop_in.modules import is_torch
from npnet.drop_in.names import Unit, read_units

__all__ = ["Missing", "missing_names"]

# Folders of what is installed: a program's own modules are in none of them.
_INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True, order=True)
class Missing:
    """A name of torch that npnet has not, and where the program first says it."""

    path: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{_short(self.path)}:{self.line}: {self.name} is not in npnet"


def _short(path: Path) -> Path:
    """From the working folder, where it is below that."""
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path


def missing_names(path: Path, text: str | bytes, folder: str) -> list[Missing]:
    """What the program at `path` and its own modules need and npnet has not.

    torch must be npnet already (`install`). Of a text that is no Python, nothing is found: the
    program will say so itself.

    Args:
        folder: where the program's own modules are looked for first.
    """
    units: list[Unit] = []
    seen: set[Path] = set()
    waiting = [(path, text)]
    while waiting:
        file, source = waiting.pop()
        if file.resolve() in seen:
            continue
        seen.add(file.resolve())
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        units += read_units(tree, file, is_program=file is path)
        found = {f for name in _imports(tree) for f in _files_of(name, folder, file)}
        waiting += [(other, other.read_bytes()) for other in sorted(found)]
    first: dict[tuple[Path, str], int] = {}
    for unit in _reached(units):
        for name, line in unit.uses:
            absent = _absent(name)
            if absent is not None:
                key = (unit.path, absent)
                first[key] = min(line, first.get(key, line))
    return sorted(Missing(file, line, name) for (file, name), line in first.items())


# ---- the program's own modules -------------------------------------------------------------------


def _imports(tree: ast.Module) -> Iterator[str]:
    """Names of modules, with the dots that relative ones begin with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            joint = "" if base.endswith(".") else "."
            yield from (f"{base}{joint}{alias.name}" for alias in node.names if alias.name != "*")


def _files_of(name: str, folder: str, importer: Path) -> Iterator[Path]:
    """The files that an import reads: of a.b, those of a and of a.b."""
    bare = name.lstrip(".")
    if bare and len(bare) == len(name) and (is_torch(name) or _is_standard(name)):
        return
    start = importer.parent
    for _ in range(len(name) - len(bare) - 1):
        start = start.parent
    paths = [folder, *sys.path] if len(bare) == len(name) else [str(start)]
    for part in bare.split(".") if bare else []:
        try:
            spec = PathFinder.find_spec(part, paths)
        except (ImportError, ValueError, OSError):
            return
        if spec is None:
            return
        if spec.origin and spec.origin.endswith(".py") and _is_own(Path(spec.origin)):
            yield Path(spec.origin)
        if not spec.submodule_search_locations:
            return
        paths = list(spec.submodule_search_locations)


def _is_standard(name: str) -> bool:
    root = name.partition(".")[0]
    return root in sys.stdlib_module_names or root == "npnet"


def _is_own(path: Path) -> bool:
    return not any(part in _INSTALLED for part in path.parts)


# ---- what is reached -----------------------------------------------------------------------------


def _reached(units: list[Unit]) -> list[Unit]:
    """Units that run, or may: modules, and what code that runs speaks of by its name."""
    reached = [unit for unit in units if unit.name is None]
    waiting = [unit for unit in units if unit.name is not None]
    spoken: set[str] = set()
    for unit in reached:  # which grows meanwhile
        spoken |= unit.words
        now = [other for other in waiting if other.is_reached(spoken)]
        waiting = [other for other in waiting if other not in now]
        reached += now
    return reached


# ---- npnet's names -------------------------------------------------------------------------------


def _absent(name: str) -> str | None:
    """The part of a dotted name that npnet has not, as torch.fft of torch.fft.fft2."""
    root, *rest = name.split(".")
    found: object = importlib.import_module(root)
    said = root
    for part in rest:
        said = f"{said}.{part}"
        if isinstance(found, ModuleType):
            if not hasattr(found, part):
                return said
            found = getattr(found, part)
        elif isinstance(found, type):
            return None if hasattr(found, part) else said
        else:
            return None
    return None
