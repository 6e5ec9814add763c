"""npnet doctor: what it tells, and that it notices wrong results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import npnet
from npnet import cli
from npnet.base.extras import EXTRAS
from npnet.cli import doctor, self_test

Capture = pytest.CaptureFixture[str]
TITLES = ["versions", "processor", "threads", "BLAS", "folders", "environment"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By NumPy, whose tests compile nothing, with a cache folder of their own."""
    npnet.set_backend("numpy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "SECONDS", 600.0)
    monkeypatch.setattr(self_test, "SPEEDS", {"fast": lambda known: {"images/s": 5.0}})


def run(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    code = cli.main(["doctor", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_it_tells_all(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (tmp_path / "npnet").mkdir()
    (tmp_path / "npnet" / "file").write_bytes(b"0" * 1_500_000)
    code, out, _ = run(capsys, "--no-test")
    assert code == 0
    assert [line for line in out.splitlines() if line and line[0] != " "] == TITLES
    for part in (
        f"npnet          {npnet.__version__} in ",
        "NumPy",
        "openblas",
        "OPENBLAS_NUM_THREADS  1",
        f"{tmp_path / 'npnet'} (1 files, 1.5 MB)",
    ):
        assert part in out


def test_json(capsys: Capture) -> None:
    code, out, _ = run(capsys, "--json")
    assert code == 0
    said = json.loads(out)
    assert [*said] == [*TITLES, "self-test"]
    names = {name for modules in EXTRAS.values() for name in modules.values()}
    assert names < said["versions"].keys()
    assert [check["name"] for check in said["self-test"]["checks"]] == [*self_test.CHECKS]
    assert all(check["ok"] and check["error"] > 0 for check in said["self-test"]["checks"])
    assert said["self-test"]["speed"] == {"images/s": 5.0}
    assert said["self-test"]["not run"] == []
    assert json.loads(run(capsys, "--json", "--no_test")[1]).keys() == {*TITLES}


def test_wrong_results(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that gives what it should not, in float32 alone."""
    right = npnet.nn.functional.avg_pool2d

    def avg_pool2d(x: Any, *args: Any, **options: Any) -> Any:
        y = right(x, *args, **options)
        return y * 1.001 if x.dtype == npnet.float32 else y

    monkeypatch.setattr(npnet.nn.modules.pooling.F, "avg_pool2d", avg_pool2d)
    code, out, err = run(capsys)
    assert code == 1
    assert "avg_pool2d, sigmoid    WRONG" in out
    assert "max_pool2d, relu       ok" in out
    assert err.startswith("npnet doctor: error: wrong results: avg_pool2d, sigmoid, LeNet-5")
    assert err.count("\n") == 1


def test_values_that_are_no_numbers_are_wrong() -> None:
    nan = npnet.tensor([1.0, float("nan")]).numpy()
    assert self_test._error(nan, nan) == float("inf")


def test_time_ends_it(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SECONDS", 0.0)
    code, out, _ = run(capsys)
    assert code == 0
    assert "not run, as the time was over: conv2d 5x5, tanh" in out


@pytest.mark.slow
def test_the_kernels_and_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    npnet.set_backend("numba")
    found = self_test.run(600)
    assert [check["name"] for check in found["checks"]] == [*self_test.CHECKS]
    assert all(check["ok"] for check in found["checks"])
    assert all(rate > 0 for rate in found["speed"].values())
    assert 0 < found["speed"]["conv2d, percent of that product"] < 400
    facts = dict(doctor._facts())
    assert "vectors of" in facts["processor"]["SIMD of the kernels"]
    assert facts["threads"]["pool of the kernels"] in ("omp", "tbb", "workqueue")


def test_with_numpy_alone() -> None:
    names = {module for modules in EXTRAS.values() for module in modules}
    code = f"""
import sys
sys.modules.update(dict.fromkeys({names}))
from npnet.cli import self_test, main
self_test.SPEEDS.clear()
raise SystemExit(main(["doctor"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "self-test: numpy in float32" in done.stdout


@pytest.mark.parametrize("argv", [["--jsn"], ["now"]])
def test_wrong_use(capsys: Capture, argv: list[str]) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
