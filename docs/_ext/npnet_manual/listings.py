"""The source of npnet as pages, a line of which each entry of the reference links to."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from npnet_manual.names import Catalogue, Entry

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["address", "pages"]


def address(entry: Entry) -> str | None:
    """The page and line of a function or class, from the manual's root; None if it is not ours."""
    if entry.kind == "data" or _path(entry.file) is None:
        return None
    try:
        _, line = inspect.getsourcelines(inspect.unwrap(entry.value))
    except (OSError, TypeError):  # a class that is made by a call
        return None
    return f"code/{entry.file}.html#L-{max(line, 1)}"


def pages(catalogue: Catalogue, app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each file with a public name, as Sphinx wants pages that it does not read."""
    if app.builder.format != "html":
        return
    formatter = HtmlFormatter(lineanchors="L", linenos="inline", wrapcode=True)
    lexer = PythonLexer()
    files = {entry.file for entry in catalogue.entries.values() if address(entry)}
    for module in sorted(files):
        path = _path(module)
        if path is None:
            continue
        title = "/".join(path.parts[path.parts.index("npnet", -len(module.split(".")) - 1) :])
        code = highlight(path.read_text(encoding="utf-8"), lexer, formatter)
        yield f"code/{module}", {"title": title, "body": f"<h1>{title}</h1>\n{code}"}, "page.html"


def _path(module: str) -> Path | None:
    if not module.startswith("npnet"):
        return None
    spec = importlib.util.find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None
