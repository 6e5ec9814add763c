"""The pictures of a search: everything that was drawn is in them, in two styles, byte for byte."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from npnet.comparison.ranges import Range
from npnet.comparison.search_figures import importances, parallel_coordinates
from npnet.comparison.study import Record
from npnet.plots.style import STYLES

SVG = "{http://www.w3.org/2000/svg}"
FREE: dict[str, Range | list[Any]] = {
    "learning_rate": Range(1e-4, 0.1, True),
    "batch_size": Range(16, 128, False),
    "optimizer": ["sgd", "adam", "a rule with $a_long$ name of many words"],
    "milestones": [(1, 2), (3,)],
}


def record(number: int, state: str, score: float | None, **values: Any) -> Record:
    known = {
        "learning_rate": 10.0 ** (-4 + number % 4), "batch_size": 16 + number,
        "optimizer": ["sgd", "adam"][number % 2], "milestones": (3,),
    }  # fmt: skip
    return Record(number, state, known | values, score, 2, "host", True, "")


RECORDS = [
    *(record(n, "complete", 98.5 - n) for n in range(6)),
    record(6, "pruned", 40.0),
    record(7, "failed", None),
    Record(8, "running", {}, None, None, "host", True, ""),  # nothing is drawn yet
]


def texts(svg: bytes) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.pictures
@pytest.mark.parametrize("style", STYLES)
def test_parallel_coordinates(style: str) -> None:
    svg = parallel_coordinates(RECORDS, FREE, "validation %", False, style)
    said = texts(svg)
    for text in (*FREE, "validation %", "0.0001", "0.1", "16", "128", "sgd", "1 2", "98.5", "93.5"):
        assert text in said
    assert any("$a_long$" in text for text in said)
    assert {"the best", "complete", "pruned"} <= set(said)
    assert STYLES[style].paper in svg.decode()
    assert svg == parallel_coordinates(RECORDS, FREE, "validation %", False, style)


@pytest.mark.pictures
@pytest.mark.parametrize(
    "records",
    [
        [record(0, "complete", 50.0)],
        [record(0, "complete", 0.0), record(1, "complete", 0.0)],
        [record(0, "complete", 1e-9), record(1, "complete", 0.5)],
        [record(0, "pruned", 50.0)],
        [record(0, "running", None)],
    ],
)
@pytest.mark.parametrize("is_error", [False, True])
def test_few_trials(records: list[Record], is_error: bool) -> None:
    said = texts(parallel_coordinates(records, FREE, "score", is_error))
    assert ("score" in said) == (records[0].state == "complete")


@pytest.mark.pictures
def test_many_settings_have_room() -> None:
    free: dict[str, Range | list[Any]] = {f"setting_{n}": Range(0.0, 1.0, False) for n in range(12)}
    found = Record(0, "complete", dict.fromkeys(free, 0.5), 50.0, 2, "host", True, "")
    root = ET.fromstring(parallel_coordinates([found], free, "validation %", False))
    assert float(root.attrib["width"].removesuffix("pt")) > 12 * 72


@pytest.mark.pictures
@pytest.mark.parametrize("style", STYLES)
def test_importances(style: str) -> None:
    shares = {"learning_rate": 0.71, "batch_size": 0.285, "$p_x$": 0.005}
    svg = importances(shares, style)
    said = texts(svg)
    for text in (*shares, "71 %", "28 %", "0 %"):
        assert text in said
    assert STYLES[style].paper in svg.decode()
    assert svg == importances(shares, style)
