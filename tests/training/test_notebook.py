"""Progress and history in a notebook that nbclient executes and nbconvert turns into a page."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any

import nbclient
import nbconvert
import nbformat
import pytest

from npnet.runs import notebook

CELLS = (
    """
import numpy as np
from npnet import nn
from npnet.training import fit

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(144, 4)

    def forward(self, x):
        return self.fc(x.flatten(1))

with np.load({path!r}) as file:
    data = file["x"], file["y"]
history = fit(Net(), data, epochs=3)
""",
    "history",
    "from npnet import train\ntrain.main({argv!r})",
)


@pytest.fixture(scope="module")
def executed(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("notebook")
    argv = ["--dataset", str(stripes), "--epochs", "2", "--model", "mlp"]
    argv += ["--checkpoint_dir", str(folder / "c"), "--log_dir", str(folder / "l")]
    cells = [nbformat.v4.new_code_cell(cell.format(path=str(stripes), argv=argv)) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    return nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


def pages(cell: Any) -> list[str]:
    """What a cell shows as HTML."""
    return [out["data"]["text/html"] for out in cell.outputs if "text/html" in out.get("data", {})]


def test_progress_is_one_table_with_curves(executed: Any) -> None:
    [page] = pages(executed.cells[0])  # updated in its place
    assert page.count("<tr") == 4  # a head, and three epochs
    assert page.count("<svg") == 2
    assert "<progress" not in page  # the run is over


def test_history_is_the_same_table(executed: Any) -> None:
    [page] = pages(executed.cells[1])
    assert page == pages(executed.cells[0])[0]
    [output] = executed.cells[1].outputs
    assert output["data"]["text/plain"].count("epoch") == 3


def test_the_command_shows_it_too(executed: Any) -> None:
    [page] = pages(executed.cells[2])
    assert page.count("<tr") == 3
    said = "".join(out["text"] for out in executed.cells[2].outputs if "text" in out)
    assert "test accuracy" in said


def test_no_escape_codes_and_no_errors(executed: Any) -> None:
    assert "\x1b" not in nbformat.writes(executed)
    assert "\\u001b" not in nbformat.writes(executed)
    assert not [o for c in executed.cells for o in c.outputs if o["output_type"] == "error"]


def test_nbconvert_keeps_it(executed: Any) -> None:
    page, _ = nbconvert.HTMLExporter().from_notebook_node(executed)
    assert page.count('aria-label="accuracy by epoch"') == 3


@dataclasses.dataclass
class Epoch:
    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float


def test_words_of_the_curves_are_in_their_picture() -> None:
    history = [Epoch(e, 0.0162 * e, 0.376 / e, 9.0 * e) for e in range(1, 11)]
    page = notebook.page(history, best_epoch=10)
    texts = re.findall(r'<text x="([\d.]+)"([^>]*)>([^<]+)</text>', page)
    assert {"0.0162", "- - validation"} <= {html.unescape(said) for *_, said in texts}
    for x, attributes, said in texts:
        width = 6 * len(html.unescape(said))  # in a wide font of 10 pixels
        share = 1 if '"end"' in attributes else 0.5 if '"middle"' in attributes else 0
        left = float(x) - share * width
        assert left >= 0, said
        assert left + width <= 300, said
