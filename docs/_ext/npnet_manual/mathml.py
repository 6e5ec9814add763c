"""Formulas as MathML, which browsers draw by themselves: no script, and none from another host."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError, pick_math_environment
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

__all__ = ["visit"]

# LaTeX's sizes of brackets, which docutils does not know and browsers find by themselves.
_SIZES = re.compile(r"\\[bB]igg?[lr]?(?![A-Za-z])")


def visit(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """Write the formula; as it was typed, with a warning, where docutils knows no such command."""
    is_block = isinstance(node, nodes.math_block)
    code = _SIZES.sub("", node.astext())
    if is_block and "\\begin" not in code and "\\\\" in code:
        environment = pick_math_environment(code)
        code = f"\\begin{{{environment}}}{code}\\end{{{environment}}}"
    try:
        made = tex2mathml(code, as_block=is_block)
    except MathError as error:
        logging.getLogger(__name__).warning("formula %r: %s", code, error, location=node)
        made = f"<code>{html.escape(code)}</code>"
    translator.body.append(f'<div class="formula">{made}</div>' if is_block else made)
    raise nodes.SkipNode
