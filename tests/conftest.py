"""What all tests share: hypothesis draws the same examples at every run, on any machine."""

from __future__ import annotations

import hypothesis

hypothesis.settings.register_profile(
    "npnet", deadline=None, derandomize=True, max_examples=100, database=None
)
hypothesis.settings.load_profile("npnet")
