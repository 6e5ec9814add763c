"""Benchmarks: what they print and keep, their flags, and that npnet's columns need no PyTorch."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.kernels.avx2 import FEATURES

FOLDER = Path(__file__).parent.parent / "benchmarks"
BENCHMARKS = sorted(
    path.name for path in FOLDER.glob("*.py") if 'if __name__ == "__main__"' in path.read_text()
)


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has no PyTorch."""
    said = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    (tmp_path / "torch.py").write_text(said)
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def call(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / words[0]), *words[1:]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the folder, which finds its neighbours."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


# ---- without PyTorch ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help_without_pytorch(name: str, without_torch: dict[str, str]) -> None:
    done = call([name, "--help"], without_torch)
    assert done.returncode == 0, done.stderr
    assert "--json" in done.stdout or name == "run_all.py"
    assert "PyTorch is not installed" not in done.stderr


RUNS = {
    "train_speed.py": ["--models", "lenet4", "--batches", "4"],
    "inference_speed.py": ["--models", "lenet4", "--batches", "2"],
    "conv_speed.py": ["--models", "lenet5", "--images", "2", "32"],
    "grouped_speed.py": ["--models", "mobilenetv2", "--batches", "1"],
    "programs.py": ["--programs", "swa", "--batch", "4"],
    "peak.py": [],
}


@pytest.mark.usefixtures("numba")
@pytest.mark.parametrize("name", RUNS)
def test_npnet_s_columns_without_pytorch(
    name: str, without_torch: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    threads = ["--threads", "1", "--rounds", "1", "--json", str(file)]
    done = call([name, *RUNS[name], *threads], without_torch)
    assert done.returncode == 0, done.stderr
    assert ("PyTorch is not installed: its columns are missing" in done.stderr) == (
        name != "sklearn_speed.py"
    )
    data = json.loads(file.read_text())
    assert "torch" not in data["environment"]
    assert not [column for column in data["columns"] if column in ("torch", "channels_last")]
    assert len(data["rows"]) == len(data["results"]) > 0
    assert all(len(row) == len(data["columns"]) for row in data["rows"])
    assert data["command"].startswith(f"python benchmarks/{name} ")
    assert "--json" not in data["command"]
    for row in data["rows"]:
        assert " | ".join(cell.strip() for cell in row[:2]) in " ".join(done.stdout.split())


# ---- tables ------------------------------------------------------------------------------------


def test_rows_come_as_they_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harness = load("harness", monkeypatch)
    table = harness.Table("title", {"cpu": "one"}, ["name", "ms"])
    table.add(["first", "1"], None)
    assert capsys.readouterr().out.splitlines()[-1] == "| first | 1  |"
    table.add(["second, longer", "2"], None)
    assert capsys.readouterr().out == "| second, longer | 2  |\n"


def test_best_of_pytorch_counts_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = load("harness", monkeypatch)
    seconds = {
        name: harness.Timing(i, i, i)
        for i, name in enumerate(("npnet", "numpy", harness.BFLOAT16, "channels_last", "torch"))
    }
    assert harness.best_of_pytorch(seconds) == 3
    assert harness.best_of_pytorch({"npnet": seconds["npnet"]}) is None


# ---- all of them -------------------------------------------------------------------------------


def test_run_all_knows_every_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    run_all = load("run_all", monkeypatch)
    assert {words.split()[0] for words in run_all.TABLES.values()} == {
        name for name in BENCHMARKS if name != "run_all.py"
    }
    assert set(run_all.SPEEDS) <= set(run_all.TABLES)
    assert run_all.AVX2["NUMBA_CPU_FEATURES"] == FEATURES


def test_run_all_changes_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_all = load("run_all", monkeypatch)
    options = {"rounds": 1, "models": ["lenet4"], "batches": None, "threads": None}
    args = argparse.Namespace(**options, no_compile=True, avx2=True, results=str(tmp_path))
    file = str(tmp_path / "avx2" / "train-norms.json")
    assert run_all.words("train-norms", args)[2:] == [
        "--batches", "128", "--rounds", "1", "--models", "lenet4", "--no-compile", "--json", file
    ]  # fmt: skip
    assert run_all.words("startup", args)[2:4] == ["--rounds", "1"]
    assert "--models" not in run_all.words("startup", args)


@pytest.mark.usefixtures("numba")
def test_run_all_makes_a_table(without_torch: dict[str, str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    flags = ["--only", "peak", "--rounds", "1", "--threads", "1", "--results", str(results)]
    done = call(["run_all.py", *flags], without_torch)
    assert done.returncode == 0, done.stderr
    assert json.loads((results / "peak.json").read_text())["rows"][0][0] == "1"


README = """# Before
<!-- table some -->
| old | table |
<!-- end -->
between <!-- machine avx2/some -->
old<!-- end --> and
<!-- command some -->
<!-- end -->
<!-- table missing -->
stays
<!-- end -->
"""


def test_readme_is_rewritten_between_markers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_all = load("run_all", monkeypatch)
    about = {"cpu": "a CPU", "cores": 2, "threads": 2, "python": "3.11", "numpy": "2.4"}
    data = {
        "title": "some",
        "command": "python benchmarks/some.py",
        "environment": {**about, "measured peak": "5 GFLOP/s"},
        "columns": ["a", "b"],
        "rows": [["1", "2"]],
        "results": [],
    }
    (tmp_path / "avx2").mkdir()
    for file in ("some.json", "avx2/some.json"):
        (tmp_path / file).write_text(json.dumps(data))
    text = run_all.rewritten(README, tmp_path)
    assert (
        text
        == """# Before
<!-- table some -->
| a | b |
| --- | --- |
| 1 | 2 |
<!-- end -->
between <!-- machine avx2/some -->
a CPU, 2 cores, 2 threads;
Python 3.11, NumPy 2.4. Measured peak 5 GFLOP/s.
<!-- end --> and
<!-- command some -->
`python benchmarks/some.py`
<!-- end -->
<!-- table missing -->
stays
<!-- end -->
"""
    )
    assert run_all.rewritten(text, tmp_path) == text
    assert "missing.json is not there" in capsys.readouterr().err
