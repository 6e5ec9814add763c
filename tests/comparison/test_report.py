"""Both reports: one file without any other, and one with its figures; for one run and for many."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npnet.comparison import figures
from npnet.comparison.grid import Grid
from npnet.comparison.report import write
from npnet.comparison.results import gather
from npnet.comparison.runner import Failure
from npnet.comparison.runs import Run
from tests.comparison.conftest import made

SVG = "{http://www.w3.org/2000/svg}"
MANY: dict[str, list[Any]] = {
    "model": ["lenet4", "lenet5"],
    "learning_rate": [0.1, 0.01, 0.001, 0.0003, 0.0001],
    "batch_size": [16, 512],
    "epochs": [3],
}


def reported(
    folder: Path, runs: list[Run], failures: dict[str, Failure] | None = None
) -> tuple[str, str]:
    """HTML and Markdown of these runs, which lie in folder/runs."""
    grid = Grid("losses", "Two <losses>.")
    write(folder, grid, runs, failures or {}, 0.6, "npnet compare losses")
    return (folder / "report.html").read_text(), (folder / "report.md").read_text()


class Page(HTMLParser):
    """What a page refers to, its text, and whether its tags are closed."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [str(v) for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


pytestmark = pytest.mark.pictures


def is_picture(data: bytes, name: str) -> bool:
    if name.endswith(".svg"):
        return ET.fromstring(data).tag.endswith("svg")
    import matplotlib.image

    return bool(np.ptp(matplotlib.image.imread(io.BytesIO(data))) > 0)


def test_table_and_words(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {
        "criterion": ["cross_entropy", "mse"], "epochs": [4], "seed": [0, 1]
    }  # fmt: skip
    html, md = reported(tmp_path, made(tmp_path / "runs", axes, [90, 80, 99, 98]))
    header, first, second, *ends = Page(html).rows
    assert dict(zip(header, first, strict=True)) == {
        "criterion": "mse", "test %": "98.50 ± 0.71", "validation %": "98.50 ± 0.71",
        "test loss": "0.25", "gap": "+4.00", "best epoch": "4.0", "s/epoch": "0.5",
        "parameters": "29,290", "seeds": "2",
    }  # fmt: skip
    assert second[:2] == ["cross_entropy", "85.00 ± 7.07"]
    columns = ["training loss", "validation loss", "training accuracy (%)"]
    assert ends == [
        ["in the last epoch", *columns, "validation accuracy (%)"],
        ["mse", "0.2500", "1.2000", "102.50 ± 0.71", "98.50 ± 0.71"],
        ["cross_entropy", "0.2500", "1.2000", "89.00 ± 7.07", "85.00 ± 7.07"],
    ]
    assert all(f"| {' | '.join(row)} |" in md for row in ends)
    assert f"| {' | '.join(first)} |" in md
    for text in (html, md):
        assert "4 runs, 2 configurations: the best on the validation split is mse, with" in text
        assert "98.50 ± 0.71 % test accuracy" in text
        assert "validation loss ends 20 % above its minimum" in text
        assert "npnet compare losses\n" in text or "npnet compare losses<" in text
        assert (
            "python -m npnet.train --dataset digits --epochs 4 --criterion mse --seed 1\n" in text
        )
        assert re.search(r"numpy \d.*, numba \d.*, Python 3", text)
    assert "Two &lt;losses&gt;." in html
    assert "Failed runs" not in html


@pytest.mark.parametrize("axes", [{"epochs": [1]}, MANY], ids=["one", "twenty"])
def test_html_needs_nothing_else(tmp_path: Path, axes: dict[str, list[Any]]) -> None:
    count = len(Grid(axes=axes).specs())
    html, md = reported(tmp_path, made(tmp_path / "runs", axes, list(range(count))))
    page = Page(html)
    assert len(page.references) == 4 + count
    for reference in page.references:
        kind, data = re.fullmatch(r"data:image/(svg|png)[^;]*;base64,(.*)", reference).groups()  # type: ignore[union-attr]  # it is one
        assert is_picture(base64.b64decode(data), f"x.{kind}")
    assert "url(" not in html
    assert "<script" not in html
    figures = re.findall(r"\]\((figures/[^)]*)\)", md)
    assert len(figures) == 4 + count
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        Path(figure).name for figure in figures
    }
    assert all(is_picture((tmp_path / f).read_bytes(), f) for f in figures)


