"""What programs ask before they choose a device, under each of the paths that they ask by."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
import torch

import npnet

PROGRAMS = {
    "cuda": "import npnet.cuda\nassert not npnet.cuda.is_available()",
    "cuda as": "import npnet.cuda as cuda\nassert cuda.device_count() == 0",
    "from cuda": "from npnet.cuda import is_available\nassert not is_available()",
    "from npnet": "from npnet import accelerator, backends, cuda\n"
    "assert not backends.mps.is_built()",
    "cudnn": "import npnet.backends.cudnn as cudnn\ncudnn.benchmark = True\n"
    "import npnet\nassert npnet.backends.cudnn.benchmark",
    "from backends": "from npnet.backends import cudnn, mps\nassert cudnn.deterministic",
    "mps": "import npnet.backends.mps\nassert not npnet.backends.mps.is_available()",
    "accelerator": "import npnet.accelerator\nassert not npnet.accelerator.is_available()",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_import_it_as_they_do_pytorchs(name: str) -> None:
    """In a process of its own, so that the import is its first."""
    command = [sys.executable, "-c", PROGRAMS[name]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["accelerator", "backends", "backends.cudnn", "cuda"])
def test_one_module_has_both_names(name: str) -> None:
    ours = importlib.import_module(f"npnet.{name}")
    assert ours is importlib.import_module(f"npnet.devices.{name}")


def test_device() -> None:
    device = npnet.device("cpu")
    assert (str(device), repr(device), device.type, device.index) == (
        "cpu",
        "device(type='cpu')",
        "cpu",
        None,
    )
    assert (
        repr(npnet.device("cpu:1")) == repr(npnet.device("cpu", 1)) == repr(torch.device("cpu:1"))
    )
    assert npnet.device(device) == device == npnet.ones(1).device
    assert npnet.device("cpu", 1) != device
    assert len({device, npnet.device("cpu")}) == 1
    with pytest.raises(NotImplementedError, match=r"got 'cuda:0'; use 'cpu', or ask cuda"):
        npnet.device("cuda:0")
    assert not npnet.cuda.is_available()
    assert not npnet.backends.mps.is_available()
    assert not npnet.accelerator.is_available()
