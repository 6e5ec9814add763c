"""The examples of docs/sklearn.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MANUAL = Path(__file__).parents[2] / "docs" / "sklearn.md"


@pytest.mark.slow
def test_examples_of_the_manual() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", MANUAL.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    names: dict[str, object] = {"__name__": "manual"}
    for block in blocks:
        exec(compile(block, str(MANUAL), "exec"), names)
