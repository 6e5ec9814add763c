"""Docstrings, which are plain text for a terminal, as reStructuredText.

A docstring has paragraphs, indented equations or code, lists, and sections such as `Args:`. What is
indented stays as it is; a name in backticks becomes a link where the manual has that name; the
sections become the fields of a list, with a term for each argument or error.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from itertools import groupby

__all__ = ["first_sentence", "inline", "to_rst"]

# Text in backticks -> the full name of what the manual has under it, or None.
Link = Callable[[str], "str | None"]

_FIELDS = {
    "Args": "Arguments",
    "Arguments": "Arguments",
    "Attributes": "Attributes",
    "Raises": "Raises",
    "Warns": "Warns",
    "Returns": "Returns",
    "Yields": "Yields",
    "Shape": "Shape",
    "State": "State",
    "Source": "Source",
}
_TERMS = {"Arguments", "Attributes", "Raises", "Warns"}  # whose lines are `name: what it is`
_HEADER = re.compile(rf"({'|'.join(_FIELDS)}|Examples?):(?:\s+(.*))?$")
_TERM = re.compile(r"(\*{0,2}[\w.`]+(?:,\s+\*{0,2}[\w.`]+)*):\s+(.*)$")
_BULLET = re.compile(r"(- |\d+\. )(.*)$")
_ENUMERATOR = re.compile(r"\(?([A-Za-z]|[ivxlcdmIVXLCDM]+|\d+|#)[.)](\s|$)")

# What stands in a line: literals, addresses, papers; all else is text.
_PIECE = re.compile(r"``.+?``|`[^`]+`|https?://[^\s)>,;]*[^\s)>,;.]|arXiv:\d{4}\.\d{4,5}")
_CALL = re.compile(r"([A-Za-z_][\w.]*)(\(.*\))?$")


def to_rst(docstring: str, link: Link = lambda text: None) -> list[str]:
    """The lines of reStructuredText of a docstring, as `inspect.getdoc` gives it."""
    blocks = _blocks(docstring.rstrip().split("\n"))
    lines: list[str] = []
    # Sections that follow each other make one list of fields; an example stands between two.
    for of_field, some in groupby(blocks, lambda block: block[0] in _FIELDS.values()):
        for kind, text in some:
            lines += _field(kind, text, link) if of_field else _block(kind, text, link)
        if of_field:
            lines.append("")
    return lines


def inline(text: str, link: Link = lambda text: None) -> str:
    """A line of text: special characters escaped, backticks made links or literals."""
    out, at = "", 0
    for match in _PIECE.finditer(text):
        out += _escaped(text[at : match.start()])
        if out and not re.search(r"[\s'\"(\[{<\-/:]$", out):
            out += "\\ "
        out += _piece(match[0], link)
        at = match.end()
        if at < len(text) and not re.match(r"[\s'\")\]}>\-/\\:.,;!?]", text[at]):
            out += "\\ "
    return out + _escaped(text[at:])


def first_sentence(docstring: str) -> str:
    """What a table says of a name: the first sentence, or line if it ends in no point."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    match = re.match(r"(.+?[.:;])(\s|$)", paragraph)
    return (match[1] if match else paragraph).rstrip(".:;")


