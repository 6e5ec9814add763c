"""Ordinary PyTorch programs run as they are, and with `torch` replaced by `npnet`, and agree."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import npnet
from npnet.drop_in import modules

FOLDER = Path(__file__).parent / "drop_in"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))

# Programs train in float32 for up to fifty steps; sums are added in another order there.
RTOL = 2e-4


def run(source: str, name: str, start: Callable[[Any], None], folder: Path) -> Any:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 100)
    images = rng.random((100, 1, 28, 28), dtype=np.float32)
    images[np.arange(100), 0, 2 * labels] += 1  # a row that tells the class: there is much to learn
    program: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), program)
    folder.mkdir()
    return program["main"](images, labels, start, folder)


def assert_agree(ours: Any, theirs: Any, where: str) -> None:
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            assert_agree(ours[key], value, f"{where}[{key!r}]")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for i, value in enumerate(theirs):
            assert_agree(ours[i], value, f"{where}[{i}]")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=RTOL, abs=RTOL), where
    else:
        assert ours == theirs, where


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_with_npnet_for_torch(name: str, tmp_path: Path) -> None:
    source = (FOLDER / f"{name}.py").read_text()
    weights: dict[str, Any] = {}

    def remember(model: Any) -> None:
        weights.update({key: value.numpy().copy() for key, value in model.state_dict().items()})

    def restore(model: Any) -> None:
        model.load_state_dict(weights)

    theirs = run(source, name, remember, tmp_path / "torch")
    replaced = re.sub(r"\btorch\b", "npnet", source)
    assert not re.search(r"\btorch\b", replaced)
    ours = run(replaced, name, restore, tmp_path / "npnet")
    assert_agree(ours, theirs, name)
    assert npnet.is_grad_enabled() == torch.is_grad_enabled() is True


class Loose:
    """A version of another library's, as packaging and distutils have it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def test_versions_compare_with_other_libraries() -> None:
    ours = modules.Version(modules.TORCH)
    assert ours > Loose("1.7")
    assert ours >= Loose("1.13.1")
    assert ours <= Loose(modules.TORCH)
    assert not ours < Loose(modules.TORCH)


PLACES = """
import torch
import torch.nn as nn
import torch.nn.utils.prune as prune
from torch.nn.common_types import _size_2_t
from torch.nn.modules.utils import _pair
from torch.types import Device, Number
from torch.utils.data._utils.collate import default_collate
from torch.utils.hooks import RemovableHandle
from torchvision.transforms.transforms import Compose, ToTensor

assert isinstance(nn.Linear(2, 2).register_forward_hook(print), RemovableHandle)


@torch.jit.script
def mish(x: torch.Tensor) -> torch.Tensor:
    return x * torch.tanh(nn.functional.softplus(x))


class Net(torch.jit.ScriptModule):
    @torch.jit.ignore
    def say(self): return 1

    @torch.jit.ignore(drop=True)
    def said(self): return 2

    @torch.jit.script_method
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return mish(x)


net = torch.jit.script(Net())
torch.testing.assert_close(net(torch.zeros(2)), torch.zeros(2))
assert (net.say(), net.said(), torch.jit.is_scripting()) == (1, 2, False)
assert _pair(3) == (3, 3) and default_collate([1, 2]).tolist() == [1, 2]
"""


def test_modules_that_programs_import_by_their_places(tmp_path: Path) -> None:
    program = tmp_path / "places.py"
    program.write_text(PLACES)
    done = subprocess.run(
        [sys.executable, "-m", "npnet.run", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
