"""With NumPy alone, and with each extra alone, every command works or tells the one line for pip.

Libraries are hidden in a process of its own; tests/test_packaging.py has an environment where they
are really not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from npnet.base.extras import EXTRAS
from npnet.cli import COMMANDS

pytestmark = pytest.mark.slow

# What is of use without npnet's asking for it: by the torch extra, and by the tests.
OTHERS = {
    "scipy",
    "joblib",
    "IPython",
    "safetensors",
    "torchvision",
    "pandas",
    "onnxruntime",
    "onnxscript",
    "nbconvert",
}
LIBRARIES = {module for modules in EXTRAS.values() for module in modules} | OTHERS
# What an extra's libraries import in their turn.
BESIDES = {
    "sklearn": {"threadpoolctl", "scipy", "joblib"},
    "onnx": {"ml_dtypes"},
    "optuna": {"yaml"},
    "train": {*EXTRAS["kernels"], *EXTRAS["pictures"], *EXTRAS["datasets"]},
}

ARGUMENTS = {
    "datasets": ["list"],
    "verify": ["relu"],
    "doctor": ["--no-test"],
    "compare": ["--list"],
}

# Let Python not find them, as if they were not there.
HIDE = """
import json, sys
from importlib.machinery import PathFinder

hidden = set(json.loads(sys.argv[1]))

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] not in hidden:
            return PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Finder if finder is PathFinder else finder for finder in sys.meta_path]
"""

# Each command's help, and then what it does without arguments, which for most is wrong use.
RUN = """
import contextlib, io, os, traceback
folder, commands = map(json.loads, sys.argv[2:])
os.chdir(folder)
from npnet import cli
found = []
for argv in commands:
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(argv)
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        code = traceback.format_exc()
    found.append([argv, code or 0, err.getvalue()])
print(json.dumps(found))
"""

# Each module that is no implementation of the kernels.
IMPORT = """
import importlib, pkgutil
import npnet
from npnet.base.extras import MissingExtraError
found = {}
for module in pkgutil.walk_packages(npnet.__path__, "npnet.", onerror=lambda name: None):
    if not module.name.startswith(("npnet.kernels", "npnet.lanes.", "npnet.compiler.")):
        try:
            importlib.import_module(module.name)
        except MissingExtraError as error:
            found[module.name] = str(error)
        except SystemExit:  # a command
            pass
print(json.dumps(found))
"""


def _run(code: str, *arguments: Any) -> Any:
    offline = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", HIDE + code, *map(json.dumps, arguments)],
        env=os.environ | offline | {"NPNET_BACKEND": "auto"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _hidden(extra: str) -> list[str]:
    return sorted(LIBRARIES - {*EXTRAS.get(extra, ())} - BESIDES.get(extra, set()))


@pytest.mark.parametrize("extra", ["nothing", *EXTRAS])
def test_each_command_works_or_says_what_is_missing(extra: str, tmp_path: Path) -> None:
    names = [name for name in COMMANDS if name != "warmup" or extra not in ("kernels", "train")]
    commands = [[name, "--help"] for name in COMMANDS]
    if extra != "train":  # with which they would train
        commands += [[name, *ARGUMENTS.get(name, [])] for name in names]
    for argv, code, err in _run(RUN, _hidden(extra), str(tmp_path), commands):
        assert code in (0, 2), (argv, code)
        if code:
            assert err.count("\n") == 1, (argv, err)
            assert err.startswith(f"npnet {argv[0]}: error: ")
        if " needs " in err:
            assert err.endswith("]'\n"), (argv, err)
            assert ": pip install 'npnet[" in err, (argv, err)


@pytest.mark.parametrize("extra", ["nothing", "train", "sklearn"])
def test_each_module_imports_or_says_what_is_missing(extra: str) -> None:
    for name, line in _run(IMPORT, _hidden(extra)).items():
        assert ": pip install 'npnet[" in line, name
        assert extra not in line
