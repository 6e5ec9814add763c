"""The names of torch that a file's code says, unit by unit.

A unit is what runs together: a module's own lines, a class's, a function, a method. In each, a name
that an import or an alias (`F = torch.nn.functional`) bound to torch is followed through its
attributes. A name that is bound in two ways is not followed: it is not known which of them holds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from npnet.drop_in.modules import is_torch

__all__ = ["Unit", "read_units"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_NAMED = ast.ExceptHandler | ast.MatchAs | ast.MatchStar
_WITH_TARGET = (
    ast.AugAssign | ast.AnnAssign | ast.For | ast.AsyncFor | ast.NamedExpr | ast.comprehension
)
Scope = Mapping[str, str | None]  # name -> what it is of torch; None: something else

# Methods that a library calls: a class that is reached reaches them.
_CALLED = (
    "forward",
    "backward",
    "setup_context",
    "extra_repr",
    "get_lr",
    "step",
    "reset_parameters",
)

# Words in the test of an `if` whose body is for other machines than npnet's.
_ELSEWHERE = ("cuda", "gpu", "mps", "xpu", "tpu", "distributed", "world_size", "amp", "fp16")
_VERSIONS = ("__version__", "version_info", "hasattr", "TYPE_CHECKING")


@dataclass(eq=False)
class Unit:
    """Code that runs together.

    Attributes:
        name: what other code calls it; None of a module, which runs when it is imported.
        is_class: whether it is a class's own lines.
        owner: the class of a method.
        uses: torch's names, each with its line, and whether it is said in no branch of an `if`.
        words: names, attributes and strings in it: what it may reach.
        sure_words: those of them that are said in no branch.
        is_sure: whether it is of a file that is imported in any case.
        methods: names that are called as methods of what is not known, each with its line.
        defines: of a module: names of functions, methods and attributes that it makes.
    """

    path: Path
    name: str | None
    is_class: bool = False
    owner: str | None = None
    uses: list[tuple[str, int, bool]] = field(default_factory=list)
    words: set[str] = field(default_factory=set)
    sure_words: set[str] = field(default_factory=set)
    is_sure: bool = True
    methods: list[tuple[str, int]] = field(default_factory=list)
    defines: set[str] = field(default_factory=set)

    def is_reached(self, spoken: set[str]) -> bool:
        """Whether code that says these words may call it."""
        if self.owner is not None and self.owner not in spoken:
            return False
        name = self.name or ""
        is_called = self.owner is not None and (name.startswith("__") or name in _CALLED)
        return is_called or name in spoken


def read_units(tree: ast.Module, path: Path, *, is_program: bool) -> list[Unit]:
    """The units of a file."""
    reader = _Reader(path, is_program, _has_lazy_annotations(tree))
    reader.imported = {name for node in ast.walk(tree) for name in _imported(node)}
    module = Unit(path, None, defines=set(_defined(tree)))
    reader.units.append(module)
    reader.read(tree.body, [_scope(tree.body)], module)
    return reader.units


def _has_lazy_annotations(tree: ast.Module) -> bool:
    return any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)


# ---- what names are bound to ---------------------------------------------------------------------


def _scope(body: Iterable[ast.AST], arguments: Iterable[str] = ()) -> Scope:
    """What each name that these lines bind is of torch."""
    bound: dict[str, set[str | None]] = {name: {None} for name in arguments}
    chains: dict[str, ast.expr] = {}
    for node in _own_nodes(body):
        for name, value in _bindings(node):
            bound.setdefault(name, set()).add(value)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            chains.setdefault(node.targets[0].id, node.value)
    scope = {name: values.pop() if len(values) == 1 else None for name, values in bound.items()}
    for name, chain in chains.items():  # F = torch.nn.functional, where that is all of F
        if scope[name] == "":
            scope[name] = _chain(chain, [scope])
    return {name: value or None for name, value in scope.items()}


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of this scope: not what is inside functions and classes in it."""
    for node in body:
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            yield from _own_nodes(ast.iter_child_nodes(node))