# ---- the parts of a docstring ------------------------------------------------------------------


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each part as its kind ("text", "list", "indented", "example", a field) and its lines."""
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        header = _HEADER.match(lines[at])
        if header:
            end = _end(lines, at + 1, section=True)
            rest = [header[2]] if header[2] else []
            kind = _FIELDS.get(header[1], "example")
            yield kind, rest + _dedented(lines[at + 1 : end])
        elif lines[at][0] == " ":
            end = at + 1
            while end < len(lines) and (not lines[end].strip() or lines[end][0] == " "):
                end += 1
            yield "indented", _dedented(lines[at:end])
        elif _BULLET.match(lines[at]):
            end = _end(lines, at + 1, section=True)
            yield "list", lines[at:end]
        else:
            end = _end(lines, at + 1, section=False)
            yield "text", lines[at:end]
        at = end


def _end(lines: list[str], at: int, section: bool) -> int:
    """Where a paragraph ends, or a section or list, in which indented lines may follow a gap."""
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            following = next((rest for rest in lines[at:] if rest.strip()), "")
            if not section or following[:1] != " ":
                return at
        elif _HEADER.match(line) or (line[0] == " " and not section):
            return at
        at += 1
    return at


def _dedented(lines: list[str]) -> list[str]:
    """The lines without the margin of those that are indented, and without gaps around them."""
    margin = min((_margin(line) for line in lines if line.startswith(" ")), default=0)
    cut = [line[margin:] if line.startswith(" ") else line for line in lines]
    while cut and not cut[-1].strip():
        cut.pop()
    return cut


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip()) if line.strip() else 1000


# ---- each as reStructuredText ------------------------------------------------------------------


def _block(kind: str, lines: list[str], link: Link) -> list[str]:
    if kind == "example":
        return [".. rubric:: Example", "", *_mixed(lines, link)]
    if kind == "indented":
        return _literal(lines)
    if kind == "list":
        return _listed(lines, link)
    return [_paragraph(lines, link), ""]


def _field(name: str, lines: list[str], link: Link) -> list[str]:
    body = _termed(lines, link) if name in _TERMS else _mixed(lines, link)
    while body and not body[-1]:
        body.pop()
    return [f":{name}:", *_indented(body)]


def _mixed(lines: list[str], link: Link) -> list[str]:
    """Paragraphs and what is indented, in a section or an example."""
    body: list[str] = []
    if not any(line.startswith(">>>") for line in lines):
        if lines and not any(line.strip() == "" for line in lines):
            return _shapes(lines, link)
        for kind, text in _blocks(lines):
            body += _block(kind if kind in ("indented", "list") else "text", text, link)
        return body
    for is_gap, some in groupby(lines, lambda line: not line.strip()):
        part = list(some)
        if not is_gap:
            code = part[0].startswith(">>>")
            body += _literal(part) if code else [_paragraph(part, link), ""]
    return body


def _shapes(lines: list[str], link: Link) -> list[str]:
    """One paragraph, or a line for each of several `name: shape`."""
    terms = [_TERM.match(line) for line in lines if not line.startswith(" ")]
    if len(terms) > 1 and all(terms):
        return _termed(lines, link)
    return [_paragraph(lines, link), ""]


def _termed(lines: list[str], link: Link) -> list[str]:
    """A list of terms, each with the text that stands behind it and, indented, below."""
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        match = None if line.startswith(" ") else _TERM.match(line)
        if match:
            items.append((match[1], [match[2]]))
        elif items:
            items[-1][1].append(line)
        else:
            items.append(("", [line]))
    body = []
    for names, text in items:
        said = [_paragraph(text, link), ""] if "" not in text else _mixed(_whole(text), link)
        terms = ", ".join(_piece(f"`{name.strip(' `')}`", link) for name in names.split(","))
        body += [terms, *_indented(said)] if names else said
    return body


def _whole(lines: list[str]) -> list[str]:
    """A first line and its continuation at one margin."""
    return [lines[0], *_dedented(lines[1:])]


def _listed(lines: list[str], link: Link) -> list[str]:
    items: list[list[str]] = []
    marks = []
    for line in lines:
        match = _BULLET.match(line)
        if match:
            marks.append("- " if match[1] == "- " else "#. ")
            items.append([match[2]])
        elif line.strip():
            items[-1].append(line)
    made = [mark + _paragraph(item, link) for mark, item in zip(marks, items, strict=True)]
    return [*made, ""]


def _literal(lines: list[str]) -> list[str]:
    plain = "python" if _is_code(lines) else "text"
    language = "pycon" if lines[0].startswith(">>>") else plain
    return [f".. code-block:: {language}", "", *_indented(lines), ""]


def _is_code(lines: list[str]) -> bool:
    try:
        ast.parse("\n".join(lines))
    except SyntaxError:
        return False
    return True


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}" if line.strip() else "" for line in lines]


def _paragraph(lines: list[str], link: Link) -> str:
    text = " ".join(" ".join(lines).split())
    said = inline(text, link)
    if _ENUMERATOR.match(said) or not re.match(r"[\w`\\]", said):
        return "\\" + said  # or it would begin a list, a comment, a field, ...
    return said


def _escaped(text: str) -> str:
    # A line may break within `->`, and does in a narrow window.
    return re.sub(r"([\\*_|`])", r"\\\1", text).replace("->", "→")


def _piece(text: str, link: Link) -> str:
    if text.startswith("http"):
        return text
    if text.startswith("arXiv:"):
        return f"`{text} <https://arxiv.org/abs/{text[6:]}>`__"
    said = text.strip("`").strip()
    if not said:
        return _escaped(text)
    match = _CALL.match(said)
    full = link(match[1]) if match else None
    if full is not None:
        return f":py:obj:`{_escaped(said)} <{full}>`"
    return f"``{said}``"
