"""`load` reads what PyTorch saved, in both of its formats, and runs nothing of it."""

from __future__ import annotations

import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import npnet
from npnet.serialization import CheckpointError

FORMATS = pytest.mark.parametrize("new", [True, False], ids=["zip", "old"])


def saved(obj: Any, new: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


def loaded(data: bytes, **options: Any) -> Any:
    return npnet.load(io.BytesIO(data), **options)


def network(lib: Any) -> Any:
    return lib.nn.Sequential(lib.nn.BatchNorm2d(1), lib.nn.Conv2d(1, 2, 3), lib.nn.Tanh())


@FORMATS
@pytest.mark.parametrize("options", [{}, {"weights_only": False}, {"map_location": "cpu"}])
def test_a_network_and_its_optimizer_go_on(new: bool, options: dict[str, Any]) -> None:
    """From a checkpoint that PyTorch wrote: the next step gives the weights that PyTorch's does."""
    models = {lib: network(lib) for lib in (torch, npnet)}
    rules: dict[Any, Any] = {
        lib: lib.optim.Adam(models[lib].parameters(), lr=0.1) for lib in models
    }
    x = np.random.default_rng(0).standard_normal((2, 1, 5, 5), dtype=np.float32)

    def step(lib: Any) -> None:
        rules[lib].zero_grad()
        models[lib](lib.from_numpy(x)).square().sum().backward()
        rules[lib].step()

    step(torch)
    state = {"epoch": 3, "best": 0.5, "net": models[torch].state_dict()}
    checkpoint = loaded(saved({**state, "rule": rules[torch].state_dict()}, new), **options)
    assert (checkpoint["epoch"], checkpoint["best"]) == (3, 0.5)
    assert isinstance(checkpoint["net"], OrderedDict)
    models[npnet].load_state_dict(checkpoint["net"])
    rules[npnet].load_state_dict(checkpoint["rule"])
    for lib in models:
        step(lib)
    for name, value in models[torch].state_dict().items():
        ours = models[npnet].state_dict()[name]
        np.testing.assert_allclose(ours.numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


@FORMATS
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_every_dtype_and_layout(new: bool, dtype: str) -> None:
    x = torch.arange(24).reshape(2, 3, 4).to(getattr(torch, dtype))
    given = [x, x.permute(2, 0, 1), x[1:, ::2, 3], x[:0], x[0, 0, 0], x.expand(2, 2, 3, 4)]
    for ours, theirs in zip(loaded(saved(given, new)), given, strict=True):
        assert ours.dtype == np.dtype(dtype)
        assert_array_equal(ours.numpy(), theirs.numpy())
        ours.add_(ours)  # on memory of its own, which can be written


@FORMATS
def test_what_else_checkpoints_hold(new: bool) -> None:
    half = torch.tensor([1.5, -2.0]).bfloat16()
    given = {
        "half": half,
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "size": torch.Size([1, 2]),
        "place": torch.device("cpu"),
        "dtype": torch.float64,
        "rest": [None, True, "text", {1, 2}, (3, 4.5)],
    }
    ours = loaded(saved(given, new))
    assert ours["half"].tolist() == half.tolist()
    assert ours["half"].dtype == npnet.bfloat16
    assert ours["parameter"].requires_grad
    assert ours["parameter"].tolist() == [1, 1]
    assert ours["size"] == (1, 2)
    assert isinstance(ours["size"], npnet.Size)
    assert str(ours["place"]) == "cpu"
    assert ours["dtype"] == npnet.float64
    assert ours["rest"] == given["rest"]


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made-by-a-pickle",)


@FORMATS
def test_nothing_is_run(new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options in ({}, {"weights_only": False}):
        with pytest.raises(CheckpointError, match=r"holds a posix\.mkdir, whose code is not"):
            loaded(saved({"x": Evil()}, new), **options)
    assert not list(tmp_path.iterdir())


@FORMATS
def test_a_whole_model_is_named(new: bool) -> None:
    with pytest.raises(CheckpointError, match=r"a torch\.nn\.modules\.linear\.Linear.*state_dict"):
        loaded(saved(torch.nn.Linear(1, 1), new))


@FORMATS
def test_damage_is_told(new: bool) -> None:
    data = saved({"w": torch.arange(1000.0)}, new)
    broken = [data[:n] for n in (40, len(data) // 2, len(data) - 1)]
    changed = bytearray(data)
    changed[len(data) // 2] ^= 1  # within the values, which the old format does not check
    for part in [*broken, bytes(changed)] if new else broken:
        with pytest.raises(CheckpointError, match=r"damaged"):
            loaded(part)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (3,), (1,)), (1, (2,), (1,)), (0, (2,), (-1,)), (-1, (1,), (1,))],
)
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_no_tensor_reaches_beyond_its_memory(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    class Lie:
        def __reduce__(self) -> Any:
            storage = torch.ones(2).storage()
            rebuild = torch._utils._rebuild_tensor_v2
            return rebuild, (storage, offset, size, stride, False, OrderedDict())

    data = saved(Lie())
    with pytest.raises(CheckpointError, match="reaches beyond its memory"):
        loaded(data)


def test_of_a_big_machine() -> None:
    file = io.BytesIO(saved(torch.ones(2)))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, b"big" if name.endswith("byteorder") else part)
    with pytest.raises(CheckpointError, match="big-endian"):
        loaded(file.getvalue())
