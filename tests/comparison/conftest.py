"""Runs that were made up: their folders hold what real ones write."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from npnet.comparison import spec
from npnet.comparison.grid import Grid
from npnet.comparison.runs import Run, place
from tests.runs import small, stripes

__all__ = ["FakeRuns", "fake", "made", "small", "stripes"]

FakeRuns = Callable[..., None]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRuns:
    """Let a program of the tests' own take the place of npnet.train, with options of its own."""
    program = str(Path(__file__).with_name("fake_run.py"))

    def use(**options: Any) -> None:
        path = tmp_path / "fake.json"
        path.write_text(json.dumps({"calls": str(tmp_path / "calls.txt")} | options))
        programs = {name: (program, str(path)) for name in spec.COMMANDS["train"].programs}
        command = spec.Command(spec.COMMANDS["train"].settings, programs)
        monkeypatch.setitem(spec.COMMANDS, "train", command)

    use()
    return use


def made(
    folder: Path, axes: dict[str, list[Any]], accuracies: Sequence[float], **fake_options: Any
) -> list[Run]:
    """The runs of a grid with the results that `fake_run` writes, by test accuracy."""
    from tests.comparison import fake_run

    command = "fit-function" if fake_options.get("kind") == "function" else "train"
    runs, _ = place(Grid(command=command, axes=axes).specs(), folder)
    for run, accuracy in zip(runs, accuracies, strict=True):
        run.prepare()
        fake_run.write(run.folder, run.spec.epochs, accuracy=accuracy, **fake_options)
    return runs
