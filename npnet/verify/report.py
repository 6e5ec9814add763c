"""A certificate for people: a table in the terminal, and a page to print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from npnet.verify.claims import Certificate, Claim

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["figure", "html", "mark", "show"]

NARROW = 110  # characters, below which a claim has lines of its own in place of a row


def mark(claim: Claim) -> str:
    """What became of a claim, in a word."""
    return {True: "holds", False: "WRONG", None: "-"}[claim.holds]


def figure(value: float | None) -> str:
    """An error or a bound."""
    if value is None:
        return ""
    if value in (0, 1):
        return f"{value:.0f}"
    return f"{value:.0e}" if math.isfinite(value) else "infinite"


def show(certificate: Certificate, console: Console | None = None) -> None:
    """Print the table, the notes below it, and the verdict."""
    from npnet.base.extras import require

    rich = require("rich.console", "train", "npnet verify")
    console = console or rich.Console(highlight=False, soft_wrap=False)
    console.print(_table(certificate, console.width))
    bounds = {claim.bound: claim for claim in reversed(certificate.claims) if claim.why}
    for claim in sorted(bounds.values(), key=lambda claim: claim.bound or 0):
        _say(console, f"bound {figure(claim.bound)}: {claim.why}", "dim")
    for claim in certificate.claims:
        if claim.note:
            style = {True: "dim", False: "bold red", None: "yellow"}[claim.holds]
            left = "could not be compared: " if claim.holds is None else ""
            where = "" if claim.subject == certificate.subject else f", {claim.subject}"
            _say(console, f"{claim.name}{where}: {left}{claim.note}", style)
    facts = ", ".join(f"{name} {value}" for name, value in certificate.facts.items())
    _say(console, f"{facts}; {certificate.seconds:.1f} s", "dim")
    colour = "bold green" if certificate.holds else "bold red"
    _say(console, certificate.verdict, colour)


def _say(console: Console, text: str, style: str) -> None:
    console.print(text, style=style, markup=False)


def _table(certificate: Certificate, width: int) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "claim", "compared"):
        table.add_column(name, overflow="fold")
    wide = width >= NARROW
    if wide:
        table.add_column("with", overflow="fold")
    for name in ("cases", "worst", "bound"):
        table.add_column(name, justify="right", no_wrap=True)
    for claim in certificate.claims:
        colour = {True: "green", False: "bold red", None: "yellow"}[claim.holds]
        said = claim.compared
        if claim.subject != certificate.subject:
            said = f"{claim.subject}: {said}"
        about = [said, claim.against] if wide else [f"{said}, with {claim.against}"]
        cases = f"{claim.cases:,}" if claim.cases else ""
        table.add_row(
            Text(mark(claim), colour),
            claim.name,
            *map(Text, about),
            cases,
            figure(claim.worst),
            figure(claim.bound),
        )
    return table


def html(certificate: Certificate, command: str) -> str:
    """One page that needs no other file, in light and dark, and on paper.

    Args:
        command: what makes it again.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("npnet.verify"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["mark"] = mark
    template = environment.get_template("certificate.html.j2")
    return template.render(certificate=certificate, command=command)
