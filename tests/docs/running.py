"""Running the examples of docstrings and pages.

They need no imports of npnet: `npnet`, `nn`, `F`, `optim` and `np` are there, and the generator is
seeded with 0 before each docstring and page.
"""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np

import npnet
from npnet import nn, optim
from npnet.nn import functional as F


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
