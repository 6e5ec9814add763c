"""Programs of users pass mypy --strict, where npnet is installed as a package."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

import pytest

import npnet

pytest.importorskip("mypy")
pytestmark = pytest.mark.slow

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
# What a program that is wrong must be told, by what is wrong with it.
WRONG = {
    "model(3)": 'Argument 1 to "__call__" of "Module" has incompatible type "int"',
    "model(npnet.ones(1), 2)": 'Too many arguments for "__call__" of "Module"',
    "x: int = model(npnet.ones(1))": "Incompatible types in assignment",
    "npnet.optim.SGD(3, lr=0.1)": 'Argument 1 to "SGD" has incompatible type',
    "npnet.ones(1).relu(2)": 'Too many arguments for "relu"',
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which npnet is installed, and beside it all that is installed here.

    mypy takes the annotations of a package from it, and says nothing of the package itself.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    places = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", "venv", places))
    (site / "npnet").symlink_to(Path(npnet.__file__).parent)
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def said(python: Path, programs: Iterable[Path]) -> list[str]:
    """What mypy finds wrong with programs, a line each."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")}
    environment["MYPY_CACHE_DIR"] = str(python.parent / "cache")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
    done = subprocess.run(
        [*command, f"--python-executable={python}", *map(str, programs)],
        cwd=python.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_programs_pass(python: Path, tmp_path: Path) -> None:
    """From another folder: in this one's parents mypy would find npnet as the user's own."""
    programs = [Path(shutil.copy(program, tmp_path)) for program in PROGRAMS]
    assert programs
    assert said(python, programs) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_programs_run(program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(program))["main"](tmp_path)
    assert capsys.readouterr().out


def test_wrong_programs_are_told(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    lines = ["import npnet", "model = npnet.nn.Linear(1, 1)", *WRONG]
    program.write_text("".join(f"{line}\n" for line in lines))
    found = said(python, [program])
    assert len(found) == len(WRONG), found
    for line, wanted in zip(found, WRONG.values(), strict=True):
        assert wanted in line