def drawn(data: bytes) -> str:
    """The text of a picture, which is text in it."""
    return "\n".join("".join(node.itertext()) for node in ET.fromstring(data).iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (["mse"], ["training loss", "validation loss"]),
        (
            ["mse", "cross_entropy"],
            [
                "training loss: mean squared error", "training loss: cross-entropy",
                "validation loss: mean squared error", "validation loss: cross-entropy",
            ],
        ),
    ],
)  # fmt: skip
def test_losses_of_each_criterion_have_their_own_axes(
    tmp_path: Path, criteria: list[str], expected: list[str]
) -> None:
    axes: dict[str, list[Any]] = {"criterion": criteria, "gamma": [0.1, 0.2], "epochs": [3]}
    runs = made(tmp_path / "runs", axes, [99, 98, 97, 96][: 2 * len(criteria)])
    text = drawn(figures.curves(gather(runs), 0.6)).splitlines()
    assert sorted(line for line in text if "loss" in line) == sorted(expected)
    assert {"training accuracy (%)", "validation accuracy (%)"} < {*text}
    for criterion in criteria:  # each configuration once, in the legend
        named = f"{criterion}, gamma 0.1" if len(criteria) > 1 else "gamma 0.1"
        assert text.count(named) == 1


def test_settings_that_no_run_uses_are_left_out(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {"scheduler": ["none", "step"], "epochs": [4]}
    _, md = reported(tmp_path, made(tmp_path / "runs", axes, [90, 80]))
    assert "by default" in md
    assert "step_size `2`" in md
    assert "pct_start" not in md


def test_figures_of_an_earlier_report_go(tmp_path: Path) -> None:
    runs = made(tmp_path / "runs", {"model": ["lenet4", "lenet5"]}, [90, 80])
    reported(tmp_path, runs)
    assert (tmp_path / "figures/confusion-2.png").exists()
    reported(tmp_path, runs[:1])
    assert not (tmp_path / "figures/confusion-2.png").exists()


def test_failed_runs_are_listed_with_their_reasons(tmp_path: Path) -> None:
    runs = made(tmp_path / "runs", {"gamma": [0.1, 0.2]}, [90, 80])
    (runs[1].folder / "result.json").unlink()
    html, md = reported(tmp_path, runs, {runs[1].name: Failure(2, "x has <NaN> | pixels")})
    assert Page(html).rows[1] == [
        "gamma_0.2", "2", "x has <NaN> | pixels (runs/gamma_0.2/errors.txt)"
    ]  # fmt: skip
    assert r"| gamma_0.2 | 2 | x has &lt;NaN> \| pixels" in md
    assert "1 of 2 runs are done, 1 configuration: 90.00 % test accuracy." in html


def test_functions_have_errors_and_fits(tmp_path: Path) -> None:
    axes: dict[str, list[Any]] = {"learning_rate": [0.1, 0.01], "epochs": [2000]}
    runs = made(tmp_path / "runs", axes, [90, 80], kind="function")
    picture = next(iter((Path(__file__).parents[2] / "docs").glob("*.png"))).read_bytes()
    for run in runs:
        (run.folder / "fit.png").write_bytes(picture)
    html, _ = reported(tmp_path, runs)
    assert Page(html).rows[0][1:4] == ["test error", "largest error", "best epoch"]
    assert "Fits" in html
    assert "Confusion" not in html
    assert (tmp_path / "figures/fit-1.png").read_bytes() == picture


def test_without_validation(tmp_path: Path) -> None:
    (run,) = made(tmp_path / "runs", {"epochs": [3]}, [90])
    path = run.folder / "metrics.csv"
    rows = [row.split(",") for row in path.read_text().splitlines()]
    path.write_text("\n".join(",".join([*r[:4], "nan", "nan", r[6]]) for r in rows[1:]))
    path.write_text(f"{','.join(rows[0])}\n{path.read_text()}")
    html, _ = reported(tmp_path, [run])
    assert "Not known: nothing was held out" in html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.npz", "a|b`c$\\frac$[d](e)\n```.npz"])
def test_names_are_no_tags_cells_or_formulas(tmp_path: Path, name: str) -> None:
    runs = made(tmp_path / "runs", {"dataset": [name, "b.npz"], "epochs": [3]}, [90, 80])
    grid = Grid(f"the {name}", f"About {name}.")
    write(tmp_path, grid, runs, {runs[1].name: Failure(None, name)}, 0.6, f"npnet compare '{name}'")
    html, md = ((tmp_path / f"report.{kind}").read_text() for kind in ("html", "md"))
    page = Page(html)  # every tag is closed
    assert "<script" not in html
    assert [len(row) for row in page.rows] == [3, 3, 9, 9, 9, 5, 5, 5]
    (table,) = re.findall(r"## Results\n\n((?:\|.*\n)+)", md)
    cells = [re.sub(r"\\.", "", line).count("|") for line in table.splitlines()]
    assert cells == [10] * 4
    outside = re.sub(r"(`{3,})sh\n.*?\n\1\n", "", md, flags=re.DOTALL)
    assert "<script" not in outside
    assert "[d](e)" not in outside
