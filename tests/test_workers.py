"""What every test relies on: no other test's choices, and its process's share of the threads."""

from __future__ import annotations

import pytest
import threadpoolctl
import torch

import npnet
from npnet.backend import winograd_wanted
from npnet.base import threads as _threads
from tests import campaign, workers


def test_a_test_starts_afresh() -> None:
    before = npnet.get_backend(), npnet.get_num_threads(), npnet.rand(3).tolist()
    npnet.set_backend("numpy")
    npnet.set_winograd(False)
    npnet.set_num_threads(3)
    torch.rand(3)
    workers.start_afresh()
    assert (npnet.get_backend(), npnet.get_num_threads(), npnet.rand(3).tolist()) == before
    assert winograd_wanted()
    assert (_threads._pool is None) == (_threads.environment_threads() in (None, 1))


def test_libraries_have_the_share_of_their_process() -> None:
    assert torch.get_num_threads() == workers.threads()
    blas = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    assert {p["num_threads"] for p in blas} == {workers.threads()}


def test_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 6)
    assert workers.count() == 6
    shares = {}
    for count in ("1", "2", "4", "8"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", count)
        shares[count] = workers.threads()
    assert shares == {"1": 6, "2": 3, "4": 1, "8": 1}
    monkeypatch.setattr(workers, "cores", lambda: 64)
    assert workers.count() == workers.MOST


def test_every_worker_knows_the_size_of_campaigns(request: pytest.FixtureRequest) -> None:
    small = request.config.getoption("--campaign") == "small"
    assert campaign.trials(1, 2) == (1 if small else 2)


def test_what_computes_is_repeated_as_on_other_cpus(request: pytest.FixtureRequest) -> None:
    """Any new file of tests is, unless tests/conftest.py names it."""
    assert request.node.get_closest_marker("numerical") is not None
