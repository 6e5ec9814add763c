"""`check_estimator`, whole: with pandas, with SCIPY_ARRAY_API, and without an excused check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas  # noqa: F401  # without it scikit-learn would skip two checks
import pytest

LEAST = {"NeuralNetClassifier": 63, "NeuralNetRegressor": 60}  # checks of scikit-learn 1.9


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_all_checks_pass_and_none_is_skipped(name: str) -> None:
    command = [sys.executable, "-m", "tests.sklearn.check_both", name]
    found = subprocess.run(
        command,
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert [line for line in lines if not line.endswith(" passed")] == []
    assert len(lines) >= LEAST[name]
