"""tensorboardX, which writes TensorBoard's files: imported without PyTorch, and taught tensors."""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

__all__ = ["teach_tensorboardx", "without_torch"]

_READER = "tensorboardX.x2num"  # where it makes ndarrays of what it is given


@contextlib.contextmanager
def without_torch() -> Iterator[None]:
    """Let an import not find PyTorch: tensorboardX takes two seconds to import it unused."""
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]  # how Python marks what is missing
    try:
        yield
    finally:
        if hidden:
            del sys.modules["torch"]


def teach_tensorboardx(kind: type[Any], to_array: Callable[[Any], Any]) -> None:
    """Let tensorboardX take objects of a class, be it imported already or later.

    It refuses what is no ndarray and whose class has none of the names that it knows.
    """
    if _READER in sys.modules:
        _teach(sys.modules[_READER], kind, to_array)
        for name in ("summary", "writer"):  # which have taken the function over
            module = sys.modules.get(f"tensorboardX.{name}")
            if hasattr(module, "make_np"):
                module.make_np = sys.modules[_READER].make_np  # type: ignore[union-attr] # is there
    else:
        sys.meta_path.insert(0, _Finder(kind, to_array))


def _teach(module: ModuleType, kind: type[Any], to_array: Callable[[Any], Any]) -> None:
    others = module.make_np

    def make_np(x: Any) -> Any:
        if isinstance(x, list):
            x = [to_array(v) if isinstance(v, kind) else v for v in x]
        return others(to_array(x) if isinstance(x, kind) else x)

    module.make_np = make_np  # type: ignore[attr-defined] # any module, to mypy


class _Finder:  # no MetaPathFinder, whose module imports a dozen others
    """Finds one module, as all others do, and changes it once it has run."""

    def __init__(self, kind: type[Any], to_array: Callable[[Any], Any]) -> None:
        self._kind, self._to_array = kind, to_array

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _READER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        loader = spec.loader if spec is not None else None
        if loader is None:
            return spec
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            _teach(module, self._kind, self._to_array)

        loader.exec_module = exec_module  # type: ignore[method-assign] # of this one loader
        return spec
