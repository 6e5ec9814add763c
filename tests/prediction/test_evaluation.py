"""Calibration by hand."""

from __future__ import annotations

import numpy as np
import pytest

from npnet.prediction.evaluation import BINS, calibration


def logits_of(confidence: float) -> list[float]:
    """Of two classes, the first with this probability."""
    return [np.log(confidence / (1 - confidence)), 0.0]


def test_calibration_by_hand() -> None:
    # Four images at 0.9, of which three are right, and two at 0.6, of which none is.
    logits = np.array([logits_of(p) for p in (0.9, 0.9, 0.9, 0.9, 0.6, 0.6)])
    found = calibration(logits, np.array([0, 0, 0, 1, 1, 1]), bins=5)
    assert [each.count for each in found.bins] == [0, 0, 2, 0, 4]
    assert found.ece == pytest.approx(4 / 6 * abs(0.75 - 0.9) + 2 / 6 * 0.6)
    assert (found.bins[4].confidence, found.bins[4].accuracy) == pytest.approx((0.9, 0.75))
    assert np.isnan(found.bins[0].accuracy)


def test_calibration_of_the_sure_and_right_is_none() -> None:
    found = calibration(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 1]))
    assert (found.ece, found.bins[BINS - 1].count) == (0, 2)


def test_an_edge_belongs_to_the_bin_below() -> None:
    found = calibration(np.zeros((3, 2)), np.array([0, 0, 1]), bins=4)
    assert [each.count for each in found.bins] == [0, 3, 0, 0]
