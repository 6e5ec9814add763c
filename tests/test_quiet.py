"""be_quiet and as_before: what np.errstate(all="ignore") does."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from npnet.base import quiet

WAYS = [(quiet.be_quiet, quiet.as_before), (quiet._enter, quiet._leave)]
QUIET = dict.fromkeys(np.geterr(), "ignore")


@pytest.mark.parametrize(("be_quiet", "as_before"), WAYS)
def test_all_is_ignored_and_then_as_before(
    be_quiet: Callable[[], Any], as_before: Callable[[Any], None]
) -> None:
    with np.errstate(over="raise", divide="print"):
        first = np.geterr()
        outer = be_quiet()
        inner = be_quiet()
        assert np.geterr() == QUIET
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isnan(np.float32(0) / np.float32(0))
        as_before(inner)
        assert np.geterr() == QUIET
        as_before(outer)
        assert np.geterr() == first


def test_other_threads_go_on_as_they_were() -> None:
    found: list[dict[str, str]] = []
    before = quiet.be_quiet()
    try:
        thread = threading.Thread(target=lambda: found.append(np.geterr()))
        thread.start()
        thread.join()
    finally:
        quiet.as_before(before)
    assert found != [QUIET]


def test_it_is_numpys_own_variable() -> None:
    """Where it is not, ops still are quiet, but slower: better known when NumPy changes."""
    assert quiet.be_quiet is not quiet._enter
