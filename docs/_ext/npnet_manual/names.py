"""The public names of npnet, each once: what it is, its other names, and where it is made."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PLACES", "Catalogue", "Entry"]

# Where public names are. What stands in several is documented under the first of them.
PLACES = (
    "npnet.nn.functional",
    "npnet",
    "npnet.linalg",
    "npnet.nn",
    "npnet.nn.init",
    "npnet.nn.utils",
    "npnet.nn.utils.rnn",
    "npnet.nn.utils.parametrizations",
    "npnet.nn.utils.parametrize",
    "npnet.autograd",
    "npnet.optim",
    "npnet.optim.lr_scheduler",
    "npnet.optim.swa_utils",
    "npnet.utils.data",
    "npnet.utils",
    "npnet.utils.tensorboard",
    "npnet.distributions",
    "npnet.transforms",
    "npnet.transforms.functional",
    "npnet.datasets",
    "npnet.models",
    "npnet.compiler",
    "npnet.random",
    "npnet.serialization",
    "npnet.hub",
    "npnet.training",
    "npnet.prediction",
    "npnet.plots",
    "npnet.onnx",
    "npnet.sklearn",
    "npnet.distributed",
    "npnet.testing",
    "npnet.grading",
    "npnet.verify",
    "npnet.explain",
)

# Pages say `nn.Linear` and `F.relu`, as programs do.
_SHORT = {
    "F.": "npnet.nn.functional.",
    "functional.": "npnet.nn.functional.",
    "torch.nn.": "npnet.nn.",
    "torch.": "npnet.",
}
_IN_PLACE = re.compile(r"`(\w+)`, in place\.?(?=\n|$)")


@dataclass
class Entry:
    """One object with a name of its own in the manual.

    Attributes:
        place, name: the module, and the name in it, that it is documented under.
        value: the object itself.
        also: its other full names.
        in_place: full names of what does the same in place.
    """

    place: str
    name: str
    value: Any
    also: list[str] = field(default_factory=list)
    in_place: list[str] = field(default_factory=list)

    @property
    def full(self) -> str:
        return f"{self.place}.{self.name}"

    @property
    def kind(self) -> str:
        if inspect.isclass(self.value):
            return "class"
        return "function" if inspect.isroutine(self.value) else "data"

    @property
    def file(self) -> str:
        """The module that makes it."""
        return str(getattr(inspect.unwrap(self.value), "__module__", None) or self.place)

    @property
    def doc(self) -> str:
        """Its docstring; empty where it would be that of its class, or not npnet's."""
        if self.kind == "data" or not self.file.startswith("npnet"):
            return ""
        return inspect.getdoc(self.value) or ""


class Catalogue:
    """All entries.

    Attributes:
        entries: by the full name that each is documented under.
        modules: the modules that are documented.
    """

    def __init__(self, places: tuple[str, ...] = PLACES) -> None:
        self.entries: dict[str, Entry] = {}
        self.modules = places
        self._home: dict[str, str] = {}  # full name -> that which is documented
        self._of_object: dict[Any, Entry] = {}
        for place in places:
            module = importlib.import_module(place)
            for name in sorted(getattr(module, "__all__", ())):
                self._add(place, name, getattr(module, name))
        self._add_in_place()
        tensor = self.entries["npnet.Tensor"].value
        self.methods = {
            name: entry
            for name in dir(tensor)
            if not name.startswith("_") and (entry := self.of(getattr(tensor, name)))
        }
        self._home |= {f"npnet.Tensor.{name}": e.full for name, e in self.methods.items()}
        self._classes = self._unique_classes()

    def of(self, value: Any) -> Entry | None:
        """The entry of an object, of whatever wraps it, or of what does the same in place."""
        entry = self._of_object.get(_key(value))
        match = _IN_PLACE.match(inspect.getdoc(value) or "")
        if match and inspect.isroutine(value):
            named = self.resolve(match[1], "npnet")
            return self.entries[named] if named else entry
        return entry

    def resolve(self, text: str, *contexts: str) -> str | None:
        """The full name of what a text names, itself or in one of the contexts."""
        for short, long in _SHORT.items():
            if text.startswith(short):
                text = long + text.removeprefix(short)
        inner = [f"{context}.{text}" for context in contexts]
        below = [f"npnet.{text}"] if "." in text else []
        for full in (*inner, text, *below):
            if full in self._home:
                return self._home[full]
        return self._classes.get(text)

    def add_member(self, full: str) -> None:
        """A method or property that has a place of its own."""
        self._home.setdefault(full, full)

    def _add(self, place: str, name: str, value: Any) -> None:
        full = f"{place}.{name}"
        if inspect.ismodule(value):
            return
        key = _key(value)
        known = self._of_object.get(key)
        if known is not None and _IN_PLACE.match(inspect.getdoc(value) or "") is None:
            known.also.append(full)
            self._home[full] = known.full
            return
        entry = Entry(place, name, value)
        self.entries[full] = entry
        self._home[full] = full
        if entry.kind != "data" and key not in self._of_object:
            self._of_object[key] = entry

    def _add_in_place(self) -> None:
        """Let `abs_` stand with `abs`, of which its docstring says that it is the same."""
        for full, entry in list(self.entries.items()):
            match = _IN_PLACE.match(entry.doc)
            home = self.resolve(match[1], entry.place, "npnet") if match else None
            if home is not None and home != full:
                self.entries[home].in_place.append(full)
                self._home[full] = home
                del self.entries[full]

    def _unique_classes(self) -> dict[str, str]:
        """Classes by their bare names, where no other has the name."""
        found: dict[str, str] = {}
        twice = set()
        for full, entry in self.entries.items():
            if entry.kind == "class":
                twice |= {entry.name} & found.keys()
                found[entry.name] = full
        return {name: full for name, full in found.items() if name not in twice}


def _key(value: Any) -> Any:
    inner = inspect.unwrap(value) if callable(value) else value
    place = getattr(inner, "__module__", None), getattr(inner, "__qualname__", None)
    # `abs_` is made by a wrapper of `abs`; it is told apart by its docstring.
    return (*place, inspect.getdoc(value)) if all(place) else id(value)
