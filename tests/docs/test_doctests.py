"""Every example in a docstring or on a page of the manual gives what stands below it.

Examples need no imports of npnet: `npnet`, `nn`, `F`, `optim` and `np` are there, and the generator
is seeded with 0 before each docstring and page.
"""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.nn import functional as F

ROOT = Path(__file__).parents[2]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
_BLOCK = re.compile(r"^```\w*\n(>>> .*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def modules() -> list[str]:
    """Those of npnet in which there is an example."""
    found = []
    for path in sorted((ROOT / "npnet").rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def pages() -> list[str]:
    """Those of the manual and the README in which there is one."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = {str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in files}
    return [name for name, text in texts.items() if _BLOCK.search(text)]


def names() -> dict[str, Any]:
    return {"npnet": npnet, "nn": nn, "F": F, "optim": optim, "np": np, "__name__": "example"}


def faults(test: doctest.DocTest) -> str:
    """What an example gave otherwise; "" where all is as it says."""
    npnet.manual_seed(0)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(test, out=said.append)
    return "".join(said)


def examples_of(module: str) -> list[doctest.DocTest]:
    """All of a module, those of its private names too, as doctest finds them."""
    place = importlib.import_module(module)
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(place, module, globs=names()) if test.examples]


def test_docstrings() -> None:
    """All modules in one test: to import them takes longer than to run the examples."""
    wrong = []
    for module in modules():
        wrong += [f"{test.name}\n{said}" for test in examples_of(module) if (said := faults(test))]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a page's files are, and may be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in {path.stem for path in tmp_path.glob("*.py")} - before:
        sys.modules.pop(name, None)


def page_fault(text: str, name: str, folder: Path) -> str:
    """Run the examples of a page one after the other, with the files that it shows."""
    for file, code in _FILE.findall(text):
        (folder / file).write_text(code, encoding="utf-8")
    blocks = "\n\n".join(_BLOCK.findall(text))
    return faults(doctest.DocTestParser().get_doctest(blocks, names(), name, name, 0))


def test_pages(folder: Path) -> None:
    for name in pages():
        said = page_fault((ROOT / name).read_text(encoding="utf-8"), name, folder)
        assert not said, said


def test_a_wrong_example_is_found(folder: Path) -> None:
    right = "```pycon\n>>> npnet.tensor([1, 2]).sum()\ntensor(3)\n```\n"
    assert not page_fault(right, "page", folder)
    assert "tensor(3)" in page_fault(right.replace("(3)", "(4)"), "page", folder)
    file = "```python\n# mine.py\nx = 1\n```\n```pycon\n>>> from mine import x\n>>> x\n1\n```\n"
    assert not page_fault(file, "page", folder)
