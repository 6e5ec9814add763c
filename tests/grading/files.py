"""The layers that tests grade: where they are, and what each is there for."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WRONG = sorted((HERE / "wrong").glob("*.py"))
RIGHT = sorted((HERE / "right").glob("*.py"))
HOSTILE = sorted((HERE / "hostile").glob("*.py"))


def expected(path: Path) -> tuple[str, str]:
    """The class and the mistake that a wrong file's first line names."""
    found = re.match(r'"""(\w+): ([\w-]+)\."""', path.read_text())
    assert found is not None, path
    return found[1], found[2]


def module(path: Path) -> Any:
    """A file as a module of its own name."""
    name = f"graded_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found
