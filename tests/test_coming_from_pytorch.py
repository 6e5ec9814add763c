"""The page of names that docs/coming_from_pytorch.py writes is what it would write now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import npnet

SCRIPT = Path(npnet.__file__).parent.parent / "docs/coming_from_pytorch.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coming_from_pytorch", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_fresh(script: ModuleType) -> None:
    fresh = script.page()
    assert script.PAGE.read_text(encoding="utf-8") == fresh, (
        "run python docs/coming_from_pytorch.py"
    )


def test_the_list_of_methods_is_fresh(script: ModuleType) -> None:
    assert script.METHODS.read_text(encoding="utf-8") == script.methods(), (
        "run python docs/coming_from_pytorch.py"
    )


def test_what_is_said_to_be_stricter_is_there(script: ModuleType) -> None:
    for title, names in script.STRICTER.items():
        place = script._object(script.SECTIONS[title][1])
        wrong = [name for name in names if not hasattr(place, name)]
        # Networks come one by one; where they are not, they are said to be absent.
        assert not wrong or title == "torchvision.models", (title, wrong)
