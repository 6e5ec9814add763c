"""What the manual of npnet adds to Sphinx: the reference, links from names, files of the project.

docstrings     docstrings as reStructuredText
names          the public names of npnet, each once
layout         which name stands on which page
signatures     signatures without quotes
pages          the pages of the reference
project        benchmarks, changelog, notebooks: what stands elsewhere in the clone
links          names in backticks, in any page, as links into the reference
listings       the source as pages
mathml         formulas without a script from another host
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npnet_manual import links, listings, mathml, project
from npnet_manual.names import Catalogue
from npnet_manual.pages import reference

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["setup"]


def setup(app: Sphinx) -> dict[str, Any]:
    catalogue = Catalogue()
    pages = {f"reference/{path}": text for path, text in reference(catalogue).items()}
    source = Path(app.srcdir)
    project.write(source, pages | project.pages(source.parent))
    app.connect("source-read", project.relink)
    app.connect("doctree-read", partial(links.link_names, catalogue))
    app.connect("html-collect-pages", partial(listings.pages, catalogue))
    app.add_html_math_renderer(
        "mathml", inline_renderers=(mathml.visit, None), block_renderers=(mathml.visit, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
