"""Pages that stand elsewhere in the clone, copied into the manual's folder, their links moved."""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["GENERATED", "moved_links", "pages", "relink", "write"]

# A file of the clone: the page of the manual that it is, below docs/.
_PAGES = {
    "README.md": "project/readme.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "project/benchmarks.md",
    "examples/README.md": "examples/index.md",
}
# Folders below docs/ that are written by each build, and are not in the repository.
GENERATED = ("reference", "project", "examples")

_PICTURES = {".png", ".svg", ".jpg"}
_LINK = re.compile(r"(\]\()([^)\s#:<>]+)((?:#[^)\s]*)?\))")


def pages(root: Path) -> dict[str, str]:
    """The text of each page below docs/ that is a file of the clone, notebooks among them."""
    made = {}
    for name, page in _PAGES.items():
        if (root / name).is_file():
            text = (root / name).read_text(encoding="utf-8")
            made[page] = moved_links(text, name, f"docs/{page}", root)
    for path in sorted((root / "examples").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        name = path.relative_to(root).as_posix()
        made[name] = _notebook(path.read_text(encoding="utf-8"), name, root)
    notebooks = [name for name in made if name.endswith(".ipynb")]
    if notebooks:
        made.setdefault("examples/index.md", "# Notebooks\n")
        made["examples/index.md"] += _contents(notebooks)
    return made


def _contents(notebooks: list[str]) -> str:
    names = [name.removeprefix("examples/").removesuffix(".ipynb") for name in notebooks]
    # Those of the course's laboratories, in a folder of their own, are last.
    listed = "\n".join(sorted(names, key=lambda name: ("/" in name, name)))
    return f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def moved_links(text: str, old: str, new: str, root: Path) -> str:
    """Markdown with its relative links made for another place.

    Args:
        old, new: where the text stood and stands, below the root.

    A link to a file that is a page of the manual goes to that page, one to a script of the examples
    downloads it. Of a link to what else is in the clone the text is left.
    """

    def moved(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(old), match[2]))
        target = f"docs/{_PAGES[path]}" if path in _PAGES else path
        if path not in _PAGES and path.startswith("examples/"):
            target = f"docs/{path}"  # where it is copied to
        is_picture = Path(path).suffix in _PICTURES
        if (root / path).is_dir() or not (target.startswith("docs/") or is_picture):
            return f"]({_DEAD}{match[3]}"
        return match[1] + posixpath.relpath(target, posixpath.dirname(new)) + match[3]

    parts = re.split(r"(^```.*?^```\s*?$)", text, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_undead(_LINK.sub(moved, part)) for part in parts[::2]]
    return "".join(parts)


_DEAD = "\0"


def _undead(text: str) -> str:
    """The text of a link to what a manual has no page for, without the link."""
    return re.sub(rf"\[([^\]]*)\]\({_DEAD}[^)]*\)", r"\1", text)


def _notebook(text: str, name: str, root: Path) -> str:
    """A notebook with the links in its text moved, and what it needs to be shown."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            cell["source"] = moved_links(source, name, f"docs/{name}", root)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def write(source: Path, texts: dict[str, str]) -> None:
    """Make the generated folders what the texts say: new files, and none that is old."""
    for folder in GENERATED:
        for path in (source / folder).rglob("*"):
            if path.is_file() and path.relative_to(source).as_posix() not in texts:
                path.unlink()
    for name, text in texts.items():
        path = source / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    _copy_files(source)


def _copy_files(source: Path) -> None:
    """What the pages of the examples show or offer: pictures, scripts."""
    examples = source.parent / "examples"
    for path in examples.rglob("*"):
        if path.suffix in {*_PICTURES, ".py"} and path.is_file():
            target = source / "examples" / path.relative_to(examples)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def relink(app: Sphinx, docname: str, content: list[str]) -> None:
    """Links of docs/*.md that lead out of the folder go to the manual's pages."""
    path = Path(app.env.doc2path(docname))
    name = f"docs/{os.path.relpath(path, app.srcdir)}".replace(os.sep, "/")
    if path.suffix == ".md" and not docname.startswith(GENERATED):
        content[0] = moved_links(content[0], name, name, Path(app.srcdir).parent)
