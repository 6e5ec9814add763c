"""Every program of this folder gives the same losses in PyTorch and, as it is, on npnet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.programs.both import PROGRAMS, run
from tests.programs.shared import STEPS

# Thirty steps in float32: sums are added in another order, and each step goes on from the last.
TOLERANCE = 1e-4


def test_there_are_enough_programs() -> None:
    assert len(PROGRAMS) >= 40


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_trains_on_npnet_as_in_pytorch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {}
    for library in ("torch", "npnet"):
        (tmp_path / library).mkdir()
        monkeypatch.chdir(tmp_path / library)
        losses[library] = run(name, library)
    assert len(losses["torch"]) >= STEPS
    assert np.ptp(losses["torch"]) > 0, "a loss that never moves holds nothing"
    np.testing.assert_allclose(
        losses["npnet"], losses["torch"], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name
    )
