"""Each picture of the documents has the command that made it, in docs/README.md."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
GENERATED = {"reference", "project", "examples", "_static"}


def test_each_picture_has_its_command() -> None:
    rows = re.findall(r"^\| (`.+?`) \| (.+) \|$", (DOCS / "README.md").read_text(), re.MULTILINE)
    named = {name: said for names, said in rows for name in re.findall(r"`([^`]+)`", names)}
    pictures = {
        path.relative_to(DOCS).as_posix()
        for path in DOCS.rglob("*")
        if path.suffix in {".png", ".svg"} and path.relative_to(DOCS).parts[0] not in GENERATED
    }
    # A folder with a script of its own is named as one.
    folders = {name for name in named if name.endswith("/")}
    lacking = {name for name in pictures if name not in named and not name.startswith((*folders,))}
    assert not lacking
    assert all("`" in said for said in named.values())
    gone = {name for name in named if not name.endswith("/")} - pictures
    assert not gone


def test_each_picture_is_shown() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md", DOCS.parent / "benchmarks/README.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    for path in DOCS.glob("*.png"):
        assert f"{path.name})" in text, path.name
