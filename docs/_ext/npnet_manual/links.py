"""Names in backticks as links into the reference, in all pages but the reference itself."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes

from npnet_manual.names import Catalogue

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["link_names"]

_CALL = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?$", re.DOTALL)
# The table of PyTorch's names: each section is about one module of both.
_TABLE = "coming-from-pytorch"


def link_names(catalogue: Catalogue, app: Sphinx, doctree: nodes.document) -> None:
    """Make each name that npnet has a link to where it is documented."""
    docname = app.env.docname
    if docname.startswith("reference/"):  # whose docstrings know what their names mean
        _unlink_builtins(doctree)
        return
    for literal in list(doctree.findall(nodes.literal)):
        if _is_elsewhere(literal):
            continue
        match = _CALL.match(literal.astext())
        full = _named(match[1], literal, catalogue, docname == _TABLE) if match else None
        if full is not None:
            _point(literal, full, docname)


def _named(name: str, literal: nodes.literal, catalogue: Catalogue, table: bool) -> str | None:
    if table:
        place = _place(literal)
        found = catalogue.resolve(f"{place}.{name}") if place else None
        return found if found and not _is_absent(literal) else None
    # A bare word is seldom a name: `sum` is an argument, `train` a command.
    is_class = name[:1].isupper() and name[1:2] != "" and not name.isupper()
    return catalogue.resolve(name) if "." in name or is_class else None


def _place(node: nodes.Node) -> str | None:
    """npnet's module of the section that a node of the table is in."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.section):
            title = str(node[0].astext())
            root, _, rest = title.partition(".")
            if root in ("torch", "torchvision"):
                return ".".join(["npnet", rest] if rest else ["npnet"])
    return None


def _is_absent(node: nodes.Node) -> bool:
    """Whether the paragraph lists what npnet has not."""
    return bool(node.parent.astext().startswith("Absent:"))


def _is_elsewhere(node: nodes.Node) -> bool:
    """Whether it is a link already, or a heading."""
    parent = node.parent
    while parent is not None and not isinstance(parent, nodes.section):
        if isinstance(parent, (nodes.reference, addnodes.pending_xref, nodes.title)):
            return True
        parent = parent.parent
    return isinstance(node.parent, nodes.title)


def _unlink_builtins(doctree: nodes.document) -> None:
    """In signatures `int` is Python's: npnet.int, a dtype, is another."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        if link.get("reftype") == "class" and hasattr(builtins, link["reftarget"]):
            link.replace_self(nodes.Text(link["reftarget"]))


def _point(literal: nodes.literal, full: str, docname: str) -> None:
    link = addnodes.pending_xref(
        "",
        refdomain="py",
        reftype="obj",
        reftarget=full,
        refexplicit=True,
        refwarn=False,
        refdoc=docname,
    )
    literal.replace_self(link)
    link += literal
