"""Pages from elsewhere in the clone keep their links when they are copied into the manual."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("sphinx")

from docutils import nodes
from npnet_manual import mathml
from npnet_manual.project import moved_links, pages, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("docs/results.md", "benchmarks/peak.py", "CHANGELOG.md", "tests/a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# A\n")
    (tmp_path / "benchmarks/README.md").write_text("# B\n[r](../docs/results.md#a)\n")
    (tmp_path / "examples/labs").mkdir(parents=True)
    cell = {"cell_type": "markdown", "source": ["[b](../../benchmarks/README.md)"]}
    (tmp_path / "examples/labs/one.ipynb").write_text(json.dumps({"cells": [cell]}))
    return tmp_path


def test_links_of_a_copied_page(root: Path) -> None:
    made = pages(root)
    assert made["project/benchmarks.md"] == "# B\n[r](../results.md#a)\n"
    (cell,) = json.loads(made["examples/labs/one.ipynb"])["cells"]
    assert cell["source"] == "[b](../../project/benchmarks.md)"
    assert "\nlabs/one\n" in made["examples/index.md"]


def test_links_of_a_page_of_docs(root: Path) -> None:
    def moved(text: str) -> str:
        return moved_links(text, "docs/results.md", "docs/results.md", root)

    assert moved("[b](../benchmarks/README.md#x)") == "[b](project/benchmarks.md#x)"
    assert moved("[n](../examples/labs/one.ipynb)") == "[n](examples/labs/one.ipynb)"
    assert moved("[p](../benchmarks/peak.py)") == "p"
    assert moved("[o](../examples/own.py)") == "[o](examples/own.py)"
    assert moved("see [the tests](../tests) too") == "see the tests too"
    assert moved("[s](https://x.org/a) ![p](a.png)") == "[s](https://x.org/a) ![p](a.png)"
    code = "```sh\n[b](../benchmarks/README.md)\n```\n"
    assert moved(code) == code


def test_what_is_old_is_gone(root: Path) -> None:
    docs = root / "docs"
    write(docs, {"reference/a.rst": "a", "project/b.md": "b"})
    write(docs, {"reference/a.rst": "c"})
    assert (docs / "reference/a.rst").read_text() == "c"
    assert not (docs / "project/b.md").exists()
    assert (docs / "results.md").exists()


def test_formulas_are_drawn_by_the_browser() -> None:
    class Translator:
        body: list[str]

    translator = Translator()
    translator.body = []
    with pytest.raises(nodes.SkipNode):
        mathml.visit(translator, nodes.math("", r"\Big(\frac{1}{x}\Big)"))
    assert translator.body[0].startswith("<math")
    assert "<mfrac>" in translator.body[0].replace("\n", "").replace(" ", "")
