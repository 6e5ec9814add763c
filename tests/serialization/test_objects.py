"""Whole objects: pickled, given back on demand alone, told where they are damaged."""

from __future__ import annotations

import argparse
import copy
import io
import multiprocessing
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import npnet
from npnet import nn, optim
from npnet.serialization import CheckpointError


class Net(nn.Module):
    """A network of the user's own, at the top of a module, as a pickle needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(16, 3)
        self.fc2 = self.fc
        self.scale = 2.0

    def forward(self, x: npnet.Tensor) -> npnet.Tensor:
        x = nn.functional.max_pool2d(nn.functional.relu(self.norm(self.conv(x))), 2)
        return self.fc(x.flatten(1)) * self.scale


def through(obj: Any, way: str, tmp_path: Path) -> Any:
    """The object, saved and loaded."""
    if way == "pickle":
        return pickle.loads(pickle.dumps(obj))
    if way == "deepcopy":
        return copy.deepcopy(obj)
    file: Any = io.BytesIO() if way == "file" else tmp_path / "model.pth"
    npnet.save(obj, file)
    if way == "file":
        file.seek(0)
    return npnet.load(file, weights_only=False)


WAYS = pytest.mark.parametrize("way", ["path", "file", "pickle", "deepcopy"])


@WAYS
def test_a_whole_model(way: str, tmp_path: Path) -> None:
    net = Net()
    x = npnet.randn(5, 1, 6, 6)
    net(x).sum().backward()
    net.eval()
    again = through(net, way, tmp_path)
    assert type(again) is Net
    assert not again.training
    assert again.fc is again.fc2
    assert list(again.state_dict()) == list(net.state_dict())
    np.testing.assert_array_equal(again(x).detach().numpy(), net(x).detach().numpy())
    assert isinstance(again.fc.weight, nn.Parameter)
    assert again.fc.weight.requires_grad
    assert again.fc.weight.grad is None
    again(x).sum().backward()


@WAYS
@pytest.mark.parametrize("rule", ["SGD", "Adam", "LBFGS", "Adagrad"])
def test_an_optimizer_with_its_model_goes_on(rule: str, way: str, tmp_path: Path) -> None:
    def step(net: nn.Module, optimizer: Any) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            return loss

        optimizer.step(closure)

    x = npnet.randn(4, 3)
    net = nn.Linear(3, 2)
    optimizer = getattr(optim, rule)(net.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    step(net, optimizer)
    schedule.step()
    net2, optimizer2, schedule2 = through((net, optimizer, schedule), way, tmp_path)
    assert schedule2.optimizer is optimizer2
    assert optimizer2.param_groups[0]["params"][0] is net2.weight
    for n, o, s in ((net, optimizer, schedule), (net2, optimizer2, schedule2)):
        step(n, o)
        s.step()
    np.testing.assert_array_equal(net2.weight.detach().numpy(), net.weight.detach().numpy())
    assert schedule2.get_last_lr() == schedule.get_last_lr()


@WAYS
def test_configurations_and_mixtures(way: str, tmp_path: Path) -> None:
    options = argparse.Namespace(lr=0.1, layers=[1, 2])
    mixture = {
        "args": options,
        "model": nn.Linear(2, 1).state_dict(),
        "seen": {1, 2},
        "array": np.arange(3),
        "criterion": nn.CrossEntropyLoss(),
        "device": npnet.device("cpu"),
    }
    again = through(mixture, way, tmp_path)
    assert again["args"] == options
    assert again["seen"] == {1, 2}
    assert again["array"].tolist() == [0, 1, 2]
    assert list(again["model"]) == ["weight", "bias"]
    assert again["device"] == npnet.device("cpu")
    assert isinstance(again["criterion"], nn.CrossEntropyLoss)


def test_what_a_pickle_keeps_of_tensors() -> None:
    x = npnet.tensor([1.0, 2.0], dtype=npnet.float64, requires_grad=True)
    (x * 2).sum().backward()
    x.register_hook(print)
    y = pickle.loads(pickle.dumps(x))
    assert (y.tolist(), y.dtype, y.requires_grad, y.grad) == ([1.0, 2.0], x.dtype, True, None)
    (y * 3).sum().backward()
    assert y.grad.tolist() == [3.0, 3.0]
    z = pickle.loads(pickle.dumps(x * 2))
    assert z.is_leaf
    part = pickle.loads(pickle.dumps(npnet.arange(6).reshape(2, 3)[:, 1]))
    assert part.tolist() == [1, 4]


class Reduced:
    """Runs code where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def test_nothing_is_executed_unless_asked_for(tmp_path: Path) -> None:
    path, made = tmp_path / "model", tmp_path / "made"
    npnet.save(Reduced(str(made)), path)
    for options in ({}, {"weights_only": True}, {"weights_only": None}):
        with pytest.raises(CheckpointError, match=r"is a pickle.*load\(f, weights_only=False\)"):
            npnet.load(path, **options)
    with pytest.raises(RuntimeError, match="weights_only=False too"):
        npnet.load(path, pickle_module=pickle)
    assert not made.exists()
    npnet.load(path, weights_only=False)
    assert made.exists()


