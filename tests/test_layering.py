"""Imports point one way: every import of one part of npnet by another stands in the table below."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import npnet

ROOT = Path(npnet.__file__).parent.parent
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("npnet", "reference")
    for path in (ROOT / folder).rglob("*.py")
)

# Part -> what it may import, besides itself. A part is a module or a package right under npnet;
# "npnet" is npnet/__init__.py, the public names, which programs import; a dotted name is one
# module of a part.
HELPERS = {"base", "devices"}
TAPE = HELPERS | {"backend", "random", "tape"}
OPS = TAPE | {"ops"}
CORE = OPS | {"tensor"}
LAYERS = CORE | {"creation", "nn"}
LIBRARY = LAYERS | {"optim", "serialization", "transforms", "utils"}
PROGRAM = LIBRARY | {"compiler", "datasets", "models", "npnet"}
ALLOWED: dict[str, set[str]] = {
    "base": set(),
    "devices": {"base"},
    "backend": {"base"},
    "random": {"base"},
    "kernels": {"base"},
    "lanes": OPS | {"kernels"},
    "tape": {"base"},
    "ops": TAPE,
    "autograd": CORE,
    "multiprocessing": set(),
    "tensor": OPS | {"in_place", "op_methods", "random_methods"},
    "op_methods": OPS,
    "in_place": OPS,
    "random_methods": OPS,
    "typed_tensors": CORE,
    "linalg": OPS,
    "numerics": OPS,
    "settings": HELPERS,
    "spellings": CORE,
    "toplevel": CORE,
    "version": set(),
    "creation": CORE,
    "serialization": CORE,
    "distributed": LAYERS | {"optim", "utils"},
    "hub": CORE | {"serialization"},
    "jit": CORE | {"nn"},
    "testing": CORE | {"grading", "runs.errors"},
    # Errors of commands are all that it has of runs.
    "grading": LAYERS | {"autograd", "optim", "runs.errors"},
    "types": CORE,
    "sparse": OPS,
    "distributions": CORE,
    "nn": CORE | {"creation", "ops.windows"},
    "optim": LAYERS | {"kernels.joint_update", "kernels.update"},
    "utils": LAYERS | {"autograd", "hub"},
    "compiler": LIBRARY | {"kernels", "lanes"},
    "npnet": LIBRARY
    | {
        "compiler",
        "linalg",
        "numerics",
        "settings",
        "spellings",
        "toplevel",
        "typed_tensors",
        "version",
        "distributions",
        "lanes.choice",
    },
    "transforms": LAYERS | {"kernels.affine"},
    "datasets": CORE | {"transforms", "utils"},
    "models": LAYERS | {"npnet", "serialization", "transforms"},
    "tracing": LAYERS,
    "onnx": LIBRARY | {"npnet", "tracing", "version"},
    "plots": LAYERS | {"npnet"},
    "explain": LAYERS | {"npnet"},
    "verify": PROGRAM | {"lanes", "onnx", "runs", "version"},
    "runs": LIBRARY | {"datasets", "distributed", "npnet", "plots"},
    "training": PROGRAM | {"kernels._jit", "kernels.batches", "plots", "runs"},
    "fitting": PROGRAM | {"plots", "runs"},
    "sklearn": PROGRAM
    | {
        "runs",
        "training.config",
        "training.learner",
        "training.schedules",
    },
    "prediction": PROGRAM | {"plots", "runs", "training.metrics"},
    "web": PROGRAM | {"prediction.predictor", "runs", "tracing", "version"},
    "train": PROGRAM | {"runs", "training"},
    "fit_function": PROGRAM | {"fitting", "runs"},
    "drop_in": set(),  # whatever of npnet a program asks for is imported by its name
    "run": {"drop_in"},
    # Of training the settings alone, which are what is compared.
    "comparison": PROGRAM
    | {"fitting", "kernels._jit", "plots", "prediction.networks", "runs", "training.config"},
    "cli": PROGRAM
    | {
        "comparison",
        "explain",
        "fit_function",
        "fitting.config",
        "grading",
        "kernels._ahead",
        "kernels._jit",
        "kernels._task",
        "onnx",
        "plots",
        "prediction",
        "runs",
        "train",
        "training",
        "verify",
        "web",
    },
    "__main__": {"cli"},
    "reference": PROGRAM | {"fit_function", "fitting", "runs", "train", "training"},
}


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import, also inside functions; not those for type checkers alone."""
    for node in _run(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield node.lineno, name if _is_module(name) else str(node.module)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a module that run."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).lstrip("_") == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from _run(child)


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _part(module: str) -> str:
    """`npnet.nn.modules.conv` is in the part nn, `npnet` itself and `reference.x` in their own."""
    root, *rest = module.split(".")
    return rest[0] if root == "npnet" and rest and rest != ["__init__"] else root


def _may_import(part: str, module: str) -> bool:
    if module.split(".")[0] not in ("npnet", "reference", "tests", "benchmarks"):
        return True  # another library
    allowed = ALLOWED[part] | {part}
    return _part(module) in allowed or module.removeprefix("npnet.") in allowed


@pytest.mark.parametrize("file", FILES)
def test_imports_point_one_way(file: str) -> None:
    part = _part(_module(file))
    assert part in ALLOWED, f"{part} is new: say in the table of this test what it may import"
    tree = ast.parse((ROOT / file).read_text())
    wrong = [
        f"{file}:{line} imports {module}"
        for line, module in _imports(tree)
        if not _may_import(part, module)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_goes_round() -> None:
    """Not even one that is hidden in a function."""
    modules = {_module(file): file for file in FILES}
    graph = {
        module: {name for _, name in _imports(ast.parse((ROOT / file).read_text()))} & {*modules}
        for module, file in modules.items()
    }
    list(graphlib.TopologicalSorter(graph).static_order())


def _constants(file: str) -> Iterator[tuple[str, str]]:
    """Name, without a leading underscore, and value of the module's constants."""
    for node in ast.parse((ROOT / file).read_text()).body:
        for target in node.targets if isinstance(node, ast.Assign) else []:
            names, values = [target], [node.value]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                names, values = target.elts, node.value.elts
            for name, value in zip(names, values, strict=True):
                if isinstance(name, ast.Name) and name.id.isupper():
                    yield name.id.lstrip("_"), ast.unparse(value)


def test_a_constants_name_has_one_meaning() -> None:
    """In the rooms that are read together."""
    rooms = ("npnet/kernels/", "npnet/lanes/", "npnet/ops/", "npnet/compiler/")
    values: dict[str, dict[str, list[str]]] = {}
    for file in FILES:
        for name, value in _constants(file) if file.startswith(rooms) else ():
            values.setdefault(name, {}).setdefault(value, []).append(file)
    wrong = [f"{name}: {found}" for name, found in values.items() if len(found) > 1]
    assert not wrong, "\n".join(wrong)


def test_the_networks_of_the_reference_are_plain_pytorch() -> None:
    for path in (ROOT / "reference/models").glob("*.py"):
        imported = {module.split(".")[0] for _, module in _imports(ast.parse(path.read_text()))}
        assert "npnet" not in imported, path.name


def test_table_has_no_cycle() -> None:
    graph = {part: {name.split(".")[0] for name in may} for part, may in ALLOWED.items()}
    list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("part", "module"),
    [
        ("kernels", "npnet.tensor"),
        ("kernels", "npnet.ops.windows"),
        ("kernels", "npnet.lanes.plan"),
        ("tape", "npnet.ops.shape"),
        ("ops", "npnet.tensor"),
        ("ops", "npnet.kernels.pool"),
        ("ops", "npnet.lanes.pool"),
        ("ops", "npnet.nn"),
        ("nn", "npnet.kernels.conv"),
        ("nn", "npnet"),
        ("optim", "npnet.training"),
        ("training", "npnet.cli"),
        ("training", "reference.train"),
        ("cli", "tests.cases"),
    ],
)
def test_what_would_point_back(part: str, module: str) -> None:
    assert not _may_import(part, module)
