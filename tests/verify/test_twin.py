"""A network's own file, executed with PyTorch's names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from npnet.models import MODELS
from npnet.verify.twin import NoTwinError, twin_of

FILE = """
import numpy as np
import npnet, math
import npnet.nn.functional as F
import npnet.nn as layers
from npnet import Tensor, datasets, nn
from npnet.nn.functional import relu
from npnet.nn import Module as M
from parts_of_twin import Block

class Net(M):
    def __init__(self) -> None:
        super().__init__()
        self.block, self.fc = Block(), layers.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(relu(F.tanh(npnet.exp(self.block(x)))))
"""
PARTS = """
from npnet import nn

class Block(nn.Module):
    def forward(self, x):
        return 2 * x
"""


def imported(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(folder))
    for known in (name, "parts_of_twin"):
        sys.modules.pop(known, None)
    return importlib.import_module(name)


def test_a_file_and_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net_of_twin.py").write_text(FILE)
    (tmp_path / "parts_of_twin.py").write_text(PARTS)
    module = imported(tmp_path, "net_of_twin", monkeypatch)
    twin = twin_of(module.Net)  # type: ignore[attr-defined]
    model = twin()
    assert isinstance(model, torch.nn.Module)
    assert type(model.block).__mro__[1] is torch.nn.Module
    assert isinstance(model(torch.ones(1, 3)), torch.Tensor)
    assert not [name for name in sys.modules if name.startswith("_in_pytorch")]


@pytest.mark.parametrize("name", MODELS)
def test_npnets_networks(name: str) -> None:
    model = twin_of(MODELS[name].build)(in_channels=1, num_classes=3)
    assert isinstance(model, torch.nn.Module)


def test_a_file_that_pytorch_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net_of_npnet.py").write_text(
        "import npnet\nx = npnet.get_backend()\nclass Net: ..."
    )
    module = imported(tmp_path, "net_of_npnet", monkeypatch)
    with pytest.raises(NoTwinError, match=r"net_of_npnet.py does not run with PyTorch's names"):
        twin_of(module.Net)  # type: ignore[attr-defined]


def test_what_has_no_file() -> None:
    class Local: ...

    for build in (Local, int):
        with pytest.raises(NoTwinError, match=r"source of .* is not known"):
            twin_of(build)
