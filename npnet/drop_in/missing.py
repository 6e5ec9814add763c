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

import numpy as np

from npnet.drop_in.modules import is_torch
from npnet.drop_in.names import Unit, read_units
from npnet.drop_in.tensor_names import METHODS

__all__ = ["Missing", "missing_names"]

# Folders of what is installed: a program's own modules are in none of them.
_INSTALLED = ("site-packages", "dist-packages")
# Whose methods a program may mean by a name that is a tensor's too.
_OTHERS = (np.ndarray, str, bytes, list, dict, set, tuple, int, float, Path)


@dataclass(frozen=True, order=True)
class Missing:
    """A name of torch that npnet has not, and where the program first says it.

    Attributes:
        is_sure: whether the program comes there in any case, not in a branch of an `if` alone.
        is_guess: whether it is a method's name, of what may be a tensor; it is never sure then.
    """

    path: Path
    line: int
    name: str
    is_sure: bool = True
    is_guess: bool = False

    def __str__(self) -> str:
        where = f"{_short(self.path)}:{self.line}"
        doubt = "" if self.is_sure else " (in a branch, which may not run)"
        if self.is_guess:
            doubt = " (if it is a tensor that this is called on)"
        return f"{where}: {self.name} is not in npnet{doubt}"


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
    read: dict[Path, list[Unit]] = {}
    surely: dict[Path, bool] = {}  # files that are read, and whether they are imported in any case
    waiting = [(path, text, True)]
    while waiting:
        file, source, is_sure = waiting.pop()
        real = file.resolve()  # once: a program may have hundreds of files
        if (before := surely.get(real)) is not None and before >= is_sure:
            continue
        surely[real] = is_sure
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        own = read_units(tree, file, is_program=file is path)
        for unit in own:
            unit.is_sure = is_sure
        read[real] = own
        found: dict[Path, bool] = {}
        for name, always in _imports(tree):
            for other in _files_of(name, folder, file):
                found[other] = found.get(other, False) or (always and is_sure)
        waiting += [(other, other.read_bytes(), found[other]) for other in sorted(found)]
    units = [unit for own in read.values() for unit in own]
    certain = set(map(id, _reached(units, surely=True)))
    first: dict[tuple[Path, str], tuple[int, bool]] = {}
    for unit in _reached(units):
        for name, line, always in unit.uses:
            absent = _absent(name)
            if absent is not None:
                key, is_sure = (unit.path, absent), always and id(unit) in certain
                at, known = first.get(key, (line, False))
                first[key] = min(line, at), is_sure or known
    found_names = [Missing(file, line, name, s) for (file, name), (line, s) in first.items()]
    return sorted([*found_names, *_missing_methods(units)])


# ---- the program's own modules -------------------------------------------------------------------


def _imports(tree: ast.AST, always: bool = True) -> Iterator[tuple[str, bool]]:
    """Names of modules, with the dots that relative ones begin with; whether in no branch."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, always) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base, always
            joint = "" if base.endswith(".") else "."
            names = (alias.name for alias in node.names if alias.name != "*")
            yield from ((f"{base}{joint}{name}", always) for name in names)
        elif isinstance(node, ast.If) and "__name__" not in ast.unparse(node.test):
            yield from _imports(node, False)
        else:
            yield from _imports(node, always)


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


def _reached(units: list[Unit], *, surely: bool = False) -> list[Unit]:
    """Units that run, or may: modules, and what code that runs speaks of by its name.

    surely: those alone that no branch decides on.
    """
    units = [unit for unit in units if unit.is_sure or not surely]
    reached = [unit for unit in units if unit.name is None]
    waiting = [unit for unit in units if unit.name is not None]
    spoken: set[str] = set()
    for unit in reached:  # which grows meanwhile
        spoken |= unit.sure_words if surely else unit.words
        now = [other for other in waiting if other.is_reached(spoken)]
        waiting = [other for other in waiting if other not in now]
        reached += now
    return reached


def _missing_methods(units: list[Unit]) -> list[Missing]:
    """Methods of torch.Tensor that are called and npnet has not.

    What they are called on is not known: a name that something else may have too is left out, and
    the others warn and stop nothing.
    """
    torch = importlib.import_module("torch")
    own = {name for unit in units for name in unit.defines}
    kinds = (torch.Tensor, torch.nn.Module, torch.optim.Optimizer, *_OTHERS)
    first: dict[tuple[Path, str], int] = {}
    for unit in _reached(units):
        for name, line in unit.methods:
            is_other = name in own or any(hasattr(kind, name) for kind in kinds)
            if name in METHODS and not is_other:
                key = unit.path, name
                first[key] = min(line, first.get(key, line))
    return [
        Missing(file, line, f"torch.Tensor.{name}", False, True)
        for (file, name), line in first.items()
    ]


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
