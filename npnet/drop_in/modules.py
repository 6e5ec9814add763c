"""`import torch` and `import torchvision` give npnet, in this process alone.

A finder in `sys.meta_path`, before Python's own, answers for the two names and all below them;
neither library need be installed. `torch.nn` is then a module with the names of `npnet.nn`, and a
name that is missing there is told in torch's spelling.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["TORCH", "TORCHVISION", "StandIn", "enter", "is_torch", "torch_is_npnet"]

# Whose names npnet follows; programs compare with them.
TORCH, TORCHVISION = "2.13.0", "0.28.0"

# Of npnet, the parts that are torchvision's. `utils` has the names of both.
_OF_TORCHVISION = ("datasets", "io", "models", "ops", "transforms", "utils")
_SHARED = ("utils",)


class Version(str):
    """A version that compares by its numbers, with strings and with tuples, as PyTorch's does."""

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return _numbers(self) < _numbers(other)

    def __le__(self, other: Any) -> bool:
        return _numbers(self) <= _numbers(other)

    def __gt__(self, other: Any) -> bool:
        return _numbers(self) > _numbers(other)

    def __ge__(self, other: Any) -> bool:
        return _numbers(self) >= _numbers(other)


def _numbers(version: Any) -> tuple[int, ...]:
    """(1, 9) of "1.9.0" or of such an object: zeros at the end say nothing."""
    if not isinstance(version, (tuple, list)):
        found = re.match(r"[\d.]*", str(version).partition("+")[0])
        version = [part for part in (found.group() if found else "").split(".") if part]
    numbers = [int(part) for part in version]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_torch(name: str) -> bool:
    """Whether a module's name is torch, torchvision, or below them."""
    return name.startswith("torch") and name.partition(".")[0] in ("torch", "torchvision")


def _npnet_name(name: str) -> str | None:
    """npnet.nn of torch.nn; None where the part is the other library's."""
    root, *rest = name.split(".")
    return ".".join(["npnet", *rest]) if not rest or _is_in(root, rest[0]) else None


class StandIn(ModuleType):
    """A module of torch's name with the contents of one of npnet's.

    What is set on it is set on both, such as `torch.backends.cudnn.benchmark = True`.
    """

    def __init__(self, name: str, module: ModuleType) -> None:
        super().__init__(name, module.__doc__)
        contents = {
            key: value
            for key, value in vars(module).items()
            if not key.startswith("_") and _is_in(name, key) and not isinstance(value, ModuleType)
        }
        vars(self).update(contents, _npnet=module)
        if name in ("torch", "torchvision"):
            version = TORCH if name == "torch" else TORCHVISION
            vars(self)["__version__"] = Version(f"{version}+npnet")

    def __getattr__(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        module: ModuleType = vars(self)["_npnet"]
        if name == "__all__":
            return [key for key in module.__all__ if _is_in(self.__name__, key)]
        is_in = _is_in(self.__name__, name)
        if is_in and not hasattr(module, name) and not name.startswith("_"):
            _import(_npnet_name(full))  # a part that npnet imports when it is asked for
        if not is_in or not hasattr(module, name):
            raise AttributeError(
                f"module '{self.__name__}' has no attribute '{name}': {full} is not in npnet",
                name=name,
                obj=self,
            )
        value = getattr(module, name)
        if isinstance(value, ModuleType) and sys.modules.get(_npnet_name(full) or "") is value:
            return importlib.import_module(full)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # What Python's import sets belongs to this module alone.
        if not name.startswith("__") and not isinstance(value, StandIn):
            setattr(self._npnet, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *(n for n in dir(self._npnet) if _is_in(self.__name__, n))})


def _is_in(module: str, name: str) -> bool:
    """Whether npnet's name is one of torch's module, as `datasets` is not."""
    if module == "torch":
        return name not in _OF_TORCHVISION or name in _SHARED
    return module != "torchvision" or name in _OF_TORCHVISION


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not is_torch(name):
            return None
        module = _import(_npnet_name(name))
        if module is None:
            said = f"No module named '{name}': {name} is not in npnet"
            raise ModuleNotFoundError(said, name=name)
        origin = getattr(module, "__file__", None)
        is_package = hasattr(module, "__path__") or _has_parts(_npnet_name(name))
        return ModuleSpec(name, self, origin=origin, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _import(_npnet_name(spec.name))
        assert module is not None, spec.name
        stand_in = StandIn(spec.name, module)
        if spec.origin is not None:
            stand_in.__file__ = spec.origin
        return stand_in

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it is filled when it is made."""


def _import(name: str | None) -> ModuleType | None:
    """The module of npnet; None where there is none of that name."""
    if name is None:
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def _has_parts(name: str | None) -> bool:
    """Whether modules are entered below it, as npnet.cuda.amp is."""
    below = f"{name}."
    return any(other.startswith(below) for other in sys.modules)


def enter() -> None:
    """Let torch and torchvision be npnet from now on, in this process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextlib.contextmanager
def torch_is_npnet() -> Iterator[None]:
    """Within it, `import torch` gives npnet; a PyTorch that is imported already is put aside."""
    finder = _Finder()
    aside = _take_out()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _take_out()
        sys.modules.update(aside)


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.startswith("torch")]
    return {name: sys.modules.pop(name) for name in names if is_torch(name)}
