"""Every program of this folder gives the same losses in PyTorch and, as it is, on npnet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.campaign import trials
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


@pytest.mark.campaign
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_rounding_decides_at_a_kink(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's losses are the same from weights some roundings away.

    Else its own differ from CPU to CPU, and the test above holds by chance: a start with another
    seed mends that.
    """
    monkeypatch.chdir(tmp_path)
    losses = run(name, "torch")
    for nudge in range(1, trials(1, 16) + 1):
        monkeypatch.setenv("PROGRAMS_NUDGE", str(nudge))
        np.testing.assert_allclose(
            run(name, "torch"), losses, rtol=TOLERANCE, atol=TOLERANCE, err_msg=f"nudge {nudge}"
        )
