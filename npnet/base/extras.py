"""What needs a library beside NumPy, and how the lack of one is told: in the line that mends it.

npnet itself requires NumPy alone. Everything else comes with an extra, a group of libraries that
pip installs by name: `pip install 'npnet[train]'`. A module of an extra is imported where it is
used.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

__all__ = ["EXTRAS", "MissingExtraError", "check", "lacking", "require", "told"]

# Extra -> the modules that npnet imports of it, and what pip calls them; setup.cfg has the
# versions. A module that several extras bring is told by the first of them.
EXTRAS: dict[str, dict[str, str]] = {
    "kernels": {"numba": "numba", "threadpoolctl": "threadpoolctl", "filelock": "filelock"},
    "pictures": {"PIL": "pillow"},
    "train": {
        "rich": "rich",
        "matplotlib": "matplotlib",
        "tensorboardX": "tensorboardX",
        "filelock": "filelock",
        "threadpoolctl": "threadpoolctl",
        "yaml": "PyYAML",
        "jinja2": "jinja2",
    },
    "datasets": {
        "requests": "requests",
        "pooch": "pooch",
        "rich": "rich",
        "filelock": "filelock",
    },
    "sklearn": {"sklearn": "scikit-learn"},
    "onnx": {"onnx": "onnx"},
    "dask": {"distributed": "distributed"},
    "optuna": {"optuna": "optuna"},
    "torch": {"torch": "torch"},
    "bfloat16": {"ml_dtypes": "ml_dtypes"},
    "mpi": {"mpi4py": "mpi4py"},
}


class MissingExtraError(ImportError):
    """A library that was not installed with npnet; says what needs it, and the line for pip."""


def require(module: str, extra: str, what: str) -> ModuleType:
    """Import a module that one of npnet's extras brings, such as "onnx" or "matplotlib.figure".

    Args:
        what: what needs it, as a user calls it: "npnet export --format onnx", "SummaryWriter".

    Raises:
        MissingExtraError: it is not installed: "npnet export --format onnx needs onnx: pip install
            'npnet[onnx]'"; or it is, but does not work.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        name = EXTRAS[extra].get(root, root)
        if not _is_installed(root):
            raise MissingExtraError(_advice(what, [name], extra), name=root) from error
        raise MissingExtraError(
            f"{what} needs {name}, which is installed but can't be imported: {error}; "
            f"pip install --force-reinstall {name}",
            name=root,
        ) from error


def check(extra: str, what: str) -> None:
    """Raise MissingExtraError, which names all of them, if modules of an extra are not installed.

    For what needs them late, such as a run that draws its curves at its end.
    """
    if missing := lacking(extra):
        raise MissingExtraError(_advice(what, missing, extra))


def lacking(extra: str) -> list[str]:
    """What pip calls the libraries of an extra that are not installed."""
    return [name for module, name in EXTRAS[extra].items() if not _is_installed(module)]


def told(error: ModuleNotFoundError, what: str) -> str | None:
    """The line about a module of an extra that was not found; None of any other module."""
    root = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if root in modules and not _is_installed(root):
            return _advice(what, [modules[root]], extra)
    return None


def _advice(what: str, names: list[str], extra: str) -> str:
    *others, last = names
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"{what} needs {listed}: pip install 'npnet[{extra}]'"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # somebody made it, and gave it no spec
        return True
