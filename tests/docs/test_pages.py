"""Every example on a page of the manual, and in the README, gives what stands below it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.running import faults, importable, parsed

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```\w*\n(>>> .*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def pages() -> list[str]:
    """Those of the manual and the README in which there is one."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    texts = {str(f.relative_to(ROOT)): f.read_text(encoding="utf-8") for f in files}
    return [name for name, text in texts.items() if _BLOCK.search(text)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a page's files are, and may be imported from."""
    with importable(tmp_path, monkeypatch):
        yield tmp_path


def page_fault(text: str, name: str, folder: Path) -> str:
    """Run the examples of a page one after the other, with the files that it shows."""
    for file, code in _FILE.findall(text):
        (folder / file).write_text(code, encoding="utf-8")
    importlib.invalidate_caches()  # they may be younger than the clock of the disk tells
    blocks = "\n\n".join(_BLOCK.findall(text))
    return faults(parsed(blocks, name))


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
