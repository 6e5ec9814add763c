"""The pages of the reference, written from the package."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

from npnet_manual import listings
from npnet_manual.docstrings import first_sentence, inline, to_rst
from npnet_manual.layout import GROUPS, Page, page_of, pages
from npnet_manual.names import Catalogue, Entry
from npnet_manual.signatures import signature

__all__ = ["members", "reference"]

# What every layer has, and what is said where Module is.
_OF_EVERY_LAYER = {"forward", "extra_repr", "reset_parameters"}


def reference(catalogue: Catalogue) -> dict[str, str]:
    """The text of each page by its path below the folder of the reference."""
    made = pages(catalogue)
    for page in made:
        for entries in page.sections.values():
            for entry in entries:
                for name, _ in members(entry, catalogue):
                    catalogue.add_member(f"{entry.full}.{name}")
    texts = {f"{page.slug}.rst": "\n".join(_page(page, catalogue)) + "\n" for page in made}
    return {"index.rst": "\n".join(_index(made)) + "\n", **texts}


def members(entry: Entry, catalogue: Catalogue) -> list[tuple[str, Any]]:
    """Public methods and properties of a class that are documented with it."""
    if entry.kind != "class" or not entry.file.startswith("npnet"):
        return []
    found: dict[str, Any] = {}
    for base in _own_bases(entry.value, catalogue):
        for name, value in vars(base).items():
            is_member = inspect.isfunction(value) or isinstance(
                value, (classmethod, staticmethod, property)
            )
            if name.startswith("_") or not is_member or not getattr(value, "__doc__", None):
                continue
            if entry.full == "npnet.Tensor" and name in catalogue.methods:
                continue
            found.setdefault(name, value)
    is_layer = entry.place == "npnet.nn" and entry.name != "Module"
    return sorted((n, v) for n, v in found.items() if not (is_layer and n in _OF_EVERY_LAYER))


def _own_bases(cls: type, catalogue: Catalogue) -> list[type]:
    """The class, and its bases of npnet that no class documented by itself has."""
    shown = [base for base in cls.__mro__[1:] if catalogue.of(base)]
    return [
        base
        for base in cls.__mro__
        if base.__module__.startswith("npnet")
        and not any(issubclass(other, base) for other in shown)
    ]


# ---- pages -------------------------------------------------------------------------------------


def _index(made: list[Page]) -> list[str]:
    lines = [
        *_heading("Reference", "="),
        "Every public name once, from its docstring: what it computes and an example, with shapes,",
        "errors and the paper where these are said, and its code. Names are PyTorch's. Ops stand",
        "by their kind; what has several names stands under one, and the search finds the others.",
        "",
    ]
    by_slug = {page.slug: page for page in made}
    groups = {title: [s for s in slugs if s in by_slug] for title, slugs in GROUPS.items()}
    rest = set(by_slug) - {slug for slugs in groups.values() for slug in slugs}
    groups["More"] = [page.slug for page in made if page.slug in rest]
    for title, slugs in groups.items():
        if slugs:
            lines += _heading(title, "-")
            for slug in slugs:
                lines += _row(by_slug[slug])
            lines += [".. toctree::", "   :hidden:", f"   :caption: {title}", ""]
            lines += [f"   {slug}" for slug in slugs] + [""]
    return lines


def _row(page: Page) -> list[str]:
    entries = sorted(
        (entry for entries in page.sections.values() for entry in entries),
        key=lambda entry: (entry.name.lower(), entry.name),
    )
    shown = ", ".join(f":py:obj:`{_plain(entry.name)} <{entry.full}>`" for entry in entries)
    return [f":doc:`{page.slug}`", f"   {shown}", ""]


def _page(page: Page, catalogue: Catalogue) -> Iterator[str]:
    yield from _heading(page.title, "=")
    whole = "" in page.sections
    if whole and page.slug.startswith("npnet."):
        yield from _module(page.slug, catalogue)
    for file, entries in page.sections.items():
        if len(page.sections) > 1 and not whole:
            yield from _heading(_title(file, page.title), "-")
        if file.startswith("npnet.") and len(page.sections) > 1:
            yield f"In ``{file.replace('.', '/')}.py``."
            yield ""
        constants = [entry for entry in entries if entry.kind == "data"]
        for entry in sorted(entries, key=lambda entry: (entry.name.lower(), entry.name)):
            if entry.kind != "data":
                yield from _entry(entry, catalogue)
        yield from _constants(constants)
    if page.slug == "tensor":
        yield from _methods(catalogue)


def _title(file: str, above: str) -> str:
    """What a module's docstring says first, up to a colon if that is not the page's title."""
    doc = importlib.import_module(file).__doc__ or file
    said = doc.split("\n")[0].rstrip(".,").replace("`", "")
    short = said.partition(": ")[0]
    return inline(said if short == above else short)


def _module(name: str, catalogue: Catalogue) -> list[str]:
    doc = inspect.getdoc(importlib.import_module(name))
    return to_rst(doc, partial(_link, catalogue, frozenset(), (name, "npnet"))) if doc else []


def _heading(text: str, mark: str) -> list[str]:
    return [text, mark * len(text), ""]


def _methods(catalogue: Catalogue) -> Iterator[str]:
    """The ops that a tensor has as methods."""
    yield from _heading("Ops as methods", "-")
    yield "A method that is an op is that op, with the tensor as its first argument; a name that"
    yield "ends in ``_`` writes in place."
    yield ""
    yield ".. list-table::"
    yield "   :widths: 40 60"
    yield ""
    by_entry: dict[str, list[str]] = {}
    for name, entry in catalogue.methods.items():
        by_entry.setdefault(entry.full, []).append(name)
    for full, names in sorted(by_entry.items(), key=lambda item: item[1]):
        said = ", ".join(f":py:obj:`{_plain(name)} <{full}>`" for name in names)
        yield f"   * - {said}"
        yield f"     - {inline(first_sentence(catalogue.entries[full].doc)) or full}"
    yield ""


def _plain(name: str) -> str:
    return name.replace("_", r"\_")


# ---- entries -----------------------------------------------------------------------------------


def _constants(entries: list[Entry]) -> Iterator[str]:
    for entry in entries:
        yield f".. py:data:: {entry.name}"
        yield f"   :module: {entry.place}"
        text = repr(entry.value)
        if len(text) < 60 and "<" not in text and " at 0x" not in text:
            yield f"   :value: {text}"
        yield ""


def _entry(entry: Entry, catalogue: Catalogue) -> Iterator[str]:
    words = signature(entry.value, partial(_class_named, catalogue))
    yield f".. py:{entry.kind}:: {entry.name}{words}"
    yield f"   :module: {entry.place}"
    yield ""
    for text in _beside(entry, catalogue):
        yield f"   {text}"
        yield ""
    names = frozenset(_parameters(entry.value)) | {entry.name}
    doc = entry.doc or f"``{entry.file}.{entry.name}``, as it is."
    link = partial(_link, catalogue, names, (entry.full, entry.place, "npnet.nn", "npnet"))
    yield from (f"   {line}".rstrip() for line in to_rst(doc, link))
    yield ""
    where = listings.address(entry)
    if where:
        root = "../" * (1 + page_of(entry)[0].count("/"))
        yield f"   `Code <{root}{where}>`__"
        yield ""
    for name, value in members(entry, catalogue):
        yield from (f"   {line}".rstrip() for line in _member(entry, name, value, catalogue))


def _beside(entry: Entry, catalogue: Catalogue) -> Iterator[str]:
    """Bases, and other names."""
    if entry.kind == "class":
        bases = [base for cls in entry.value.__bases__ if (base := catalogue.of(cls))]
        if bases:
            said = ", ".join(f":py:obj:`{base.name} <{base.full}>`" for base in bases)
            yield f"Base: {said}."
    if entry.also:
        yield "Also " + ", ".join(f"``{name}``" for name in entry.also) + "."
    in_place = [*entry.in_place]
    if in_place:
        yield "In place: " + ", ".join(f"``{name}``" for name in in_place) + "."


def _member(entry: Entry, name: str, value: Any, catalogue: Catalogue) -> Iterator[str]:
    inner = getattr(value, "__func__", value)
    if isinstance(value, property):
        yield f".. py:property:: {entry.name}.{name}"
    else:
        bound = not isinstance(value, staticmethod)
        words = signature(inner, partial(_class_named, catalogue), is_method=bound)
        yield f".. py:method:: {entry.name}.{name}{words or '()'}"
        kind = {staticmethod: "static", classmethod: "class"}.get(type(value))
        if kind:
            yield f"   :{kind}method:"
    yield f"   :module: {entry.place}"
    yield ""
    names = frozenset(_parameters(inner)) | {name}
    link = partial(_link, catalogue, names, (entry.full, entry.place, "npnet.nn", "npnet"))
    yield from (f"   {line}" for line in to_rst(inspect.cleandoc(value.__doc__), link))
    yield ""


def _parameters(value: Any) -> list[str]:
    try:
        return list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return []


def _class_named(catalogue: Catalogue, name: str) -> str | None:
    full = catalogue.resolve(name, "npnet")
    return full if full and catalogue.entries[full].kind == "class" else None


def _link(
    catalogue: Catalogue, own: frozenset[str], contexts: tuple[str, ...], text: str
) -> str | None:
    return None if text in own else catalogue.resolve(text, *contexts)
