"""What runs are given of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from npnet.base.memory import available_memory
from npnet.cli.compare import main, parse
from npnet.comparison.needs import Needs, shown_size, size_of


@pytest.mark.parametrize(
    ("text", "size"),
    [("1500M", 1500 * 2**20), ("2G", 2**31), ("0.5 gib", 2**29), ("3kb", 3072), ("1T", 2**40)],
)
def test_sizes(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize(
    "text", ["", "G", "2", "-1G", "0M", "1e3M", "nanG", "1G 2G", "9" * 30 + "T"]
)
def test_what_is_no_size(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", f"--memory={text}", "--output", str(tmp_path / "out")]) == 2
    assert "memory: must be a size such as 1500M or 2G" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_shown_sizes() -> None:
    assert [shown_size(2**20 * n) for n in (1, 1500, 2048)] == ["1M", "1.5G", "2.0G"]


def test_places() -> None:
    assert Needs(2).places(5, 0) == 2
    assert Needs(1, 2**30).places(4, 3 * 2**30) == 3
    assert Needs(1, 2**30).places(2, 2**29) == 0


def test_no_more_runs_at_once_than_there_is_memory_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = available_memory() // 2**20
    _, options = parse(["--seeds", "9", "--threads", "8", "--memory", f"{there // 2 - 1}M"])
    assert options.jobs_for(9) == 2
    assert main(["--seeds", "2", "--memory", f"{there + 2}M"]) == 2
    assert "lower --memory" in capsys.readouterr().err
