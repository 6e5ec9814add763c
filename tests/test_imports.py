"""npnet needs NumPy alone to import and to infer; every package exports what it says."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import npnet

ROOT = Path(npnet.__file__).parent
PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT.parent).parts) for path in ROOT.rglob("__init__.py")
)
# Everything that npnet installs besides NumPy, and what it is tested against.
OTHERS = (
    "filelock",
    "jinja2",
    "matplotlib",
    "ml_dtypes",
    "numba",
    "pooch",
    "requests",
    "rich",
    "safetensors",
    "sklearn",
    "tensorboardX",
    "threadpoolctl",
    "torch",
    "yaml",
)
# Of Python itself and of npnet, what takes milliseconds and a short program may never ask for.
LATER = ("concurrent.futures", "logging", "tempfile", "npnet.datasets", "npnet.distributions")
INFERENCE = """
import npnet
import npnet.distributions, npnet.models, npnet.optim, npnet.transforms, npnet.utils.data
from npnet import nn

model = nn.Sequential(
    nn.Conv2d(1, 2, 3),
    nn.BatchNorm2d(2),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(18, 4),
).eval()
with npnet.no_grad():
    y = model(npnet.randn(5, 1, 8, 8))
assert y.shape == (5, 4) and bool(npnet.isfinite(y).all())
assert npnet.models.create("lenet5").eval()(npnet.randn(1, 1, 32, 32)).shape == (1, 10)
"""


def _run(code: str, *options: str) -> None:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_inference_without_other_libraries() -> None:
    block = f"import sys\nfor name in {OTHERS}: sys.modules[name] = None\n"
    _run(block + INFERENCE)


def test_inference_without_docstrings() -> None:
    _run(f"{INFERENCE}\nimport npnet.transforms.v2", "-OO")


def test_other_libraries_are_not_imported_where_they_are_installed() -> None:
    numpy_alone = "import npnet\nnpnet.set_backend('numpy')\n"  # the kernels need Numba
    check = f"import sys\nloaded = {set(OTHERS)} & set(sys.modules)\nassert not loaded, loaded\n"
    _run(numpy_alone + INFERENCE + check)


def test_an_import_is_short() -> None:
    code = f"import sys, npnet\nloaded = {set(LATER)} & set(sys.modules)\nassert not loaded, loaded"
    _run(code)


def _order(name: str) -> tuple[object, ...]:
    """Constants, classes, the rest; each in alphabetical order, but 8 before 16 (ruff's RUF022)."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2
    return kind, re.sub(r"\d+", lambda number: number[0].zfill(9), name)


def _public_names(package: str) -> set[str]:
    """What `__init__.py` defines, and what it imports out of its own package, without modules."""
    module = importlib.import_module(package)
    names: set[str] = set()
    for node in ast.parse(Path(str(module.__file__)).read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}."):
            names.update(alias.asname or alias.name for alias in node.names)
    return {
        name
        for name in names
        if (not name.startswith("_") or name == "__version__")
        and not isinstance(getattr(module, name), ModuleType)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_equals_what_is_imported(package: str) -> None:
    module = importlib.import_module(package)
    exported = getattr(module, "__all__", [])
    assert list(exported) == sorted(exported, key=_order)
    values = {name for name in exported if not isinstance(getattr(module, name), ModuleType)}
    if package == "npnet.transforms.v2":  # which has all names of npnet.transforms too
        assert values >= _public_names(package)
    elif package == "npnet.distributed":  # and what is elsewhere under PyTorch's names
        elsewhere = {"DistributedModel", "DistributedSampler"}
        assert values == _public_names(package) | elsewhere
    elif package == "npnet.training":  # of runs, and what is imported when it is asked for
        later = {"Callback", "History", "Trainer", "Training", "fit"}
        assert values == _public_names(package) | later
    else:
        assert values == _public_names(package)


def test_the_version_is_one() -> None:
    from npnet.version import __version__

    assert __version__ == npnet.__version__
