"""examples/execute.py, on notebooks of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "execute.py"

PARAMETERS = "COUNT = 3"
DRAWS = """
from npnet import plots
open("left.txt", "w").close()
print(COUNT)
plots.plot_picture([[0.0, 1.0], [1.0, 0.5]]).figure"""

pytestmark = pytest.mark.slow


def write(path: Path, *cells: str) -> None:
    made = [nbformat.v4.new_markdown_cell("# A title", id="title")]
    made += [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(cells)]
    made[1].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"npnet": {"test": {"COUNT": 1}}})
    path.write_text(nbformat.writes(notebook))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(SCRIPT, tmp_path)
    write(tmp_path / "draws.ipynb", PARAMETERS, DRAWS)
    write(tmp_path / "fails.ipynb", PARAMETERS, "raise ValueError(f'of {COUNT}')")
    return tmp_path


def execute(folder: Path, *args: str) -> Any:
    command = [sys.executable, str(folder / "execute.py"), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_it_writes_what_was_shown_and_the_same_again(folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    path = folder / "draws.ipynb"
    assert execute(folder, "draws").returncode == 0
    once = path.read_bytes()
    done = nbformat.read(path, as_version=4)
    assert [cell.id for cell in done.cells] == ["title", "c0", "c1"]
    printed, picture = done.cells[2].outputs
    assert printed.text == "3\n"
    assert "image/png" in picture.data
    assert set(done.metadata) == {"kernelspec", "language_info", "npnet"}
    assert done.metadata.npnet.test == {"COUNT": 1}
    assert {path.name for path in folder.iterdir()} == before  # left.txt is not there
    assert execute(folder, "draws.ipynb").returncode == 0
    assert path.read_bytes() == once


def test_it_leaves_a_notebook_that_fails_as_it_is(folder: Path) -> None:
    before = (folder / "fails.ipynb").read_bytes()
    done = execute(folder, "fails")
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert (folder / "fails.ipynb").read_bytes() == before


def test_short_takes_the_constants_of_the_tests_and_writes_nothing(folder: Path) -> None:
    before = (folder / "fails.ipynb").read_bytes()
    done = execute(folder, "--short", "fails")
    assert "of 1" in done.stderr
    assert (folder / "fails.ipynb").read_bytes() == before


def test_an_unknown_name_is_told(folder: Path) -> None:
    done = execute(folder, "drawing")
    assert done.returncode == 2
    assert "no notebook drawing; there are draws, fails" in done.stderr
