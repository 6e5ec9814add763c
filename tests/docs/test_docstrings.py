"""Docstrings become reStructuredText that says the same, and that docutils reads without a word."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

pytest.importorskip("sphinx")

import docutils.core
import docutils.nodes
import docutils.utils
from docutils.parsers.rst import directives, roles
from docutils.parsers.rst.directives.body import CodeBlock
from npnet_manual.docstrings import first_sentence, inline, to_rst
from npnet_manual.names import PLACES, Catalogue
from npnet_manual.pages import members

CONVOLUTION = """Slide a *bank* of filters over `input`.

    y[n] = sum over c of
        w[c] * x[n, c]

where x_ is 0 outside; see `conv1d`, and arXiv:1603.07285.

- a list, with `a
  name` over two lines
- of two

Args:
    stride, dilation: one number,
        or two.
    **rest: what is left.

Shape: (N, C) -> (N, O),
    N may be 0.

Raises:
    ValueError: they do not fit.

Example:
    >>> npnet.ones(2)
    tensor([1., 1.])

Source: LeCun et al. (1998).
"""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture(autouse=True)
def _sphinx_words() -> None:
    """What Sphinx adds to docutils and the converter writes."""
    roles.register_generic_role("py:obj", docutils.nodes.literal)
    directives.register_directive("code-block", CodeBlock)


def parsed(text: str) -> docutils.nodes.document:
    settings = {"report_level": 2, "halt_level": 2, "syntax_highlight": "none"}
    return docutils.core.publish_doctree(text, settings_overrides=settings)


def test_each_part_becomes_what_it_is() -> None:
    names = {"conv1d": "npnet.conv1d"}
    tree = parsed("\n".join(to_rst(CONVOLUTION, names.get)))
    blocks = [node.astext() for node in tree.findall(docutils.nodes.literal_block)]
    assert blocks == [
        "y[n] = sum over c of\n    w[c] * x[n, c]",
        ">>> npnet.ones(2)\ntensor([1., 1.])",
    ]
    fields = [node.astext() for node in tree.findall(docutils.nodes.field_name)]
    assert fields == ["Arguments", "Shape", "Raises", "Source"]
    terms = [node.astext() for node in tree.findall(docutils.nodes.term)]
    assert terms == ["stride, dilation", "**rest", "ValueError"]
    assert "one number, or two." in tree.astext()
    assert "(N, C) → (N, O), N may be 0." in tree.astext()
    assert "Slide a *bank* of filters over input." in tree.astext()
    assert [node["refuri"] for node in tree.findall(docutils.nodes.reference)] == [
        "https://arxiv.org/abs/1603.07285"
    ]
    assert len(list(tree.findall(docutils.nodes.list_item))) == 2


def test_names_of_the_manual_are_links() -> None:
    names = {"relu_": "npnet.relu_", "Net": "npnet.Net"}
    assert inline("see `relu_`", names.get) == r"see :py:obj:`relu\_ <npnet.relu_>`"
    assert inline("`Net(1)` is", names.get) == ":py:obj:`Net(1) <npnet.Net>` is"
    assert inline("`dim`s", names.get) == r"``dim``\ s"
    assert inline("x * y_ | z", names.get) == r"x \* y\_ \| z"


def test_code_is_told_from_equations() -> None:
    assert to_rst("Do:\n\n    net = Net()")[2] == ".. code-block:: python"
    assert to_rst("Is:\n\n    y <- x + sum over c")[2] == ".. code-block:: text"


@pytest.mark.parametrize("start", ["1. x", "a) x", "- x", ">>> x", ".. x", ":x: y", "| x", "+1"])
def test_no_paragraph_begins_as_something_else(start: str) -> None:
    text = f"Before.\n\n({start[0]}) {start}"
    assert isinstance(parsed("\n".join(to_rst(text)))[-1], docutils.nodes.paragraph)


def test_first_sentence() -> None:
    assert first_sentence("The sum; of integers\nin int64. More.\n\nArgs:") == "The sum"
    assert first_sentence("Adam.\n\n    m <- v") == "Adam"


def every_docstring(catalogue: Catalogue) -> Iterator[tuple[str, str, str]]:
    for full, entry in catalogue.entries.items():
        if entry.doc:
            yield entry.place, full, entry.doc
        for name, value in members(entry, catalogue):
            yield entry.place, f"{full}.{name}", inspect.cleandoc(value.__doc__)


@pytest.mark.parametrize("place", PLACES)
def test_every_docstring_is_read_without_a_message(place: str, catalogue: Catalogue) -> None:
    for home, full, doc in every_docstring(catalogue):
        if home == place:
            lines = to_rst(doc, lambda text: catalogue.resolve(text, place))
            try:
                parsed("\n".join(lines))
            except docutils.utils.SystemMessage as error:
                pytest.fail(f"{full}: {error}")


def test_every_public_name_has_a_place(catalogue: Catalogue) -> None:
    assert catalogue.resolve("npnet.absolute") == "npnet.abs"
    assert catalogue.resolve("npnet.Tensor.cumsum") == "npnet.cumsum"
    assert catalogue.resolve("npnet.abs_") == "npnet.abs"
    assert catalogue.resolve("nn.Linear") == "npnet.nn.Linear"
    assert catalogue.resolve("npnet.nothing") is None
    assert len(catalogue.entries) > 900
