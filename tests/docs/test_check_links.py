"""docs/check_links.py finds what a built manual must not have."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/check_links.py"
GOOD = '<h1 id="top">A</h1><a href="b/c.html#x">to c</a><img src="p.png"><a href="#top">up</a>'


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_links", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/c.html").write_text('<p id="x"><a href="../a.html">back</a></p>')
    (tmp_path / "p.png").write_bytes(b"")
    (tmp_path / "a.html").write_text(GOOD)
    return tmp_path


def test_a_whole_manual_has_no_fault(
    script: ModuleType, manual: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(manual)]) == 0
    assert capsys.readouterr().out == "2 pages, 0 faults\n"


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="d.html">d</a>', "no such file: d.html"),
        ('<a href="b/c.html#y">y</a>', "no such anchor: b/c.html#y"),
        ('<a href="../up.html">up</a>', "leads out of the manual: ../up.html"),
        ('<img src="q.png">', "no such file: q.png"),
        ('<script src="https://cdn.org/x.js"></script>', "loads from another host: https://cdn"),
        ('<link rel="stylesheet" href="//cdn.org/x.css">', "loads from another host: //cdn.org"),
        ("<style>@import 'https://cdn.org/f.css'</style>", "loads from another host: https://cdn"),
        ('<p style="background: url(https://cdn.org/i.png)">', "loads from another host"),
    ],
)
def test_a_fault_is_found(
    script: ModuleType, manual: Path, html: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (manual / "a.html").write_text(GOOD + html)
    assert script.main([str(manual)]) == 1
    assert f"a.html: {said}" in capsys.readouterr().out


def test_styles_are_read_too(script: ModuleType, manual: Path) -> None:
    (manual / "s.css").write_text("@font-face { src: url('f.woff2') }")
    assert script.faults(manual) == ["s.css: no such file: f.woff2"]


def test_links_that_a_reader_follows_may_lead_away(script: ModuleType, manual: Path) -> None:
    (manual / "a.html").write_text(GOOD + '<a href="https://arxiv.org/abs/1512.00567">p</a>')
    assert script.faults(manual) == []