def _bindings(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Names that a node binds; "" where it may be an alias."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or name, name if is_torch(name) else None
    elif isinstance(node, ast.ImportFrom):
        of_torch = node.level == 0 and is_torch(node.module or "")
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}" if of_torch else None
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        is_chain = len(node.targets) == 1 and isinstance(node.value, ast.Attribute | ast.Name)
        yield node.targets[0].id, "" if is_chain else None
        yield from ((name.id, None) for target in node.targets[1:] for name in _names(target))
    elif isinstance(node, Function | ast.ClassDef | _NAMED):
        yield from ((name, None) for name in [node.name] if name)
    elif isinstance(node, ast.Assign | ast.Delete):
        yield from ((name.id, None) for target in node.targets for name in _names(target))
    elif isinstance(node, _WITH_TARGET):
        yield from ((name.id, None) for name in _names(node.target))
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from ((name.id, None) for name in _names(node.optional_vars))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (name for name, of_torch in _bindings(node) if of_torch is None)


def _defined(tree: ast.Module) -> Iterator[str]:
    """What methods and attributes of the program's own classes may be called."""
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def _names(target: ast.expr) -> Iterator[ast.Name]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node


def _chain(node: ast.expr, scopes: list[Scope]) -> str | None:
    """torch.nn.Linear of nn.Linear, where nn is torch's."""
    rest: list[str] = []
    while isinstance(node, ast.Attribute):
        rest.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    for scope in reversed(scopes):
        if node.id in scope:
            root = scope[node.id]
            return ".".join([root, *reversed(rest)]) if root else None
    return None


# ---- what the code says --------------------------------------------------------------------------