def test_tensors_stay_safetensors_and_load_either_way(tmp_path: Path) -> None:
    path = tmp_path / "model"
    npnet.save({"epoch": 3, "w": npnet.ones(2)}, path)
    assert path.read_bytes()[8:9] == b"{"
    for options in ({}, {"weights_only": False}, {"map_location": lambda storage, loc: storage}):
        assert npnet.load(path, **options)["epoch"] == 3
    assert npnet.load(path, map_location={"cuda:0": "cpu"})["epoch"] == 3
    with pytest.raises(NotImplementedError, match="CPU"):
        npnet.load(path, map_location={"cpu": "cuda:0"})
    npnet.save(npnet.ones(1), path, _use_new_zipfile_serialization=False)
    assert npnet.load(path).tolist() == [1.0]


def test_every_torn_or_altered_pickle_is_told() -> None:
    file = io.BytesIO()
    npnet.save(nn.Linear(2, 1), file)
    data = file.getvalue()
    for length in range(1, len(data), 7):
        torn = data[:length]
        altered = data[:length] + bytes([data[length] ^ 1]) + data[length + 1 :]
        if length >= len(data) - len(b"npnet.crc32=00000000"):
            continue  # without its checksum it is a pickle, and whole
        for broken in (torn, altered):
            with pytest.raises(CheckpointError):
                npnet.load(io.BytesIO(broken), weights_only=False)


def test_what_cannot_be_pickled_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(TypeError, match=r"save: f: function is not saved.*nor can it be pickled"):
        npnet.save({"f": lambda: 1}, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_another_pickler_and_protocol() -> None:
    class Loud:
        """A module with a pickler that notes its use."""

        used: list[str] = []  # noqa: RUF012

        @classmethod
        def dumps(cls, obj: Any, protocol: int | None) -> bytes:
            cls.used.append(f"dumps {protocol}")
            return pickle.dumps(obj, protocol)

        @classmethod
        def loads(cls, data: bytes, **options: Any) -> Any:
            cls.used.append("loads")
            return pickle.loads(data, **options)

    file = io.BytesIO()
    npnet.save({1, 2}, file, pickle_module=Loud, pickle_protocol=2)
    file.seek(0)
    assert npnet.load(file, pickle_module=Loud, weights_only=False, encoding="utf-8") == {1, 2}
    assert Loud.used == ["dumps 2", "loads"]


def doubled(x: npnet.Tensor) -> npnet.Tensor:
    return x * 2


@pytest.mark.slow
def test_tensors_go_to_another_process_and_back() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(doubled, [npnet.arange(3)])[0].tolist() == [0, 2, 4]
