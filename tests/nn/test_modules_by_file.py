"""Layers, their bases and helpers in files of PyTorch's names, from where programs import them."""

from __future__ import annotations

import importlib
from collections import OrderedDict
from typing import Any

import pytest
import torch

import npnet
from npnet import nn
from npnet.nn.modules import utils
from npnet.optim.swa_utils import update_bn

# In files of their own, where PyTorch's file would be too long: by PyTorch's file, ours.
THEIRS: Any = importlib.import_module("torch.nn.modules.utils")
APART = {
    "activation": "attention",
    "container": "parameter_container",
    "loss": "margin_loss",
}
LAYERS = {
    name: kind.__module__.rpartition(".")[2]
    for name, kind in vars(torch.nn).items()
    if isinstance(kind, type)
    and hasattr(nn, name)
    and kind.__module__.startswith("torch.nn.modules.")
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_where_pytorch_has_it(name: str) -> None:
    file = "lazy" if name.startswith("Lazy") and name != "LazyModule" else LAYERS[name]
    kind = getattr(nn, name)
    own = kind.__module__.rpartition(".")[2]
    assert own in (file, APART.get(file)) or name == "Module"
    assert getattr(importlib.import_module("npnet.nn.modules"), name) is kind


BASES = {
    "batchnorm._BatchNorm": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"),
    "batchnorm._NormBase": ("BatchNorm2d", "InstanceNorm2d"),
    "instancenorm._InstanceNorm": ("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
    "conv._ConvNd": ("Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"),
    "conv._ConvTransposeNd": ("ConvTranspose1d", "ConvTranspose2d"),
    "dropout._DropoutNd": ("Dropout", "Dropout2d", "AlphaDropout"),
    "pooling._MaxPoolNd": ("MaxPool1d", "MaxPool2d"),
    "loss._Loss": ("MSELoss", "CrossEntropyLoss"),
    "loss._WeightedLoss": ("CrossEntropyLoss", "NLLLoss", "BCELoss"),
}


@pytest.mark.parametrize("base", BASES)
def test_bases_tell_layers_apart_as_pytorchs_do(base: str) -> None:
    """Programs ask for them: which layers are frozen, decayed, or drawn anew."""
    file, _, kind = base.partition(".")
    ours, theirs = (
        getattr(importlib.import_module(f"{library}.nn.modules.{file}"), kind)
        for library in ("npnet", "torch")
    )
    for name in LAYERS:
        assert issubclass(getattr(nn, name), ours) == issubclass(getattr(torch.nn, name), theirs), (
            name
        )
    assert all(issubclass(getattr(nn, name), ours) for name in BASES[base])


def test_an_average_leaves_instance_norms_alone() -> None:
    model = nn.Sequential(nn.InstanceNorm1d(2, track_running_stats=True, momentum=0.5))
    update_bn([npnet.randn(3, 2, 5)], model)
    assert model[0].running_mean.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["_single", "_pair", "_triple", "_quadruple"])
@pytest.mark.parametrize("value", [3, (1, 2), [1, 2, 3], range(4), 0.5, "ab"])
def test_tuples(name: str, value: Any) -> None:
    ours, theirs = getattr(utils, name), getattr(THEIRS, name)
    assert ours(value) == theirs(value)
    assert ours.__name__ == theirs.__name__


def test_a_padding_and_a_prefix() -> None:
    theirs: Any = THEIRS
    for t in ((1, 2), (3,)):
        assert utils._reverse_repeat_tuple(t, 2) == theirs._reverse_repeat_tuple(t, 2)
    states: list[Any] = [OrderedDict([("module.a", 1), ("b", 2), ("module.c.d", 3)]) for _ in "12"]
    utils.consume_prefix_in_state_dict_if_present(states[0], "module.")
    theirs.consume_prefix_in_state_dict_if_present(states[1], "module.")
    assert list(states[0].items()) == list(states[1].items())
