"""What is not installed is told in one line, with the extra that brings it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from npnet.base import extras
from npnet.runs.commands import USAGE_ERROR, run_command
from tests.missing import hide


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "onnx", "rich", "jinja2")


def test_a_module_that_is_there() -> None:
    assert extras.require("matplotlib.figure", "train", "a test").__name__ == "matplotlib.figure"


@pytest.mark.usefixtures("without")
def test_a_module_that_is_not_there() -> None:
    line = "^npnet export --format onnx needs onnx: pip install 'npnet\\[onnx\\]'$"
    with pytest.raises(extras.MissingExtraError, match=line) as caught:
        extras.require("onnx.helper", "onnx", "npnet export --format onnx")
    assert caught.value.name == "onnx"


def test_a_module_that_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "onnx.py").write_text("import there_is_no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnx", raising=False)
    said = "^export needs onnx, which is installed but can't be imported: No module named 'there_is"
    with pytest.raises(extras.MissingExtraError, match=said):
        extras.require("onnx", "onnx", "export")


@pytest.mark.usefixtures("without")
def test_all_that_an_extra_lacks_is_told_at_once() -> None:
    line = "^npnet train needs rich and jinja2: pip install 'npnet\\[train\\]'$"
    with pytest.raises(extras.MissingExtraError, match=line):
        extras.check("train", "npnet train")
    assert extras.lacking("onnx") == ["onnx"]
    extras.check("pictures", "npnet predict")


@pytest.mark.usefixtures("without")
def test_a_command_tells_it_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def asks() -> None:
        extras.require("onnx", "onnx", "npnet export --format onnx")

    def imports() -> None:
        import jinja2  # noqa: F401

    def imports_another() -> None:
        import there_is_no_such_module  # type: ignore[import-not-found]  # noqa: F401

    assert run_command(asks, "npnet export", "stopped") == USAGE_ERROR
    line = "npnet export --format onnx needs onnx: pip install 'npnet[onnx]'"
    assert capsys.readouterr().err == f"npnet export: error: {line}\n"
    assert run_command(imports, "npnet train", "stopped") == USAGE_ERROR
    assert capsys.readouterr().err.endswith("needs jinja2: pip install 'npnet[train]'\n")
    with pytest.raises(ModuleNotFoundError):  # a mistake of npnet's own, or the user's
        run_command(imports_another, "npnet train", "stopped")
