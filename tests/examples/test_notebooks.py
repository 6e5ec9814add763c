"""The notebooks of examples/: they run, with few images, and what is stored in them is theirs."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
EXECUTE = runpy.run_path(str(EXAMPLES / "execute.py"))
PATHS = {EXECUTE["name_of"](path): path for path in EXECUTE["notebooks"]()}
LONGEST = 120  # seconds of a cell; the whole takes some
LARGEST = 400_000  # bytes of a notebook with its pictures
# Folders of somebody's machine: home, temporary, and the like.
PLACE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|work|usr|var|opt|mnt|Users)/[\w.]|[A-Z]:\\Users")

pytestmark = pytest.mark.parametrize("name", PATHS)


@pytest.fixture
def notebook(name: str) -> Any:
    return nbformat.read(PATHS[name], as_version=4)


def texts(cell: Any) -> str:
    """All that a cell has shown, but for pictures."""
    shown = []
    for output in cell.outputs:
        shown.append(output.get("text", ""))
        data = output.get("data", {})
        shown += [value for kind, value in data.items() if not kind.startswith("image/png")]
    return "\n".join(map(str, shown))


def assigned(code: str) -> set[str]:
    nodes = ast.walk(ast.parse(code))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def read(code: str) -> set[str]:
    nodes = ast.walk(ast.parse(code))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def python(cell: Any) -> str:
    """The cell without the lines that only a notebook understands."""
    return "\n".join(line for line in cell.source.split("\n") if line[:1] not in ("%", "!"))


@pytest.mark.slow
def test_runs(notebook: Any) -> None:
    done = EXECUTE["run"](EXECUTE["shortened"](notebook), LONGEST)
    assert not [
        o for c in EXECUTE["code_cells"](done) for o in c.outputs if o.get("name") == "stderr"
    ]


def test_begins_with_a_title_and_parameters(notebook: Any) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", ())]
    assert tagged == EXECUTE["code_cells"](notebook)[:1]
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)  # constants alone


def test_the_index_names_it(name: str) -> None:
    assert f"[{Path(name).name}]({name}.ipynb)" in (EXAMPLES / "README.md").read_text("utf-8")


def test_every_parameter_is_used(notebook: Any) -> None:
    parameters, *others = map(python, EXECUTE["code_cells"](notebook))
    names = assigned(parameters)
    assert names == {name for name in names if name.isupper()}
    assert names <= set().union(*map(read, others))
    assert set(notebook.metadata["npnet"].get("test", {})) <= names


def test_what_is_stored_is_of_this_code(notebook: Any) -> None:
    cells = EXECUTE["code_cells"](notebook)
    assert notebook.metadata["npnet"].get("code") == EXECUTE["digest"](notebook), (
        "cells were changed after they ran: python examples/execute.py"
    )
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any("image/png" in o.get("data", {}) for c in cells for o in c.outputs)


def test_what_is_stored_is_clean(name: str, notebook: Any) -> None:
    for cell in EXECUTE["code_cells"](notebook):
        kinds = [(output.output_type, output.get("name")) for output in cell.outputs]
        assert ("stream", "stderr") not in kinds
        assert "error" not in {kind for kind, _ in kinds}
        assert not PLACE.search(texts(cell)), texts(cell)
        assert "\x1b" not in texts(cell)
        assert "execution" not in cell.metadata
    assert not PLACE.search("\n".join(cell.source for cell in notebook.cells))
    assert PATHS[name].stat().st_size < LARGEST
    nbformat.validate(notebook)
