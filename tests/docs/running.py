"""Running the examples of docstrings and pages.

They need no imports of npnet: `npnet`, `nn`, `F`, `optim` and `np` are there, and the generator is
seeded with 0 before each docstring and page.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.nn import functional as F

OF_PAGES = {"loop", "mine", "my_layer", "net", "swish"}  # the names of the files that pages show


def parsed(text: str, name: str) -> doctest.DocTest:
    """The examples of a text, ready to run."""
    names: dict[str, Any] = {"npnet": npnet, "nn": nn, "F": F, "optim": optim, "np": np}
    return doctest.DocTestParser().get_doctest(text, names | {"__name__": name}, name, name, 0)


def faults(test: doctest.DocTest) -> str:
    """What an example gave otherwise; "" where all is as it says."""
    npnet.manual_seed(0)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return "".join(said)


@contextlib.contextmanager
def importable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the modules of a page be found in a folder, and not where another test left its own."""
    for name in OF_PAGES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield
    for name in OF_PAGES & sys.modules.keys():
        del sys.modules[name]
