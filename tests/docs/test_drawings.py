"""docs/kernels.md: its drawings and tables are fresh, and what it says of the code is so."""

from __future__ import annotations

import importlib.util
import json
import re
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import npnet
from npnet.base import parts
from npnet.compiler import cache, channels
from npnet.kernels import lanes, winograd
from npnet.lanes import choice, convolve
from npnet.lanes import winograd as winograd_plans

ROOT = Path(npnet.__file__).parents[1]
DOCS = ROOT / "docs"
QUOTE = re.compile(r"(?:<!-- from (\S+) -->\n)?```python\n(.*?)```\n", re.DOTALL)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drawings", DOCS / "drawings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "kernels.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.pictures
def test_drawings_and_tables_are_fresh(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.slow
def test_norms_of_a_program(script: ModuleType) -> None:
    for found in script.programs.facts().values():
        phases = found["programs"]["resnet20"]["phases"]
        calls = [name for phase in phases for name, *_ in phase["calls"]]
        assert calls.count("constants_channel") == 19
        assert calls.count("statistics_plane") == calls.count("sums_plane") == 3  # the others: 16


@pytest.mark.pictures
def test_what_is_out_of_date_is_told(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawing, page = tmp_path / "lanes.svg", tmp_path / "kernels.md"
    fresh = script.DRAWINGS["lanes"]()
    drawing.write_text(fresh, encoding="utf-8")
    page.write_text("no tables", encoding="utf-8")
    monkeypatch.setattr(script, "DRAWINGS", {"lanes": script.DRAWINGS["lanes"]})
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    monkeypatch.setattr(script, "PAGE", page)
    assert script.main(["--check"]) == 0

    drawing.write_text(fresh.replace("<path", "<path ", 1), encoding="utf-8")
    assert script.main(["--check"]) == 1
    assert "docs/drawings/lanes.svg is out of date" in capsys.readouterr().out
    version, _ = script.facts_of(fresh)
    older = fresh.replace(f"matplotlib {version}", "matplotlib 2.0").replace("<path", "<path ", 1)
    drawing.write_text(older, encoding="utf-8")
    assert script.main(["--check"]) == 0  # another Matplotlib drew the same facts
    drawing.write_text(older.replace("16", "8"), encoding="utf-8")
    assert script.main(["--check"]) == 1
    drawing.unlink()
    assert script.main(["--check"]) == 1


def test_tables_are_put_in_their_places(script: ModuleType) -> None:
    text = "a\n<!-- table work -->\nold\n<!-- end -->\nb\n"
    filled = script.tables.filled(text)
    assert filled.startswith("a\n<!-- table work -->\n| layer, forward |")
    assert filled.endswith("|\n<!-- end -->\nb\n")
    assert "old" not in filled
    assert "61" in filled.splitlines()[4]  # LeNet-5's second convolution, as the page says


def test_code_is_quoted_as_it_is(page: str) -> None:
    quotes = QUOTE.findall(page)
    assert len(quotes) > 10
    for path, code in quotes:
        assert path, f"nothing says where this is from:\n{code}"
        lines, count = (ROOT / path).read_text(encoding="utf-8").splitlines(), code.count("\n")
        runs = ("\n".join(lines[i : i + count]) for i in range(len(lines) - count + 1))
        assert any(textwrap.dedent(run) == code[:-1] for run in runs), f"not in {path}:\n{code}"


def test_files_and_drawings_are_there(script: ModuleType, page: str) -> None:
    named = set(re.findall(r"`((?:npnet|benchmarks|docs)/[\w/.]+)`", page))
    named |= {f"docs/{link}" for link in re.findall(r"\]\(([^)#:]+)\)", page)}
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing
    drawn = set(re.findall(r"!\[[^]]+\]\(drawings/(\w+)\.svg\)", page))
    assert drawn == set(script.DRAWINGS)
    assert set(re.findall(r"<!-- table (\w+) -->", page)) == set(script.tables.TABLES)


def test_numbers_in_the_text(page: str) -> None:
    text = " ".join(page.split())
    assert f"{choice.LEAST} images or more" in text.replace("three", "3")
    assert choice.SMALL // 10**6 == 4
    assert "4 million products (`SMALL`)" in text
    assert channels.FEW_IMAGES == 4
    assert "up to four images (`FEW_IMAGES`)" in text
    assert f"(`SCRATCH_BYTES`, {winograd_plans.SCRATCH_BYTES // 2**10} KiB)" in text
    assert f"in runs of {winograd.CHANNEL_RUN} (`CHANNEL_RUN`)" in text
    assert f"{convolve.LEAST_CHANNELS} channels on both sides" in text
    assert f"fewer than {convolve.LEAST_TALL} channels" in text
    assert "to 1e-4 of the largest value" in text
    assert cache.ALIKE == 1e-4
    assert f"{parts.MOST_CHUNKS} chunks of 2,400 floats" in text


def test_where_a_number_stands_in_lanes() -> None:
    shape = n, c, h, w = 19, 3, 2, 5
    x = np.arange(n * c * h * w, dtype=np.float32).reshape(shape)
    flat = lanes.to_lanes(x).reshape(-1)
    for i, j, k, m in np.ndindex(shape):
        address = ((((i // 16) * c + j) * h + k) * w + m) * 16 + i % 16
        assert flat[address] == x[i, j, k, m]


def test_figures_of_the_roofline_are_possible(script: ModuleType) -> None:
    found = json.loads(script.roofline.MEASURED.read_text(encoding="utf-8"))
    assert found["command"] == "python docs/drawings.py --measure"
    assert found["machine"]["cpu"]
    rows = {(row[1], row[2]): row[3:] for row in found["rows"]}
    flop, size, _ = rows["conv2 6->16 5x5 on 14x14", "forward"]
    assert flop == 2 * 128 * 16 * 150 * 100
    assert size == 4 * (128 * (6 * 14 * 14 + 16 * 10 * 10) + 16 * 150)
    for (layer, _), (flop, _, seconds) in rows.items():
        # Winograd's algorithm has four times fewer products at best
        most = 4 if "3x3 on" in layer else 1
        assert 0 < 1e-9 * flop / seconds < most * found["peak"], layer