class _Reader:
    def __init__(self, path: Path, is_program: bool, has_lazy_annotations: bool) -> None:
        self.path, self.is_program = path, is_program
        self.has_lazy_annotations = has_lazy_annotations
        self.units: list[Unit] = []
        self.imported: set[str] = set()  # names of what is not torch's
        self.choices = 0  # how many branches we are in, of which it is not known if they run

    def say(self, unit: Unit, words: set[str]) -> None:
        """Enter words that the unit speaks of."""
        unit.words |= words
        if not self.choices:
            unit.sure_words |= words

    def use(self, unit: Unit, name: str, node: Any) -> None:
        """Enter a name of torch's."""
        unit.uses.append((name, node.lineno, not self.choices))

    def read(self, nodes: Iterable[ast.AST], scopes: list[Scope], unit: Unit) -> None:
        """Enter what these nodes say into the unit, and the units below."""
        for node in nodes:
            self._read(node, scopes, unit)

    def _read(self, node: ast.AST, scopes: list[Scope], unit: Unit) -> None:
        if isinstance(node, Function):
            self._read_function(node, scopes, unit)
        elif isinstance(node, ast.Lambda):
            self.read([node.body], [*scopes, _scope([], _arguments(node.args))], unit)
        elif isinstance(node, ast.ClassDef):
            self._read_class(node, scopes, unit)
        elif isinstance(node, ast.If | ast.IfExp):
            self._read_choice(node, scopes, unit)
        elif isinstance(node, ast.Try):
            guarded = [] if _catches_absence(node) else node.body
            self.read([*guarded, *node.orelse, *node.finalbody], scopes, unit)
            self.say(unit, {word for part in node.body for word in _words(part)})
            if guarded:
                self.read(node.handlers, scopes, unit)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._enter_import(node, unit)
        else:
            self._enter(node, scopes, unit)

    def _enter(self, node: ast.AST, scopes: list[Scope], unit: Unit) -> None:
        self.say(unit, _words_of(node))
        name = None
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            name = _chain(node, scopes)
        if name is not None and "." in name:
            self.use(unit, name, node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            self._enter_method(node.func, scopes, unit)
        below = ast.iter_child_nodes(node)
        if isinstance(node, ast.AnnAssign) and (unit.name or self.has_lazy_annotations):
            below = iter([node.value] if node.value else [])
        if name is None or not isinstance(node, ast.Attribute):
            self.read(below, scopes, unit)
        else:
            self.say(unit, _words(node))

    def _enter_method(self, called: ast.Attribute, scopes: list[Scope], unit: Unit) -> None:
        """Enter a method's name, unless it is known to be none of a tensor's."""
        root: ast.AST = called.value
        if isinstance(root, ast.Name) and root.id in ("self", "cls"):
            return
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        is_other = not isinstance(root, ast.Name | ast.BinOp) or (
            isinstance(root, ast.Name) and root.id in self.imported
        )
        if not is_other and _chain(called, scopes) is None:
            unit.methods.append((called.attr, called.lineno))

    def _read_function(self, node: Function, scopes: list[Scope], unit: Unit) -> None:
        at_once = [*node.decorator_list, *node.args.defaults]
        at_once += [value for value in node.args.kw_defaults if value is not None]
        if not self.has_lazy_annotations:
            notes = [arg.annotation for arg in _all_arguments(node.args)] + [node.returns]
            at_once += [note for note in notes if note is not None]
        self.read(at_once, scopes, unit)
        inner = [*scopes, _scope(node.body, _arguments(node.args))]
        if unit.name is None or unit.is_class:
            unit = Unit(self.path, node.name, owner=unit.name)
            self.units.append(unit)
        outside, self.choices = self.choices, 0 if unit.name == node.name else self.choices
        self.read(node.body, inner, unit)
        self.choices = outside

    def _read_class(self, node: ast.ClassDef, scopes: list[Scope], unit: Unit) -> None:
        if unit.name is None:
            unit = Unit(self.path, node.name, is_class=True)
            self.units.append(unit)
        values = [keyword.value for keyword in node.keywords]
        self.read([*node.decorator_list, *node.bases, *values], scopes, unit)
        self.read(node.body, scopes, unit)

    def _read_choice(self, node: ast.If | ast.IfExp, scopes: list[Scope], unit: Unit) -> None:
        test = ast.unparse(node.test)
        body = node.body if isinstance(node.body, list) else [node.body]
        other = node.orelse if isinstance(node.orelse, list) else [node.orelse]
        if "__name__" in test and not self.is_program:
            body = []
        is_known = "__name__" in test
        if any(word in test for word in _VERSIONS):
            body = other = []
        elif any(word in test.lower() for word in _ELSEWHERE):
            negated = "not " in test or "False" in test
            body, other, is_known = (*((body, []) if negated else ([], other)), True)
        self.read([node.test], scopes, unit)
        self.choices += not is_known
        self.read([*body, *other], scopes, unit)
        self.choices -= not is_known

    def _enter_import(self, node: ast.Import | ast.ImportFrom, unit: Unit) -> None:
        self.say(unit, _words_of(node))
        for alias in node.names:
            if isinstance(node, ast.Import) and is_torch(alias.name):
                self.use(unit, alias.name, node)
            elif isinstance(node, ast.ImportFrom) and not node.level and is_torch(str(node.module)):
                name = str(node.module) if alias.name == "*" else f"{node.module}.{alias.name}"
                self.use(unit, name, node)


def _catches_absence(node: ast.Try) -> bool:
    """Whether its handlers are for a name that is missing."""
    for handler in node.handlers:
        caught = ast.unparse(handler.type) if handler.type else "Exception"
        if any(word in caught for word in ("Import", "Attribute", "NotFound", "Exception")):
            return True
    return False


def _all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*named, *(arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None)]


def _arguments(arguments: ast.arguments) -> list[str]:
    return [arg.arg for arg in _all_arguments(arguments)]


def _words(node: ast.AST) -> set[str]:
    return {word for part in ast.walk(node) for word in _words_of(part)}


def _words_of(node: ast.AST) -> set[str]:
    """What may name a unit: names, attributes, strings as of `getattr(models, "resnet18")`."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {node.attr}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return set(node.value.split()) if len(node.value) < 100 else set()
    if isinstance(node, ast.ImportFrom | ast.Import):  # what it is called by is another name
        return {alias.name for alias in node.names if alias.asname}
    return set()
