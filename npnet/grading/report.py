"""A grade for people, and in the formats of programs: JUnit's, and Gradescope's results.json."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from npnet.grading.results import FAILED, PASSED, SKIPPED, LayerResult, Submission

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["gradescope", "junit", "show", "words"]

_SHOWN = 2000  # characters of what a student's code printed
_MARKS = {PASSED: "[green]ok[/green]", FAILED: "[red]wrong[/red]", SKIPPED: "[dim]-[/dim]"}


def words(layer: LayerResult) -> str:
    """What is wrong with a layer, as lines of text; "" of one that passed."""
    if layer.passed:
        return ""
    lines = [f"{layer.name} ({layer.kind}) is not right:"]
    for check in layer.checks:
        if check.state == FAILED:
            lines.append(f"  {check.name}: {check.message or check.title}")
    for diagnosis in layer.diagnoses:
        lines.append(f"It looks like a known mistake, {diagnosis.name}: {diagnosis.says}.")
        lines.append(f"  {diagnosis.fix}")
    return "\n".join(lines)


def show(result: Submission, console: Console) -> None:
    """Print a grade."""
    from rich.markup import escape

    if result.title:
        console.print(f"[bold]{escape(result.title)}[/bold]")
    if result.error:
        console.print(f"{escape(result.file)} could not be executed: {escape(result.error)}")
    for layer in result.layers:
        _show_layer(layer, console)
    if result.printed.strip():
        console.print(
            f"\nprinted by the code:\n[dim]{escape(result.printed[:_SHOWN].rstrip())}[/dim]"
        )
    if result.ungraded:
        console.print(f"\nnot graded, as their names say no kind: {', '.join(result.ungraded)}")
    said = "all right" if result.passed else "not all right"
    console.print(f"\n[bold]{result.points:g} of {result.of:g} points[/bold], {said}")


def _show_layer(layer: LayerResult, console: Console) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console.print(f"\n[bold]{escape(layer.name)}[/bold]: {layer.kind}. {escape(layer.found)}")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("check", no_wrap=True)
    table.add_column("")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what was found")
    for check in layer.checks:
        points = f"{check.points:g}/{check.of:g}" if check.of else ""
        said = check.message or check.title
        table.add_row(check.name, _MARKS[check.state], points, escape(said))
    console.print(table)
    for diagnosis in layer.diagnoses:
        known = "It looks like a known mistake" if not layer.passed else "Right, but"
        console.print(
            f"[yellow]{known}[/yellow], [bold]{diagnosis.name}[/bold] "
            f"({', '.join(diagnosis.values)}): {escape(diagnosis.says)}."
            if diagnosis.values
            else f"[yellow]{escape(diagnosis.says)}[/yellow] ({diagnosis.name})."
        )
        console.print(f"  What to do: {escape(diagnosis.fix)}")
    if not layer.passed and not layer.diagnoses:
        console.print("No known mistake gives these values.")


def junit(result: Submission) -> str:
    """JUnit's XML: a suite for each layer, a case for each check."""
    root = ET.Element("testsuites", name=_clean(result.file))
    for layer in result.layers:
        states = [check.state for check in layer.checks]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_clean(layer.name),
            tests=str(len(states)),
            failures=str(states.count(FAILED)),
            skipped=str(states.count(SKIPPED)),
            errors="0",
        )
        for check in layer.checks:
            case = ET.SubElement(suite, "testcase", classname=_clean(layer.name), name=check.name)
            if check.state == FAILED:
                failure = ET.SubElement(
                    case, "failure", message=_clean(check.message or check.title)
                )
                failure.text = _clean(words(layer))
            elif check.state == SKIPPED:
                ET.SubElement(case, "skipped", message=_clean(check.message))
    if result.printed:
        ET.SubElement(root, "system-out").text = _clean(result.printed)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def gradescope(result: Submission) -> str:
    """Gradescope's results.json: a test for each check that has points, and what is wrong."""
    tests: list[dict[str, Any]] = []
    for number, layer in enumerate(result.layers, 1):
        scored = [check for check in layer.checks if check.of]
        for at, check in enumerate(scored, 1):
            tests.append(
                {
                    "name": f"{layer.name}: {check.title}",
                    "number": f"{number}.{at}",
                    "score": check.points,
                    "max_score": check.of,
                    "status": "passed" if check.state == PASSED else "failed",
                    "output": check.message,
                    "visibility": "visible",
                }
            )
    lines = [line for line in (result.error, *map(words, result.layers)) if line]
    found = {
        "score": result.points,
        "output": "\n\n".join(lines) or "Everything is right.",
        "output_format": "text",
        "stdout_visibility": "hidden",
        "execution_time": round(result.seconds),
        "tests": tests,
    }
    return json.dumps(found, indent=1) + "\n"


def _clean(text: str) -> str:
    """What XML can hold of a text."""
    kept = [c if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff") else "?" for c in text]
    return "".join(kept).encode("utf-8", "replace").decode()
