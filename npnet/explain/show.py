"""An explanation for people, in a terminal, and for programs, as a dict."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from npnet.base.arrays import Array
from npnet.explain.catalogue import (
    CLASSROOM,
    GROUPS,
    OPS,
    Code,
    codes_of,
    equation_of,
    helpers_of,
    source_of,
)
from npnet.explain.example import BOUND, Example, computed

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["as_dict", "listed", "show"]

MOST_WIDE = 100  # characters; longer lines are hard to read


def as_dict(op: str) -> dict[str, Any]:
    """Everything about an op, for JSON."""
    explanation = OPS[op]
    example = computed(explanation)
    return {
        "op": op,
        "equation": equation_of(op),
        "backward": {kind.__name__: _about(kind) for kind in example.functions},
        "steps": list(explanation.steps),
        "code": [vars(code) for code in codes_of(op, example.functions)],
        "helpers": [vars(code) for code in helpers_of(example.functions)],
        "example": {
            "call": example.call,
            "inputs": {name: a.tolist() for name, a in example.inputs.items()},
            "output": example.output.tolist(),
            "output_gradient": example.output_gradient.tolist(),
            "gradients": {name: a.tolist() for name, a in example.gradients.items()},
            "finite_differences": {name: a.tolist() for name, a in example.differences.items()},
            "largest_difference": example.largest,
            "agrees": example.agrees,
            "terms": [example.terms(name) for name in example.gradients],
        },
        "source": source_of(op, example.functions),
    }


def _about(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def listed() -> dict[str, list[str]]:
    """Groups of ops, those that a course begins with first."""
    return {"a course begins with": [*CLASSROOM], **{t: [*ops] for t, ops in GROUPS.items()}}


def show(op: str, console: Console, helpers: bool, code: bool) -> Example:
    """Print what there is to say of an op. Returns the example."""
    example = computed(OPS[op])
    width = min(console.width, MOST_WIDE)
    console.rule(f"[bold]{op}", align="left")
    _section(console, "Equation")
    _block(console, equation_of(op), width)
    _section(console, "Derivation")
    console.print("L is the loss, g of something is dL by it; gy arrives from behind.", style="dim")
    for i, step in enumerate(OPS[op].steps, 1):
        lines = textwrap.wrap(step, width - 4, break_on_hyphens=False)
        console.print(f"{i:>2}. {lines[0]}", markup=False, highlight=False)
        for line in lines[1:]:
            console.print(f"    {line}", markup=False, highlight=False)
    _section(console, "In the words of the code")
    for kind in example.functions:
        console.print(f"{kind.__name__}:", style="bold")
        _block(console, _about(kind), width)
    if code:
        _code(console, codes_of(op, example.functions), "Code")
        if helpers:
            _code(console, helpers_of(example.functions), "What it calls")
    _section(console, "Example, computed just now in float64")
    _example(console, example, width)
    _section(console, "Source")
    _block(console, source_of(op, example.functions), width)
    return example


def _section(console: Console, title: str) -> None:
    console.print()
    console.print(title, style="bold")


def _block(console: Console, text: str, width: int) -> None:
    """Paragraphs, in words that wrap; indented ones are equations and stay as they are."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if any(line.startswith(" ") for line in lines[:1]):
            for line in lines:
                console.print(line, markup=False, highlight=False, style="cyan", soft_wrap=True)
            continue
        for line in textwrap.wrap(" ".join(paragraph.split()), width, break_on_hyphens=False):
            console.print(line, markup=False, highlight=False)


def _code(console: Console, codes: Sequence[Code], title: str) -> None:
    from rich.syntax import Syntax

    for code in codes:
        _section(console, f"{title}: {code.file}:{code.line}")
        coloured = Syntax("", "python", theme="ansi_dark").highlight(code.text)
        console.print(coloured, soft_wrap=True)  # as it is in the file, to be copied from there


def _example(console: Console, example: Example, width: int) -> None:
    def say(text: str, style: str = "") -> None:
        console.print(text, markup=False, highlight=False, style=style, soft_wrap=True)

    for name, array in example.inputs.items():
        say(_array(name, array))
    say("")
    say(_array(f"y = {example.call}\n  ", example.output), "bold")
    say(_array("gy", example.output_gradient))
    say("")
    for name, gradient in example.gradients.items():
        say(_array(f"g{name}", gradient), "bold")
        say(f"  by the chain rule, sum of gy * dy/d{name}:", "dim")
        for line in textwrap.wrap(example.terms(name), width - 4, break_on_hyphens=False):
            say(f"    {line}", "cyan")
    says = "agree" if example.agrees else "DISAGREE"
    say("")
    say(
        f"Gradients and finite differences {says}: at most {example.largest:.0e} apart, "
        f"of {BOUND:.0e} that rounding explains.",
        "green" if example.agrees else "bold red",
    )


def _array(name: str, array: Array) -> str:
    """`name = [[...]]`, the rows below one another."""
    text = np.array2string(array, precision=4, suppress_small=True, separator=", ")
    shape = f"  {tuple(array.shape)}" if array.ndim > 1 else ""
    head = name if name.endswith(" ") else f"{name} "
    body = text.replace("\n", "\n" + " " * (len(head.splitlines()[-1]) + 2))
    return f"{head}= {body}{shape}"
