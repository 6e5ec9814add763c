"""The tutorial's files and claims: what a reader who types them in gets."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import npnet
from npnet import cli
from npnet.testing import check_layer
from tests.docs.running import importable

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"
LEAST = 90.0  # percent of the digits after five epochs; 96.0 was measured


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the page's files are, each headed by its name."""
    files = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with importable(tmp_path, monkeypatch):
        for name, text in files:
            (tmp_path / name).write_text(text)
        yield tmp_path


def test_the_loop_learns_the_digits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(folder / "loop.py"))
    (percent,) = re.findall(r"([\d.]+) % of the test images", capsys.readouterr().out)
    assert float(percent) > LEAST


def test_the_pool_has_the_mistake_that_the_page_names(folder: Path) -> None:
    page, file = PAGE.read_text(), folder / "my_layer.py"
    with pytest.raises(AssertionError, match="scatter-assigns") as told:
        check_layer(runpy.run_path(str(file))["MaxPool2d"])
    said = " ".join(str(told.value).split())
    for words in ("is -1.26562 at [0, 1, 1, 2], and must be -2.71875", "add up what each brings"):
        assert words in said
        assert words in " ".join(page.split())


def test_the_mended_pool_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "my_layer.py"
    lines = file.read_text().splitlines()
    at = max(i for i, line in enumerate(lines) if line.startswith("        return grad_x")) - 1
    assert "[:] = " in lines[at]
    lines[at] = lines[at].replace("[:] = ", "[:] += ")
    file.write_text("\n".join(lines) + "\n")
    assert cli.main(["check", str(file)]) == 0
    assert "12 of 12 points, all right" in capsys.readouterr().out
    assert "12 of 12 points, all right" in PAGE.read_text()


def test_swish_is_right_and_learns(folder: Path) -> None:
    names = runpy.run_path(str(folder / "swish.py"))
    x = npnet.randn(4, 5, dtype=npnet.float64, requires_grad=True)
    assert npnet.autograd.gradcheck(names["SwishFunction"].apply, (x,))
    logits = names["Net"]()(npnet.randn(2, 1, 28, 28))
    assert logits.shape == (2, 10)
    logits.sum().backward()
