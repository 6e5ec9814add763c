"""Formulas as MathML, which browsers draw by themselves: no script, and none from another host."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import pick_math_environment
from docutils.utils.math.latex2mathml import tex2mathml

__all__ = ["visit"]


def visit(translator: Any, node: nodes.math | nodes.math_block) -> None:
    """Write the formula; docutils says where it knows no such command of LaTeX."""
    is_block = isinstance(node, nodes.math_block)
    code = node.astext()
    if is_block and "\\begin" not in code and "\\\\" in code:
        environment = pick_math_environment(code)
        code = f"\\begin{{{environment}}}{code}\\end{{{environment}}}"
    made = tex2mathml(code, as_block=is_block)
    translator.body.append(f'<div class="math">{made}</div>' if is_block else made)
    raise nodes.SkipNode
