"""What programs ask before they choose a device, under each of the paths that they ask by."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

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
    "flags of cudnn": "from npnet.backends import cudnn\n"
    "with cudnn.flags(True, True):\n    assert cudnn.enabled and cudnn.benchmark\n"
    "assert not cudnn.enabled and not cudnn.is_available() and cudnn.version() is None",
    "flags of mkldnn": "import npnet\nwith npnet.backends.mkldnn.flags(enabled=False): pass",
    "mps": "import npnet.backends.mps\nassert not npnet.backends.mps.is_available()",
    "torch.mps": "import npnet.mps\nassert not npnet.mps.is_available()",
    "torch.xpu": "from npnet import xpu\nassert xpu.device_count() == 0",
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
    gpu = npnet.device("cuda:0")
    assert (gpu.type, gpu.index, repr(gpu)) == ("cuda", 0, repr(torch.device("cuda:0")))
    assert gpu != npnet.device("cpu", 0)
    for use in (
        lambda: npnet.ones(1).to(gpu),
        lambda: npnet.ones(1, device="cuda"),
        lambda: npnet.nn.Linear(1, 1).to("cuda:0"),
        lambda: npnet.tensor(1.0, device=gpu),
        npnet.ones(1).cuda,
    ):
        with pytest.raises(NotImplementedError, match=r"got 'cuda.*use 'cpu', or ask cuda"):
            use()
        with pytest.raises(AssertionError, match="not compiled with CUDA enabled"):
            use()
    for wrong in ("gpu", "cpu:x", 0):
        with pytest.raises(RuntimeError, match="device"):
            npnet.device(wrong)
    with npnet.device("cpu"):
        assert npnet.ones(1).device == device
    assert not npnet.cuda.is_available()
    assert not npnet.backends.mps.is_available()
    assert not npnet.accelerator.is_available()


def test_mixed_precision_is_off() -> None:
    for autocast in (npnet.cuda.amp.autocast, npnet.amp.autocast):
        with pytest.warns(UserWarning, match="Disabling autocast"):
            context = autocast("cuda")
        with context:
            assert npnet.ones(2, 2).matmul(npnet.ones(2, 2)).dtype == npnet.float32
    with pytest.raises(NotImplementedError, match="bfloat16"):
        npnet.amp.autocast("cpu")
    with pytest.warns(UserWarning, match="GradScaler is enabled"):
        scaler = npnet.cuda.amp.GradScaler()
    p = npnet.ones(1, requires_grad=True)
    optimizer = npnet.optim.SGD([p], lr=0.5)
    scaler.scale((p * 2).sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.0]
    assert npnet.amp.GradScaler(enabled=False).state_dict() == {}


@pytest.mark.parametrize("name", ["current_device", "get_device_name", "get_device_properties"])
def test_what_asks_a_gpu_is_an_error_as_in_pytorch(name: str) -> None:
    for lib in (npnet, torch):
        with pytest.raises(AssertionError, match="not compiled with CUDA enabled"):
            getattr(lib.cuda, name)()
    assert npnet.cuda.memory_allocated() == torch.cuda.memory_allocated() == 0


@pytest.mark.parametrize("name", ["FloatTensor", "LongTensor", "ByteTensor", "HalfTensor"])
def test_types_on_a_gpu_can_be_named(name: str) -> None:
    kind = getattr(npnet.cuda, name)
    x = npnet.ones(2)
    assert not isinstance(x, kind)
    for make in (kind, lambda: kind(3), lambda: x.type(kind)):
        with pytest.raises(NotImplementedError, match=f"cuda.{name}: there is no GPU"):
            make()


@pytest.mark.parametrize("lib", [npnet, torch])
def test_autocast_is_a_name_of_the_library_too(lib: Any) -> None:
    assert lib.autocast is lib.amp.autocast
    with lib.autocast("cpu", enabled=False):
        assert lib.ones(1).dtype == lib.float32


@pytest.mark.parametrize("name", ["Event", "Stream"])
def test_what_times_a_gpu_can_be_named(name: str) -> None:
    kind = getattr(npnet.cuda, name)
    assert not isinstance(npnet.ones(2), kind)
    with pytest.raises(AssertionError, match=f"cuda.{name}: there is no GPU"):
        kind(enable_timing=True)


@pytest.mark.parametrize("kind", ["mps", "xpu"])
def test_other_accelerators_are_not_there(kind: str) -> None:
    for lib in (npnet, torch):
        part = getattr(lib, kind)
        assert not part.is_available()
        assert part.device_count() == 0
        part.manual_seed(0)
