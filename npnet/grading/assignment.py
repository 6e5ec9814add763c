"""A folder for a teacher: what students get, and what grades it."""

from __future__ import annotations

import importlib.resources
import json
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npnet.base.checks import unknown_name
from npnet.base.files import atomic_write
from npnet.grading.checks import check_names
from npnet.grading.kinds import KINDS
from npnet.runs.errors import ConfigError

__all__ = ["ASSIGNMENTS", "files_of", "write_assignment"]

_LENET = ("linear", "relu", "conv2d", "max_pool2d", "cross_entropy", "lenet")
# Name of an assignment -> the kinds of its layers, in the order in which they are written.
ASSIGNMENTS: dict[str, tuple[str, ...]] = {
    "lenet": _LENET,
    "mlp": ("linear", "relu", "cross_entropy", "sgd"),
    **{name: (name,) for name in KINDS if name not in ("lenet", "lenet5")},
    "lenet5": ("linear", "tanh", "conv2d", "avg_pool2d", "cross_entropy", "lenet5"),
}
_HEAD = '''"""{title}: your layers, in NumPy alone.

Test them by  npnet check layers.py  or  pytest test_layers.py  as often as you like.
"""

import numpy as np
'''
_FORBIDDEN = ("torch", "tensorflow", "jax", "autograd", "sklearn", "npnet")
_SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, to build the image: Python, NumPy and npnet, in an environment of their
# own, for many systems let pip write nowhere else. npnet's wheel (npnet-*.whl) is beside this file.
set -e
root="${AUTOGRADER_ROOT:-/autograder}"
wheel=$(ls "$root"/source/npnet-*.whl 2>/dev/null | head -n 1 || true)
if [ -z "$wheel" ]; then
    echo "setup.sh: there is no npnet-*.whl in $root/source; put npnet's wheel into the zip" >&2
    exit 1
fi
if [ -z "${PYTHON:-}" ]; then
    apt-get update
    apt-get install -y python3 python3-venv
fi
"${PYTHON:-python3}" -m venv "$root/environment"
"$root/environment/bin/python" -m pip install "$wheel" pyyaml
"""
_RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission. Grades are what npnet check writes; an exit code of 1
# says that something is not right, which is no failure of the grader.
root="${AUTOGRADER_ROOT:-/autograder}"
results="$root/results/results.json"
mkdir -p "$root/results"
rm -f "$results"
"${PYTHON:-$root/environment/bin/python}" -m npnet check "$root/submission/layers.py" \\
    --rubric "$root/source/rubric.yaml" --gradescope "$results" --json > /dev/null
if [ ! -s "$results" ]; then
    echo '{"score": 0, "output": "The grader itself has failed. Please tell your teacher."}' \\
        > "$results"
fi
"""
_README = """# {title}

For teachers. `student/` is what students get; keep the rest.

- `student/layers.py`: the skeleton, which students fill in and hand in. `npnet check layers.py`
  tells them what is right, and which known mistake a wrong layer has, but nothing of a solution.
- `student/test_layers.py`: the same for pytest. `student/assignment.ipynb`: the same as a notebook,
  whose cells otter-grader and nbgrader can use.
- `rubric.yaml`: points of each check, rules and limits. Change what you like; `npnet check
  student/layers.py --rubric rubric.yaml` must give the skeleton 0 points.
- `autograder/`: for Gradescope. Put npnet's wheel there (`pip wheel --no-deps .` in a clone of
  npnet), and `rubric.yaml` where you changed it, and zip what is in the folder:
  `cd autograder && zip ../autograder.zip *`.

Whoever grades by hand: `npnet check SUBMISSION/layers.py --rubric rubric.yaml`.
"""


def write_assignment(name: str, folder: Path) -> list[Path]:
    """Write the files of an assignment. Returns their paths.

    Raises:
        ConfigError: there is no such assignment, or the folder is there and not empty.
    """
    if name not in ASSIGNMENTS:
        raise ConfigError(unknown_name("assignment", name, ASSIGNMENTS))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"DIR: {folder} is there already, and nothing is overwritten; name another"
        )
    paths = []
    for place, text in files_of(name).items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, text.encode())
        if text.startswith("#!"):
            path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        paths.append(path)
    return paths


def files_of(name: str) -> Mapping[str, str]:
    """Path in the folder -> what is in the file."""
    title = f"Assignment {name}"
    skeletons = {kind: _skeleton(kind) for kind in ASSIGNMENTS[name]}
    classes = {_class_of(text): kind for kind, text in skeletons.items()}
    rubric = _rubric(title, classes)
    return {
        "README.md": _README.format(title=title),
        "rubric.yaml": rubric,
        "student/layers.py": "\n\n".join([_HEAD.format(title=title), *skeletons.values()]),
        "student/test_layers.py": _tests(classes),
        "student/assignment.ipynb": _notebook(title, skeletons),
        "autograder/setup.sh": _SETUP,
        "autograder/run_autograder": _RUN,
        "autograder/rubric.yaml": rubric,
    }


def _skeleton(kind: str) -> str:
    folder = importlib.resources.files("npnet.grading") / "skeletons"
    return (folder / f"{kind}.txt").read_text(encoding="utf-8")


def _class_of(skeleton: str) -> str:
    found = re.match(r"class (\w+)", skeleton)
    assert found is not None  # of a file of npnet's own
    return found[1]


def _rubric(title: str, classes: Mapping[str, str]) -> str:
    """YAML, written out so that a teacher can change it."""
    lines = [
        f"title: {title}",
        "gradients: add        # of a second call: add up, as in PyTorch, or overwrite",
        f"forbid: [{', '.join(_FORBIDDEN)}]",
        "limits: {seconds: 10, total: 300, megabytes: 2048}",
        "layers:",
    ]
    for name, kind in classes.items():
        lines += [f"  {name}:", f"    kind: {kind}", "    points:"]
        optional = ("nesterov", "decay") if kind == "adam" else ("nesterov",)
        names = [check for check in check_names(KINDS[kind], True) if check not in optional]
        if kind == "adam":
            names.remove("weight_decay")
        lines += [f"      {check}: {2 if check == 'forward' else 1}" for check in names]
    return "\n".join(lines) + "\n"


def _tests(classes: Mapping[str, str]) -> str:
    lines = [
        '"""pytest test_layers.py: whether the layers of layers.py are right."""',
        "",
        "import layers",
        "from npnet.testing import check_layer",
    ]
    for name, kind in classes.items():
        lines += ["", "", f"def test_{kind}():", f'    check_layer(layers.{name}, kind="{kind}")']
    return "\n".join(lines) + "\n"


def _notebook(title: str, skeletons: Mapping[str, str]) -> str:
    """The notebook as nbformat 4.5 has it."""
    cells: list[dict[str, Any]] = []

    def add(kind: str, text: str) -> None:
        cell: dict[str, Any] = {
            "cell_type": kind,
            "id": f"cell-{len(cells)}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)

    add(
        "markdown", f"# {title}\n\nWrite each layer in NumPy. The cell below it says what is right."
    )
    add("code", "import numpy as np\n\nfrom npnet.testing import check_layer")
    for kind, text in skeletons.items():
        add("markdown", f"## {_class_of(text)}")
        add("code", text.rstrip())
        add("code", f'check_layer({_class_of(text)}, kind="{kind}")')
    language = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return (
        json.dumps(
            {
                "cells": cells,
                "metadata": {"kernelspec": language},
                "nbformat": 4,
                "nbformat_minor": 5,
            },
            indent=1,
        )
        + "\n"
    )
