"""What all tests share: the size of campaigns, and hypothesis' same examples on any machine."""

from __future__ import annotations

import hypothesis
import pytest

from tests import campaign

hypothesis.settings.register_profile(
    "npnet", deadline=None, derandomize=True, max_examples=100, database=None
)
hypothesis.settings.load_profile("npnet")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        choices=campaign.SIZES,
        default=campaign.SIZES[0],
        help="how many random cases the tests marked 'campaign' try",
    )


def pytest_configure(config: pytest.Config) -> None:
    campaign.choose(config.getoption("--campaign"))
