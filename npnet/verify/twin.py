"""The same network in PyTorch: the file that it is written in, executed with PyTorch's names.

npnet's names are PyTorch's, so that a network's own source is a network of PyTorch's once its
imports say so: `import npnet` becomes `import torch as npnet`, `from npnet import nn` becomes `from
torch import nn`. What such a file imports of npnet.models, or of files beside it, is translated
too; npnet.base, which computes nothing, stays what it is. Nothing else of the source changes: what
is compared is npnet's layers and its tape with PyTorch's.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["NoTwinError", "twin_of"]

_SAME = ("nn", "optim", "autograd", "utils", "distributions", "linalg", "types", "jit")
_STAYS = ("base", "version")  # of npnet: computes nothing
_PREFIX = "_in_pytorch."
_CLASSES = {"npnet.tensor": "torch", "npnet.tape": "torch"}  # where `Tensor` is imported from


class NoTwinError(Exception):
    """PyTorch can't be put in npnet's place there; says why."""


def twin_of(build: Callable[..., Any]) -> Callable[..., Any]:
    """The class or function of the same name, in the same file executed with PyTorch.

    Raises:
        NoTwinError: the file uses what PyTorch has not, or does not run there.
    """
    try:
        path = inspect.getsourcefile(build)
    except TypeError:
        path = None
    if path is None or "<locals>" in build.__qualname__:
        raise NoTwinError(f"the source of {build.__qualname__} is not known")
    module = _Loader(Path(path).parent).load(build.__module__, Path(path))
    found: Any = module
    for part in build.__qualname__.split("."):
        found = getattr(found, part)
    return found


class _Loader:
    """Executes files with PyTorch's names, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # of the first file: what lies beside it is translated too

    def load(self, name: str, path: Path) -> ModuleType:
        """The module of a file. It is not kept: the file may change."""
        tree = _Translator(self).visit(ast.parse(path.read_bytes(), str(path)))
        module = ModuleType(_PREFIX + name)
        module.__file__ = str(path)
        module.__dict__["_twin_of"] = self.module
        sys.modules[module.__name__] = module  # dataclasses look for it
        try:
            exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)
        except (Exception, SystemExit) as error:
            said = f"{type(error).__name__}: {error}"
            raise NoTwinError(f"{path.name} does not run with PyTorch's names: {said}") from error
        finally:
            sys.modules.pop(module.__name__, None)
        return module

    def module(self, name: str) -> Any:
        """The translation of a module, for an import."""
        found = _file_of(name)
        assert found is not None  # `translates` has found it
        return self.load(name, found)

    def translates(self, name: str) -> bool:
        """Whether a module is translated as a whole."""
        if name.startswith("npnet.models."):
            return True
        path = None if name.partition(".")[0] == "npnet" else _file_of(name)
        return path is not None and path.parent == self.folder


def _file_of(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None


def _in_torch(name: str) -> str | None:
    """What a module of npnet is called in PyTorch; None where it stays, or there is none."""
    first, _, rest = name.partition(".")
    if first != "npnet":
        return None
    if name in _CLASSES:
        return _CLASSES[name]
    part = rest.partition(".")[0]
    return f"torch.{rest}" if part in _SAME else "torch" if not rest else None


class _Translator(ast.NodeTransformer):
    """Imports of npnet become imports of PyTorch."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader

    def visit_Import(self, node: ast.Import) -> Any:
        return [self._one(alias) for alias in node.names]

    def _one(self, alias: ast.alias) -> ast.stmt:
        name = alias.name
        if self.loader.translates(name) and (alias.asname or "." not in name):
            return _bound(alias.asname or name, name)
        torch = _in_torch(name)
        if torch is None:
            return ast.Import([alias])
        if alias.asname or "." not in name:
            return ast.Import([ast.alias(torch, alias.asname or "npnet")])
        return ast.Import([ast.alias("torch", "npnet")])  # import npnet.nn binds npnet

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.level or node.module is None or node.module == "__future__":
            return node
        if self.loader.translates(node.module):
            return self._from_translated(node)
        made: list[ast.stmt] = []
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            if self.loader.translates(inner) and _file_of(inner) is not None:
                made.append(_bound(alias.asname or alias.name, inner))
                continue
            torch = _in_torch(node.module)
            known = torch is not None and _has(torch, alias.name)
            made.append(ast.ImportFrom(torch if known else node.module, [alias], 0))
        return made

    def _from_translated(self, node: ast.ImportFrom) -> list[ast.stmt]:
        module = f"_module_{node.lineno}"
        made = [_bound(module, str(node.module))]
        for alias in node.names:
            value = ast.Attribute(ast.Name(module, ast.Load()), alias.name, ast.Load())
            made.append(ast.Assign([ast.Name(alias.asname or alias.name, ast.Store())], value))
        return made


def _has(torch: str, name: str) -> bool:
    """Whether PyTorch has the name; what it has not, such as datasets, stays npnet's."""
    module = importlib.import_module(torch)
    if hasattr(module, name):
        return True
    try:
        return importlib.util.find_spec(f"{torch}.{name}") is not None
    except ImportError:  # torch is no package there
        return False


def _bound(name: str, module: str) -> ast.stmt:
    """`name = _twin_of("module")`."""
    call = ast.Call(ast.Name("_twin_of", ast.Load()), [ast.Constant(module)], [])
    return ast.Assign([ast.Name(name, ast.Store())], call)
