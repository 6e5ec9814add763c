"""Whatever a student's code does: checks that fail, and a grader that goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from npnet.grading import Rubric, Submission, grade_file, wire
from npnet.grading.limits import Limits
from npnet.runs.errors import ConfigError
from tests.grading.files import HERE, RIGHT

SHORT = Rubric(limits=Limits(seconds=2, total=8, megabytes=1024))
FORWARD = {  # file -> what the check "forward" says
    "crash": "may not use ctypes",
    "endless": "endless loop",
    "forges": "wrote to where its results are read",
    "fork": "may not use os.fork",
    "huge": "MemoryError",
    "missing_file": "FileNotFoundError in line",
    "network": "may not use socket",
    "none": "forward gave None",
    "objects": "array of numbers",
    "os_exit": "ended its process (exit code 0)",
    "raises_exit": "KeyboardInterrupt in line",
    "recursion": "RecursionError",
    "sys_exit": "ended the program (SystemExit) in line",
    "writes": "may not write files",
}


def graded(path: Path, rubric: Rubric = SHORT) -> Submission:
    return grade_file(path, ["ReLU"], rubric=rubric)


@pytest.mark.skipif(os.name == "nt", reason="there are no limits of memory")
@pytest.mark.parametrize("name", FORWARD)
def test_what_no_layer_should_do(name: str, tmp_path: Path) -> None:
    before = sorted(os.listdir(HERE / "hostile"))
    result = graded(HERE / "hostile" / f"{name}.py")
    forward = next(check for check in result.layers[0].checks if check.name == "forward")
    assert FORWARD[name] in forward.message
    assert not result.passed
    assert result.points == 0
    left = [file for file in os.listdir(HERE / "hostile") if file != "__pycache__"]
    assert sorted(left) == [file for file in before if file != "__pycache__"]


def test_prints_are_kept_and_bounded() -> None:
    result = graded(HERE / "hostile" / "prints.py")
    assert result.printed.startswith("xxx")
    assert len(result.printed) < 10_100
    assert "is left out" in result.printed
    assert next(c for c in result.layers[0].checks if c.name == "forward").state == "passed"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("class ReLU:\n    def forward(self, x)\n", "SyntaxError in line 2"),
        ("import sys\nsys.exit(0)\n", "SystemExit) in line 2"),
        ("import os\nos._exit(3)\n", "exit code 3"),
        ("raise ValueError('no')\n", "ValueError in line 1: no"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError in line 1"),
        ("\x00", "SyntaxError"),
    ],
)
def test_files_that_do_not_run(text: str, error: str, tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text(text)
    result = graded(path)
    assert error in result.error
    assert not result.passed
    assert result.points == 0
    assert result.of > 0


def test_a_file_next_to_it_may_be_imported_and_numpy_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')\n")
    (tmp_path / "helper.py").write_text("def positive(x):\n    return x > 0\n")
    (tmp_path / "layers.py").write_text(
        "from helper import positive\n\n"
        "class ReLU:\n"
        "    def forward(self, x):\n        self.m = positive(x)\n        return x * self.m\n"
        "    def backward(self, g):\n        return g * self.m\n"
    )
    assert graded(tmp_path / "layers.py").passed


def test_what_a_rubric_forbids(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text("import npnet.nn.functional as F\n")
    assert "without npnet" in graded(path, Rubric(forbid=("npnet",))).error


def test_the_environment_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_GRADER", "x")
    path = tmp_path / "layers.py"
    path.write_text("import os\nprint(sorted(os.environ))\nclass ReLU:\n    pass\n")
    assert "SECRET" not in graded(path).printed
    assert "PATH" in graded(path).printed


def test_a_class_that_is_not_there_fails(tmp_path: Path) -> None:
    path = tmp_path / "layers.py"
    path.write_text("class Relu:\n    pass\n")
    result = graded(path)
    assert result.layers[0].checks[0].message.startswith("there is no class ReLU")


def test_a_missing_submission_has_no_points_by_a_rubric(tmp_path: Path) -> None:
    rubric = Rubric(layers={"ReLU": ("relu", {"forward": 2.0})})
    result = grade_file(tmp_path / "layers.py", rubric=rubric)
    assert (result.points, result.of) == (0, 2)
    with pytest.raises(ConfigError, match="there is no file"):
        grade_file(tmp_path / "layers.py")


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b'{"__array__": "AAAA", "dtype": "float64", "shape": [1]}',
        b'{"__array__": "", "dtype": "object", "shape": [0]}',
        b'{"__array__": "", "dtype": "float64", "shape": [-1]}',
        b'{"__array__": "???", "dtype": "float64", "shape": [0]}',
        b'{"__array__": ""}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_message(line: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(line)


def test_in_its_own_process_the_same_as_here() -> None:
    path = next(p for p in RIGHT if p.stem == "torch_like")
    result = grade_file(path, ["Conv2d", "BatchNorm2d"])
    assert result.passed
    assert result.points == result.of > 20
