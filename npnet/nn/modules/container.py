"""Modules made of modules."""

from __future__ import annotations

import inspect
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, overload

from npnet.base.checks import kind_of
from npnet.nn.module import Module
from npnet.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

Self = TypeVar("Self", bound="_Indexed")


class _Indexed(Module):
    """What both sequences are: modules in an order, found by position."""

    def _of(self: Self, items: list[tuple[str, Module]]) -> Self:
        """Another of this kind of some of the modules, by their names."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def _name(self, index: int) -> str:
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"index {at} is out of range for {len(self)} modules")
        return list(self._modules)[at]

    @overload
    def __getitem__(self: Self, idx: slice) -> Self: ...
    @overload
    def __getitem__(self, idx: int) -> Module: ...
    def __getitem__(self: Self, idx: int | slice) -> Module:
        if isinstance(idx, slice):
            return self._of(list(self._modules.items())[idx])
        found: Module = self._modules[self._name(idx)]
        return found

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._name(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        names = list(self._modules)
        for name in names[idx] if isinstance(idx, slice) else [self._name(idx)]:
            delattr(self, name)
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: list[Module]) -> None:
        self._modules.clear()
        self._modules.update((str(i), module) for i, module in enumerate(modules))

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, after all were looked at."""
        added = list(modules)
        for module in added:
            if module is not None and not isinstance(module, Module):
                raise TypeError(f"extend: takes modules, got {kind_of(module)}")
        for module in added:
            self.append(module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Add a module before the one at `index`."""
        if not isinstance(module, Module):
            raise TypeError(f"insert: takes a Module, got {kind_of(module)}")
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, key: int) -> Module:
        """Take a module out, and return it."""
        module: Module = self[key]
        del self[key]
        return module

    def __iadd__(self: Self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def __add__(self: Self, other: Iterable[Module]) -> Self:
        return self._of([(str(i), module) for i, module in enumerate([*self, *other])])


def _advice(module: Any) -> str:
    """What a Sequential takes instead of what it was given, where that can be told."""
    if isinstance(module, (list, tuple)):
        return "; write Sequential(*layers)"
    return "; functions have modules: ReLU() of relu" if inspect.isroutine(module) else ""


class Sequential(_Indexed):
    """Modules one after the other: `Sequential(a, b)`, or of an OrderedDict of names.

    Shape: what the first module takes -> what the last one gives.

    Raises:
        TypeError: something is no module.
        IndexError: there is no module of that number.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> model(npnet.zeros(5, 4)).shape
        (5, 2)
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
            return
        for module in args:
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential: takes modules, got {kind_of(module)}{_advice(module)}"
                )
            self.append(module)

    def _of(self, items: list[tuple[str, Module]]) -> Any:
        return type(self)(OrderedDict(items))

    # Nearly all give a Tensor, which a program's types may rely on; one whose last module gives
    # something else, as an LSTM does, is cast there.
    def forward(self, input: Any) -> Tensor:
        for module in self:
            input = module(input)
        return input


class ModuleList(_Indexed):
    """A list whose modules are registered; it has no forward of its own.

    Raises:
        TypeError: something is no module.
        IndexError: there is no module of that number.
        NotImplementedError: it is called.

    Example:
        >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> layers
        ModuleList(
          (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
        )
        >>> len(list(layers.parameters()))
        6
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _of(self, items: list[tuple[str, Module]]) -> Any:
        return type(self)(module for _, module in items)

    def _child_lines(self) -> list[str]:
        """As in PyTorch: neighbours that print alike are one line with their number."""
        runs: list[tuple[int, list[str]]] = []  # first position, and the texts of a run
        for i, module in enumerate(self):
            text = repr(module).replace("\n", "\n  ")
            if runs and runs[-1][1][0] == text:
                runs[-1][1].append(text)
            else:
                runs.append((i, [text]))
        return [
            f"({first}): {texts[0]}"
            if len(texts) == 1
            else f"({first}-{first + len(texts) - 1}): {len(texts)} x {texts[0]}"
            for first, texts in runs
        ]


_Named: TypeAlias = Mapping[str, Module] | Iterable[tuple[str, Module]]


class ModuleDict(Module):
    """A dict whose modules are registered; it has no forward of its own.

    Raises:
        TypeError: something is no module.
        KeyError: there is no such name; or a new one is empty, holds a dot, or is an attribute's.

    Example:
        >>> heads = nn.ModuleDict({"age": nn.Linear(8, 1), "name": nn.Linear(8, 5)})
        >>> heads["name"](npnet.zeros(2, 8)).shape
        (2, 5)
    """

    def __init__(self, modules: _Named | None = None) -> None:
        super().__init__()
        self.update({} if modules is None else modules)

    def __getitem__(self, key: str) -> Module:
        found: Module = self._modules[key]
        return found

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self._modules.items()

    def update(self, modules: _Named) -> None:
        """Add modules under their names, of a mapping or of pairs, after all were looked at."""
        added = dict(modules)
        for name, module in added.items():
            self._check_module(name, module)
        for name, module in added.items():
            self.add_module(name, module)

    def pop(self, key: str) -> Module:
        """Take a module out, and return it."""
        found: Module = self._modules.pop(key)
        return found

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()
