"""The user's cache folder is where others look for it too."""

from __future__ import annotations

from pathlib import Path

import pooch
import pytest

from npnet import datasets
from npnet.base.places import user_cache


@pytest.mark.parametrize("value", [None, "", "  ", "/somewhere/else"])
def test_the_folder(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert user_cache() == Path(pooch.os_cache("npnet"))


@pytest.mark.parametrize(
    ("platform", "end"),
    [("darwin", ("Library", "Caches", "npnet")), ("win32", ("AppData", "Local", "npnet", "Cache"))],
)
def test_other_systems(monkeypatch: pytest.MonkeyPatch, platform: str, end: tuple[str]) -> None:
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr("sys.platform", platform)
    assert user_cache() == Path.home().joinpath(*end)


def test_data_sets_are_there_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPNET_DATA")
    assert datasets.default_data_dir() == user_cache()
    monkeypatch.setenv("NPNET_DATA", "/data")
    assert datasets.default_data_dir() == Path("/data")
